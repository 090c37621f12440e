"""Hair, beards and a headscarf: what is behind the head, and what falls in front of it."""

from typing import TYPE_CHECKING

import numpy as np

from labeling.sources.drawing.canvas import Colour, closed, curve, ellipse
from labeling.sources.drawing.people import Person

if TYPE_CHECKING:
    from labeling.sources.drawing.portrait import Portrait


def behind(face: "Portrait") -> None:
    colour = _tint(face.person.hair, -0.18)
    style = face.person.style
    if style in ("long", "bob"):
        low = 1.95 if style == "long" else 0.95
        flare = 1.34 if style == "long" else 1.24
        half = [(0.0, -1.56), (0.75, -1.42), (1.22, -0.7), (flare, 0.3), (flare, low - 0.2), (0.7, low)]
        face.fill(closed(*half, *[(-x, y) for x, y in reversed(half[1:])]), colour, depth=-0.5)
    elif style == "afro":
        for x, y, size in _tufts(1.32, 1.34, 13):
            face.fill(ellipse(x, y - 0.34, size, size), colour, depth=-0.4)
        face.fill(ellipse(0, -0.5, 1.42, 1.25), colour, depth=-0.4)
    elif style == "curly":
        for x, y, size in _tufts(1.12, 1.3, 12):
            face.fill(ellipse(x, y - 0.12, size, size), colour, depth=-0.4)
        face.fill(ellipse(0, -0.2, 1.2, 1.3), colour, depth=-0.4)
    elif style == "bun":
        face.fill(ellipse(0, -1.62, 0.46, 0.42), colour, depth=-0.4)
        face.fill(ellipse(0, -0.42, 1.1, 1.12), colour, depth=-0.3)
    elif style == "scarf":
        half = [(0.0, -1.62), (0.8, -1.44), (1.22, -0.7), (1.22, 0.4), (1.0, 1.3), (1.16, 2.1)]
        face.fill(closed(*half, *[(-x, y) for x, y in reversed(half[1:])]), face.person.hair, depth=-0.3)


def front(face: "Portrait") -> None:
    style, colour = face.person.style, face.person.hair
    if style == "scarf":
        _scarf(face)
        return
    if style == "bald":
        for side in (-1, 1):
            patch = closed((side * 1.0, -0.5), (side * 1.08, -0.1), (side * 0.98, 0.12), (side * 0.92, -0.3))
            face.fill(patch, colour, 0.9, depth=0)
        return
    outline = _fringe(style)
    face.fill(outline, colour, 0.75 if style == "buzz" else 1.0, depth=0.3)
    if style == "buzz":
        return
    if style in ("curly", "afro"):
        for x in np.linspace(-0.78, 0.78, 8):
            y = -1.1 + 0.42 * abs(x) ** 2
            face.fill(ellipse(float(x), float(y), 0.19, 0.16), colour, depth=0.4)
        return
    for n, x in enumerate(np.linspace(-0.6, 0.6, 5)):
        strand = curve((float(x) * 0.5, -1.42), (float(x) * 0.9, -1.2), (float(x) * 1.15, -0.98))
        face.stroke(strand, 0.035, _tint(colour, 0.28 if n % 2 else 0.16), 0.5, depth=0.3)


def beard(face: "Portrait") -> None:
    if not face.person.beard:
        return
    drop = 0.12 * max(0.0, face.pull.open)
    half = [(1.0, 0.1), (0.96, 0.55), (0.8, 0.95), (0.36, 1.28 + drop), (0.0, 1.34 + drop)]
    inner = [(0.0, 0.5), (0.3, 0.5), (0.52, 0.62), (0.74, 0.5), (0.9, 0.1)]
    right = np.vstack([curve(*half), curve(*inner)])
    for side in (-1, 1):
        face.fill(right * [side, 1], face.person.hair, 0.82, depth=0.5)


def brow_colour(person: Person) -> Colour:
    if person.style == "scarf":
        return (46, 30, 24)
    grey = min(person.hair) > 150
    return (112, 106, 102) if grey else _tint(person.hair, -0.3)


def _fringe(style: str) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    """The edge of the hair on the forehead, and over the top of the head."""
    top = [
        (1.06, -0.25),
        (1.1, -0.75),
        (0.66, -1.38),
        (0.0, -1.56),
        (-0.66, -1.38),
        (-1.1, -0.75),
        (-1.06, -0.25),
    ]
    lines = {
        "bob": [(-0.96, -0.3), (-0.82, -0.66), (-0.3, -0.78), (0.3, -0.8), (0.82, -0.66), (0.96, -0.3)],
        "long": [
            (-0.99, 0.2),
            (-0.9, -0.5),
            (-0.45, -0.9),
            (0.0, -1.16),
            (0.45, -0.9),
            (0.9, -0.5),
            (0.99, 0.2),
        ],
        "parted": [(-0.98, -0.3), (-0.86, -0.78), (-0.42, -1.06), (0.1, -0.86), (0.7, -0.78), (0.98, -0.3)],
        "short": [
            (-0.97, -0.28),
            (-0.88, -0.72),
            (-0.5, -0.88),
            (0.0, -0.98),
            (0.5, -0.88),
            (0.88, -0.72),
            (0.97, -0.28),
        ],
        "bun": [
            (-0.98, -0.2),
            (-0.86, -0.74),
            (-0.4, -1.04),
            (0.0, -1.12),
            (0.4, -1.04),
            (0.86, -0.74),
            (0.98, -0.2),
        ],
    }
    low = lines.get(
        style, [(-0.98, -0.3), (-0.86, -0.8), (-0.4, -1.0), (0.4, -1.0), (0.86, -0.8), (0.98, -0.3)]
    )
    return np.vstack([curve(*top), curve(*low)])


def _scarf(face: "Portrait") -> None:
    cloth = face.person.hair
    outer = closed(
        (0.0, -1.6), (0.76, -1.42), (1.16, -0.7), (1.16, 0.4), (0.92, 1.2), (0.4, 1.62),
        (-0.4, 1.62), (-0.92, 1.2), (-1.16, 0.4), (-1.16, -0.7), (-0.76, -1.42),
    )  # fmt: skip
    opening = closed((0, -0.98), (0.66, -0.8), (0.9, -0.1), (0.82, 0.6), (0.44, 1.12), (0, 1.27),
                     (-0.44, 1.12), (-0.82, 0.6), (-0.9, -0.1), (-0.66, -0.8))  # fmt: skip
    # One outline that goes round and back inside: the face stays open.
    ring = np.vstack([outer, outer[:1], opening[:1], opening[::-1], opening[-1:]])
    face.fill(ring, cloth, depth=0.3)
    for side in (-1, 1):
        face.stroke(
            curve((side * 0.7, -0.95), (side * 1.02, -0.2), (side * 0.9, 0.7)),
            0.05,
            _tint(cloth, -0.25),
            0.6,
            depth=0.3,
        )
        face.stroke(
            curve((side * 0.3, -1.4), (side * 0.8, -1.1), (side * 1.08, -0.4)),
            0.05,
            _tint(cloth, 0.2),
            0.5,
            depth=0.3,
        )


def _tufts(across: float, down: float, count: int) -> list[tuple[float, float, float]]:
    """Curls round the head, from one side over the top to the other."""
    angles = np.linspace(np.radians(160), np.radians(380), count)
    return [
        (across * float(np.cos(a)), down * float(np.sin(a)), 0.34 if n % 2 else 0.29)
        for n, a in enumerate(angles)
    ]


def _tint(colour: Colour, by: float) -> Colour:
    target = 255 if by > 0 else 0
    mixed = [round(value + (target - value) * abs(by)) for value in colour]
    return mixed[0], mixed[1], mixed[2]
