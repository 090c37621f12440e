"""A cell holds: what the rows prove rests on it."""

import signal
from pathlib import Path

import pytest

from tests.labeling.sources.hostile import sentry
from tests.labeling.sources.hostile.rows import Cells

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not sentry.can_watch(), reason="the kernel's filters are those of Linux"),
]


@pytest.mark.parametrize("how", ["program", "socket"])
def test_who_starts_a_program_or_opens_a_socket_is_killed(cells: Cells, tmp_path: Path, how: str) -> None:
    assert cells.ask(tmp_path, misbehave=how)["signal"] == signal.SIGSYS


def test_who_wants_too_much_memory_gets_none(cells: Cells, tmp_path: Path) -> None:
    assert "MemoryError" in cells.ask(tmp_path, misbehave="memory")["raised"]


def test_who_takes_too_long_is_ended(cells: Cells, tmp_path: Path) -> None:
    assert cells.ask(tmp_path, misbehave="time", seconds=1)["signal"] == signal.SIGALRM


def test_an_opened_file_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a")
    watched = sentry.Watched(tmp_path / "secret")
    assert not watched.was_opened()
    (tmp_path / "secret").read_text()
    assert watched.was_opened()
    watched.close()
