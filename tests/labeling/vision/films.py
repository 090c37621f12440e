"""Small videos whose frames carry their number, written as the tests need them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIZE = (160, 96)
_BITS = 10


def numbered(number: int) -> np.ndarray:
    """A frame that shows its number as ten bright or dark fields, and a white bar along its top edge."""
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    for bit in range(_BITS):
        if number >> bit & 1:
            pixels[32:, bit * 16 : bit * 16 + 16] = 255
    pixels[:16] = 255
    return pixels


def number_in(pixels: np.ndarray) -> int:
    assert pixels.shape == (SIZE[1], SIZE[0], 3)
    fields = [pixels[40:90, bit * 16 + 3 : bit * 16 + 13].mean() > 128 for bit in range(_BITS)]
    return sum(1 << bit for bit, lit in enumerate(fields) if lit)


def write_film(
    path: Path, *, rate: Fraction | int, count: int, codec: str = "mpeg4", times: Sequence[int] | None = None
) -> Path:
    """times: presentation times in milliseconds where the rate is not constant."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.bit_rate = 1_000_000
        stream.gop_size = 12
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for n in range(count):
            frame = av.VideoFrame.from_ndarray(numbered(n), format="rgb24")
            frame.pts = n if times is None else times[n]
            frame.time_base = Fraction(1, 1000) if times is not None else 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_pictures(path: Path, pictures: Sequence[np.ndarray], *, rate: int) -> Path:
    """A film of these pictures, (height, width, 3) RGB, all of one size with even sides."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 8_000_000
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        for n in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44_100, n * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turn(path: Path, degrees: int) -> Path:
    """Set the rotation flag of an MP4: players turn its pictures clockwise by 90, 180 or 270 degrees."""
    one = 0x10000
    matrix = {90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}[degrees]
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    for place, value in zip((0, 4, 12, 16), matrix, strict=True):
        data[at + place : at + place + 4] = value.to_bytes(4, "big", signed=True)
    path.write_bytes(data)
    return path
