"""What the project claims of accuracy on FER2013, one command a claim.

    python -m bench.claims list
    python -m bench.claims run CLAIM DATA WORK [--out FOLDER] [--minutes 9] [--at-once 1] [--smoke]
    python -m bench.claims train TRAINING DATA WORK [--out FOLDER] [--minutes N] [--smoke]
    python -m bench.claims score [FOLDER]

DATA has fer2013/ and ferplus/: 55 MiB, which is what to carry to a machine with a card; snapshot folders are made from
it in WORK (as PNG they hold more). `run` trains what is not trained yet, ends with a checkpoint and status 75 when its
minutes are over, and goes on when called again. --at-once trains so many networks of a claim side by side, each in a
process of its own that `train` is: small images leave a large card idle most of the time. Epochs are chosen on
PublicTest; PrivateTest is judged once, when a training is over. `score` works all figures out again from the kept
logits, on any CPU, and says where they differ from the written ones. --smoke runs everything with a few faces for an
epoch: it says that the scripts work, nothing else.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.beside import DIED, REFUSED, STOPPED, Named
from bench.claims.plans import CLAIMS, TRAININGS, Claim
from bench.claims.running import ended_after, run, run_one
from bench.claims.scoring import missing, score
from training.core.progress import Display
from training.core.refusals import Refusal, Stopped, TrainingFailed
from training.core.run_folder import write_json
from training.core.stopping import Stopper

RESULTS = Path("docs/results/claims")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("list", help="the claims, their aims and trainings").set_defaults(do=_list)
    running = commands.add_parser("run", help="train what a claim needs, and score it")
    running.add_argument("claim", choices=[*CLAIMS, "all"])
    _add_places(running)
    running.add_argument("--minutes", type=float, default=9.0, help="stop after these; default 9")
    running.add_argument(
        "--at-once", type=int, default=1, metavar="N", help="trainings side by side; default 1"
    )
    running.set_defaults(do=_run)
    training = commands.add_parser("train", help="one training of a claim, as --at-once starts it")
    training.add_argument("training", choices=[*TRAININGS], metavar="TRAINING")
    _add_places(training)
    training.add_argument("--minutes", type=float, help="stop after these; default never")
    training.add_argument("--stop-with-parent", action="store_true", help="stop when standard input ends")
    training.set_defaults(do=_train)
    scoring = commands.add_parser("score", help="work the figures out again")
    scoring.add_argument("folder", type=Path, nargs="?", default=RESULTS)
    scoring.set_defaults(do=_score)
    asked = parser.parse_args(arguments)
    code: int = asked.do(asked)
    return code


def _list(asked: argparse.Namespace) -> int:
    for claim in CLAIMS.values():
        aims = ", ".join(f"{name} {aim}" for name, aim in claim.aims.items()) or "no number: a comparison"
        print(f"{claim.name:<12}{claim.about}. Aim: {aims}; {len(claim.trainings)} trainings.")
    return 0


def _add_places(command: argparse.ArgumentParser) -> None:
    command.add_argument("data", type=Path)
    command.add_argument("work", type=Path)
    command.add_argument("--out", type=Path, help=f"default {RESULTS}; of a smoke run WORK/results")
    command.add_argument("--smoke", action="store_true")


def _run(asked: argparse.Namespace) -> int:
    # What smoke runs find must never be taken for results.
    out = asked.out or (asked.work / "results" if asked.smoke else RESULTS)
    work = asked.work / "smoke" if asked.smoke else asked.work
    claims = CLAIMS.values() if asked.claim == "all" else [CLAIMS[asked.claim]]

    def work_through(stopper: Stopper) -> None:
        for claim in claims:
            run(
                claim,
                asked.data,
                work,
                out,
                smoke=asked.smoke,
                stopper=stopper,
                display=Display(),
                at_once=asked.at_once,
            )
            found = score(claim, out)
            write_json(out / f"{claim.name}.json", found)
            _tell(claim, found)

    return _status(asked, work_through)


def _train(asked: argparse.Namespace) -> int:
    out = asked.out or (asked.work / "results" if asked.smoke else RESULTS)
    training = TRAININGS[asked.training]

    def work_through(stopper: Stopper) -> None:
        if asked.stop_with_parent:
            stopper.watch_parent()
        display = Named(training.name)
        run_one(training, asked.data, asked.work, out, smoke=asked.smoke, stopper=stopper, display=display)

    return _status(asked, work_through)


def _status(asked: argparse.Namespace, work_through: Callable[[Stopper], None]) -> int:
    """Of the process, having told why it was not 0."""
    try:
        with ended_after(asked.minutes) as stopper:
            work_through(stopper)
    except Stopped as stopped:
        print(f"Stopped: {stopped}. The same command goes on from here.", flush=True)
        return STOPPED
    except Refusal as refusal:
        print(f"error: {refusal}", file=sys.stderr, flush=True)
        return REFUSED
    except TrainingFailed as failure:
        print(f"error: {failure}", file=sys.stderr, flush=True)
        return DIED
    return 0


def _score(asked: argparse.Namespace) -> int:
    differing = 0
    for claim in CLAIMS.values():
        if absent := missing(claim, asked.folder):
            print(f"{claim.name}: not run; {len(absent)} of {len(claim.trainings)} trainings are missing.")
            continue
        # As JSON has it, so that tuples and lists are alike.
        found = json.loads(json.dumps(score(claim, asked.folder)))
        _tell(claim, found)
        written = asked.folder / f"{claim.name}.json"
        if not written.exists() or json.loads(written.read_text()) != found:
            differing += 1
            print(f"{claim.name}: {written} says something else.")
    return 1 if differing else 0


def _tell(claim: Claim, found: dict[str, Any]) -> None:
    print(f"{claim.name}: {claim.about} ({claim.view})")
    for name, figures in found["runs"].items():
        low, high = figures["interval"]
        print(
            f"  {name:<32}{figures['accuracy']:.2%} ({low:.2%}–{high:.2%}), macro F1 {figures['macro_f1']:.3f}"
        )
    for name, held in found["holds"].items():
        print(
            f"  {name} {found['reached'][name]:.4f}, aim {claim.aims[name]}: {'reached' if held else 'missed'}"
        )
    if "difference" in found:
        low, high = found["interval"]
        print(f"  difference {found['difference']:+.2%} ({low:+.2%} to {high:+.2%})")


if __name__ == "__main__":
    sys.exit(main())
