"""Contact sheets for the eye: rows of small pictures, each with a word above it."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from labeling.vision.images import Pixels

_LINE = 14
Cell = tuple[Pixels, str]


def write(path: Path, rows: Sequence[Sequence[Cell]], *, side: int = 96, across: int = 24) -> None:
    """Rows of (picture, word); longer rows than `across` go on in the next line."""
    lines = [row[at : at + across] for row in rows for at in range(0, len(row), across)]
    widest = max((len(line) for line in lines), default=1)
    sheet = np.full((max(1, len(lines)) * (side + _LINE + 4), widest * (side + 2), 3), 255, np.uint8)
    for down, line in enumerate(lines):
        for along, (pixels, word) in enumerate(line):
            y, x = down * (side + _LINE + 4), along * (side + 2)
            small = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
            sheet[y + _LINE : y + _LINE + side, x : x + side] = small
            cv2.putText(sheet, word, (x, y + _LINE - 3), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0))
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
