"""Near-duplicates: which faces of the whole collection show (nearly) the same picture.

Each face has the perceptual hash of its crop (labeling.vision.fingerprint). Those within RADIUS bits of each other are
compared by the details of their crops; where these agree, directly or by way of others, the faces share
`Face.likeness`: the smallest key among them. What people merge stays merged: new faces join the groups as they are.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeAlias, TypeVar

import cv2
import numpy as np
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from labeling.models import Face, Pulse
from labeling.sayings import gettext_noop
from labeling.vision import duplicates
from labeling.vision.fingerprint import Details, Hashes, alike, details, phash, to_signed
from labeling.vision.images import Pixels
from labeling.vision.neighbours import Indices

_T = TypeVar("_T")
Flags: TypeAlias = np.ndarray[tuple[int], np.dtype[np.bool_]]
COMPARING = gettext_noop("Looking for faces that are alike")
LOCK = "likeness"
"""The row of Pulse that says when groups were last written."""
RADIUS = 8
"""Bits; with the details of the pictures compared, hardly one pair in a hundred within it is wrong, and more are found
than within the six that can be trusted without (docs/results/near-duplicates.md)."""
_PAIRS = 4_096
_LOOKS_KEPT = 20_000
"""4 kB each."""
_NOTHING = details([np.zeros((32, 32), np.uint8)])[0]
_CHUNK = 2_000
_PICTURES = 500


def compare_new(*, alive: Callable[[], None] = lambda: None) -> int:
    """Group the faces that were not compared yet with all others. Returns how many there were.

    Comparing takes its time and holds nothing; only the writing is a transaction, and if somebody else has written
    groups meanwhile, it is begun again. Faces whose picture is gone are left uncompared. alive: called while it
    looks, and may raise to give up; what was done until then stays.
    """
    _fingerprint_missing(alive)
    while True:
        version, _ = Pulse.objects.get_or_create(name=LOCK, defaults={"at": timezone.now()})
        with_print = Face.objects.filter(fingerprint__isnull=False)
        new, _, new_hashes = _columns(with_print.filter(likeness=None))
        if not len(new):
            return 0
        known, groups, hashes = _columns(with_print.filter(likeness__isnull=False))
        looks = _Looks(np.concatenate((known, new)), alive)
        grown = duplicates.grow(hashes, groups, new_hashes, radius=RADIUS, names=new, confirm=looks.agree)
        if _keep(version, new, grown):
            return len(new)


@transaction.atomic
def _keep(version: Pulse, new: Indices, grown: duplicates.Grown) -> bool:
    """Write the groups; False if others were written since that version."""
    now = Pulse.objects.select_for_update().get(pk=version.pk)
    if now.at != version.at:
        return False
    _write(new, grown.groups)
    for old, into in grown.merged.items():
        Face.objects.filter(likeness=old).update(likeness=into)
    Pulse.objects.filter(pk=version.pk).update(at=timezone.now())
    return True


class _Looks:
    """The crops of faces, in detail, looked at when two hashes are near each other."""

    def __init__(self, pks: Indices, alive: Callable[[], None]) -> None:
        self._pks, self._alive = pks, alive
        self._kept: dict[int, Details] = {}

    def agree(self, some: Indices, others: Indices) -> Flags:
        """Which pairs of places, element by element, show the same picture; a picture that is gone agrees with none."""
        found = np.zeros(len(some), np.bool_)
        for first in range(0, len(some), _PAIRS):
            self._alive()
            part = slice(first, first + _PAIRS)
            here, there = self._pks[some[part]], self._pks[others[part]]
            self._read(np.unique(np.concatenate((here, there))))
            found[part] = alike(self._of(here), self._of(there))
        return found

    def _of(self, pks: Indices) -> Details:
        return np.stack([self._kept[pk] for pk in pks.tolist()])

    def _read(self, pks: Indices) -> None:
        if len(self._kept) > _LOOKS_KEPT:
            self._kept.clear()
        missing = [pk for pk in pks.tolist() if pk not in self._kept]
        crops = dict(Face.objects.filter(pk__in=missing).values_list("pk", "crop"))
        for pk in missing:
            picture = _picture(crops[pk]) if pk in crops else None
            self._kept[pk] = _NOTHING if picture is None else details([picture])[0]


def _columns(faces: QuerySet[Face]) -> tuple[Indices, Indices, Hashes]:
    """Keys, likenesses (0 for none) and hashes, (n,) each."""
    rows = faces.values_list("pk", "likeness", "fingerprint").order_by("pk").iterator(chunk_size=10_000)
    table = np.fromiter(
        ((pk, likeness or 0, fingerprint) for pk, likeness, fingerprint in rows), np.dtype((np.int64, 3))
    )
    pks, likenesses, fingerprints = np.ascontiguousarray(table.T)
    return pks, likenesses, fingerprints.view(np.uint64)


def _write(pks: Indices, groups: Indices) -> None:
    """Most faces are like no other: those are written many at a time."""
    for chunk in _chunks(pks[groups == pks].tolist(), _CHUNK):
        Face.objects.filter(pk__in=chunk).update(likeness=F("pk"))
    others = groups != pks
    for chunk in _chunks(zip(pks[others].tolist(), groups[others].tolist(), strict=True), _PICTURES):
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
