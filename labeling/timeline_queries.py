"""What is where in a video: the moments with faces, and the tracks with theirs."""

from collections import defaultdict
from dataclasses import dataclass

from django.db.models import Count

from labeling.models import Face, Media, Track

BINS = 240
"""Marks on a video's timeline: as many as a wide screen can tell apart."""
TRACKS = 60
"""Tracks shown at a time."""


@dataclass(frozen=True)
class Mark:
    """A stretch of a video in which faces were found."""

    time_ms: int
    """The moment with most faces in the stretch."""
    faces: int
    """How many at that moment."""
    place: int
    """0 … BINS - 1."""


@dataclass(frozen=True)
class Tick:
    """The first face of a track in a stretch of the video; a kept one, if there is one."""

    face: int
    time_ms: int
    left_out: str
    place: int
    """0 … BINS - 1."""


@dataclass(frozen=True)
class Row:
    """A track on the timeline."""

    track: Track
    faces: int
    ticks: list[Tick]
    place: float
    """Where it begins, 0 … BINS."""
    width: float
    """How far it goes, in the same measure; at least 1."""


def timeline(media: Media) -> list[Mark]:
    """Where in a video faces were found, in order of time."""
    moments = media.faces.order_by("time_ms").values_list("time_ms").annotate(Count("pk"))
    best: dict[int, Mark] = {}
    for time_ms, count in moments:
        place = _bin(media, time_ms)
        if place not in best or best[place].faces < count:
            best[place] = Mark(time_ms, count, place)
    return list(best.values())


def tracks(media: Media, *, after: int = 0) -> tuple[list[Row], int | None]:
    """The tracks of a video behind the key `after`, and the key of the last one if more follow. Two statements."""
    found = list(Track.objects.filter(media=media, pk__gt=after).order_by("pk")[: TRACKS + 1])
    shown = found[:TRACKS]
    by_track: dict[int, dict[int, Tick]] = defaultdict(dict)
    counts: dict[int, int] = defaultdict(int)
    faces = Face.objects.filter(track__in=[track.pk for track in shown]).order_by("time_ms", "pk")
    for track, face, time_ms, left_out in faces.values_list("track_id", "pk", "time_ms", "left_out"):
        if track is None:
            continue
        place = _bin(media, time_ms)
        there = by_track[track].get(place)
        counts[track] += 1
        if there is None or (there.left_out and not left_out):
            by_track[track][place] = Tick(face, time_ms, left_out, place)
    rows = [_row(media, track, counts[track.pk], list(by_track[track.pk].values())) for track in shown]
    return rows, shown[-1].pk if len(found) > TRACKS else None


def cuts(rows: list[Row]) -> list[float]:
    """Where shots begin on the timeline, 0 … BINS: with the first track seen in each but the first."""
    begins: dict[int, float] = {}
    for row in rows:
        begins[row.track.shot] = min(begins.get(row.track.shot, row.place), row.place)
    return [place for shot, place in sorted(begins.items()) if shot > 1]


def _row(media: Media, track: Track, faces: int, ticks: list[Tick]) -> Row:
    length = max(media.duration_ms, 1)
    place = min(BINS - 1.0, track.first_ms * BINS / length)
    end = min(float(BINS), track.last_ms * BINS / length)
    return Row(track, faces, ticks, place, max(1.0, end - place))


def _bin(media: Media, time_ms: int) -> int:
    return min(BINS - 1, time_ms * BINS // max(media.duration_ms, 1))
