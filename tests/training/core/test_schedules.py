"""The step size over time, and what a log says of time."""

import io

import pytest

from training.core.config import Config, resolve
from training.core.progress import Display, spoken
from training.core.schedules import Plateau, learning_rate


def rates(config: Config, accuracies: list[float]) -> list[float]:
    plateau, found = Plateau(), []
    for accuracy in accuracies:
        found.append(learning_rate(config, plateau, 0, 1))
        plateau.note(accuracy, config)
    return found


def test_the_authors_step_falls_at_the_third_epoch_without_a_better_accuracy() -> None:
    config = resolve("paper-code")
    assert rates(config, [0.3, 0.3, 0.2, 0.3, 0.4, 0.4]) == pytest.approx([1e-4] * 4 + [1e-5] * 2)


def test_the_papers_step_falls_at_the_second() -> None:
    config = resolve("paper-text")
    assert rates(config, [0.3, 0.3, 0.3, 0.3, 0.3, 0.3]) == pytest.approx([1e-4] * 3 + [1e-5] * 2 + [1e-6])


def test_the_step_never_falls_below_the_lowest() -> None:
    assert min(rates(resolve("paper-code"), [0.5] * 60)) == 1e-6


def test_a_training_is_exhausted_after_more_than_eight_idle_epochs() -> None:
    config, plateau = resolve("paper-code"), Plateau()
    told = []
    for _ in range(10):
        plateau.note(0.5, config)
        told.append(plateau.exhausted(config))
    assert told == [False] * 9 + [True]


def test_one_cycle_rises_and_falls_once() -> None:
    config = resolve("quick", "resnet18", {"learning_rate": 1.0, "warm_up": 0.25})
    found = [learning_rate(config, Plateau(), step, 100) for step in range(100)]
    peak = found.index(max(found))
    assert peak in (24, 25)
    assert found[:peak] == sorted(found[:peak])
    assert found[peak:] == sorted(found[peak:], reverse=True)
    assert max(found) == pytest.approx(1, abs=0.01)
    assert found[0] < 0.01
    assert found[-1] < 0.001


def test_cosine_rises_in_a_line_and_falls_to_the_lowest() -> None:
    changes = {"learning_rate": 1.0, "warm_up": 0.1, "lowest_learning_rate": 0.01, "schedule": "cosine"}
    config = resolve("strong", "resnet18", changes)
    found = [learning_rate(config, Plateau(), step, 1000) for step in range(1000)]
    assert found[49] == pytest.approx(0.495)  # the middle of the 50th of 100 rising steps
    assert max(found) == pytest.approx(1, abs=1e-4)
    assert found[549] == pytest.approx(0.505, abs=0.001)
    assert found[100:] == sorted(found[100:], reverse=True)
    assert found[-1] == pytest.approx(0.01, abs=1e-5)


def test_a_constant_step_stays() -> None:
    config = resolve("quick", "resnet18", {"schedule": "constant"})
    assert {learning_rate(config, Plateau(), step, 10) for step in range(10)} == {config.learning_rate}


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (18_720, "5 h 12 min")]
)
def test_durations_are_said_for_people(seconds: float, said: str) -> None:
    assert spoken(seconds) == said


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_line_that_moves() -> None:
    out = Terminal()
    display = Display(out)
    display.show("step 1 of 2")
    display.show("step 2")
    display.say("done")
    assert out.getvalue() == "step 1 of 2\rstep 2     \rdone  \n"


def test_a_log_has_only_lines_that_stay() -> None:
    out = io.StringIO()
    display = Display(out)
    display.show("step 1")
    display.say("done")
    assert out.getvalue() == "done\n"
