"""Still pictures as upright RGB arrays, whatever they were saved as."""

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from labeling.sayings import gettext_noop
from labeling.vision.sniff import HEADER_BYTES, sniff, why_not

Pixels: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]"
"""An upright picture: (height, width, 3) uint8, RGB."""

MAX_PIXELS = 100_000_000
_BACKDROP = (255, 255, 255)
_DAMAGED = gettext_noop("The image is damaged or cut short ({error}).")
_TOO_LARGE = gettext_noop(
    "The picture is larger than the {most:,} pixels allowed. "
    "Scale it down, or have an operator raise MAX_IMAGE_PIXELS."
)
_SO_LARGE = gettext_noop("{width:,} × {height:,} pixels: {reason}")
_ANIMATED = gettext_noop("Animated: only the first of its {frames} frames was looked at.")
# What Pillow raises on files that are cut short, damaged or made to hurt.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


class BadImage(Exception):
    """The file is no picture we can read; the text says why, for people."""


@dataclass(frozen=True)
class Picture:
    pixels: Pixels
    mime: str
    note: str = ""
    """What is left out, for people: an animation's later frames."""

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])


def open_image(source: bytes | Path, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """The picture upright, as (height, width, 3) uint8 RGB. Raises BadImage. See `read`."""
    return read(source, max_pixels=max_pixels).pixels


def read(source: bytes | Path, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode the whole picture, so that one cut short is found out. Raises BadImage.

    The EXIF orientation is applied; CMYK becomes RGB; 16 bits a channel become 8 (the high ones); what is
    transparent lies on white; of an animation the first frame is taken. More than max_pixels is refused by
    the header, before anything is decoded.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        stream = _Impatient(file)
        header = stream.read(HEADER_BYTES)
        found = sniff(header)
        if found is None or found.kind != "image":
            raise BadImage(why_not(found, header) or gettext_noop("This is a video, not an image."))
        stream.seek(0)
        _let_pillow_open(max_pixels)
        try:
            with Image.open(cast(BinaryIO, stream), formats=[found.format]) as image:
                stream.reads_left = None
                _check_size(image, max_pixels)
                return Picture(_upright(image), found.mime, _note(image))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise BadImage(_too_large(max_pixels)) from error
        except UnidentifiedImageError as error:
            raise BadImage(
                gettext_noop("The image is damaged or cut short within its first lines.")
            ) from error
        except _BROKEN as error:
            raise BadImage(_DAMAGED.format(error=_first_line(error))) from error


class _Impatient:
    """A file that ends the search for a header's end: a gigabyte of zeros after a JPEG's first bytes would have
    Pillow read it byte by byte, for minutes."""

    _MOST_READS = 100_000

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.reads_left: int | None = self._MOST_READS
        """None once the header is read."""

    def read(self, size: int = -1) -> bytes:
        if self.reads_left is not None:
            self.reads_left -= 1
            if self.reads_left < 0:
                raise OSError("its header does not end")
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _let_pillow_open(max_pixels: int) -> None:
    # Pillow has one ceiling for the process, ours is a setting: it may only rise to what was set.
    if Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, max_pixels)


def _check_size(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise BadImage(
            _SO_LARGE.format(width=image.width, height=image.height, reason=_too_large(max_pixels))
        )


def _too_large(max_pixels: int) -> str:
    return _TOO_LARGE.format(most=max_pixels)


def _note(image: Image.Image) -> str:
    frames = getattr(image, "n_frames", 1)
    return _ANIMATED.format(frames=frames) if frames > 1 else ""


def _upright(image: Image.Image) -> Pixels:
    image.load()
    turned = ImageOps.exif_transpose(image)
    return np.ascontiguousarray(np.asarray(_rgb(turned), dtype=np.uint8))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        return Image.fromarray(_stretched(np.asarray(image, dtype=np.float64))).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        backdrop = Image.new("RGBA", layer.size, (*_BACKDROP, 255))
        return Image.alpha_composite(backdrop, layer).convert("RGB")
    return image.convert("RGB")


def _stretched(values: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> Pixels:
    """Numbers of unknown range, put into 0 … 255: as they are, as 16 bits, or from lowest to highest."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low >= 0 and 1 < high <= 255:
        return np.nan_to_num(values).astype(np.uint8)
    if low >= 0 and 255 < high <= 65_535:
        return (np.nan_to_num(values) / 256).astype(np.uint8)
    return (np.nan_to_num((values - low) / ((high - low) or 1)) * 255).astype(np.uint8)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
