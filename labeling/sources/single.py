"""One picture or one video."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from labeling.sayings import gettext_noop
from labeling.sources.base import CannotRead, Content, FileContent, Offer, locator_of
from labeling.sources.folder import opened
from labeling.sources.notes import Notes
from labeling.vision.sniff import HEADER_BYTES, sniff

_NO_FILE = gettext_noop("There is no file at “{location}” that can be read.")


class Single:
    option_names: frozenset[str] = frozenset()

    def fits(self, path: Path) -> bool:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            found = sniff(file.read(HEADER_BYTES))
        return found is not None and found.kind in ("image", "video")

    def open(self, location: Path, options: Mapping[str, Any]) -> AbstractContextManager["SinglePlace"]:
        if not location.is_file():
            raise CannotRead(_NO_FILE.format(location=location))
        return nullcontext(SinglePlace(location))


class SinglePlace:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._notes = Notes(lambda name: opened(path.parent / name))

    def find(self) -> Iterator[Offer]:
        yield locator_of(self._path.name)

    def contents(self, locators: Sequence[str]) -> Iterable[Content]:
        for locator in locators:
            yield FileContent(locator, lambda: opened(self._path), self._notes.of(self._path.name))
