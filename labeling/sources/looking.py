"""One detector looks over one media: its faces are cropped, measured, and in videos linked into tracks."""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from labeling.models import Face, Media, Track
from labeling.sources import store
from labeling.sources.together import Lookers
from labeling.vision import alignment, crops, images, landmarks, picks, quality, shots, video
from labeling.vision.detectors import Detector, Found
from labeling.vision.fingerprint import phash, to_signed
from labeling.vision.images import Pixels
from labeling.vision.tracking import Tracker

FOLDER = "crops"
_FRAMES = 256
"""Frames whose shots are told together."""


@dataclass(frozen=True)
class StoredCrop:
    name: str
    sha256: str
    width: int
    height: int


@dataclass(frozen=True)
class Choices:
    """How a media is looked over."""

    per_second: float = video.PER_SECOND
    """Frames of a video."""
    margin: float = crops.MARGIN
    """Share of the box that a crop has around it."""
    per_track: int = 0
    """Faces of a track that are offered to people, the sharpest and most different; 0: all."""
    min_side: int = 0
    """Pixels of the shorter side of the smallest box that counts."""
    aligned: bool = False
    """Whether crops are turned so that eyes are level, by five landmarks; else they are the original pixels."""


Group = tuple[Track | None, list[Face]]
"""Faces of one track; or, in a picture, one face of none."""


def store_crop(pixels: Pixels) -> StoredCrop:
    """Keep a crop in the storage as a lossless PNG named by its content."""
    kept = store.keep_bytes(FOLDER, "png", crops.png(pixels))
    return StoredCrop(kept.name, kept.sha256, int(pixels.shape[1]), int(pixels.shape[0]))


def faces_of(
    media: Media,
    name: str,
    pixels: Pixels,
    found: Sequence[Found],
    choices: Choices,
    *,
    keep: Callable[[Pixels, Found], StoredCrop] = lambda crop, one: store_crop(crop),
    **fields: Any,
) -> list[Face]:
    """The faces found in a picture, their crops stored; not saved.

    pixels: the whole picture, (height, width, 3) RGB. name: of the detector, or who else found them. keep: how a crop
    is stored. fields: what all have in common.
    """
    cut = [_cut(pixels, one, choices) for one in found]
    hashes = to_signed(phash(cut))
    return [
        _face(media, name, pixels, one, keep(crop, one), fingerprint=fingerprint, **fields)
        for one, crop, fingerprint in zip(found, cut, hashes, strict=True)
    ]


def _cut(pixels: Pixels, one: Found, choices: Choices) -> Pixels:
    if choices.aligned and one.landmarks is not None:
        return alignment.upright(pixels, one.landmarks, margin=choices.margin)
    return crops.crop(pixels, one.box, margin=choices.margin)


def _searched(search: Detector, pixels: Pixels, choices: Choices, *, unsure: bool = False) -> list[Found]:
    """The faces that are large enough, with landmarks that can be used."""
    found = [
        _sound(one)
        for one in search.find(pixels, unsure=unsure)
        if min(one.width, one.height) >= choices.min_side
    ]
    return [landmarks.steadied(pixels, one, search) for one in found] if choices.aligned else found


def _sound(one: Found) -> Found:
    """Without landmarks that all lie in one point, from which nothing can be told."""
    if one.landmarks is None or np.ptp(np.asarray(one.landmarks), axis=0).max() > 1e-6:
        return one
    return replace(one, landmarks=None)


def _face(media: Media, name: str, pixels: Pixels, one: Found, crop: StoredCrop, **fields: Any) -> Face:
    measured = quality.measure(pixels, one)
    return Face(
        media=media,
        detector=name,
        score=one.score,
        x=one.x,
        y=one.y,
        width=one.width,
        height=one.height,
        landmarks=None if one.landmarks is None else [list(point) for point in one.landmarks],
        crop=crop.name,
        crop_sha256=crop.sha256,
        crop_width=crop.width,
        crop_height=crop.height,
        sharpness=measured.sharpness,
        brightness=measured.brightness,
        contrast=measured.contrast,
        outside=measured.outside,
        yaw=measured.yaw,
        pitch=measured.pitch,
        roll=measured.roll,
        **fields,
    )


def in_image(
    media: Media, picture: images.Picture, search: Detector, name: str, choices: Choices
) -> list[Group]:
    found = _searched(search, picture.pixels, choices)
    # A label speaks of the whole picture: with two faces nobody knows whose it is.
    label = media.given.get("label") if len(found) == 1 else None
    given = {"label": label} if label else {}
    return [(None, [face]) for face in faces_of(media, name, picture.pixels, found, choices, given=given)]


def in_video(
    media: Media,
    reading: video.Reading,
    pool: Lookers,
    name: str,
    choices: Choices,
    seen: Callable[[], None],
) -> Iterator[list[Group]]:
    """What has been found, some frames at a time, a track once it has ended; the video may be of any length.

    seen: called for each frame, and may raise to give up. A face the detector is unsure of is kept where it goes on
    with a track, else dropped.
    """
    film = _Film(media, name, choices)

    def look(search: Detector, frame: video.Frame) -> _Frame:
        found = _searched(search, frame.image, choices, unsure=True)
        at = {"frame": frame.index, "time_ms": frame.time_ms}
        unsure: dict[str, bytes] = {}

        def keep(crop: Pixels, one: Found) -> StoredCrop:
            return store_crop(crop) if one.score >= search.sure else _held(crop, unsure)

        faces = faces_of(media, name, frame.image, found, choices, keep=keep, **at)
        looks = [_look(frame.image, one) for one in found] if choices.per_track else []
        return _Frame(frame.time_ms, shots.signature(frame.image), search.sure, found, faces, looks, unsure)

    for frame in pool.map(reading, look):
        seen()
        if done := film.see(frame):
            yield done
    yield film.end()


@dataclass
class _Frame:
    """A frame that was searched, and is not linked to those before it yet."""

    time_ms: int
    signature: shots.Signature
    sure: float
    found: Sequence[Found]
    faces: list[Face]
    looks: Sequence[picks.Floats]
    unsure: dict[str, bytes]
    """Crops that are stored only if their face goes on with a track, by name."""


@dataclass
class _Open:
    """A track that may go on."""

    shot: int
    faces: list[Face] = field(default_factory=list)
    looks: list[picks.Floats] = field(default_factory=list)


class _Film:
    """Links the faces of a video's frames. Shots are told from a stretch of frames with its surroundings."""

    def __init__(self, media: Media, name: str, choices: Choices) -> None:
        self._media, self._name, self._per_track = media, name, choices.per_track
        self._around = max(4, math.ceil(choices.per_second * shots.DISSOLVE_MS / 1000) + 1)
        self._stretch = max(_FRAMES, 4 * self._around)
        self._tracker = Tracker()
        self._shot = 1
        self._before: list[_Frame] = []
        """The last ones that were linked, for what surrounds the next."""
        self._waiting: list[_Frame] = []
        self._open: dict[int, _Open] = {}

    def see(self, frame: _Frame) -> list[Group]:
        """The groups that are complete now."""
        self._waiting.append(frame)
        full = len(self._waiting) >= self._stretch + self._around
        return self._link(self._stretch) if full else []

    def end(self) -> list[Group]:
        return [*self._link(len(self._waiting)), *self._close(self._open)]

    def _link(self, count: int) -> list[Group]:
        together = [*self._before, *self._waiting]
        cuts = shots.cuts([frame.signature for frame in together], [frame.time_ms for frame in together])
        begins = {cut - len(self._before) for cut in cuts}
        now, self._waiting = self._waiting[:count], self._waiting[count:]
        done: list[Group] = []
        for index, frame in enumerate(now):
            if index in begins:
                self._tracker.end_all()
                done += self._close(self._open)
                self._shot += 1
            self._place(frame)
        if now:
            since = now[-1].time_ms - self._tracker.gap_ms
            done += self._close([key for key, track in self._open.items() if track.faces[-1].time_ms < since])
        self._before = together[: len(together) - len(self._waiting)][-self._around :]
        for frame in self._before:
            frame.faces, frame.looks, frame.unsure = [], [], {}
        return done

    def _place(self, frame: _Frame) -> None:
        """Put its faces on their tracks. What the detector was unsure of and no track leads to is dropped."""
        numbers = self._tracker.link(frame.time_ms, frame.found, sure=frame.sure)
        for index, (number, face) in enumerate(zip(numbers, frame.faces, strict=True)):
            if number is None:
                continue
            if face.crop in frame.unsure:
                store.keep_bytes(FOLDER, "png", frame.unsure[face.crop])
            track = self._open.setdefault(number, _Open(self._shot))
            track.faces.append(face)
            track.looks += frame.looks[index : index + 1]

    def _close(self, numbers: Any) -> list[Group]:
        return [self._closed(number, self._open.pop(number)) for number in sorted(numbers)]

    def _closed(self, number: int, track: _Open) -> Group:
        most = self._per_track
        if most and len(track.faces) > most:
            sharpness = np.array([face.sharpness for face in track.faces], np.float64)
            kept = set(picks.pick(sharpness, np.stack(track.looks), most))
            for index, face in enumerate(track.faces):
                face.left_out = "" if index in kept else Face.LeftOut.TRACK
        row = Track(
            media=self._media,
            detector=self._name,
            number=number + 1,
            shot=track.shot,
            first_ms=track.faces[0].time_ms,
            last_ms=track.faces[-1].time_ms,
        )
        return row, track.faces


def _held(crop: Pixels, held: dict[str, bytes]) -> StoredCrop:
    """The crop as it would be stored, its bytes put aside."""
    data = crops.png(crop)
    sha256 = hashlib.sha256(data).hexdigest()
    name = store.name_of(FOLDER, sha256, "png")
    held[name] = data
    return StoredCrop(name, sha256, int(crop.shape[1]), int(crop.shape[0]))


def _look(pixels: Pixels, one: Found) -> picks.Floats:
    if one.landmarks is not None:
        return picks.look(alignment.align(pixels, one.landmarks))
    return picks.look(crops.crop(pixels, one.box, margin=0))
