"""Frames of a video by the time at which they are shown."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from labeling.sayings import gettext_noop
from labeling.vision.images import MAX_PIXELS, Pixels
from labeling.vision.sniff import HEADER_BYTES, Sniffed, sniff, why_not

PER_SECOND = 5.0
_LATE_S = 0.5
"""A video whose last picture ends this much before its announced end has lost its tail."""
_NO_PICTURE = gettext_noop("The video holds no picture that can be decoded.")
_DAMAGED = gettext_noop("The video is damaged or cut short ({error}).")
_ONLY_SOUND = gettext_noop("There is no video stream in this file; it holds only sound.")
_NOTHING_SHOWN = gettext_noop("There is no video stream in this file; it holds nothing that can be shown.")
_TOO_LARGE = gettext_noop("Its frames are {width:,} × {height:,} pixels, more than the {most:,} allowed.")
_LEFT_OUT = gettext_noop("{places} damaged places were left out ({error}).")
_TAIL_LOST = gettext_noop("The video says it runs {announced} s, but its pictures end at {shown} s.")


class BadVideo(Exception):
    """The file is no video we can read; the text says why, for people."""


@dataclass(frozen=True)
class Probe:
    width: int
    height: int
    """Pixels as shown, the rotation flag honoured."""
    duration_ms: int
    """0 where the file does not say."""
    fps: float
    """Mean frame rate; 0 where the file does not say."""
    mime: str
    extension: str


@dataclass(frozen=True)
class Frame:
    time_ms: int
    """Since the first frame was shown, rounded."""
    index: int
    """Number of the frame, from 0, in the order they are shown."""
    image: Pixels
    """Upright, (height, width, 3) uint8 RGB."""


def probe(path: Path, *, max_pixels: int = MAX_PIXELS) -> Probe:
    """What the video says of itself, and that its first picture can be decoded. Raises BadVideo."""
    with _opened(path, max_pixels) as (container, stream, found):
        first = next(_decoded(container, stream, []), None)
        if first is None:
            raise BadVideo(_NO_PICTURE)
        turned = first.rotation % 180 != 0
        rate = stream.average_rate or stream.base_rate
        extension, mime = found.extension, found.mime
        if extension == "mkv" and stream.codec_context.name in ("vp8", "vp9", "av1"):
            extension, mime = "webm", "video/webm"
        return Probe(
            width=first.height if turned else first.width,
            height=first.width if turned else first.height,
            duration_ms=round((_duration_s(container, stream) or 0) * 1000),
            fps=float(rate) if rate else 0.0,
            mime=mime,
            extension=extension,
        )


def frames(path: Path, per_second: float = PER_SECOND, *, max_pixels: int = MAX_PIXELS) -> "Reading":
    """So many frames per second, by presentation time.

    For k = 0, 1, 2 … that is the first frame shown at or after k / per_second, counted from the moment the
    first frame is shown; a frame that several k name is given once. Raises BadVideo, here and at once, if
    the file is no video; what is broken later ends the frames, and `Reading.problem` says so.
    """
    if per_second <= 0:
        raise ValueError("Frames per second are more than 0.")
    with _opened(path, max_pixels):
        return Reading(path, Fraction(per_second).limit_denominator(1000), max_pixels)


class Reading:
    """An iterator over chosen frames that knows, at its end, whether the video was whole."""

    def __init__(self, path: Path, per_second: Fraction, max_pixels: int) -> None:
        self.problem = ""
        """For people; empty while nothing is wrong."""
        self.decoded = 0
        """Frames seen so far, chosen or not."""
        self._frames = self._choose(path, per_second, max_pixels)

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def __next__(self) -> Frame:
        return next(self._frames)

    def close(self) -> None:
        self._frames.close()

    def _choose(self, path: Path, per_second: Fraction, max_pixels: int) -> Generator[Frame, None, None]:
        with _opened(path, max_pixels) as (container, stream, _):
            errors: list[str] = []
            wanted, last = Fraction(0), Fraction(0)
            for index, (at, frame) in enumerate(_timed(_decoded(container, stream, errors), stream)):
                self.decoded, last = index + 1, at
                if at >= wanted:
                    yield Frame(round(at * 1000), index, _pixels(frame))
                    wanted = (at * per_second // 1 + 1) / per_second
            self.problem = _problem(errors, last, _duration_s(container, stream), stream)


def frame_at(path: Path, time_ms: int, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """The picture shown at that moment: the first frame at or after it, or the last. Raises BadVideo."""
    with _opened(path, max_pixels) as (container, stream, _):
        first = next(_decoded(container, stream, []), None)
        if first is None:
            raise BadVideo(_NO_PICTURE)
        start = first.pts if first.pts is not None else 0
        if time_ms <= 0:
            return _pixels(first)
        wanted = Fraction(2 * time_ms - 1, 2000)  # moments are kept rounded to a millisecond
        _seek(container, stream, start, wanted)
        picked = first
        for frame in _decoded(container, stream, []):
            picked = frame
            if frame.pts is not None and (frame.pts - start) * stream.time_base >= wanted:
                break
        return _pixels(picked)


def _seek(container: Any, stream: Any, start: int, wanted: Fraction) -> None:
    # A second early: some files' indices point a little past the key frame.
    target = start + int(max(Fraction(0), wanted - 1) / stream.time_base)
    try:
        container.seek(target, stream=stream, backward=True)
    except av.error.FFmpegError:
        container.seek(start, stream=stream, backward=True)


@contextmanager
def _opened(path: Path, max_pixels: int) -> Iterator[tuple[Any, Any, Sniffed]]:
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    found = sniff(header)
    if found is None or found.kind != "video":
        raise BadVideo(why_not(found, header) or gettext_noop("This is an image, not a video."))
    try:
        # By its own reader only: a playlist dressed up as a video would have FFmpeg open other files.
        container = av.open(str(path.resolve()), format=found.format, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise BadVideo(_DAMAGED.format(error=_said(error))) from error
    with container:
        yield container, _picture_stream(container, max_pixels), found


def _picture_stream(container: Any, max_pixels: int) -> Any:
    covers = av.stream.Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & covers]
    if not streams:
        raise BadVideo(_ONLY_SOUND if container.streams.audio else _NOTHING_SHOWN)
    stream = streams[0]
    if stream.codec_context is None:
        raise BadVideo(gettext_noop("The video is encoded in a way that cannot be decoded here."))
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > max_pixels:
        raise BadVideo(_TOO_LARGE.format(width=width, height=height, most=max_pixels))
    stream.thread_type = "AUTO"
    return stream


def _decoded(container: Any, stream: Any, errors: list[str]) -> Iterator[Any]:
    """Frames in the order they are shown. What cannot be decoded is left out and noted in errors."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            yield from (frame for frame in packet.decode() if not frame.is_corrupt)
        except av.error.EOFError:
            return
        except av.error.InvalidDataError as error:
            errors.append(_said(error))
        except av.error.FFmpegError as error:
            errors.append(_said(error))
            return


def _timed(decoded: Iterator[Any], stream: Any) -> Iterator[tuple[Fraction, Any]]:
    """Each frame with its exact time in seconds since the first one; time never runs backwards."""
    step = 1 / (stream.average_rate or stream.base_rate or Fraction(25))
    start: int | None = None
    at = -step
    for frame in decoded:
        if frame.pts is None:
            at = at + step
        else:
            start = frame.pts if start is None else start
            now = (frame.pts - start) * Fraction(frame.time_base or stream.time_base)
            if now <= at:
                continue
            at = now
        yield at, frame


def _pixels(frame: Any) -> Pixels:
    pixels = frame.to_ndarray(format="rgb24")
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, quarter_turns))


def _duration_s(container: Any, stream: Any) -> Fraction | None:
    """How long the pictures run by the file's own word; the container's word counts if sound adds nothing."""
    if stream.duration:
        return Fraction(stream.duration * stream.time_base)
    return Fraction(container.duration, av.time_base) if container.duration else None


def _problem(errors: list[str], last: Fraction, duration: Fraction | None, stream: Any) -> str:
    parts = []
    if errors:
        parts.append(_LEFT_OUT.format(places=len(errors), error=errors[0]))
    rate = stream.average_rate
    announced = [stream.frames / rate] if rate and stream.frames else []
    if duration and not (stream.duration is None and _has_sound(stream)):
        announced.append(duration)
    shown = last + (1 / rate if rate else 0)
    if announced and max(announced) - shown > _LATE_S:
        told = {"announced": f"{float(max(announced)):.1f}", "shown": f"{float(shown):.1f}"}
        parts.append(_TAIL_LOST.format(**told))
    return " ".join(parts)


def _has_sound(stream: Any) -> bool:
    return bool(stream.container.streams.audio)


def _said(error: BaseException) -> str:
    strerror = getattr(error, "strerror", None)
    return (strerror or str(error)).split("\n")[0][:120]
