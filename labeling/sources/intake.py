"""How one item becomes a Media: its bytes go to the storage first, then its rows in one transaction."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.db import IntegrityError, transaction

from labeling import whose
from labeling.erasure import files, places, tombstones
from labeling.expressions import known_as
from labeling.models import Face, Item, Media, Source
from labeling.sayings import gettext_noop
from labeling.sources import rights, store
from labeling.sources.base import Alive, FileContent, KnownContent, Note, RemoteContent, RowContent, Unusable
from labeling.vision import images, video
from labeling.vision.sniff import HEADER_BYTES, sniff, why_not

FOLDER = "media"
_BLOCK = 1024 * 1024
_BYTES_PER_PIXEL = 8
_METADATA = 64 * 1024**2
_TOO_LONG = gettext_noop(
    "It is longer than the {most:,} bytes allowed (MAX_MEDIA_BYTES, for images also MAX_IMAGE_PIXELS)."
)


class _ErasedMeanwhile(Exception):
    """What is being taken in was erased since it was asked for."""


@dataclass(frozen=True)
class _Facts:
    kind: str
    mime: str
    extension: str
    width: int
    height: int
    duration_ms: int = 0
    fps: float = 0.0


def refuse(item: Item, reason: str) -> None:
    Item.objects.filter(pk=item.pk).update(state=Item.State.REFUSED, reason=reason[:500], media=None)


def point(item: Item, content: KnownContent) -> None:
    """Let the item point to the Media that is there."""
    Item.objects.filter(pk=item.pk).update(state=Item.State.KNOWN, reason="", media=content.media)


def take_file(*, item: Item, content: FileContent | RemoteContent, source: Source, alive: Alive) -> None:
    """Make the item a Media, or let it point to the one there is, or refuse it.

    alive is called after every block read, and may raise to give up.
    """
    note = with_defaults(content.note, source)
    try:
        if reason := rights.why_not(source.options, note.licence):
            raise Unusable(reason)
        with store.staged() as part:
            sha256, size = staged(content, part, alive)
            _demand_not_erased(sha256)
            known = Media.objects.filter(sha256=sha256).first()
            if known is not None:
                _settle_known(item, known, note, source)
                return
            facts = _facts(part)
            name = store.name_of(FOLDER, sha256, facts.extension)
            store.keep_file(part, name)
    except Unusable as reason:
        refuse(item, str(reason))
        return
    fields = {
        "kind": facts.kind,
        "mime": facts.mime,
        "stored_as": name,
        "bytes": size,
        "width": facts.width,
        "height": facts.height,
        "duration_ms": facts.duration_ms,
        "fps": facts.fps,
        "original_name": shown_name(content),
        "given": _given(note),
        **said_by(note).columns(),
    }
    try:
        with transaction.atomic():
            media, made = Media.objects.get_or_create(sha256=sha256, defaults=fields)
            _settle(item, media, Item.State.INGESTED if made else Item.State.KNOWN, note, source)
            _demand_not_erased(sha256)
    except (IntegrityError, Unusable):
        # Erased at this very moment: the media is gone again, or its tombstone has come.
        if not (why := tombstones.why_not(sha256)):
            raise
        files.forget([name])
        refuse(item, why)


def _demand_not_erased(sha256: str) -> None:
    if reason := tombstones.why_not(sha256):
        raise Unusable(reason)


def shown_name(content: FileContent | RemoteContent) -> str:
    name = content.name if isinstance(content, RemoteContent) else PurePosixPath(content.locator).name
    return name[:500]


def staged(content: FileContent | RemoteContent, part: Path, alive: Alive) -> tuple[str, int]:
    """Write the item to the path. Returns its sha256 and its length in bytes. Raises Unusable, NotYet."""
    if isinstance(content, RemoteContent):
        return content.fetch(part, _most_bytes, alive)
    return _copy(content, part, alive)


def _copy(content: FileContent, part: Path, alive: Alive) -> tuple[str, int]:
    """Read the item once: into the staged file and into its sha256. Returns that and its length in bytes."""
    digest, size = hashlib.sha256(), 0
    with content.open() as file, part.open("wb") as target:
        block = file.read(_BLOCK)
        most = _most_bytes(block[:HEADER_BYTES])
        if file.size is not None and file.size > most:
            # A file of nothing but a hole is as long as it says, and read to that length.
            raise Unusable(_TOO_LONG.format(most=most))
        while block:
            size += len(block)
            if size > most:
                raise Unusable(_TOO_LONG.format(most=most))
            digest.update(block)
            target.write(block)
            alive()
            block = file.read(_BLOCK)
    return digest.hexdigest(), size


def _most_bytes(header: bytes) -> int:
    """How long such a file may be. Raises Unusable if it is neither an image nor a video."""
    found = sniff(header)
    if reason := why_not(found, header):
        raise Unusable(reason)
    most: int = settings.MAX_MEDIA_BYTES
    if found is not None and found.kind == "image":
        # Some readers take an image into memory whole; none of the pixels allowed fills more than this.
        most = min(most, settings.MAX_IMAGE_PIXELS * _BYTES_PER_PIXEL + _METADATA)
    return most


def _facts(part: Path) -> _Facts:
    with part.open("rb") as file:
        found = sniff(file.read(HEADER_BYTES))
    assert found is not None
    most = settings.MAX_IMAGE_PIXELS
    try:
        if found.kind == "image":
            picture = images.read(part, max_pixels=most)
            return _Facts("image", picture.mime, found.extension, picture.width, picture.height)
        told = video.probe(part, max_pixels=most)
    except (images.BadImage, video.BadVideo) as reason:
        raise Unusable(str(reason)) from reason
    return _Facts("video", told.mime, told.extension, told.width, told.height, told.duration_ms, told.fps)


def with_defaults(note: Note, source: Source) -> Note:
    return replace(note, licence=note.licence or source.licence, author=note.author or source.author)


def said_by(note: Note) -> whose.Rights:
    return whose.Rights(note.licence, note.author, note.page_url)


def _settle_known(item: Item, media: Media, note: Note, source: Source) -> None:
    """Raises Unusable for a media that is erased at this very moment."""
    try:
        _settle(item, media, Item.State.KNOWN, note, source)
    except IntegrityError:
        _demand_not_erased(media.sha256)
        raise


@transaction.atomic
def _settle(item: Item, media: Media, state: Item.State, note: Note, source: Source) -> None:
    """Point the item to its media. What the media does not know of itself yet, it learns from the note."""
    if _given(note).keys() - media.given.keys():
        held = Media.objects.select_for_update(no_key=True).filter(pk=media.pk).first()
        if held is not None:
            Media.objects.filter(pk=held.pk).update(given={**_given(note), **held.given})
    whose.hear([(media, said_by(note))], source)
    Item.objects.filter(pk=item.pk).update(state=state, reason="", media=media)


def _given(note: Note) -> dict[str, str]:
    """What is said of the whole file, but of its rights."""
    given = {
        "label": known_as(note.label) if note.label else "",
        "title": note.title,
        "url": note.url,
        "uploaded": note.uploaded,
    }
    return {name: value for name, value in given.items() if value}


def take_rows(*, rows: Sequence[tuple[Item, RowContent]], source: Source) -> None:
    """Make rows of a table Media and Faces, all in one transaction, in a handful of statements; or refuse them."""
    if reason := rights.why_not(source.options, source.licence):
        keys = [item.pk for item, _ in rows]
        Item.objects.filter(pk__in=keys).update(state=Item.State.REFUSED, reason=reason[:500], media=None)
        return
    left, shas = _not_erased(rows)
    if not left:
        return
    try:
        _take_rows(left, shas, source)
    except (IntegrityError, _ErasedMeanwhile):
        if not tombstones.of_media(shas):
            raise
        # Some were erased at this very moment; the others are taken in now.
        files.forget([store.name_of(FOLDER, sha, "png") for sha in shas])
        take_rows(rows=left, source=source)


def _take_rows(rows: Sequence[tuple[Item, RowContent]], shas: Sequence[str], source: Source) -> None:
    contents: dict[str, RowContent] = {}
    for (_, content), sha in zip(rows, shas, strict=True):
        contents.setdefault(sha, content)
    known = _media_by_sha(shas)
    new = [sha for sha in contents if sha not in known]
    names = {sha: store.keep_bytes(FOLDER, "png", contents[sha].png).name for sha in new}
    with transaction.atomic():
        Media.objects.bulk_create(
            (_row_media(sha, names[sha], contents[sha], source) for sha in new), ignore_conflicts=True
        )
        media = _media_by_sha(shas)
        for reason in tombstones.of_media(shas).values():
            raise _ErasedMeanwhile(reason)
        said = whose.Rights(source.licence, source.author)
        whose.hear([(one, said) for one in known.values()], source)
        _keep_faces([(content, media[sha]) for (_, content), sha in zip(rows, shas, strict=True)])
        _keep_items(rows, [media[sha] for sha in shas], first=set(new), shas=shas)


def _not_erased(
    rows: Sequence[tuple[Item, RowContent]],
) -> tuple[list[tuple[Item, RowContent]], list[str]]:
    """The rows whose pictures were not erased, and the hash of each; the others are refused."""
    hashes = [hashlib.sha256(content.png).hexdigest() for _, content in rows]
    erased = tombstones.of_media(hashes)
    for (item, _), sha in zip(rows, hashes, strict=True):
        if sha in erased:
            refuse(item, erased[sha])
    left = [(row, sha) for row, sha in zip(rows, hashes, strict=True) if sha not in erased]
    return [row for row, _ in left], [sha for _, sha in left]


def _media_by_sha(shas: Sequence[str]) -> dict[str, Media]:
    return {media.sha256: media for media in Media.objects.filter(sha256__in=set(shas))}


def _row_media(sha256: str, name: str, content: RowContent, source: Source) -> Media:
    return Media(
        sha256=sha256,
        kind=Media.Kind.IMAGE,
        mime="image/png",
        stored_as=name,
        bytes=len(content.png),
        width=content.width,
        height=content.height,
        original_name=f"{PurePosixPath(source.location).name[:400]}, {content.locator}",
        **whose.Rights(source.licence, source.author).columns(),
    )


def _keep_faces(rows: Sequence[tuple[RowContent, Media]]) -> None:
    """A face per row; one that is there learns what it was not told before: votes added to a known table."""
    there = _faces_there(rows)
    new = [_row_face(content, media) for content, media in rows if (media.pk, content.row) not in there]
    erased = places.ErasedPlaces()
    erased.catch_up()
    Face.objects.bulk_create(
        (face for face in new if not erased.have(face, face.media.sha256)), ignore_conflicts=True
    )
    learnt = []
    for content, media in rows:
        face = there.get((media.pk, content.row))
        if face is not None and face.given != {**face.given, **content.given}:
            face.given = {**face.given, **content.given}
            learnt.append(face)
    if learnt:
        Face.objects.bulk_update(learnt, ["given"], batch_size=200)


def _faces_there(rows: Sequence[tuple[RowContent, Media]]) -> Mapping[tuple[int, int], Face]:
    detectors = {content.detector for content, _ in rows}
    wanted = {"row__in": {content.row for content, _ in rows}, "media__in": {media.pk for _, media in rows}}
    faces = Face.objects.filter(detector__in=detectors, **wanted)
    return {(face.media_id, face.row): face for face in faces}


def _row_face(content: RowContent, media: Media) -> Face:
    return Face(
        media=media,
        detector=content.detector,
        score=1.0,
        x=0,
        y=0,
        width=content.width,
        height=content.height,
        row=content.row,
        crop=media.stored_as,  # the picture is the crop: the same bytes need no second file
        crop_sha256=media.sha256,
        crop_width=content.width,
        crop_height=content.height,
        given=dict(content.given),
    )


def _keep_items(
    rows: Sequence[tuple[Item, RowContent]], media: Sequence[Media], *, first: set[str], shas: Sequence[str]
) -> None:
    """Settle the items in one statement. Of rows that show one picture, the first brought it in."""
    settled = []
    for (item, _), one, sha in zip(rows, media, shas, strict=True):
        item.media = one
        item.state = Item.State.INGESTED if sha in first else Item.State.KNOWN
        first.discard(sha)
        settled.append(item)
    Item.objects.bulk_create(
        settled,
        update_conflicts=True,
        unique_fields=["source", "locator"],
        update_fields=["state", "media", "reason"],
    )
