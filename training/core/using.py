"""The commands that use a trained network: predict, export-onnx, card, explain."""

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
_SLOWEST, _FASTEST = 0.001, 1000
"""Frames a second."""
_OF_MEDIA = ("out", "annotated", "detector", "per_second")
"""Options that say nothing of faces already cut out."""


def add_using(commands: Commands) -> None:
    _add_predict(commands)
    export = commands.add_parser(
        "export-onnx", help="write the network as an ONNX file, checked against torch"
    )
    export.add_argument("run_folder", metavar="RUN", type=Path)
    export.add_argument("out", metavar="FILE", type=Path, help="the .onnx file to write")
    export.set_defaults(run=_export)
    card = commands.add_parser("card", help="write MODEL_CARD.md into a finished run's folder")
    card.add_argument("run_folder", metavar="RUN", type=Path)
    card.set_defaults(run=_card)
    explain = commands.add_parser(
        "explain",
        help="picture grids: where a run looks (Grad-CAM), what its masks do, which mistakes it makes",
    )
    explain.add_argument("run_folder", metavar="RUN", type=Path)
    explain.add_argument("snapshot", metavar="SNAPSHOT", type=Path, help="the one it was trained on")
    explain.add_argument("out", metavar="FOLDER", type=Path, help="the folder for the PNG files")
    explain.add_argument("--split", choices=["validation", "test"], default="test")
    explain.add_argument(
        "--class", dest="label", default="", help="Grad-CAM for this; default what it answers"
    )
    explain.add_argument("--faces", type=int, default=8, help="faces in a row; default 8")
    add_device(explain)
    explain.set_defaults(run=_explain)


def add_device(parser: argparse.ArgumentParser) -> None:
    """For a command in which a trained network looks at faces."""
    parser.add_argument(
        "--device",
        metavar="NAME",
        default="auto",
        help="auto, cpu, cuda, cuda:N or mps. Default auto: as the run was trained, and where that is not here, a CUDA "
        "card or the CPU, and says so",
    )


def _add_predict(commands: Commands) -> None:
    predict = commands.add_parser(
        "predict",
        help="a trained run's opinion of the faces in pictures and videos",
        description="Finds faces in pictures, folders and videos, and tells what the network of RUN makes of each, as "
        "JSON. Files that cannot be read are named and left out; the exit code is then 1. `predict RUN IMAGES.parquet "
        "OUT.parquet` instead judges faces already cut out (columns key and image).",
    )
    predict.add_argument(
        "run_folder", metavar="RUN", type=Path, help="a run, or the file that `ensemble` wrote"
    )
    predict.add_argument("media", metavar="FILE", type=Path, nargs="+", help="pictures, videos and folders")
    predict.add_argument("--out", type=Path, help="a .json or .csv to write; default JSON on stdout")
    predict.add_argument("--annotated", metavar="FOLDER", type=Path, help="write copies with boxes there")
    predict.add_argument(
        "--detector",
        choices=["haar", "yunet", "none"],
        help="what finds faces; none takes each picture as one face. Default yunet with its model, else haar",
    )
    predict.add_argument(
        "--yunet-model",
        default=os.environ.get("YUNET_MODEL", ""),
        help="its .onnx file; default $YUNET_MODEL",
    )
    predict.add_argument("--per-second", type=float, help="frames of a video; default 5")
    predict.add_argument("--bf16", action="store_true", help="work in bfloat16")
    add_device(predict)
    predict.set_defaults(run=_predict)


def _predict(asked: argparse.Namespace) -> int:
    if asked.media[0].suffix == ".parquet":
        return _predict_parquet(asked)
    return _predict_media(asked)


def _predict_parquet(asked: argparse.Namespace) -> int:
    from training.core.predict import predict
    from training.core.refusals import BadConfig

    given = [f"--{name.replace('_', '-')}" for name in _OF_MEDIA if getattr(asked, name) is not None]
    if given:
        raise BadConfig(
            f"{', '.join(given)}: for pictures and videos. Faces of a Parquet file are judged as they are, into the "
            f"Parquet file named behind it."
        )
    if len(asked.media) != 2:
        raise BadConfig("With a Parquet file of images, name that and the Parquet file to write.")
    images, out = asked.media
    bf16 = True if asked.bf16 else None
    rows = predict(run=asked.run_folder, images=images, out=out, bf16=bf16, device=asked.device)
    print(f"{rows} images judged, {out} written.")
    return 0


def _predict_media(asked: argparse.Namespace) -> int:
    from labeling.vision.video import PER_SECOND
    from training.core.annotating import Album
    from training.core.refusals import BadConfig, BadImages
    from training.core.reports import as_json, refuse_out, rows_of, write_rows
    from training.core.together import judge_named
    from training.core.watching import detector_named, files_of, watch

    per_second = PER_SECOND if asked.per_second is None else asked.per_second
    if not _SLOWEST <= per_second <= _FASTEST:
        raise BadConfig(f"--per-second is a number from {_SLOWEST} to {_FASTEST}.")
    if asked.out is not None:
        refuse_out(asked.out)
    detector = detector_named(asked.detector or ("yunet" if asked.yunet_model else "haar"), asked.yunet_model)
    files = files_of(asked.media)
    if not files:
        raise BadImages(f"There is no file in {', '.join(map(str, asked.media))}, so nothing to judge.")
    judge = judge_named(asked.run_folder, bf16=True if asked.bf16 else None, device=asked.device)
    if judge.unfitted:
        print(f"How sure it says it is was not adjusted. {judge.unfitted}", file=sys.stderr)
    broken: list[Path] = []

    def note(file: Path, what: str) -> None:
        print(f"{file}: {what}", file=sys.stderr, flush=True)

    def tell(file: Path, why: str) -> None:
        broken.append(file)
        note(file, why)

    rows = []
    with Album(asked.annotated) if asked.annotated else contextlib.nullcontext() as album:
        for sight in watch(judge, files, detector, tell, per_second, note=note):
            rows += rows_of(sight)
            if album is not None:
                album.add(sight)
    if asked.out is None:
        print(as_json(rows), end="")
    else:
        write_rows(asked.out, rows, judge.classes)
    said = f"{_number(len(rows), 'face')} in {_number(len(files), 'file')}"
    if broken:
        said += f"; {len(broken)} could not be read, or not to the end"
    print(f"{said}.", file=sys.stderr)
    return 1 if broken else 0


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _export(asked: argparse.Namespace) -> int:
    from training.core.onnx_export import export

    done = export(asked.run_folder, asked.out)
    print(
        f"{asked.out} written, {done.bytes / 1e6:.1f} MB. On {done.faces} faces of noise its probabilities differ from "
        f"torch's by {done.difference:.1e} at most."
    )
    return 0


def _card(asked: argparse.Namespace) -> int:
    from training.core.model_card import write_card

    print(f"{write_card(asked.run_folder)} written.")
    return 0


def _explain(asked: argparse.Namespace) -> int:
    from training.core.explain import explain
    from training.core.refusals import BadConfig

    if asked.faces < 1:
        raise BadConfig("--faces is a number above 0.")
    for file in explain(
        asked.run_folder,
        asked.snapshot,
        asked.out,
        split=asked.split,
        label=asked.label,
        most=asked.faces,
        device=asked.device,
    ):
        print(f"{file} written.")
    return 0
