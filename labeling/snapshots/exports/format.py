from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Progress = Callable[[int], None]
"""Called with the number of faces written so far; may raise to stop."""


@dataclass(frozen=True)
class Format:
    """title: for people. ending: of the one file it makes. write: snapshot folder → file; returns notes for people."""

    title: str
    ending: str
    write: Callable[[Path, Path, Progress], str]
