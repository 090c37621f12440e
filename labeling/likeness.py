"""Near-duplicates: which faces of the whole collection show (nearly) the same picture.

Each face has the perceptual hash of its crop (labeling.vision.fingerprint); those within RADIUS bits of each other
(labeling.vision.duplicates), directly or by way of others, share `Face.likeness`: the smallest key among them. What
people merge stays merged: new faces join the groups as they are.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

import cv2
import numpy as np
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from labeling.models import Face, Pulse
from labeling.sayings import gettext_noop
from labeling.vision import duplicates
from labeling.vision.fingerprint import from_signed, phash, to_signed
from labeling.vision.images import Pixels
from labeling.vision.neighbours import Indices

_T = TypeVar("_T")
COMPARING = gettext_noop("Looking for faces that are alike")
LOCK = "likeness"
"""The row of Pulse that is locked while groups change."""
_CHUNK = 2_000
_PICTURES = 500


def compare_new(*, alive: Callable[[], None] = lambda: None) -> int:
    """Group the faces that were not compared yet with all others. Returns how many there were.

    Faces whose picture is gone are left uncompared. alive: called between chunks, and may raise to give up; what was
    done until then stays.
    """
    _fingerprint_missing(alive)
    with transaction.atomic():
        Pulse.objects.get_or_create(name=LOCK, defaults={"at": timezone.now()})
        Pulse.objects.select_for_update().get(name=LOCK)
        new = _columns(Face.objects.filter(likeness=None, fingerprint__isnull=False), "pk")
        if not len(new[0]):
            return 0
        known = _columns(Face.objects.filter(likeness__isnull=False, fingerprint__isnull=False), "likeness")
        grown = duplicates.grow(from_signed(known[1]), known[0], from_signed(new[1]), names=new[0])
        _write(new[0], grown.groups, alive)
        for old, into in grown.merged.items():
            Face.objects.filter(likeness=old).update(likeness=into)
    return len(new[0])


def _columns(faces: QuerySet[Face], first: str) -> tuple[Indices, list[int]]:
    """The column of that name, (n,) int64, and the fingerprints."""
    rows = faces.values_list(first, "fingerprint").order_by("pk").iterator(chunk_size=10_000)
    names, hashes = [], []
    for name, fingerprint in rows:
        names.append(name)
        hashes.append(fingerprint)
    return np.array(names, np.int64), hashes


def _write(pks: Indices, groups: Indices, alive: Callable[[], None]) -> None:
    """Most faces are like no other: those are written many at a time."""
    for chunk in _chunks(pks[groups == pks].tolist(), _CHUNK):
        alive()
        Face.objects.filter(pk__in=chunk).update(likeness=F("pk"))
    others = groups != pks
    for chunk in _chunks(zip(pks[others].tolist(), groups[others].tolist(), strict=True), _PICTURES):
        alive()
        Face.objects.bulk_update([Face(pk=pk, likeness=group) for pk, group in chunk], ["likeness"])


def _fingerprint_missing(alive: Callable[[], None]) -> None:
    """Of faces that came with their crop, such as the rows of a table, and of those from before."""
    missing = Face.objects.filter(fingerprint=None).order_by("pk")
    after = 0
    while rows := list(missing.filter(pk__gt=after).values_list("pk", "crop")[:_PICTURES]):
        alive()
        after = rows[-1][0]
        read = [(pk, picture) for pk, name in rows if (picture := _picture(name)) is not None]
        hashes = to_signed(phash(picture for _, picture in read))
        faces = [Face(pk=pk, fingerprint=number) for (pk, _), number in zip(read, hashes, strict=True)]
        Face.objects.bulk_update(faces, ["fingerprint"])


def _picture(name: str) -> "Pixels | None":
    """(height, width) grey, or (height, width, 3) RGB; None if it is gone."""
    try:
        with default_storage.open(name) as file:
            data = np.frombuffer(file.read(), np.uint8)
    except FileNotFoundError:
        return None
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        return None
    return np.asarray(pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


def _chunks(rows: Iterable[_T], size: int) -> Iterator[list[_T]]:
    rest = iter(rows)
    while chunk := list(islice(rest, size)):
        yield chunk
