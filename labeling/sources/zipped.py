"""A zip, read member by member without ever being unpacked to a folder."""

import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import pairwise
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
_PLAIN, _DEFLATED = 0, 8
_MOST_DIRECTORY = 64 * 1024**2
"""Bytes of the list of members, which is read whole: some 600,000 of them, and half a gigabyte of memory."""
_HEADER_BYTES = 30
"""Of a member, before its name."""
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises on members that are damaged, encrypted or packed by an unknown method."""
_NOT_A_ZIP = gettext_noop("“{location}” is not a zip that can be read ({error}).")
_BEYOND = gettext_noop(
    "With it the zip would unpack to more than the {most:,} bytes allowed (MAX_ZIP_BYTES)."
)
_LONG_DIRECTORY = gettext_noop(
    "“{location}” lists its members in {bytes:,} bytes; {most:,} are allowed. Unpack it and add the folder."
)
_PACKED_OTHERWISE = gettext_noop(
    "It is packed by method {method}, which is not read. Pack it anew with Deflate."
)
_SHARED = gettext_noop("It shares bytes with another member of the zip, as only bombs do.")
_DAMAGED = gettext_noop("This member of the zip is damaged ({error}).")
_TOO_LARGE = gettext_noop("It would unpack to {bytes:,} bytes; {most:,} are allowed (MAX_MEDIA_BYTES).")


class Zip:
    option_names: frozenset[str] = frozenset()

    def fits(self, path: Path) -> bool:
        return path.is_file() and zipfile.is_zipfile(path)

    @contextmanager
    def open(self, location: Path, options: Mapping[str, Any]) -> Iterator["ZipPlace"]:
        try:
            _check_directory(location)
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
        self._shared = _sharing(self._members)
        self._beyond = _beyond(self._members)
        self._notes = Notes(self.opened)

    def find(self) -> Iterator[Offer]:
        for name in self._members:
            if PurePosixPath(name).name.lower() == NOTES_NAME:
                yield from self._offer_notes(name)
            elif is_media_name(name):
                yield locator_of(name)

    def contents(self, locators: Sequence[str]) -> Iterable[Content]:
        for locator in locators:
            yield self.named(locator, locator)

    def named(self, name: str, locator: str) -> FileContent | BadContent:
        """The member of that name, whether or not `find` offers it."""
        if reason := self._refused(name):
            return BadContent(locator, reason)
        return FileContent(locator, partial(self._opened, self._members[name]), self._notes.of(name))

    def plain(self, locator: str) -> str:
        """The name of what was offered so."""
        return locator

    def _refused(self, name: str) -> str:
        if name not in self._members:
            return gettext_noop("The zip has no such member any more.")
        if name in self._beyond:
            return _BEYOND.format(most=settings.MAX_ZIP_BYTES)
        if name in self._shared:
            return _SHARED
        return _refused(self._members[name])

    @contextmanager
    def _opened(self, info: zipfile.ZipInfo) -> Iterator[Reader]:
        try:
            member = self._archive.open(info)
        except _BROKEN as error:
            raise Unusable(_DAMAGED.format(error=error)) from error
        with member:
            yield Reader(cast(BinaryIO, member), broken=_BROKEN, declared=info.file_size)

    def opened(self, name: str) -> AbstractContextManager[Reader]:
        """The member of that name, for reading. Raises Unusable."""
        if reason := self._refused(name):
            raise Unusable(reason)
        return self._opened(self._members[name])

    def _offer_notes(self, name: str) -> Iterator[Offer]:
        try:
            with self.opened(name) as member:
                parse(member)
        except (BadNotes, Unusable) as reason:
            yield Offer(locator_of(name).locator, str(reason))


def _check_directory(location: Path) -> None:
    """Raises CannotRead where the list of members would fill the memory."""
    with location.open("rb") as file:
        # The very function by which ZipFile finds what it reads whole; it believes no number of members.
        end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    size = end[zipfile._ECD_SIZE] if end else 0  # type: ignore[attr-defined]
    if size > _MOST_DIRECTORY:
        raise CannotRead(_LONG_DIRECTORY.format(location=location, bytes=size, most=_MOST_DIRECTORY))


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


def _sharing(members: Mapping[str, zipfile.ZipInfo]) -> frozenset[str]:
    """Members whose bytes reach into those of another (Fifield, "A better zip bomb", 2019)."""
    places = [(info.header_offset, -number, name) for number, (name, info) in enumerate(members.items())]
    return frozenset(
        name
        for (start, _, name), (following, _, _) in pairwise(sorted(places))
        if start + _HEADER_BYTES + members[name].compress_size > following
    )


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
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        return gettext_noop("This is neither a file nor a folder but a pipe, a socket or a device.")
    if info.flag_bits & _ENCRYPTED:
        return gettext_noop("It is encrypted. Unpack the zip with its password and add the folder.")
    if info.compress_type not in (_PLAIN, _DEFLATED):
        return _PACKED_OTHERWISE.format(method=info.compress_type)
    if info.file_size > settings.MAX_MEDIA_BYTES:
        return _TOO_LARGE.format(bytes=info.file_size, most=settings.MAX_MEDIA_BYTES)
    return ""
