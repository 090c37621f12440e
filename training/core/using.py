"""The commands that use a trained network: predict, export-onnx, card, explain."""

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_using(commands: Commands) -> None:
    _add_predict(commands)


def _add_predict(commands: Commands) -> None:
    predict = commands.add_parser(
        "predict",
        help="a trained run's opinion of the faces in pictures and videos",
        description="Finds faces in pictures, folders and videos, and tells what the network of RUN makes of each, as "
        "JSON. Files that cannot be read are named and left out; the exit code is then 1. `predict RUN IMAGES.parquet "
        "OUT.parquet` instead judges faces already cut out (columns key and image).",
    )
    predict.add_argument("run_folder", metavar="RUN", type=Path)
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
    predict.add_argument("--per-second", type=float, default=5.0, help="frames of a video; default 5")
    predict.add_argument("--bf16", action="store_true", help="work in bfloat16")
    predict.set_defaults(run=_predict)


def _predict(asked: argparse.Namespace) -> int:
    if asked.media[0].suffix == ".parquet":
        return _predict_parquet(asked)
    return _predict_media(asked)


def _predict_parquet(asked: argparse.Namespace) -> int:
    from training.core.predict import predict
    from training.core.refusals import BadConfig

    if len(asked.media) != 2:
        raise BadConfig("With a Parquet file of images, name that and the Parquet file to write.")
    images, out = asked.media
    rows = predict(run=asked.run_folder, images=images, out=out)
    print(f"{rows} images judged, {out} written.")
    return 0


def _predict_media(asked: argparse.Namespace) -> int:
    from training.core.annotating import Album
    from training.core.predictor import Predictor
    from training.core.refusals import BadConfig
    from training.core.reports import as_json, refuse_ending, rows_of, write_rows
    from training.core.watching import detector_named, files_of, watch

    if not asked.per_second > 0:
        raise BadConfig("--per-second is a number above 0.")
    if asked.out is not None:
        refuse_ending(asked.out)
    detector = detector_named(asked.detector or ("yunet" if asked.yunet_model else "haar"), asked.yunet_model)
    files = files_of(asked.media)
    predictor = Predictor(asked.run_folder, bf16=True if asked.bf16 else None)
    broken: list[Path] = []

    def tell(file: Path, why: str) -> None:
        broken.append(file)
        print(f"{file}: {why}", file=sys.stderr, flush=True)

    rows = []
    with Album(asked.annotated) if asked.annotated else contextlib.nullcontext() as album:
        for sight in watch(predictor, files, detector, tell, asked.per_second):
            rows += rows_of(sight)
            if album is not None:
                album.add(sight)
    if asked.out is None:
        print(as_json(rows), end="")
    else:
        write_rows(asked.out, rows, predictor.classes)
    said = f"{len(rows)} faces in {len(files)} files"
    if broken:
        said += f"; {len(broken)} could not be read, or not to the end"
    print(f"{said}.", file=sys.stderr)
    return 1 if broken else 0
