"""What is cut out around a face."""

import io

import numpy as np
import pytest
from PIL import Image

from labeling.vision import crops


@pytest.mark.parametrize(
    ("box", "cut"),
    [
        ((400, 300, 100, 100), (380, 280, 140, 140)),  # a fifth on each side
        ((400, 300, 100, 50), (380, 255, 140, 140)),  # square, round the middle of the box
        ((0, 0, 100, 100), (0, 0, 140, 140)),  # moved inside at a corner
        ((900, 500, 100, 100), (860, 460, 140, 140)),
        ((200, 10, 580, 580), (84, 0, 812, 600)),  # too large to be square
    ],
)
def test_a_crop_is_square_and_inside_the_picture(box, cut) -> None:
    assert crops.square(box, 1000, 600) == cut


def test_the_margin_can_be_chosen() -> None:
    assert crops.square((400, 300, 100, 100), 1000, 600, margin=0) == (400, 300, 100, 100)


def test_a_crop_holds_the_original_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    part = crops.crop(pixels, (30, 20, 10, 10))
    assert np.array_equal(part, pixels[18:32, 28:42])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(crops.png(part)))), part)


def test_a_grey_png_is_a_png_of_those_greys() -> None:
    values = np.random.default_rng(0).integers(0, 255, (48, 48), dtype=np.uint8)
    data = crops.grey_png(values.tobytes(), 48, 48)
    image = Image.open(io.BytesIO(data))
    assert (image.mode, image.size) == ("L", (48, 48))
    assert np.array_equal(np.asarray(image), values)
    assert len(data) == 2420
