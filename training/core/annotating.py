"""Pictures and videos with a box around each face, and what a network makes of it."""

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from labeling.vision.images import Pixels
from training.core.refusals import BadConfig
from training.core.run_folder import appearing, write_atomically
from training.core.watching import Seen, Sight
from training.core.writable import refuse_unwritable_folder

_BOX, _PAPER, _INK = (64, 224, 120), (16, 24, 20), (255, 255, 255)
_CLOCK = Fraction(1, 1000)
_BITS_PER_PIXEL = 4
Take: TypeAlias = Callable[[Pixels, int], None]
_MOST_STEM = 240
"""Bytes of a name, of the 255 that file systems take, beside the mark and the ending."""


def annotated(pixels: Pixels, faces: tuple[Seen, ...]) -> Pixels:
    """A copy with a box around each face, and its likeliest expression with the probability; (H, W, 3) uint8 RGB."""
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    thick = max(2, round(max(image.size) / 500))
    # Boxes first: no neighbour's box runs through words.
    for face in faces:
        x, y, width, height = face.box
        draw.rectangle((x, y, x + width - 1, y + height - 1), outline=_BOX, width=thick)
    for face in faces:
        _tell(draw, face, image.size)
    return np.array(image, np.uint8)


def _tell(draw: ImageDraw.ImageDraw, face: Seen, size: tuple[int, int]) -> None:
    x, y, width, height = face.box
    words = f"{face.top} {face.probabilities[face.top]:.0%}"
    font = ImageFont.load_default(size=min(max(11, width // 6), 40))
    left, top, right, bottom = draw.textbbox((0, 0), words, font=font)
    across, down = round(right - left) + 6, round(bottom - top) + 6
    at_x = max(0, min(x, size[0] - across))
    at_y = y - down if y >= down else min(y + height, size[1] - down)
    draw.rectangle((at_x, at_y, at_x + across - 1, at_y + down - 1), fill=_PAPER)
    draw.text((at_x + 3 - left, at_y + 3 - top), words, font=font, fill=_INK)


class Album:
    """A folder of annotated copies: of a picture NAME-xxxxxxxx.jpg, of a video the looked-at frames at their times as
    NAME-xxxxxxxx.webm (VP8). xxxxxxxx tells apart files of one name in several folders. Each appears whole or not at
    all.
    """

    def __init__(self, folder: Path) -> None:
        """Raises BadConfig where the folder cannot be made or written into."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadConfig(f"{folder} cannot be made: {error.strerror}.") from error
        refuse_unwritable_folder(folder)
        self._folder = folder
        self._films = contextlib.ExitStack()
        self._film: tuple[Path, Take] | None = None
        """The video whose film is being made, and what takes its frames."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._films.__exit__(kind, error, trace)

    def add(self, sight: Sight) -> None:
        """The frames of a video come one after the other."""
        pixels = annotated(sight.pixels, sight.faces)
        if self._film is not None and self._film[0] != sight.file:
            self._film = None
            self._films.close()
        if sight.time_ms is None:
            # Not by Pillow to the file: what a full disk leaves out of it, it does not tell.
            encoded = io.BytesIO()
            Image.fromarray(pixels).save(encoded, "JPEG", quality=90)
            write_atomically(
                self._named(sight.file, "jpg"), lambda part: part.write_bytes(encoded.getbuffer())
            )
            return
        if self._film is None:
            take = self._films.enter_context(_film(self._named(sight.file, "webm"), pixels))
            self._film = sight.file, take
        self._film[1](pixels, sight.time_ms)

    def _named(self, file: Path, ending: str) -> Path:
        mark = hashlib.sha256(str(file.absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:8]
        stem = file.stem
        while len(os.fsencode(stem)) > _MOST_STEM:
            stem = stem[:-1]
        return self._folder / f"{stem}-{mark}.{ending}"


@contextlib.contextmanager
def _film(out: Path, first: Pixels) -> Iterator[Take]:
    """What takes the frames of a video with their times in milliseconds. first: the first one, for its size."""
    # VP8 in 4:2:0 has even sides.
    height, width = (side - side % 2 or 2 for side in first.shape[:2])
    with appearing(out) as part, av.open(str(part), "w", format="webm") as container:
        stream: Any = container.add_stream("libvpx", rate=25)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = width * height * _BITS_PER_PIXEL
        stream.options = {"deadline": "realtime", "cpu-used": "8"}
        stream.codec_context.time_base = _CLOCK

        def take(pixels: Pixels, time_ms: int) -> None:
            even = np.ascontiguousarray(pixels[:height, :width])
            frame = av.VideoFrame.from_ndarray(even, format="rgb24")
            frame.pts, frame.time_base = time_ms, _CLOCK
            container.mux(stream.encode(frame))

        yield take
        container.mux(stream.encode())
