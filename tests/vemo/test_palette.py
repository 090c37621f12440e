"""The expressions' colours can be told apart by eyes that lack one kind of cone."""

import re
from pathlib import Path

import numpy as np
import pytest

from labeling.expressions import EIGHT

CSS = Path(__file__).parents[2] / "platform/vemo/static/vemo/vemo.css"
# Machado, Oliveira and Fernandes 2009, doi:10.1109/TVCG.2009.113, severity 1.0; on linear RGB.
EYES = {
    "usual": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
# Ottosson 2020, https://bottosson.github.io/posts/oklab/: from linear RGB to cone responses, from these to Oklab.
TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
LEAST_DISTANCE = 0.12
"""In Oklab, where black and white are 1 apart. Okabe and Ito's eight colours are 0.08 apart on this scale."""


def linear_colours() -> np.ndarray:
    """(8, 3) linear RGB of the expressions, as vemo.css has them."""
    css = CSS.read_text()
    hexes = [re.search(rf"--expression-{name}: #([0-9a-f]{{6}});", css).group(1) for name in EIGHT]  # type: ignore[union-attr]
    rgb = np.array([[int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)] for code in hexes])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def oklab(linear: np.ndarray) -> np.ndarray:
    return np.cbrt(linear @ TO_CONES.T) @ TO_OKLAB.T


@pytest.mark.parametrize("eye", EYES)
def test_any_two_expressions_differ_in_colour(eye: str) -> None:
    seen = oklab(np.clip(linear_colours() @ EYES[eye].T, 0, 1))
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    nearest = distances[~np.eye(len(seen), dtype=bool)].min()
    assert nearest >= LEAST_DISTANCE
