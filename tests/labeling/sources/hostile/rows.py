"""A row of the table, and what becomes of it in a cell."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.labeling.fetching.servers import Server
from tests.labeling.sources.hostile.sentry import Watched
from tests.labeling.sources.places import png

TAKEN = "taken in"
MOST_MB = 400
"""By how much a row may make the process grow."""
GOOD = ("a-good.png", "z-good.png")
"""They lie beside every hostile file, before it and after it."""


@dataclass(frozen=True)
class Bait:
    """What a hostile file may point to: nobody must come."""

    url: str
    file: Path


Make = Callable[[Path, Bait], Path]
"""Makes the place in the folder; returns what is to be added as a source."""


@dataclass(frozen=True)
class Row:
    what: str
    make: Make
    says: Mapping[str, str] = field(default_factory=dict)
    """By the item's name: a part of the reason for its refusal, or TAKEN."""
    whole: str = ""
    """A part of the reason for which the whole place is refused."""
    why: str = ""
    """Of what is taken in: why it does no harm."""
    kind: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    network: bool = False
    """May fetch from the bait's server, and from there only what is said here."""
    fetched: Mapping[str, int] = field(default_factory=dict)
    good: tuple[str, ...] = GOOD
    """Items that must come in; of addresses, their last parts."""
    seconds: int = 120
    most_mb: int = MOST_MB


def file_row(
    what: str, name: str, make: Callable[[Bait], bytes], says: str, why: str = "", **more: Any
) -> Row:
    """A hostile file in a folder, between two good pictures."""

    def folder(root: Path, bait: Bait) -> Path:
        for number, good in enumerate(GOOD):
            (root / good).write_bytes(png(number))
        (root / name).write_bytes(make(bait))
        return root

    return Row(what, folder, {name: says}, why=why, **more)


class Cells:
    """Asks the process that forks the cells."""

    def __init__(self, process: "subprocess.Popen[str]", server: Server, bait: Bait) -> None:
        self._process, self._server, self._bait = process, server, bait

    def ask(self, cell: Path, **asked: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        wanted = {"seconds": 60, "network": False, "kind": "", "options": {}, **asked, "cell": str(cell)}
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process that forks the cells has ended"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def hold(self, row: Row, cell: Path) -> dict[str, Any]:
        """Take the row's place in, in a cell, and assert that all is as the row says. Returns what was seen."""
        place = cell / "place"
        place.mkdir()
        location = row.make(place, self._bait)
        self._server.asked.clear()
        watched = Watched(self._bait.file)
        seen = self.ask(
            cell,
            location=str(location),
            kind=row.kind,
            options={
                key: str(place / value) if key == "ferplus" else value for key, value in row.options.items()
            },
            network=row.network,
            seconds=row.seconds,
        )
        opened = watched.was_opened()
        watched.close()
        assert not seen["signal"], (
            f"The cell was killed by signal {seen['signal']} (31: a program or a socket)."
        )
        assert "raised" not in seen, seen["raised"]
        assert not opened, "The bait was opened."
        assert dict(self._server.asked) == dict(row.fetched)
        assert seen["grown_mb"] < row.most_mb
        _assert_told(row, seen)
        _assert_stored(seen, cell / "storage")
        shutil.rmtree(cell)
        return seen


def _assert_told(row: Row, seen: dict[str, Any]) -> None:
    assert (row.whole in seen["refused"]) if row.whole else not seen["refused"], seen["refused"]
    if row.whole:
        assert seen["items"] == {}
        return
    assert seen["unsearched"] == []
    assert seen["not_shown"] == []
    items = seen["items"]
    for name in row.good:
        there = next(one for one in items if one == name or one.endswith(f"/{name}"))
        assert items.pop(there) == ["ingested", ""]
    for name, says in row.says.items():
        state, reason = items.pop(name)
        if says == TAKEN:
            assert (state, reason) == ("ingested", ""), name
        else:
            assert (state, says in reason) == ("refused", True), reason
    assert items == {}, "Items nobody spoke of."


def _assert_stored(seen: dict[str, Any], storage: Path) -> None:
    """Media that came in, whole; their crops and pictures; nothing else."""
    files = [path.relative_to(storage) for path in storage.rglob("*") if path.is_file()]
    media = {str(path) for path in files if path.parts[0] == "media"}
    assert media == set(seen["media"])
    assert {path.parts[0] for path in files} <= {"media", "crops", "pictures"}
    for name in media:
        assert hashlib.sha256((storage / name).read_bytes()).hexdigest() == Path(name).stem
