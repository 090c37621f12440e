"""What other parts of the site make of faces: they register here how to find it, and how to erase it.

labeling knows nothing of training; training tells it (training.apps).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

from labeling.models import Snapshot

Alive = Callable[[], None]


@dataclass(frozen=True)
class Gone:
    """What is erased. keys: face_keys, in whole. snapshots: those that held any of them. campaigns: keys of those
    that lost faces."""

    keys: frozenset[str]
    snapshots: tuple[Snapshot, ...]
    campaigns: frozenset[int]


class Remains(Protocol):
    """Something made of faces and snapshots."""

    def touched(self, snapshots: Collection[int]) -> list[dict[str, Any]]:
        """What was made from these snapshots: each with a `name` for people, and the `url` of its page."""

    def forget(self, gone: Gone, alive: Alive) -> None:
        """Erase what shows or describes the faces. Done again, it changes nothing. alive may raise to give up."""


_registered: list[Remains] = []


def register(remains: Remains) -> None:
    """Have these asked and told at each erasure. Registered once, however often it is called."""
    if not any(type(known) is type(remains) for known in _registered):
        _registered.append(remains)


def touched(snapshots: Collection[int]) -> list[dict[str, Any]]:
    return [each for remains in _registered for each in remains.touched(snapshots)]


def forget(gone: Gone, alive: Alive) -> None:
    for remains in _registered:
        remains.forget(gone, alive)
