"""Which faces of one shot are one person's: boxes of successive frames linked into tracks.

ByteTrack (Zhang et al. 2022, arXiv:2110.06864, algorithm 1): first the faces the detector is sure of are linked to
where tracks should be by now, then tracks that got none may go on with a face it is less sure of. Frames come a few
times a second only, so boxes are compared with a margin around them (buffered overlap, Yang et al. 2023,
arXiv:2211.13317).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from labeling.vision.assignment import assign
from labeling.vision.detectors import Found

_Floats: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
_FAR = 1.0
"""The margin, in sides, within which somebody is looked for who moves fast."""


@dataclass(frozen=True)
class Settings:
    gap_ms: int = 1500
    """A person who is not seen for longer begins a new track."""
    margin: float = 0.3
    """Share of a box's sides added on each side before boxes are compared."""
    overlap: float = 0.2
    """Least intersection over union of such boxes for a sure face."""
    unsure_overlap: float = 0.4
    """The same for an unsure one."""


@dataclass(frozen=True)
class Seen:
    time_ms: int
    faces: Sequence[Found]


def link(
    frames: Sequence[Seen],
    cuts: Collection[int] = (),
    settings: Settings | None = None,
    *,
    sure: float = 0.7,
) -> list[list[int | None]]:
    """The track of each face of each frame; None for an unsure face that continues none.

    frames: ascending in time. sure: as in `Tracker.link`. cuts: the frames that begin a shot (`shots.cuts`); no track
    goes over them. Tracks are numbered from 0 in the order they begin.
    """
    tracker, linked = Tracker(settings), []
    for index, frame in enumerate(frames):
        if index in cuts:
            tracker.end_all()
        linked.append(tracker.link(frame.time_ms, frame.faces, sure=sure))
    return linked


class Tracker:
    """The same, one frame at a time."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._tracks: list[_Track] = []
        self._begun = 0

    @property
    def gap_ms(self) -> int:
        """A track that got no face for longer has ended."""
        return self._settings.gap_ms

    def end_all(self) -> None:
        """A new shot begins."""
        self._tracks = []

    def link(self, time_ms: int, faces: Sequence[Found], *, sure: float) -> list[int | None]:
        """The track of each face; None for an unsure one that continues none.

        time_ms: later than at the last call. sure: only a face with this score begins a track.
        """
        chosen = self._settings
        tracks = [track for track in self._tracks if time_ms - track.seen_ms <= chosen.gap_ms]
        for track in tracks:
            track.move_to(time_ms)
        just_seen = {track.number for track in tracks if not track.missed}
        certain = [at for at, face in enumerate(faces) if face.score >= sure]
        unsure = [at for at, face in enumerate(faces) if face.score < sure]
        linked: list[int | None] = [None] * len(faces)
        open_tracks = self._match(tracks, faces, certain, chosen.overlap, linked)
        for track in open_tracks:
            track.missed = True
        lately = [track for track in open_tracks if track.number in just_seen]
        self._match(lately, faces, unsure, chosen.unsure_overlap, linked)
        self._follow_loners(tracks, just_seen, faces, certain, linked)
        for at in certain:
            if linked[at] is None:
                linked[at] = self._begun
                tracks.append(_Track(self._begun, time_ms, _centred(faces[at])))
                self._begun += 1
        self._tracks = tracks
        return linked

    def _match(
        self,
        tracks: list["_Track"],
        faces: Sequence[Found],
        which: list[int],
        least: float,
        linked: list[int | None],
    ) -> list["_Track"]:
        """Link these faces to tracks in the best way for all. Returns the tracks that got none."""
        if not tracks or not which:
            return tracks
        boxes = np.array([_centred(faces[at]) for at in which])
        shared = overlaps(np.array([track.box for track in tracks]), boxes, self._settings.margin)
        # What overlaps too little costs as much as staying alone.
        costs = np.where(shared >= least, 1 - shared, 1.0)
        left = dict(enumerate(tracks))
        for row, column in assign(costs):
            if shared[row, column] >= least:
                track = left.pop(row)
                track.see(boxes[column])
                linked[which[column]] = track.number
        return list(left.values())

    def _follow_loners(
        self,
        tracks: list["_Track"],
        just_seen: Collection[int],
        faces: Sequence[Found],
        sure: list[int],
        linked: list[int | None],
    ) -> None:
        """Link a track to a sure face further off, where there is nobody else that either could belong to.

        Who walks by close to the camera moves by more than a face between two frames.
        """
        if not tracks or not sure:
            return
        boxes = np.array([_centred(faces[at]) for at in sure])
        near = overlaps(np.array([track.box for track in tracks]), boxes, _FAR) >= self._settings.overlap
        alone = near & (near.sum(axis=0) == 1) & (near.sum(axis=1) == 1)[:, None]
        for row, column in np.argwhere(alone):
            track = tracks[row]
            if linked[sure[column]] is None and track.missed and track.number in just_seen:
                track.see(boxes[column])
                linked[sure[column]] = track.number


class _Track:
    """Where a face is, how fast it moves and how sure that is: a Kalman filter of constant velocity.

    In units of the face's own size, as in SORT's successors. Along and across are filtered alike, so that
    they share one covariance. The size follows what is seen.
    """

    _SEEN_STD = 0.08
    """Of a box's centre, in face sizes."""
    _SPEED_STD = 1.5
    """Of a face that was seen once, in face sizes a second."""
    _ACCELERATION_STD = 4.0
    """In face sizes a second squared."""
    _SIZE_GAIN = 0.5

    def __init__(self, number: int, time_ms: int, box: _Floats) -> None:
        self.number, self.seen_ms, self.missed = number, time_ms, False
        self._at_ms = time_ms
        self._size = box[2:]
        self._state = np.stack((box[:2], np.zeros(2)))
        scale = float(self._size.mean())
        self._covariance = np.diag([self._SEEN_STD**2, self._SPEED_STD**2]) * scale**2

    @property
    def box(self) -> _Floats:
        return np.concatenate((self._state[0], self._size))

    def move_to(self, time_ms: int) -> None:
        seconds = (time_ms - self._at_ms) / 1000
        step = np.array([[1.0, seconds], [0.0, 1.0]])
        push = np.array([seconds**2 / 2, seconds]) * self._ACCELERATION_STD * self._size.mean()
        self._state = step @ self._state
        self._covariance = step @ self._covariance @ step.T + np.outer(push, push)
        self._at_ms = time_ms

    def see(self, box: _Floats) -> None:
        spread = self._covariance[0, 0] + (self._SEEN_STD * self._size.mean()) ** 2
        gain = self._covariance[:, 0] / spread
        self._state = self._state + np.outer(gain, box[:2] - self._state[0])
        self._covariance = self._covariance - np.outer(gain, self._covariance[0])
        self._size = self._size + self._SIZE_GAIN * (box[2:] - self._size)
        self.seen_ms, self.missed = self._at_ms, False


def overlaps(some: _Floats, others: _Floats, margin: float = 0.0) -> _Floats:
    """Intersection over union of each with each, (n, m). Boxes: (n, 4) and (m, 4), centre and size.

    margin: share of a box's sides added on each side first.
    """
    sizes, other_sizes = some[:, None, 2:] * (1 + 2 * margin), others[None, :, 2:] * (1 + 2 * margin)
    centres, other_centres = some[:, None, :2], others[None, :, :2]
    ends = np.minimum(centres + sizes / 2, other_centres + other_sizes / 2)
    starts = np.maximum(centres - sizes / 2, other_centres - other_sizes / 2)
    shared = np.maximum(0, ends - starts).prod(axis=2)
    ratio: _Floats = shared / (sizes.prod(axis=2) + other_sizes.prod(axis=2) - shared)
    return ratio


def _centred(face: Found) -> _Floats:
    return np.array([face.x + face.width / 2, face.y + face.height / 2, face.width, face.height], np.float64)
