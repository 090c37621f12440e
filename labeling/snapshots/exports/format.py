"""What a format is, and what it is handed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Progress = Callable[[int], None]
"""Called with the number of faces written so far; may raise to stop."""


@dataclass(frozen=True)
class Facts:
    """What is known of a media beside what its snapshot says. fetched_at: ISO 8601 in UTC, to the second."""

    title: str = ""
    fetched_at: str = ""


About = Callable[[Sequence[str]], Mapping[str, Facts]]
"""What is known of the media with these sha256; those nobody knows any more are left out."""


@dataclass(frozen=True)
class Format:
    """title: for people. ending: of the one file it makes. write: snapshot folder → file; returns notes for people."""

    title: str
    ending: str
    write: Callable[[Path, Path, Progress, About], str]
