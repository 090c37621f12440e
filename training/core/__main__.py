"""`python -m training.core`: the training core from a shell. Exit codes: 0 done, 1 failed, 2 refused, 75
stopped, 130 interrupted.
"""

import argparse
import errno
import io
import json
import os
import sys
from pathlib import Path

from training.core.config import FIELDS, PRESETS, Config, read_config, refuse_beside_fast, resolve
from training.core.networks import NETWORKS
from training.core.refusals import BadConfig, Refusal, Stopped, TrainingFailed
from training.core.using import add_device, add_using

# sysexits.h, EX_TEMPFAIL: try again later.
STOPPED = 75
# As shells tell of a process that SIGINT ended.
INTERRUPTED = 130
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(arguments: list[str] | None = None) -> int:
    # Threads that spin while they wait for each other train several times slower on a machine that is busy with
    # something else. Read when torch is loaded, which nothing above has done.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal or log that has not every letter shall not end a training.
            stream.reconfigure(errors="backslashreplace")
    asked = _parser().parse_args(arguments)
    try:
        code: int = asked.run(asked)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has gone, as `head` does. The interpreter, which flushes once more when it ends, shall not mind.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr, flush=True)
        return INTERRUPTED
    except Stopped as stopped:
        print(f"Stopped: {stopped}. The same command goes on from here.", flush=True)
        return STOPPED
    except Refusal as refusal:
        print(f"error: {refusal}", file=sys.stderr, flush=True)
        return 2
    except TrainingFailed as failure:
        print(f"error: {failure}", file=sys.stderr, flush=True)
        return 1
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        advice = ". Make room there, then run it again." if error.errno in _NO_ROOM else ""
        print(f"error: {named}{error.strerror or error}{advice}", file=sys.stderr, flush=True)
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.core", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_train(commands)
    _add_preview(commands)
    _add_find_rate(commands)
    add_using(commands)
    _add_evaluate(commands)
    _add_judge(commands)
    _add_compare(commands)
    _add_ensemble(commands)
    networks = commands.add_parser("networks", help="list the networks with their sizes")
    networks.add_argument("--image-size", type=int, default=224, help="for the multiply-adds; default 224")
    networks.set_defaults(run=_networks)
    config = commands.add_parser("config", help="print a preset's settings as JSON, explained on stderr")
    _add_choice(config)
    config.set_defaults(run=_config)
    return parser


def _add_train(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    train = commands.add_parser(
        "train",
        help="train a network on a snapshot; the same command goes on after a stop",
        description="Train in the folder RUN. Cut short, the same command goes on from the last checkpoint; "
        "finished, it says so. Without options RUN keeps its settings; a new folder gets the defaults.",
    )
    train.add_argument("snapshot", metavar="SNAPSHOT", type=Path, help="the snapshot folder")
    train.add_argument("run_folder", metavar="RUN", type=Path, help="the run folder, made if absent")
    _add_choice(train)
    train.add_argument(
        "--fast",
        action="store_true",
        help="bf16 and channels_last as this machine is quickest with them, saved with the run's settings",
    )
    train.add_argument(
        "--stop-with-parent",
        action="store_true",
        help="stdin is a pipe held by the parent; when it ends, write a checkpoint and exit with 75",
    )
    train.set_defaults(run=_train)


def _add_preview(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    preview = commands.add_parser(
        "preview",
        help="a picture of the first training batch as the network would see it",
        description="Write the faces of the first epoch's first batch, turned, mixed and blanked as `train` with the "
        "same options would, each with what is to be learnt of it, into the PNG file OUT. Nothing else is written.",
    )
    preview.add_argument("snapshot", metavar="SNAPSHOT", type=Path, help="the snapshot folder")
    preview.add_argument("out", metavar="OUT", type=Path, help="the .png file to write, in no run folder")
    preview.add_argument("--faces", type=int, default=64, help="at most; default 64")
    _add_choice(preview)
    preview.set_defaults(run=_preview)


def _add_find_rate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    find = commands.add_parser(
        "find-rate",
        help="a learning-rate range test, as JSON",
        description="Train for some steps whose size rises from one to the next, and tell the smoothed loss of each "
        "and the rate at which it fell steepest. Nothing is written.",
    )
    find.add_argument("snapshot", metavar="SNAPSHOT", type=Path, help="the snapshot folder")
    find.add_argument("--steps", type=int, default=100, help="default 100")
    find.add_argument("--from", dest="low", type=float, default=1e-6, help="the first rate; default 1e-6")
    find.add_argument("--to", dest="high", type=float, default=1.0, help="the last rate; default 1")
    _add_choice(find)
    find.set_defaults(run=_find_rate)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--network",
        metavar="NAME",
        help=f"one that `networks` lists, or torchvision:NAME; default {Config.network}",
    )
    parser.add_argument("--preset", choices=list(PRESETS), help="a set of settings; default paper-code")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings as JSON, or the config.json of a run"
    )
    parser.add_argument(
        "--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps: the setting device, given shortly"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one setting; may be repeated. Settings: " + ", ".join(FIELDS),
    )


def _add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    evaluate = commands.add_parser("evaluate", help="a trained run's figures on a split, as JSON")
    evaluate.add_argument("snapshot", metavar="SNAPSHOT", type=Path)
    evaluate.add_argument("run_folder", metavar="RUN", type=Path)
    evaluate.add_argument("--split", choices=["train", "validation", "test"], default="validation")
    add_device(evaluate)
    evaluate.set_defaults(run=_evaluate)


def _add_judge(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    judge = commands.add_parser(
        "judge",
        help="all figures of a finished run, as JSON",
        description="From the predictions files of RUN: figures on validation and test, of whole splits and by "
        "source, licence, face size, faces per media and faces per track. With --snapshot the network looks at the "
        "images again.",
    )
    judge.add_argument("run_folder", metavar="RUN", type=Path)
    judge.add_argument(
        "--snapshot", type=Path, help="look again, and write the predictions files of RUN anew"
    )
    judge.add_argument(
        "--augmented",
        action="append",
        default=[],
        choices=["flip", "ten-crop", "ten-copies"],
        help="with --snapshot: also by several views of each image, told apart; may be repeated",
    )
    judge.add_argument("--seed", type=int, default=0, help="decides ten-copies; default 0")
    add_device(judge)
    judge.set_defaults(run=_judge)


def _add_compare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    compare = commands.add_parser("compare", help="two finished runs on the same images, as JSON")
    compare.add_argument("first", metavar="RUN", type=Path)
    compare.add_argument("second", metavar="RUN", type=Path)
    compare.add_argument("--split", choices=["validation", "test"], default="test")
    compare.add_argument("--seed", type=int, default=0, help="decides the bootstrap; default 0")
    compare.set_defaults(run=_compare)


def _add_ensemble(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    ensemble = commands.add_parser(
        "ensemble",
        help="finished runs of one snapshot heard as one",
        description="Choose members on validation, judge the average of their probabilities once on test, and "
        "write what is found as JSON. With --all every run is a member.",
    )
    ensemble.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="two run folders or more")
    members = ensemble.add_mutually_exclusive_group()
    members.add_argument("--most", type=int, default=8, help="members at most; default 8")
    members.add_argument("--all", action="store_true", help="hear all runs named, and choose none")
    ensemble.add_argument("--out", type=Path, default=Path("ensemble.json"), help="default ensemble.json")
    ensemble.set_defaults(run=_ensemble)


def _chosen(asked: argparse.Namespace) -> Config:
    """The config that the options describe. Raises BadConfig."""
    overrides: dict[str, object] = {}
    for pair in asked.set:
        name, equals, value = pair.partition("=")
        if not equals:
            raise BadConfig(f"--set takes KEY=VALUE, not {pair}.")
        overrides[name.strip()] = value.strip()
    if asked.device is not None:
        if "device" in overrides:
            raise BadConfig("--device and --set device are one setting. Give one.")
        overrides["device"] = asked.device
    if asked.config is None:
        return resolve(asked.preset or "paper-code", asked.network, overrides)
    if asked.preset is not None:
        raise BadConfig("--config and --preset both give every setting. Give one.")
    return resolve("paper-code", asked.network, overrides, saved=read_config(asked.config))


def _train(asked: argparse.Namespace) -> int:
    from training.core.progress import Display
    from training.core.stopping import Stopper
    from training.core.train import train

    stopper = Stopper()
    if asked.stop_with_parent:
        stopper.watch_parent()
    given = bool(asked.network or asked.preset or asked.config or asked.device or asked.set or asked.fast)
    with stopper.watching_signals():
        train(
            snapshot=asked.snapshot,
            run=asked.run_folder,
            choose=(lambda: _chosen_to_train(asked)) if given else None,
            stopper=stopper,
            display=Display(),
        )
    return 0


def _preview(asked: argparse.Namespace) -> int:
    from training.core.preview import preview

    faces = preview(asked.snapshot, asked.out, _chosen(asked), most=asked.faces)
    print(f"{asked.out} written: {faces} faces.")
    return 0


def _find_rate(asked: argparse.Namespace) -> int:
    from training.core.find_rate import find_rate

    found = find_rate(asked.snapshot, _chosen(asked), steps=asked.steps, low=asked.low, high=asked.high)
    print(json.dumps(found, indent=2))
    return 0


def _chosen_to_train(asked: argparse.Namespace) -> Config:
    if asked.fast:
        from training.core.quick import quickened

        refuse_beside_fast([pair.partition("=")[0].strip() for pair in asked.set])
        return quickened(_chosen(asked), asked.run_folder)
    return _chosen(asked)


def _evaluate(asked: argparse.Namespace) -> int:
    from training.core.predict import evaluate

    found = evaluate(snapshot=asked.snapshot, run=asked.run_folder, split=asked.split, device=asked.device)
    print(json.dumps(found, indent=2))
    return 0


def _judge(asked: argparse.Namespace) -> int:
    from training.core.augmented_judging import judge_again
    from training.core.judgement import judge_files

    _refuse_seed(asked.seed)
    if asked.snapshot is not None:
        found = judge_again(
            snapshot=asked.snapshot,
            run=asked.run_folder,
            ways=asked.augmented,
            seed=asked.seed,
            device=asked.device,
        )
    elif asked.augmented:
        raise BadConfig("--augmented looks at the images again. Name their --snapshot.")
    elif asked.device != "auto":
        raise BadConfig("--device is where the images are looked at again. Name their --snapshot.")
    else:
        found = {"plain": judge_files(asked.run_folder)}
    print(json.dumps(found, indent=2))
    return 0


def _refuse_seed(seed: int) -> None:
    most = FIELDS["seed"].high
    assert most is not None
    if not 0 <= seed <= most:
        raise BadConfig(f"--seed is a whole number from 0 to {most:.0f}.")


def _compare(asked: argparse.Namespace) -> int:
    from training.core.comparing import compare
    from training.core.predictions import read_predictions

    _refuse_seed(asked.seed)
    first, second = (read_predictions(run, asked.split) for run in (asked.first, asked.second))
    print(json.dumps({"split": asked.split, **compare(first, second, seed=asked.seed)}, indent=2))
    return 0


def _ensemble(asked: argparse.Namespace) -> int:
    from training.core.ensembles import ensemble
    from training.core.run_folder import write_json
    from training.core.writable import refuse_unwritable

    refuse_unwritable(asked.out)
    found = ensemble(asked.runs, most=asked.most, choose=not asked.all)
    write_json(asked.out, found)
    print(f"Members: {', '.join(found['members'])}")
    for name, split in found["splits"].items():
        low, high = split["accuracy_interval"]
        print(f"{name}: accuracy {split['accuracy']:.1%} (95 % interval {low:.1%}–{high:.1%})")
    print(f"{asked.out} written.")
    return 0


def _networks(asked: argparse.Namespace) -> int:
    from training.core.networks.measure import measured

    if asked.image_size < 1:
        raise BadConfig("--image-size is a number of pixels above 0.")
    print(f"{'network':<22}{'parameters':>13}{'GMACs':>9}{' at':<6}{'smallest image':>14}   title")
    for network in NETWORKS.values():
        size = measured(network, image_size=asked.image_size)
        print(
            f"{network.name:<22}{size.parameters:>13,}{size.multiply_adds / 1e9:>9.3f}"
            f" {size.image_size:<5}{network.smallest_image:>14}   {network.title}"
        )
    return 0


def _config(asked: argparse.Namespace) -> int:
    for name, value in (values := _chosen(asked).to_json()).items():
        print(f"{name} = {value}: {FIELDS[name].about}", file=sys.stderr)
    print(json.dumps(values, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
