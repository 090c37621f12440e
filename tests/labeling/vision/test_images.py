"""Pictures come out upright and RGB, or are refused with a reason."""

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labeling.vision import images
from tests.labeling.sources.places import bomb


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def half_red(mode: str = "RGB") -> Image.Image:
    """40 × 20, the left half red, the right one white."""
    image = Image.new("RGB", (40, 20), "white")
    image.paste("red", (0, 0, 20, 20))
    return image.convert(mode)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = {
        1: half_red(),
        2: half_red().transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: half_red().transpose(Image.Transpose.ROTATE_180),
        4: half_red().transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: half_red().transpose(Image.Transpose.TRANSPOSE),
        6: half_red().transpose(Image.Transpose.ROTATE_90),
        7: half_red().transpose(Image.Transpose.TRANSVERSE),
        8: half_red().transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    pixels = images.open_image(saved(stored, "PNG", exif=exif))
    assert pixels.shape == (20, 40, 3)
    assert pixels[10, 5].tolist() == [255, 0, 0]
    assert pixels[10, 35].tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(kind: str) -> None:
    pixels = images.open_image(saved(half_red("CMYK"), kind))
    assert np.abs(pixels[10, 5].astype(int) - [255, 0, 0]).max() < 12
    assert pixels[10, 35].min() > 245


def test_sixteen_bits_keep_their_high_ones() -> None:
    values = np.linspace(0, 65_535, 256).astype(np.uint16).reshape(16, 16)
    pixels = images.open_image(saved(Image.fromarray(values), "PNG"))
    assert pixels[..., 0].tolist() == (values >> 8).tolist()


def test_floating_point_pictures_are_stretched_over_the_range() -> None:
    values = np.linspace(-2.0, 3.0, 64, dtype=np.float32).reshape(8, 8)
    pixels = images.open_image(saved(Image.fromarray(values), "TIFF"))
    assert (pixels.min(), pixels.max()) == (0, 255)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "CMYK", "RGBA"])
def test_a_picture_read_in_bands_is_the_same(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (101, 37, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise).convert(mode), "TIFF")
    whole = images.open_image(data)
    monkeypatch.setattr(images, "_BAND", 100)
    assert np.array_equal(images.open_image(data), whole)


def test_floating_point_pictures_are_stretched_over_all_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.linspace(-2.0, 3.0, 640, dtype=np.float32).reshape(80, 8)
    values[5, 5] = np.nan
    data = saved(Image.fromarray(values), "TIFF")
    whole = images.open_image(data)
    monkeypatch.setattr(images, "_BAND", 16)
    assert np.array_equal(images.open_image(data), whole)
    assert (whole.min(), whole.max()) == (0, 255)


def test_a_picture_written_as_text_may_not_be_long() -> None:
    assert images.open_image(b"P3 2 1 255 1 2 3 4 5 6\n").tolist() == [[[1, 2, 3], [4, 5, 6]]]
    with pytest.raises(images.BadImage, match="may have 20,000,000 bytes"):
        images.open_image(b"P3 2 1 255 " + b"1 " * 10_000_000)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_transparent_lies_on_white(mode: str) -> None:
    image = Image.new("RGBA", (10, 10), (0, 0, 0, 0)).convert("RGBA" if mode == "PA" else mode)
    if mode == "PA":
        image = image.convert("P")
        image.info["transparency"] = 0
    pixels = images.open_image(saved(image, "PNG"))
    assert pixels[5, 5].tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_taken_and_it_is_said(kind: str) -> None:
    later = [Image.new("RGB", (8, 8), colour) for colour in ("blue", "green")]
    data = saved(Image.new("RGB", (8, 8), "red"), kind, save_all=True, append_images=later, lossless=True)
    picture = images.read(data)
    assert picture.pixels[4, 4].tolist() == [255, 0, 0]
    assert picture.note == "It holds several pictures; only the first was looked at."


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000"])
def test_a_cut_picture_is_refused_and_a_whole_one_is_not(tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), kind)
    path = tmp_path / "picture"
    path.write_bytes(data)
    assert images.open_image(path).shape == (64, 64, 3)
    with pytest.raises(images.BadImage, match="damaged or cut short"):
        images.open_image(data[: len(data) // 2])


@pytest.mark.parametrize("side", [10_001, 12_000, 30_000])
def test_a_decompression_bomb_is_refused_by_its_header(side: int) -> None:
    with pytest.raises(images.BadImage, match="larger than the 100,000,000 pixels allowed"):
        images.open_image(bomb(side))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"just words", "text"),
        (bytes(100), "zero bytes"),
        (b"PK\x03\x04rest", "archive"),
        (b"ID3rest", "sound"),
        (b"%PDF-1.7", "application/pdf"),
        (b"\x00\x00\x00\x18ftypheic", "image/heic"),
        (b"\x1aE\xdf\xa3", "video, not an image"),
        (b"\x9d\x8f\xfe\xed" * 40, "neither an image nor a video"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_content(content: bytes, said: str) -> None:
    with pytest.raises(images.BadImage, match=said):
        images.open_image(content)


@pytest.mark.parametrize("start", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\x00\x08\x00\x00\x00", b"P6 "])
def test_a_header_that_never_ends_is_given_up(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "endless"
    with path.open("wb") as file:
        file.write(start)
        file.truncate(2_000_000_000)
    begun = time.monotonic()
    with pytest.raises(images.BadImage, match="damaged or cut short"):
        images.open_image(path)
    assert time.monotonic() - begun < 5
