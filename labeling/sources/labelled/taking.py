"""Taking labelled pictures in: media, face and label of some hundreds at a time, in one transaction.

The bytes go to the storage before their rows. Pictures and faces that are there already get the label too; a label that
says otherwise than the one a face has is refused, and nothing is written over.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from PIL import Image

from labeling import labels, whose
from labeling.erasure import places, tombstones
from labeling.labels import Wanted
from labeling.models import Face, Item, Media, Scan, Source
from labeling.sayings import gettext_noop
from labeling.sources import faces, intake, rights, store
from labeling.sources.base import Alive, LabelledContent, Note, Unusable
from labeling.vision import crops, images, quality
from labeling.vision.detectors import Found
from labeling.vision.fingerprint import phash, to_signed

DETECTOR = "labelled"
"""In the place of a detector's name, for pictures that are a face whole."""
MOST_SIDE = 4096
_BATCH = 250
_BATCH_BYTES = 64 * 1024**2
_TRIES = 3
_TOO_LARGE = gettext_noop(
    "{width:,} × {height:,} pixels are no cropped face. Add the set with a detector that finds the face."
)
_NONE_FOUND = gettext_noop("No face was found in it. Draw one on the page of the picture, then try it again.")
_SOME_FOUND = gettext_noop(
    "{faces:,} faces were found: whose label is it? Leave the others out on the page of the picture, then try it again."
)
_NO_PICTURE = gettext_noop("This is a video; a labelled set holds pictures.")
_FACE_ERASED = gettext_noop("The face that it shows was erased.")


class _ErasedMeanwhile(Exception):
    """What is being taken in was erased since it was asked for."""


@dataclass(frozen=True)
class _Picture:
    """One item that was read, and what will be stored of it."""

    item: Item
    content: LabelledContent
    note: Note
    sha256: str
    size: int
    part: Path
    mime: str
    extension: str
    width: int
    height: int
    crop: bytes
    """A PNG; empty if the file itself can be shown as the face."""
    measured: quality.Quality
    fingerprint: int

    @property
    def stored_as(self) -> str:
        return store.name_of(intake.FOLDER, self.sha256, self.extension)


class Taking:
    """Takes in what is added to it, at the latest when it is flushed."""

    def __init__(self, source: Source, alive: Alive) -> None:
        self._source, self._alive = source, alive
        self._column = source.options.get("column", labels.EXPERT)
        self._batch: list[_Picture] = []
        self._parts = ExitStack()
        self._search = faces.OneByOne(name) if (name := source.options.get("faces")) else None

    def add(self, item: Item, content: LabelledContent) -> None:
        """Raises NotYet."""
        note = intake.with_defaults(content.file.note, self._source)
        if reason := rights.why_not(self._source.options, note.licence):
            intake.refuse(item, reason)
        elif self._search is not None:
            self._take_found(item, content, self._search)
        else:
            try:
                self._batch.append(self._read(item, content, note))
            except Unusable as reason:
                intake.refuse(item, str(reason))
            held = sum(one.size + len(one.crop) for one in self._batch)
            if len(self._batch) >= _BATCH or held > _BATCH_BYTES:
                self.flush()

    def flush(self) -> None:
        batch, self._batch = self._batch, []
        with self._parts:
            for tries in range(1, _TRIES + 1):
                try:
                    self._keep(batch)
                    break
                except (IntegrityError, _ErasedMeanwhile):
                    # Something was erased at this very moment: what is left is looked at anew.
                    if tries == _TRIES:
                        raise
        self._parts = ExitStack()

    def _read(self, item: Item, content: LabelledContent, note: Note) -> _Picture:
        """Raises Unusable, NotYet."""
        part = self._parts.enter_context(store.staged())
        sha256, size = intake.staged(content.file, part, self._alive)
        try:
            picture = images.read(part, max_pixels=settings.MAX_IMAGE_PIXELS)
        except images.BadImage as reason:
            raise Unusable(str(reason)) from reason
        width, height = picture.width, picture.height
        if max(width, height) > MOST_SIDE:
            raise Unusable(_TOO_LARGE.format(width=width, height=height))
        plain = picture.mime == "image/png" and _is_plain(part)
        return _Picture(
            item=item,
            content=content,
            note=note,
            sha256=sha256,
            size=size,
            part=part,
            mime=picture.mime,
            extension=_EXTENSIONS.get(picture.mime, picture.mime.partition("/")[2]),
            width=width,
            height=height,
            crop=b"" if plain else crops.png(picture.pixels),
            measured=quality.measure(picture.pixels, Found(0, 0, width, height, 1.0)),
            fingerprint=to_signed(phash([picture.pixels]))[0],
        )

    def _keep(self, batch: Sequence[_Picture]) -> None:
        erased = tombstones.of_media([one.sha256 for one in batch])
        for one in batch:
            if one.sha256 in erased:
                intake.refuse(one.item, erased[one.sha256])
        left = [one for one in batch if one.sha256 not in erased]
        there = _faces_there(left)
        fresh = {one.sha256: one for one in reversed(left) if one.sha256 not in there}
        made = [self._face(one) for one in fresh.values()]
        with transaction.atomic():
            known = set(Media.objects.filter(sha256__in=fresh).values_list("sha256", flat=True))
            Media.objects.bulk_create(
                (self._media(one) for one in fresh.values() if one.sha256 not in known), ignore_conflicts=True
            )
            media = {row.sha256: row for row in Media.objects.filter(sha256__in={one.sha256 for one in left})}
            told = ((media[one.sha256], intake.said_by(one.note)) for one in left if one.sha256 in media)
            whose.hear(told, self._source)
            gone = _keep_faces(made, [media[sha256] for sha256 in fresh])
            there = _faces_there(left)
            self._label(left, there, new=fresh.keys() - known, gone=gone)
            if tombstones.of_media(list(fresh)):
                raise _ErasedMeanwhile

    def _label(
        self, batch: Sequence[_Picture], there: Mapping[str, list[Face]], *, new: set[str], gone: set[str]
    ) -> None:
        """Give the labels and settle the items; of items that show one picture the first brought it in."""
        pairs = [(one, face) for one in batch for face in there.get(one.sha256, ())]
        wanted = [Wanted(face.pk, one.content.label, one.content.origin) for one, face in pairs]
        told = labels.give(wanted, column=self._column, by=self._source.created_by)
        problems: dict[int, str] = {}
        for (one, _), problem in zip(pairs, told, strict=True):
            problems[one.item.pk] = problems.get(one.item.pk) or problem
        _keep_splits([(one.content.split, face) for one, face in pairs if not problems[one.item.pk]])
        settled, brought = [], set(new)
        for one in batch:
            item, found = one.item, there.get(one.sha256)
            item.reason = _FACE_ERASED if one.sha256 in gone or not found else problems[item.pk][:500]
            item.media_id = None if item.reason or not found else found[0].media_id
            first = one.sha256 in brought
            item.state = Item.State.REFUSED if item.reason else _state(first)
            if not item.reason:
                brought.discard(one.sha256)
            settled.append(item)
        Item.objects.bulk_update(settled, ["state", "media", "reason"], batch_size=_BATCH)

    def _media(self, one: _Picture) -> Media:
        store.keep_file(one.part, one.stored_as)
        return Media(
            sha256=one.sha256,
            kind=Media.Kind.IMAGE,
            mime=one.mime,
            stored_as=one.stored_as,
            bytes=one.size,
            width=one.width,
            height=one.height,
            original_name=intake.shown_name(one.content.file),
            **intake.said_by(one.note).columns(),
        )

    def _face(self, one: _Picture) -> Face:
        kept = (
            store.keep_bytes("crops", "png", one.crop) if one.crop else store.Kept(one.stored_as, one.sha256)
        )
        measured = one.measured
        return Face(
            detector=DETECTOR,
            score=1.0,
            x=0,
            y=0,
            width=one.width,
            height=one.height,
            crop=kept.name,
            crop_sha256=kept.sha256,
            crop_width=one.width,
            crop_height=one.height,
            given={"split": one.content.split} if one.content.split else {},
            sharpness=measured.sharpness,
            brightness=measured.brightness,
            contrast=measured.contrast,
            outside=measured.outside,
            fingerprint=one.fingerprint,
        )

    def _take_found(self, item: Item, content: LabelledContent, search: faces.OneByOne) -> None:
        """Take the picture in as any other, find its faces, and give the label to the only one. Raises NotYet."""
        intake.take_file(item=item, content=content.file, source=self._source, alive=self._alive)
        media = Media.objects.filter(items=item).first()
        if media is None:
            return
        if media.kind != Media.Kind.IMAGE:
            intake.refuse(item, _NO_PICTURE)
            return
        if not Scan.objects.filter(media=media, detector=search.detector).exists():
            search.look_at(media)
        found = list(Face.objects.kept().filter(media=media, detector__in=(search.detector, "person"))[:1000])
        if len(found) != 1:
            # Refused, but in: its faces can be looked at, and left out.
            _tell(item, _SOME_FOUND.format(faces=len(found)) if found else _NONE_FOUND)
            return
        with transaction.atomic():
            wanted = Wanted(found[0].pk, content.label, content.origin)
            (problem,) = labels.give([wanted], column=self._column, by=self._source.created_by)
            if problem:
                _tell(item, problem)
            else:
                _keep_splits([(content.split, found[0])])


_EXTENSIONS = {"image/jpeg": "jpg", "image/tiff": "tif"}


def _state(first: bool) -> Item.State:
    return Item.State.INGESTED if first else Item.State.KNOWN


def _tell(item: Item, reason: str) -> None:
    Item.objects.filter(pk=item.pk).update(state=Item.State.REFUSED, reason=reason[:500])


def _is_plain(part: Path) -> bool:
    """Whether a PNG shows everywhere what we see in it: no rotation, nothing transparent, nothing that moves."""
    with Image.open(part, formats=["PNG"]) as image:
        moves = getattr(image, "is_animated", False)
        return image.mode in ("L", "RGB") and not (image.has_transparency_data or moves or image.getexif())


def _faces_there(batch: Sequence[_Picture]) -> dict[str, list[Face]]:
    """By a picture's sha256: the faces that are this very picture, as their crop or as a face that fills its media."""
    hashes = {one.sha256 for one in batch}
    whole = Q(
        media__sha256__in=hashes, x=0, y=0, time_ms=0, width=F("media__width"), height=F("media__height")
    )
    found: dict[str, list[Face]] = {}
    columns = ("pk", "media__sha256", "media_id", "crop_sha256", "given")
    for face in Face.objects.filter(whole).select_related("media").only(*columns).order_by("pk"):
        found.setdefault(face.media.sha256, []).append(face)
    cut = Face.objects.filter(crop_sha256__in=hashes - found.keys())
    for face in cut.select_related("media").only(*columns).order_by("pk"):
        found.setdefault(face.crop_sha256, []).append(face)
    return found


def _keep_faces(made: Sequence[Face], media: Sequence[Media]) -> set[str]:
    """Store the faces of these media, but those that were erased. Returns the sha256 of the media of these."""
    erased, gone, left = places.ErasedPlaces(), set[str](), []
    erased.catch_up()
    for face, one in zip(made, media, strict=True):
        face.media = one
        if erased.have(face, one.sha256):
            gone.add(one.sha256)
        else:
            left.append(face)
    Face.objects.bulk_create(left, ignore_conflicts=True, batch_size=_BATCH)
    return gone


def _keep_splits(pairs: Sequence[tuple[str, Face]]) -> None:
    """A face learns its split; one that it has already stays."""
    learnt = list(_with_split(pairs))
    if learnt:
        Face.objects.bulk_update(learnt, ["given"], batch_size=_BATCH)


def _with_split(pairs: Sequence[tuple[str, Face]]) -> Iterator[Face]:
    for split, face in pairs:
        given: dict[str, Any] = face.given
        if split and not given.get("split"):
            face.given = {**given, "split": split}
            yield face
