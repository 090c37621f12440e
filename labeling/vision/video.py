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
_TOO_MANY = gettext_noop("It has more than {most:,} frames a second; the rest was not looked at.")
_GIVEN_UP = gettext_noop("Reading was given up after {most:,} packets in a row without a picture.")
_TOO_FAR = gettext_noop("More than {most:,} frames would have to be read to get to this moment.")
_TAIL_LOST = gettext_noop("The video says it runs {announced} s, but its pictures end at {shown} s.")


_MOST_PIXELS = 36_000_000
"""Of a frame; 8K UHD has 33 million. A decoder holds up to sixteen, and some more wait to be searched."""
_MOST_PER_SECOND, _SPARE = 1000, 10_000
"""Frames a second, and so many more: a film may not have a billion frames in its first second."""
_MOST_EMPTY = 10_000
"""Packets in a row without a picture, after which no more are tried."""
_MOST_MS = 2**53
MOST_SOUGHT = 3_000
"""Frames decoded to get to a moment: a film with a single key frame may not hold up a web server for minutes."""
_EARLIER_S = (1, 15, 120)
"""So much before a moment the search for the frame before it begins, as long as none is found."""
_OURS_ONLY = {"protocol_whitelist": "file", "enable_drefs": "0", "use_absolute_path": "0"}
"""No file may have FFmpeg open another file, let alone an address."""


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
        first = next(_decoded(container, stream, _Damage()), None)
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
            duration_ms=_milliseconds(_duration_s(container, stream)),
            fps=float(rate) if rate else 0.0,
            mime=mime,
            extension=extension,
        )


def _milliseconds(seconds: Fraction | None) -> int:
    """0 for what no film can last."""
    wanted = round((seconds or 0) * 1000)
    return wanted if 0 <= wanted <= _MOST_MS else 0


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
            damage = _Damage()
            wanted, last = Fraction(0), Fraction(0)
            for index, (at, frame) in enumerate(_timed(_decoded(container, stream, damage), stream, damage)):
                self.decoded, last = index + 1, at
                if at >= wanted:
                    yield Frame(round(at * 1000), index, _pixels(frame))
                    wanted = (at * per_second // 1 + 1) / per_second
            self.problem = _problem(damage, last, _duration_s(container, stream), stream)


def frame_at(path: Path, time_ms: int, *, most: int | None = None, max_pixels: int = MAX_PIXELS) -> Pixels:
    """The picture shown at that moment: the first frame at or after it, or the last.

    most: so many frames may be decoded to get there. Raises BadVideo.
    """
    with _opened(path, max_pixels) as (container, stream, _):
        first = next(_decoded(container, stream, _Damage()), None)
        if first is None:
            raise BadVideo(_NO_PICTURE)
        start = first.pts if first.pts is not None else 0
        if time_ms <= 0:
            return _pixels(first)
        wanted = Fraction(2 * time_ms - 1, 2000)  # moments are kept rounded to a millisecond
        _seek(container, stream, start, wanted)
        picked = first
        for frame in _few(_decoded(container, stream, _Damage()), most):
            picked = frame
            if frame.pts is not None and (frame.pts - start) * stream.time_base >= wanted:
                break
        return _pixels(picked)


def moment(path: Path, time_ms: int, *, step: int = 0, max_pixels: int = MAX_PIXELS) -> int:
    """When the frame that frame_at gives is shown, in ms; with step -1 the one before it, with 1 the one after.

    Before the first frame comes the first, and after the last the last. Decodes MOST_SOUGHT frames at most. Raises
    BadVideo.
    """
    with _opened(path, max_pixels) as (container, stream, _):
        start = _start(container, stream)
        for early in _EARLIER_S:
            before, here, after = _around(container, stream, start, time_ms, early)
            if before is not None or not here:
                break
    if step < 0:
        return here if before is None else before
    return after if step > 0 else here


def index_at(path: Path, time_ms: int, *, max_pixels: int = MAX_PIXELS) -> int:
    """How many frames are shown before that moment, by what the file says of them: none is decoded. Raises BadVideo."""
    with _opened(path, max_pixels) as (container, stream, _):
        start = _start(container, stream)
        container.seek(start, stream=stream, backward=True)
        until = Fraction(2 * time_ms - 1, 2000) / stream.time_base
        shown = (packet.pts for packet in container.demux(stream) if packet.pts is not None)
        return len({pts for pts in shown if start <= pts < start + until})


def _start(container: Any, stream: Any) -> int:
    """When the first frame is shown, by the stream's clock. Raises BadVideo."""
    first = next(_decoded(container, stream, _Damage()), None)
    if first is None:
        raise BadVideo(_NO_PICTURE)
    return first.pts if first.pts is not None else 0


def _around(container: Any, stream: Any, start: int, time_ms: int, early: int) -> tuple[int | None, int, int]:
    """The frame before, the one at the moment, and the one after it, in ms. Decoding begins so many seconds earlier."""
    _seek(container, stream, start, Fraction(max(0, time_ms), 1000) + 1 - early)
    before: int | None = None
    last: int | None = None
    here: int | None = None
    for frame in _few(_decoded(container, stream, _Damage()), MOST_SOUGHT):
        if frame.pts is None:
            continue
        at = max(0, round((frame.pts - start) * stream.time_base * 1000))
        if here is not None and at > here:
            return before, here, at
        if here is None and at >= time_ms:
            here = at
        elif here is None:
            before, last = at, before
    if here is not None:
        return before, here, here
    # Behind its end a film goes on showing its last frame.
    return (None, 0, 0) if before is None else (last, before, before)


def _few(decoded: Iterator[Any], most: int | None) -> Iterator[Any]:
    """Raises BadVideo behind so many frames."""
    for count, frame in enumerate(decoded):
        if most is not None and count >= most:
            raise BadVideo(_TOO_FAR.format(most=most))
        yield frame


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
        container = av.open(
            str(path.resolve()), format=found.format, container_options=_OURS_ONLY, metadata_errors="replace"
        )
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
    most = min(max_pixels, _MOST_PIXELS)
    if width * height > most:
        raise BadVideo(_TOO_LARGE.format(width=width, height=height, most=most))
    stream.codec_context.options = {"max_pixels": str(most)}  # later frames may be larger than the first
    stream.thread_type = "AUTO"
    return stream


@dataclass
class _Damage:
    """What could not be decoded."""

    places: int = 0
    first: str = ""
    """What FFmpeg said of the first of them."""
    end: str = ""
    """Why reading ended before the film did, for people."""

    def note(self, error: BaseException) -> None:
        self.first = self.first or _said(error)
        self.places += 1


def _decoded(container: Any, stream: Any, damage: _Damage) -> Iterator[Any]:
    """Frames in the order they are shown. What cannot be decoded is left out and noted."""
    packets = container.demux(stream)
    empty = 0
    while empty < _MOST_EMPTY:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            empty += 1
            for frame in packet.decode():
                if not frame.is_corrupt:
                    empty = 0
                    yield frame
        except av.error.EOFError:
            return
        except (av.error.InvalidDataError, av.error.ArgumentError) as error:  # the latter: a frame too large
            damage.note(error)
        except av.error.FFmpegError as error:
            damage.note(error)
            return
    damage.end = _GIVEN_UP.format(most=_MOST_EMPTY)


def _timed(decoded: Iterator[Any], stream: Any, damage: _Damage) -> Iterator[tuple[Fraction, Any]]:
    """Each frame with its exact time in seconds since the first one; time never runs backwards."""
    step = 1 / (stream.average_rate or stream.base_rate or Fraction(25))
    start: int | None = None
    at = -step
    for count, frame in enumerate(decoded):
        if count > at * _MOST_PER_SECOND + _SPARE:
            damage.end = _TOO_MANY.format(most=_MOST_PER_SECOND)
            return
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


def _problem(damage: _Damage, last: Fraction, duration: Fraction | None, stream: Any) -> str:
    parts = []
    if damage.places:
        parts.append(_LEFT_OUT.format(places=damage.places, error=damage.first))
    if damage.end:
        return " ".join([*parts, damage.end])
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
