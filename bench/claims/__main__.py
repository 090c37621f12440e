"""What the project claims of accuracy on FER2013, one command a claim.

    python -m bench.claims list
    python -m bench.claims run CLAIM DATA WORK [--out FOLDER] [--minutes 9] [--smoke]
    python -m bench.claims score [FOLDER]

DATA has fer2013/ and ferplus/: 55 MiB, which is what to carry to a machine with a card; snapshot folders are made from
it in WORK (as PNG they hold more). `run` trains what is not trained yet, ends with a checkpoint and status 75 when its
minutes are over, and goes on when called again. Epochs are chosen on PublicTest; PrivateTest is judged once, when a
training is over. `score` works all figures out again from the kept logits, on any CPU, and says where they differ from
the written ones. --smoke runs everything with a few faces for an epoch: it says that the scripts work, nothing else.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bench.claims.plans import CLAIMS, Claim
from bench.claims.running import ended_after, run
from bench.claims.scoring import missing, score
from training.core.progress import Display
from training.core.refusals import Refusal, Stopped, TrainingFailed
from training.core.run_folder import write_json

RESULTS = Path("docs/results/claims")
STOPPED = 75


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("list", help="the claims, their aims and trainings").set_defaults(do=_list)
    running = commands.add_parser("run", help="train what a claim needs, and score it")
    running.add_argument("claim", choices=[*CLAIMS, "all"])
    running.add_argument("data", type=Path)
    running.add_argument("work", type=Path)
    running.add_argument("--out", type=Path, help=f"default {RESULTS}; of a smoke run WORK/results")
    running.add_argument("--minutes", type=float, default=9.0, help="stop after these; default 9")
    running.add_argument("--smoke", action="store_true")
    running.set_defaults(do=_run)
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


def _run(asked: argparse.Namespace) -> int:
    # What smoke runs find must never be taken for results.
    out = asked.out or (asked.work / "results" if asked.smoke else RESULTS)
    work = asked.work / "smoke" if asked.smoke else asked.work
    claims = CLAIMS.values() if asked.claim == "all" else [CLAIMS[asked.claim]]
    try:
        with ended_after(asked.minutes) as stopper:
            for claim in claims:
                run(claim, asked.data, work, out, smoke=asked.smoke, stopper=stopper, display=Display())
                found = score(claim, out)
                write_json(out / f"{claim.name}.json", found)
                _tell(claim, found)
    except Stopped as stopped:
        print(f"Stopped: {stopped}. The same command goes on from here.")
        return STOPPED
    except Refusal as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        return 2
    except TrainingFailed as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
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
