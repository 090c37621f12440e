"""A folder with everything below it."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from labeling.sayings import gettext_noop
from labeling.sources.base import (
    NOTES_NAME,
    BadContent,
    CannotRead,
    Content,
    FileContent,
    NotYet,
    Offer,
    Reader,
    Unusable,
    is_media_name,
    locator_of,
)
from labeling.sources.notes import BadNotes, Notes, parse

_NO_FOLDER = gettext_noop("There is no folder at “{location}” that can be read.")
_FOLDER_CLOSED = gettext_noop("The folder cannot be read ({error}).")
_LEADS_OUT = gettext_noop("This is a link to a place outside the folder.")
_FILE_CLOSED = gettext_noop("The file cannot be opened ({error}).")


class Folder:
    option_names: frozenset[str] = frozenset()

    def fits(self, path: Path) -> bool:
        return path.is_dir()

    def open(self, location: Path, options: Mapping[str, Any]) -> AbstractContextManager["FolderPlace"]:
        if not location.is_dir():
            raise CannotRead(_NO_FOLDER.format(location=location))
        return nullcontext(FolderPlace(location.resolve()))


class FolderPlace:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._notes = Notes(lambda name: opened(root / name, root))

    def find(self) -> Iterator[Offer]:
        closed: list[OSError] = []
        for folder, folders, files in os.walk(self._root, onerror=closed.append):
            folders[:] = sorted(name for name in folders if is_media_name(name))
            for name in sorted(files):
                yield from self._offer(Path(folder) / name)
        for error in closed:
            name = os.path.relpath(str(error.filename), self._root)
            yield Offer(locator_of(name).locator, _FOLDER_CLOSED.format(error=error.strerror))

    def contents(self, locators: Sequence[str]) -> Iterable[Content]:
        for locator in locators:
            yield self.named(locator, locator)

    def named(self, name: str, locator: str) -> FileContent | BadContent:
        """The file of that name, with slashes, whether or not `find` offers it."""
        path = self._root / name
        if not _inside(path, self._root):
            return BadContent(locator, _LEADS_OUT)
        return FileContent(locator, partial(_opened_steady, path, self._root), self._notes.of(name))

    def opened(self, name: str) -> AbstractContextManager[Reader]:
        """The file of that name, for reading. Raises Unusable, and NotYet where it changes meanwhile."""
        content = self.named(name, name)
        if isinstance(content, BadContent):
            raise Unusable(content.reason)
        return content.open()

    def plain(self, locator: str) -> str:
        """The name of what was offered so."""
        return locator

    def _offer(self, path: Path) -> Iterator[Offer]:
        name = path.relative_to(self._root).as_posix()
        if path.name.lower() == NOTES_NAME:
            yield from _offer_notes(name, path, self._root)
        elif is_media_name(name):
            yield replace(locator_of(name), changed_at=_changed_at(path))


def _offer_notes(name: str, path: Path, root: Path) -> Iterator[Offer]:
    """The notes are no media; but one nobody can read must not be passed over in silence."""
    try:
        with opened(path, root) as file:
            parse(file)
    except (BadNotes, Unusable) as reason:
        yield Offer(locator_of(name).locator, str(reason))


def _inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # a link that leads back to itself
        return False


def is_of(descriptor: int, path: Path, root: Path) -> bool:
    """Whether what is open lies inside the root: a link may have come between the look and the opening."""
    try:
        return Path(os.readlink(f"/proc/self/fd/{descriptor}")).is_relative_to(root)
    except FileNotFoundError:
        # Not Linux: what the path leads to now, without a link, must be what is open.
        there = path.resolve()
        with suppress(OSError):
            return there.is_relative_to(root) and os.path.samestat(os.lstat(there), os.fstat(descriptor))
        return False


def _changed_at(path: Path) -> float | None:
    with suppress(OSError):
        return path.stat().st_mtime
    return None


@contextmanager
def _opened_steady(path: Path, root: Path) -> Iterator[Reader]:
    """As `opened`. Raises NotYet where somebody wrote to the file while it was read, whatever was read of it."""
    before = _state(path)
    try:
        with opened(path, root) as file:
            yield file
    except Unusable as reason:
        if _state(path) != before:
            raise NotYet from reason
        raise
    if _state(path) != before:
        raise NotYet


def _state(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        found = path.stat()
        return found.st_size, found.st_mtime_ns
    return None


@contextmanager
def opened(path: Path, root: Path | None = None) -> Iterator[Reader]:
    """The file, for reading. Raises Unusable: a pipe or a device is never waited for.

    root: resolved; what lies outside is refused, whatever links are put there meanwhile.
    """
    if root is not None and not _inside(path, root):
        raise Unusable(_LEADS_OUT)
    try:
        # Without O_NONBLOCK opening a pipe would wait for somebody to write into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise Unusable(_FILE_CLOSED.format(error=error.strerror)) from error
    with os.fdopen(descriptor, "rb") as file:
        if root is not None and not is_of(descriptor, path, root):
            raise Unusable(_LEADS_OUT)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise Unusable(
                gettext_noop("This is neither a file nor a folder but a pipe, a socket or a device.")
            )
        yield Reader(file, broken=(OSError,), size=found.st_size)
