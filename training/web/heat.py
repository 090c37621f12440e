"""Heat maps as pictures to lay over faces: glowing where the network looked, clear where it did not."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_STRONGEST = 0.7
"""Opacity where the map is strongest: the face is to be seen through it."""
_COLD, _HOT = np.array([255, 120, 0]), np.array([255, 245, 120])


def data_uri(heat: NDArray[np.uint8]) -> str:
    """A map (S, S) in 0–255 as a PNG of S × S pixels: orange, where it is strong yellow, as opaque as it is strong."""
    share = heat[:, :, None] / 255
    colour = _COLD + (_HOT - _COLD) * share
    pixels = np.concatenate([colour, 255 * _STRONGEST * share], axis=2).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")
