"""In which order one annotator gets the faces ahead of them.

Everybody walks along the same line (labeling.voting.line), but each throws dice of their own for the next WINDOW
faces: the same for the same person and face, so the order is stable, and no two people see the same. A face may be
overtaken by those that stand up to WINDOW places behind it and by no others: it never starves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW = 16
"""Faces looked at beyond the next: more mix better, and each costs a look at every lease."""
_PRIME = 2_147_483_647


@dataclass(frozen=True)
class Ahead:
    """A face that could be handed out now."""

    pk: int
    face: int
    place: int
    votes: int
    round: int
    kin: int


def luck(salt: int, pk: int) -> float:
    """The annotator's dice for a face, in [0, 1): salt is the annotator's own in the campaign."""
    mixed = (pk * (2 * salt + 1) + salt) % _PRIME
    return (mixed * 48_271 % _PRIME) / _PRIME


def ranked(ahead: Sequence[Ahead], *, salt: int, last_kin: int) -> list[Ahead]:
    """The faces, given in the line's order, in the annotator's; no two kin follow each other while others are left.

    Left among those given: at the end of the lap, and of the campaign, these can be a few of one media.

    last_kin: of the face handed out last. Kin 0 is nobody's.
    """
    key = {face.pk: rank + WINDOW * luck(salt, face.pk) for rank, face in enumerate(ahead)}
    rest, found = sorted(ahead, key=lambda face: key[face.pk]), []
    while rest:
        face = next((face for face in rest if not face.kin or face.kin != last_kin), rest[0])
        rest.remove(face)
        found.append(face)
        last_kin = face.kin
    return found
