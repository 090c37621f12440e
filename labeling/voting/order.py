"""In which order one annotator gets the faces ahead of them.

Everybody walks along the same line (labeling.voting.line), but each throws dice of their own for the next WINDOW
faces: the same for the same person and face, so the order is stable, and no two people see the same. A face may be
overtaken by those that stand up to WINDOW places behind it and by no others: it never starves.
"""

from collections import Counter
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
    stretch: int = 0
    """Faces of a later stretch of the line are wanted only after those of an earlier one, or between kin."""


def luck(salt: int, pk: int) -> float:
    """The annotator's dice for a face, in [0, 1): salt is the annotator's own in the campaign."""
    mixed = (pk * (2 * salt + 1) + salt) % _PRIME
    return (mixed * 48_271 % _PRIME) / _PRIME


def ranked(ahead: Sequence[Ahead], *, salt: int, last_kin: int) -> list[Ahead]:
    """The faces, given in the line's order, in the annotator's; no two kin follow each other where that can be had.

    It cannot where more than half of what is left are kin; until then, kin that are half of it come every other turn.

    last_kin: of the face handed out last. Kin 0 is nobody's.
    """
    key = {face.pk: (face.stretch, rank + WINDOW * luck(salt, face.pk)) for rank, face in enumerate(ahead)}
    rest, found = sorted(ahead, key=lambda face: key[face.pk]), []
    left = Counter(face.kin for face in ahead if face.kin)
    while rest:
        many = next((kin for kin, count in left.items() if 2 * count > len(rest)), 0)
        fits = [face for face in rest if not face.kin or face.kin != last_kin] or rest
        face = next((face for face in fits if many and face.kin == many), fits[0])
        rest.remove(face)
        found.append(face)
        last_kin = face.kin
        left[last_kin] -= 1
    return found
