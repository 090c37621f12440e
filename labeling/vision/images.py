"""Still pictures as upright RGB arrays, whatever they were saved as."""

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from labeling.sayings import gettext_noop
from labeling.vision import scans
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
_ANIMATED = gettext_noop("It holds several pictures; only the first was looked at.")
_MANY_SCANS = gettext_noop(
    "This JPEG is sent in more than {most:,} scans, each of which is a pass over the whole picture. Save it anew."
)
_LONG_TEXT = gettext_noop(
    "A picture written as text may have {most:,} bytes; longer ones take minutes to read. Convert it to PNG."
)
_NO_MEMORY = gettext_noop("The picture needs more memory than there is. Scale it down.")
_MOST_SCANS = 100
"""Each costs a pass over all pixels and may be 100 bytes long (libjpeg-turbo: "Two issues with the JPEG standard")."""
_MOST_TEXT = 20_000_000
_BAND = 4_000_000
"""Pixels that are turned into RGB at a time, so that what lies in between never takes much memory."""
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
    """What is left out, for people: an animation's later frames, a file's later pages."""

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
    the header, before anything is decoded. At its peak some 12 bytes are held for each pixel.
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
                _check_cost(file, header)
                image.load()
                note = _note(image)
                return Picture(_upright(image), found.mime, note)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise BadImage(_too_large(max_pixels)) from error
        except UnidentifiedImageError as error:
            raise BadImage(
                gettext_noop("The image is damaged or cut short within its first lines.")
            ) from error
        except MemoryError as error:
            raise BadImage(_NO_MEMORY) from error
        except _BROKEN as error:
            raise BadImage(_DAMAGED.format(error=_first_line(error))) from error


def _check_cost(file: BinaryIO, header: bytes) -> None:
    """Refuse what would take minutes to decode for its few bytes."""
    if header.startswith(b"\xff\xd8") and scans.more_than(_MOST_SCANS, file):
        raise BadImage(_MANY_SCANS.format(most=_MOST_SCANS))
    if header[:2] in (b"P1", b"P2", b"P3") and _length(file) > _MOST_TEXT:
        raise BadImage(_LONG_TEXT.format(most=_MOST_TEXT))


def _length(file: BinaryIO) -> int:
    at = file.tell()
    length = file.seek(0, io.SEEK_END)
    file.seek(at)
    return length


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
    # Not how many: a GIF or TIFF of a million pictures would be walked through to its end.
    return _ANIMATED if getattr(image, "is_animated", False) else ""


def _upright(image: Image.Image) -> Pixels:
    orientation = image.getexif().get(ExifTags.Base.Orientation)
    pixels = as_rgb(image)
    image.close()  # before the turned copy is made
    return np.ascontiguousarray(_turned(pixels, orientation))


def as_rgb(image: Image.Image) -> Pixels:
    """What `read` makes of a picture that Pillow has opened, but for its EXIF orientation."""
    width, height = image.size
    step = max(1, _BAND // width)
    bands = [(0, top, width, min(height, top + step)) for top in range(0, height, step)]
    span = _span(image, bands) if image.mode in ("I", "F") else None
    pixels = np.empty((height, width, 3), np.uint8)
    for box in bands:
        pixels[box[1] : box[3]] = np.asarray(_rgb(image.crop(box), span))
    return pixels


def _turned(pixels: Pixels, orientation: Any) -> Pixels:
    """As the EXIF orientation says, 2 to 8; whatever else it may say is no turn."""
    match orientation:
        case 2:
            return pixels[:, ::-1]
        case 3:
            return pixels[::-1, ::-1]
        case 4:
            return pixels[::-1]
        case 5:
            return pixels.swapaxes(0, 1)
        case 6:
            return np.rot90(pixels, -1)
        case 7:
            return pixels[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return np.rot90(pixels)
    return pixels


_Span = tuple[float, float]
"""The lowest and the highest number of a picture."""
_Box = tuple[int, int, int, int]


def _span(image: Image.Image, bands: Sequence[_Box]) -> _Span:
    ends = []
    for box in bands:
        values = np.asarray(image.crop(box))
        ends += [np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)]
    return float(np.fmin.reduce(ends)), float(np.fmax.reduce(ends))


def _rgb(image: Image.Image, span: _Span | None) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if span is not None:
        return Image.fromarray(_stretched(np.asarray(image, dtype=np.float64), *span)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        backdrop = Image.new("RGBA", layer.size, (*_BACKDROP, 255))
        return Image.alpha_composite(backdrop, layer).convert("RGB")
    return image.convert("RGB")


def _stretched(
    values: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]", low: float, high: float
) -> Pixels:
    """Numbers of unknown range, put into 0 … 255: as they are, as 16 bits, or from lowest to highest."""
    if low >= 0 and 1 < high <= 255:
        return np.nan_to_num(values).astype(np.uint8)
    if low >= 0 and 255 < high <= 65_535:
        return (np.nan_to_num(values) / 256).astype(np.uint8)
    return (np.nan_to_num((values - low) / ((high - low) or 1)) * 255).astype(np.uint8)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
