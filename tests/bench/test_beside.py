"""Commands side by side: one that fails, one that is stopped, a parent that dies."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.beside import DIED, REFUSED, STOPPED, Named, side_by_side, weightiest
from tests.worker import wait_until
from training.core.stopping import Stopper

ROOT = Path(__file__).resolve().parents[2]
WAITING = "import sys; sys.stdin.read(); open(sys.argv[1], 'w').close()"
"""A process that writes its file once its standard input ends."""


def test_each_status_is_told_and_one_that_is_killed_stops_no_other() -> None:
    commands = {
        "well": ["-c", "pass"],
        "killed": ["-c", "import os; os.kill(os.getpid(), 9)"],
        "refused": ["-c", "raise SystemExit(2)"],
        "last": ["-c", "pass"],
    }
    statuses = side_by_side(commands, 2, Stopper())
    assert statuses == {"well": 0, "killed": -signal.SIGKILL, "refused": REFUSED, "last": 0}


def test_whoever_asks_ends_all_and_what_they_started(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    program = f"import subprocess; subprocess.run(['sh', '-c', 'echo $$ > {begun}; exec sleep 600'])"
    stopper = Stopper()

    class Asks(Stopper):
        @property
        def asked(self) -> bool:
            return begun.exists() and begun.read_text().endswith("\n")

    statuses = side_by_side({"one": ["-c", program], "never begun": ["-c", "pass"]}, 1, Asks())
    assert statuses == {"one": STOPPED, "never begun": STOPPED}
    grandchild = int(begun.read_text())
    wait_until(lambda: not Path(f"/proc/{grandchild}").exists() or _is_dead(grandchild), seconds=120)
    assert side_by_side({}, 1, stopper) == {}


def _is_dead(number: int) -> bool:
    return "\nState:\tZ" in Path(f"/proc/{number}/status").read_text()


def test_they_see_that_their_parent_was_killed(tmp_path: Path) -> None:
    program = f"""
from bench.beside import side_by_side
from tests.worker import wait_until
from training.core.stopping import Stopper
side_by_side({{"one": ["-c", {WAITING!r}, {str(tmp_path / "ended")!r}]}}, 1, Stopper())
"""
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    wait_until(lambda: bool(children.read_text().strip()), seconds=120)
    parent.kill()
    assert parent.wait() == -signal.SIGKILL
    wait_until(lambda: (tmp_path / "ended").exists(), seconds=120)


def test_threads_are_shared(tmp_path: Path) -> None:
    program = f"import os; open({str(tmp_path / 'said')!r}, 'w').write(os.environ['OMP_NUM_THREADS'])"
    side_by_side({"one": ["-c", program]}, os.cpu_count() or 1, Stopper())
    assert (tmp_path / "said").read_text() == "1"


@pytest.mark.parametrize(
    ("statuses", "of_all"),
    [
        ([0, 0], 0),
        ([0, STOPPED], STOPPED),
        ([STOPPED, REFUSED], REFUSED),
        ([STOPPED, REFUSED, 1], DIED),
        ([STOPPED, -signal.SIGKILL], DIED),
    ],
)
def test_a_failure_weighs_more_than_a_refusal_and_that_more_than_a_stop(
    statuses: list[int], of_all: int
) -> None:
    assert weightiest({str(place): status for place, status in enumerate(statuses)}) == of_all


def test_lines_begin_with_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    display = Named("strong-0")
    display.say("Epoch 1")
    display.show("Epoch 1, step 1")
    assert capsys.readouterr().out == "strong-0: Epoch 1\n"
