"""A zip, read member by member without ever being unpacked to a folder."""

import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from django.conf import settings

from labeling.sayings import gettext_noop
from labeling.sources.base import (
    NOTES_NAME,
    BadContent,
    CannotRead,
    Content,
    FileContent,
    Offer,
    Reader,
    Unusable,
    is_media_name,
    locator_of,
)
from labeling.sources.notes import BadNotes, Notes, parse

_ENCRYPTED = 0x1
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises on members that are damaged, encrypted or packed by an unknown method."""
_NOT_A_ZIP = gettext_noop("“{location}” is not a zip that can be read ({error}).")
_BEYOND = gettext_noop(
    "With it the zip would unpack to more than the {most:,} bytes allowed (MAX_ZIP_BYTES)."
)
_DAMAGED = gettext_noop("This member of the zip is damaged ({error}).")
_TOO_LARGE = gettext_noop("It would unpack to {bytes:,} bytes; {most:,} are allowed (MAX_MEDIA_BYTES).")


class Zip:
    option_names: frozenset[str] = frozenset()

    def fits(self, path: Path) -> bool:
        return path.is_file() and zipfile.is_zipfile(path)

    @contextmanager
    def open(self, location: Path, options: Mapping[str, Any]) -> Iterator["ZipPlace"]:
        try:
            archive = zipfile.ZipFile(location)
        except _BROKEN as error:
            raise CannotRead(_NOT_A_ZIP.format(location=location, error=error)) from error
        with archive:
            yield ZipPlace(archive)


class ZipPlace:
    """Bounded twice: by the sizes the zip declares, and by the bytes that really come out of it."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members = _named(archive.infolist())
        self._beyond = _beyond(self._members)
        self._notes = Notes(self._opened_by_name)

    def find(self) -> Iterator[Offer]:
        for name in self._members:
            if PurePosixPath(name).name.lower() == NOTES_NAME:
                yield from self._offer_notes(name)
            elif is_media_name(name):
                yield locator_of(name)

    def contents(self, locators: Sequence[str]) -> Iterable[Content]:
        for locator in locators:
            reason = self._refused(locator)
            if reason:
                yield BadContent(locator, reason)
            else:
                opener = partial(self._opened, self._members[locator])
                yield FileContent(locator, opener, self._notes.of(locator))

    def _refused(self, name: str) -> str:
        if name not in self._members:
            return gettext_noop("The zip has no such member any more.")
        if name in self._beyond:
            return _BEYOND.format(most=settings.MAX_ZIP_BYTES)
        return _refused(self._members[name])

    @contextmanager
    def _opened(self, info: zipfile.ZipInfo) -> Iterator[Reader]:
        try:
            member = self._archive.open(info)
        except _BROKEN as error:
            raise Unusable(_DAMAGED.format(error=error)) from error
        with member:
            yield Reader(cast(BinaryIO, member), broken=_BROKEN, declared=info.file_size)

    def _opened_by_name(self, name: str) -> AbstractContextManager[Reader]:
        if reason := self._refused(name):
            raise Unusable(reason)
        return self._opened(self._members[name])

    def _offer_notes(self, name: str) -> Iterator[Offer]:
        try:
            with self._opened_by_name(name) as member:
                parse(member)
        except (BadNotes, Unusable) as reason:
            yield Offer(locator_of(name).locator, str(reason))


def _named(infos: Sequence[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Members by name, folders left out. A zip may hold a name twice; the second is shown with a number."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        if info.is_dir():
            continue
        name, count = info.filename, 1
        while name in members:
            count += 1
            name = f"{info.filename} #{count}"
        members[name] = info
    return members


def _beyond(members: Mapping[str, zipfile.ZipInfo]) -> frozenset[str]:
    """The members with which the zip grows too large, all before them counted; the same in each attempt."""
    total, beyond = 0, set()
    for name, info in members.items():
        if not _refused(info):
            if total + info.file_size > settings.MAX_ZIP_BYTES:
                beyond.add(name)
            else:
                total += info.file_size
    return frozenset(beyond)


def _refused(info: zipfile.ZipInfo) -> str:
    """Why a member is not even opened; empty if it may be."""
    parts = info.filename.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or parts[0].endswith(":"):
        return gettext_noop("Its name leads out of the zip (“..” or an absolute path).")
    if stat.S_ISLNK(info.external_attr >> 16):
        return gettext_noop("This is a link, not a file.")
    if info.flag_bits & _ENCRYPTED:
        return gettext_noop("It is encrypted. Unpack the zip with its password and add the folder.")
    if info.file_size > settings.MAX_MEDIA_BYTES:
        return _TOO_LARGE.format(bytes=info.file_size, most=settings.MAX_MEDIA_BYTES)
    return ""
