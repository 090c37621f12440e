"""The part of a picture that people see of a face, and its bytes."""

import zlib
from struct import pack

import cv2

from labeling.vision.images import Pixels

MARGIN = 0.2


def crop(pixels: Pixels, box: tuple[int, int, int, int], *, margin: float = MARGIN) -> Pixels:
    """The original pixels of the box (x, y, width, height) and of the margin around it.

    margin: share of the longer side of the box, added on each side. The part is square, and moved inside
    the picture where it would leave it; only where the picture is too small is it cut.
    """
    left, top, width, height = square(box, pixels.shape[1], pixels.shape[0], margin)
    return pixels[top : top + height, left : left + width]


def square(
    box: tuple[int, int, int, int], picture_width: int, picture_height: int, margin: float = MARGIN
) -> tuple[int, int, int, int]:
    """What `crop` cuts out, as (x, y, width, height) in pixels of the picture."""
    x, y, width, height = box
    side = round(max(width, height) * (1 + 2 * margin))
    left, across = _span(x + width / 2, side, picture_width)
    top, down = _span(y + height / 2, side, picture_height)
    return left, top, across, down


def _span(centre: float, side: int, limit: int) -> tuple[int, int]:
    length = max(1, min(side, limit))
    start = min(max(0, round(centre - length / 2)), limit - length)
    return start, length


def png(pixels: Pixels) -> bytes:
    """Lossless. pixels: (height, width, 3) RGB."""
    done, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"A picture of {pixels.shape} pixels cannot be written as PNG.")
    return bytes(data)


def grey_png(values: bytes, width: int, height: int) -> bytes:
    """A grey PNG (8 bits) that is the same to the byte on every machine, for pictures known by their sha256.

    values: width × height brightnesses, row by row; at most 65,000 of them. The data lie uncompressed,
    because compressors differ from one version to the next.
    """
    lines = b"".join(b"\x00" + values[y * width : (y + 1) * width] for y in range(height))
    stored = b"\x78\x01\x01" + pack("<HH", len(lines), len(lines) ^ 0xFFFF) + lines
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
            _chunk(b"IDAT", stored + pack(">I", zlib.adler32(lines))),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))
