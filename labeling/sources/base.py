"""What a kind of source is: something that finds items in a place and hands out their contents."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from labeling.refusals import Refusal
from labeling.sayings import gettext_noop

LONGEST_LOCATOR = 1000
_NOT_TO_ITS_END = gettext_noop("It cannot be read to its end ({error}).")
_LONG_PATH = gettext_noop("Its path has {characters:,} characters; {most:,} are allowed.")


class CannotAdd(Refusal):
    """No source was made; the text says what is wrong with the place or the options."""


class CannotRead(Refusal):
    """The place as a whole cannot be read (any more); the text says why, for people."""


class Unusable(Exception):
    """One item cannot be taken in; the text says why, for people."""


class NotYet(Exception):
    """The item is being written just now: it is no item yet, and waits for the next look."""


@dataclass(frozen=True)
class Note:
    """What is said about one file: by a sources.csv, by a list of addresses, by the site it is from."""

    licence: str = ""
    author: str = ""
    page_url: str = ""
    label: str = ""
    title: str = ""
    url: str = ""
    """Where the file itself was fetched from."""
    uploaded: str = ""
    """The day somebody put it there, as 2024-05-01."""


class Reader:
    """A file whose failures to be read are the item's fault, not ours: read raises Unusable.

    Only reading is guarded. A full disk met while the bytes are written elsewhere stays what it is.
    size: how many bytes it has; None where that is not known before.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        broken: tuple[type[Exception], ...],
        size: int | None = None,
        declared: int | None = None,
    ) -> None:
        self.size = declared if size is None else size
        self._file = file
        self._broken = broken
        self._left = declared

    def read(self, size: int = -1) -> bytes:
        try:
            block = self._file.read(size)
        except self._broken as error:
            raise Unusable(_NOT_TO_ITS_END.format(error=error)) from error
        if self._left is not None:
            self._left -= len(block)
            if self._left < 0:
                raise Unusable(gettext_noop("It unpacks to more bytes than are declared for it."))
        return block


Opener = Callable[[], AbstractContextManager[Reader]]
Alive = Callable[[], None]
"""Called often while something takes its time; may raise to give up."""


class Beat(Protocol):
    """Alive, which can also be told what is going on, for who watches."""

    def __call__(self, *, message: str = ...) -> None: ...


MostBytes = Callable[[bytes], int]
"""How long a file may be that begins with these bytes. Raises Unusable if it is not wanted at all."""
Fetch = Callable[[Path, MostBytes, Alive], tuple[str, int]]
"""Write an item to the path; returns its sha256 and its bytes. Raises Unusable, and NotYet."""


@dataclass(frozen=True)
class Offer:
    """An item there is."""

    locator: str
    """Its name inside the source, once in it; at most LONGEST_LOCATOR characters that a database can hold."""
    reason: str = ""
    """Why it can be said already now that it will not be taken in; empty if it may be."""
    changed_at: float | None = None
    """When it was last written to, in seconds since 1970; None where that says nothing."""


@dataclass(frozen=True)
class FileContent:
    """An item that is a file."""

    locator: str
    open: Opener
    """Opens it for reading; raises Unusable, and NotYet where it changed meanwhile."""
    note: Note = field(default_factory=Note)


@dataclass(frozen=True)
class RowContent:
    """An item that is a picture and a face in one: a row of a table."""

    locator: str
    row: int
    detector: str
    """The table's name, in the place of a detector's."""
    png: bytes
    width: int
    height: int
    given: Mapping[str, Any]
    """Goes to Face.given: label, split, votes."""


@dataclass(frozen=True)
class BadContent:
    """An item that turned out not to be usable."""

    locator: str
    reason: str


@dataclass(frozen=True)
class RemoteContent:
    """An item that is a file elsewhere, fetched when its turn comes."""

    locator: str
    name: str
    """What the file is called there, or what it shows."""
    fetch: Fetch
    note: Note


@dataclass(frozen=True)
class KnownContent:
    """An item that another source brought in already, known without fetching it."""

    locator: str
    media: int
    """The primary key of the Media."""


@dataclass(frozen=True)
class LabelledContent:
    """An item that is a picture, with what somebody who knows says it shows."""

    locator: str
    file: FileContent | RemoteContent
    label: str
    split: str
    """train, validation or test; empty if nothing is said."""
    origin: str
    """Whose word the label is."""


Content = FileContent | RemoteContent | RowContent | LabelledContent | KnownContent | BadContent


class Place(Protocol):
    """A source's location, opened."""

    def find(self) -> Iterator[Offer]:
        """Everything there is, lazily, in an order that stays the same. Raises CannotRead."""
        ...

    def contents(self, locators: Sequence[str]) -> Iterable[Content]:
        """One content per locator, lazily, in the order asked for: the order in which `find` offered them."""
        ...


class Kind(Protocol):
    """A kind of source. `option_names` are the only options it reads."""

    option_names: frozenset[str]

    def fits(self, path: Path) -> bool:
        """Whether the path looks like a place of this kind."""
        ...

    def open(self, location: Path, options: Mapping[str, Any]) -> AbstractContextManager[Place]:
        """The place, opened. Raises CannotRead, also for options that cannot be."""
        ...


class Site(Protocol):
    """A kind of source whose places are elsewhere, each named by a page's address. `basis` is among its options."""

    option_names: frozenset[str]

    def fits(self, address: str) -> bool:
        """Whether the address looks like one of this site."""
        ...

    def open(self, address: str, options: Mapping[str, Any], alive: Beat) -> AbstractContextManager[Place]:
        """The place. Nothing is asked of the network before `find`. Raises CannotRead, also for options that cannot be.

        alive: called often while the site is waited for.
        """
        ...


def locator_of(name: str) -> Offer:
    """An offer of an item by that name; one whose name no database can hold is refused under a similar name."""
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return Offer(shown[:LONGEST_LOCATOR], gettext_noop("Its name is not valid UTF-8. Rename the file."))
    if "\x00" in name:
        return Offer(name.replace("\x00", "␀")[:LONGEST_LOCATOR], gettext_noop("Its name holds a zero byte."))
    if len(name) > LONGEST_LOCATOR:
        return Offer(
            name[: LONGEST_LOCATOR - 1] + "…",
            _LONG_PATH.format(characters=len(name), most=LONGEST_LOCATOR),
        )
    return Offer(name)


def is_media_name(name: str) -> bool:
    """False for what a folder holds besides its media: hidden files, macOS' leavings, notes."""
    parts = name.replace("\\", "/").split("/")
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    leavings = "__MACOSX" in parts or parts[-1] in ("Thumbs.db", "desktop.ini")
    return not (hidden or leavings or parts[-1].lower() == NOTES_NAME)


NOTES_NAME = "sources.csv"
