"""Finding faces in a source's media."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from django.conf import settings as site
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from labeling import likeness, work
from labeling.erasure import files, places
from labeling.models import Detection, Face, Item, Media, Scan, Source, Track
from labeling.refusals import Refusal
from labeling.sayings import gettext_noop, said, told
from labeling.sources import looking, store
from labeling.sources.base import Beat
from labeling.sources.looking import Choices, Group
from labeling.sources.together import Lookers, lookers
from labeling.vision import crops, detectors, images, video
from labeling.vision.detectors import Detector

OURS: dict[str, float | bool] = {
    "per_second": video.PER_SECOND,
    "margin": crops.MARGIN,
    "per_track": 0,
    "min_side": 0,
    "aligned": False,
}
"""Settings of every search and what they are if nothing is said; the others are the detector's own."""
_AT_TIME = gettext_noop("Watching {name}: {time} of {whole}")
_AT = gettext_noop("At {name}")
_FOUND = gettext_noop("{faces:,} faces")
_BAD_SETTINGS = gettext_noop(
    "per_second is a number from 0.01 to 120, margin one from 0 to 2, per_track a whole one from 0 (all) to 10000, "
    "min_side one of pixels from 0 to 10000, aligned yes or no."
)
_NOT_ALIGNED = gettext_noop("{detector} tells no eyes, nose and mouth, by which its faces could be aligned.")
_SEARCHED_ALREADY = gettext_noop(
    "{detector} has searched this source already, with other settings ({settings}). "
    "Searched twice, each face would be there twice."
)
_FILE_GONE = gettext_noop("{media}: {reason} Bring the file back, then restart the search.")


class CannotDetect(Refusal):
    """No search was begun; the text says what to change."""


def detect_in(
    *, source: Source, detector: str = "haar", settings: Mapping[str, Any] | None = None, wake: bool = True
) -> Detection:
    """Search all media of the source that this detector has not seen. Raises CannotDetect.

    settings: `per_second` (frames of a video), `margin` (share of the box, on each side of the crop), `per_track`
    (faces of a track that are offered to people; 0 for all), `min_side` (pixels of the shorter side of the smallest
    box), `aligned` (whether crops are turned so that eyes are level), and the detector's own. A search that is over is
    taken up again, for media that came later; one that waits or runs stays as it is.
    """
    wanted = dict(settings or {})
    _prepared(detector, wanted, CannotDetect)
    with transaction.atomic():
        row, made = Detection.objects.get_or_create(
            source=source, detector=detector, defaults={"settings": wanted}
        )
        if settings is not None and row.settings != wanted:
            raise CannotDetect(
                said(
                    _SEARCHED_ALREADY,
                    detector=detector,
                    settings=row.settings or said(gettext_noop("the usual")),
                )
            )
        if made and wake:
            work.enqueue(row)
        elif row.is_over:
            work.restart(row, also_done=True, wake=wake)
    return row


def find_faces(detection_id: int, *, tell: Callable[[int, int | None, str], None] | None = None) -> None:
    """Do the search, one media after another; what was searched is not searched again.

    Killed at any instruction and begun again it goes on with the next media. Raises AlreadyClaimed.
    """
    with work.claimed(Detection, detection_id) as job:
        row = job.row
        make, choices = _prepared(row.detector, row.settings, work.Refused)
        media_of_source = _media_of(row.source)
        total = media_of_source.count()
        left = media_of_source.filter(~_scanned_by(row.detector))
        done = total - left.count()
        job.beat(force=True, done=done, total=total)
        erased = places.ErasedPlaces()
        with lookers(make) as pool:
            for media, findings in _looked_over(left, pool, row.detector, choices, erased, job.beat):
                if findings is not None:
                    findings.end(media, row.detector)
                    done += 1
                if tell:
                    tell(done, total, media.original_name)
                job.beat(done=done, message=_AT.format(name=media.original_name)[:500])
        job.beat(force=True, done=done, message=likeness.COMPARING)
        likeness.compare_new(alive=job.beat)
        job.beat(force=True, done=done, message=_summary(row))
        if tell:
            tell(done, total, "")


class OneByOne:
    """Searches single pictures as they come, as `find_faces` does. Raises Refused for a detector that cannot run."""

    def __init__(self, detector: str) -> None:
        self.detector = detector
        make, self._choices = _prepared(detector, {}, work.Refused)
        self._search = make()
        self._erased = places.ErasedPlaces()

    def look_at(self, media: Media) -> None:
        """Find the faces of a picture that this detector has not been over."""
        _, findings = _picture(self._search, media, name=self.detector, choices=self._choices)
        findings.keep(media, findings.waiting, self._erased)
        findings.end(media, self.detector)


def _looked_over(
    left: QuerySet[Media],
    pool: Lookers,
    name: str,
    choices: Choices,
    erased: places.ErasedPlaces,
    alive: Beat,
) -> Iterator[tuple[Media, "_Findings | None"]]:
    """Each media twice: as it begins, and with what was found. Pictures come a few at a time, videos one by one."""
    rows = left.order_by("pk").iterator(chunk_size=200)
    for kind, media_of_kind in groupby(rows, key=lambda media: media.kind):
        if kind == Media.Kind.VIDEO:
            for media in media_of_kind:
                yield media, None
                yield media, _film(media, pool, name, choices, erased, alive)
            continue
        for media, findings in pool.map(media_of_kind, partial(_picture, name=name, choices=choices)):
            yield media, None
            findings.keep(media, findings.waiting, erased)
            yield media, findings


def _picture(search: Detector, media: Media, *, name: str, choices: Choices) -> tuple[Media, "_Findings"]:
    """What is found in it, not yet in the database."""
    findings = _Findings()
    with suppress(_NoFile), _noting(media, findings) as path:
        picture = images.read(path, max_pixels=_most())
        findings.frames, findings.problem = 1, picture.note
        findings.waiting = looking.in_image(media, picture, search, name, choices)
    return media, findings


def _film(
    media: Media,
    pool: Lookers,
    name: str,
    choices: Choices,
    erased: places.ErasedPlaces,
    alive: Beat,
) -> "_Findings":
    """Faces come into the database as they are found, the Scan at the end: a killed look is begun again.

    Crops go to the storage first. What is found a second time is there already.
    """
    findings = _Findings()

    whole = _clock(media.duration_ms)

    def seen() -> None:
        at = _clock(round(1000 * findings.frames / choices.per_second))
        alive(message=_AT_TIME.format(name=media.original_name, time=at, whole=whole)[:500])
        findings.frames += 1

    with suppress(_NoFile), _noting(media, findings) as path:
        reading = video.frames(path, choices.per_second, max_pixels=_most())
        for groups in looking.in_video(media, reading, pool, name, choices, seen):
            findings.keep(media, groups, erased)
            if findings.lost:
                break
        findings.problem = reading.problem
    return findings


def _clock(milliseconds: int) -> str:
    minutes, seconds = divmod(milliseconds // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class _NoFile(Exception):
    """What the media's file was called is not in the storage; its findings say so."""


@contextmanager
def _noting(media: Media, findings: "_Findings") -> Iterator[Path]:
    """The media's file; what is wrong with it goes into the findings, and the time."""
    begun = time.monotonic()
    try:
        with store.local_file(media.stored_as) as path:
            yield path
    except FileNotFoundError as error:
        findings.missing = _FILE_GONE.format(media=media, reason=error)
        raise _NoFile from error
    except (images.BadImage, video.BadVideo) as reason:
        findings.problem = str(reason)
    findings.milliseconds = round((time.monotonic() - begun) * 1000)


@dataclass
class _Findings:
    """What one look over one media has found so far, and stored."""

    faces: int = 0
    frames: int = 0
    problem: str = ""
    milliseconds: int = 0
    waiting: list[Group] = field(default_factory=list)
    """Found, and not in the database yet."""
    missing: str = ""
    """Why the media's file could not be opened."""
    lost: bool = False
    """Its media was erased meanwhile."""

    def keep(self, media: Media, groups: Sequence[Group], erased: places.ErasedPlaces) -> None:
        """Store these, but for those at the places of erased faces; nothing if the media is gone by now."""
        if not any(group for _, group in groups):
            return
        with transaction.atomic():
            self.lost = not _held(media)
            erased.catch_up()
            left = [] if self.lost else _without(groups, media, erased)
            faces = [face for _, group in left for face in group]
            _keep_tracks(left)
            Face.objects.bulk_create(faces, ignore_conflicts=True, batch_size=500)
        self.faces += len(faces)
        kept = {face.crop for face in faces}
        if gone := {face.crop for _, group in groups for face in group} - kept:
            files.forget(gone)

    def end(self, media: Media, detector: str) -> None:
        """Note that the look is over, unless its media was erased meanwhile. Raises Refused where its file is gone."""
        counts = {"frames": self.frames, "faces": self.faces, "milliseconds": self.milliseconds}
        with transaction.atomic():
            if not _held(media):
                return
            if self.missing:
                raise work.Refused(self.missing)
            # Another source with the same media may have been searched at the same time.
            Scan.objects.get_or_create(
                media=media, detector=detector, defaults={**counts, "problem": self.problem[:500]}
            )


def _held(media: Media) -> bool:
    """Keep the media from being erased until the transaction ends. False: it is gone."""
    rows = Media.objects.select_for_update(no_key=True).filter(pk=media.pk)
    return bool(rows.values_list("pk", flat=True).first())


def _without(groups: Sequence[Group], media: Media, erased: places.ErasedPlaces) -> list[Group]:
    """The groups less what was erased, and less those of which nothing is left."""
    left = [
        (track, [face for face in group if not erased.have(face, media.sha256)]) for track, group in groups
    ]
    return [(track, group) for track, group in left if group]


def _keep_tracks(groups: Sequence[Group]) -> None:
    tracks = [track for track, _ in groups if track is not None]
    if not tracks:
        return
    Track.objects.bulk_create(tracks, ignore_conflicts=True)
    numbers = [track.number for track in tracks]
    there = Track.objects.filter(media=tracks[0].media, detector=tracks[0].detector, number__in=numbers)
    keys = dict(there.values_list("number", "pk"))
    for track, faces in groups:
        for face in faces:
            face.track_id = keys[track.number] if track is not None else None


def _prepared(
    name: str, settings: Mapping[str, Any], refusal: type[Refusal]
) -> tuple[Callable[[], Detector], Choices]:
    """What makes the detector, and how it looks, as the settings ask for it. Raises the refusal."""
    own = {key: value for key, value in settings.items() if key not in OURS}
    choices = Choices(**{key: settings.get(key, usual) for key, usual in OURS.items()})
    if not _is_sound(choices):
        raise refusal(said(_BAD_SETTINGS))
    make = partial(detectors.make, name, own, model=site.YUNET_MODEL)
    try:
        detector = make()
    except detectors.BadSettings as reason:
        raise refusal(told(str(reason))) from reason
    if choices.aligned and not detector.tells_landmarks:
        raise refusal(said(_NOT_ALIGNED, detector=name))
    return make, choices


def _is_sound(choices: Choices) -> bool:
    whole = (choices.per_track, choices.min_side)
    return (
        _is_between(choices.per_second, 0.01, 120)
        and _is_between(choices.margin, 0, 2)
        and all(isinstance(number, int) and _is_between(number, 0, 10_000) for number in whole)
        and isinstance(choices.aligned, bool)
    )


def _is_between(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _media_of(source: Source) -> QuerySet[Media]:
    return Media.objects.filter(Exists(Item.objects.filter(source=source, media=OuterRef("pk"))))


def _scanned_by(detector: str) -> Exists:
    return Exists(Scan.objects.filter(media=OuterRef("pk"), detector=detector))


def _summary(row: Detection) -> str:
    found = Face.objects.filter(media__in=_media_of(row.source), detector=row.detector).count()
    return _FOUND.format(faces=found)


def _most() -> int:
    most: int = site.MAX_IMAGE_PIXELS
    return most
