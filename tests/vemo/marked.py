"""A language in which every translated word stands in brackets, and what of a page stands outside of them."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import django
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from vemo import words

BRACKETED = "xx"
OPEN, SHUT = "⟦", "⟧"
DJANGOS = ("conf", "contrib/auth", "contrib/humanize")
"""Parts of Django whose words our pages show."""
UNSEEN = {"script", "style", "code", "kbd", "pre"}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
SPOKEN = ("aria-label", "title", "placeholder", "alt")


def _catalogues() -> Iterator[Catalog]:
    yield words.find(words.sources())
    for part in DJANGOS:
        po = Path(django.__file__).parent / part / "locale/en/LC_MESSAGES/django.po"
        with po.open("rb") as file:
            yield read_po(file, locale="en", ignore_obsolete=True)


def write_bracketed(locale: Path) -> None:
    """Put the language below this folder of LOCALE_PATHS."""
    made = Catalog(charset="utf-8")
    for catalogue in _catalogues():
        for message in catalogue:
            if message.id:
                said = [message.id] if isinstance(message.id, str) else message.id
                bracketed = tuple(_in_brackets(text) for text in said)
                made.add(
                    message.id, bracketed if len(bracketed) > 1 else bracketed[0], context=message.context
                )
    folder = locale / BRACKETED / "LC_MESSAGES"
    folder.mkdir(parents=True)
    with (folder / "django.mo").open("wb") as file:
        write_mo(file, made)


def _in_brackets(text: str) -> str:
    # Django wants a translation to begin and end with the line breaks of the original.
    return f"{OPEN}{text}{SHUT}"


class Unmarked(HTMLParser):
    """Collects what of a page people read and stands in no brackets, unless it is code or in a language of its own."""

    def __init__(self, known: frozenset[str]) -> None:
        super().__init__()
        self.found: list[str] = []
        self._known = known
        self._depth = 0
        self._skipped: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        of_its_own = given.get("translate") == "no" or ("lang" in given and tag != "html")
        if tag not in VOID and (self._skipped or tag in UNSEEN or of_its_own):
            self._skipped.append(tag)
        elif not self._skipped:
            for name in SPOKEN:
                self._weigh(_outside(given.get(name) or "", 0)[0])
            if tag == "input" and given.get("type") in ("submit", "button"):
                self._weigh(_outside(given.get("value") or "", 0)[0])

    def handle_endtag(self, tag: str) -> None:
        if self._skipped and self._skipped[-1] == tag:
            self._skipped.pop()

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            said, self._depth = _outside(data, self._depth)
            self._weigh(said)

    def _weigh(self, said: str) -> None:
        text = " ".join(said.split())
        if text in self._known:
            return
        unknown = " ".join(word for word in text.split() if word.strip(".,:;()·…–“”+") not in self._known)
        if any(letter.isalpha() for letter in unknown):
            self.found.append(text)


def _outside(text: str, depth: int) -> tuple[str, int]:
    """What stands in no brackets, and how deep in them the text ends."""
    kept = []
    for letter in text:
        if letter == OPEN:
            depth += 1
        elif letter == SHUT:
            depth -= 1
        elif depth == 0:
            kept.append(letter)
    return "".join(kept), depth


def unmarked(page: str, known: frozenset[str]) -> list[str]:
    """The texts of a page that nobody could translate. known: words that are the same in every language."""
    parser = Unmarked(known)
    parser.feed(page)
    parser.close()
    return parser.found
