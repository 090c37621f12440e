"""Finding faces in a source's media."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings as site
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from labeling import work
from labeling.models import Detection, Face, Item, Media, Scan, Source
from labeling.refusals import Refusal
from labeling.sayings import gettext_noop, said, told
from labeling.sources import store
from labeling.vision import crops, detectors, images, video
from labeling.vision.detectors import Detector, Found
from labeling.vision.images import Pixels

FOLDER = "crops"
_OURS = {"per_second": video.PER_SECOND, "margin": crops.MARGIN}
"""Settings of every search; the others are the detector's own."""
_AT = gettext_noop("At {name}")
_FOUND = gettext_noop("{faces:,} faces")
_BAD_SETTINGS = gettext_noop("per_second is a number from 0.01 to 120, margin one from 0 to 2.")
_SEARCHED_ALREADY = gettext_noop(
    "{detector} has searched this source already, with other settings ({settings}). "
    "Searched twice, each face would be there twice."
)
_FILE_GONE = gettext_noop("{media}: {reason} Bring the file back, then restart the search.")


class CannotDetect(Refusal):
    """No search was begun; the text says what to change."""


@dataclass(frozen=True)
class StoredCrop:
    name: str
    sha256: str
    width: int
    height: int


@dataclass
class _Findings:
    """What one look over one media has found so far."""

    faces: list[Face] = field(default_factory=list)
    frames: int = 0
    problem: str = ""


def detect_in(
    *, source: Source, detector: str = "haar", settings: Mapping[str, Any] | None = None, wake: bool = True
) -> Detection:
    """Search all media of the source that this detector has not seen. Raises CannotDetect.

    settings: `per_second` (frames of a video), `margin` (share of the box, on each side of the crop), and the
    detector's own. A search that is over is taken up again, for media that came later; one that waits or
    runs stays as it is.
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
        search, per_second, margin = _prepared(row.detector, row.settings, work.Refused)
        media_of_source = _media_of(row.source)
        total = media_of_source.count()
        left = media_of_source.filter(~_scanned_by(row.detector))
        done = total - left.count()
        job.beat(force=True, done=done, total=total)
        for media in left.order_by("pk").iterator(chunk_size=200):
            if tell:
                tell(done, total, media.original_name)
            job.beat(done=done, message=_AT.format(name=media.original_name)[:500])
            look = _Look(search, row.detector, per_second, margin, job.beat)
            look.over(media)
            done += 1
        job.beat(force=True, done=done, message=_summary(row))
        if tell:
            tell(done, total, "")


class _Look:
    """One detector looking over one media."""

    def __init__(
        self, search: Detector, name: str, per_second: float, margin: float, alive: Callable[[], None]
    ) -> None:
        self._search = search
        self._name = name
        self._per_second = per_second
        self._margin = margin
        self._alive = alive

    def over(self, media: Media) -> None:
        """Crops go to the storage as they are found, then Scan and Faces into the database in one piece."""
        begun = time.monotonic()
        findings = _Findings()
        try:
            with store.local_file(media.stored_as) as path:
                if media.kind == Media.Kind.VIDEO:
                    self._video(media, video.frames(path, self._per_second, max_pixels=_most()), findings)
                else:
                    self._image(media, images.read(path, max_pixels=_most()), findings)
        except FileNotFoundError as error:
            raise work.Refused(_FILE_GONE.format(media=media, reason=error)) from error
        except (images.BadImage, video.BadVideo) as reason:
            findings.problem = str(reason)
        _record(media, self._name, findings, round((time.monotonic() - begun) * 1000))

    def _image(self, media: Media, picture: images.Picture, findings: _Findings) -> None:
        found = self._search.find(picture.pixels)
        findings.frames, findings.problem = 1, picture.note
        # A label speaks of the whole picture: with two faces nobody knows whose it is.
        label = media.given.get("label") if len(found) == 1 else None
        given = {"label": label} if label else {}
        findings.faces = [self._face(media, picture.pixels, one, given=given) for one in found]

    def _video(self, media: Media, reading: video.Reading, findings: _Findings) -> None:
        for frame in reading:
            self._alive()
            findings.frames += 1
            at = {"frame": frame.index, "time_ms": frame.time_ms}
            findings.faces += [
                self._face(media, frame.image, one, **at) for one in self._search.find(frame.image)
            ]
        findings.problem = reading.problem

    def _face(self, media: Media, pixels: Pixels, one: Found, **fields: Any) -> Face:
        crop = store_crop(crops.crop(pixels, one.box, margin=self._margin))
        return Face(
            media=media,
            detector=self._name,
            score=one.score,
            x=one.x,
            y=one.y,
            width=one.width,
            height=one.height,
            crop=crop.name,
            crop_sha256=crop.sha256,
            crop_width=crop.width,
            crop_height=crop.height,
            **fields,
        )


def store_crop(pixels: Pixels) -> StoredCrop:
    """Keep a crop in the storage as a lossless PNG named by its content."""
    kept = store.keep_bytes(FOLDER, "png", crops.png(pixels))
    return StoredCrop(kept.name, kept.sha256, int(pixels.shape[1]), int(pixels.shape[0]))


@transaction.atomic
def _record(media: Media, detector: str, findings: _Findings, milliseconds: int) -> None:
    counts = {"frames": findings.frames, "faces": len(findings.faces), "milliseconds": milliseconds}
    _, made = Scan.objects.get_or_create(
        media=media, detector=detector, defaults={**counts, "problem": findings.problem[:500]}
    )
    # Another source with the same media may have been searched at the same time: its faces stand.
    if made:
        Face.objects.bulk_create(findings.faces, ignore_conflicts=True, batch_size=500)


def _prepared(
    name: str, settings: Mapping[str, Any], refusal: type[Refusal]
) -> tuple[Detector, float, float]:
    """The detector, frames per second and margin that the settings ask for. Raises the refusal."""
    own = {key: value for key, value in settings.items() if key not in _OURS}
    per_second, margin = (settings.get(key, usual) for key, usual in _OURS.items())
    if not _is_between(per_second, 0.01, 120) or not _is_between(margin, 0, 2):
        raise refusal(said(_BAD_SETTINGS))
    try:
        return detectors.make(name, own, model=site.YUNET_MODEL), per_second, margin
    except detectors.BadSettings as reason:
        raise refusal(told(str(reason))) from reason


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
