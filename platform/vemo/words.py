"""The words of the site that are translated: found in the sources, kept in one .po per language.

They are found as Django's own makemessages finds them, but by Babel, so that nobody needs GNU gettext.
"""

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from django.utils.translation import templatize

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("platform/vemo", "labeling", "training")
"""Where words are looked for, below ROOT."""
NOT_FOR_READERS = (
    "/training/core/",
    "/management/",
    "/admin.py",
    "/templates/admin/",
    "/migrations/",
    "/demo/",
)
"""What of it speaks at a terminal or in the Django admin: that stays English."""
KEYWORDS: dict[str, Any] = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop")),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}
"""The functions that mark words, and which of their arguments are words; c: the context."""
SETTINGS = "training/core/config.py"
"""The one file of the core whose words pages show: what each setting is."""


def sources(root: Path = ROOT) -> list[Path]:
    """Every file that may hold words, in a fixed order."""
    files = (file for place in PLACES for kind in ("*.py", "*.html") for file in (root / place).rglob(kind))
    shown = (
        file for file in files if not any(part in f"/{file.relative_to(root)}" for part in NOT_FOR_READERS)
    )
    return sorted([*shown, root / SETTINGS])


def find(files: Iterable[Path], root: Path = ROOT) -> Catalog:
    """A catalogue without translations: each message, and in which files it stands."""
    catalogue = Catalog(charset="utf-8")
    for file in files:
        # No line numbers: a line more above a word is no change to its translation.
        place: Any = [(str(file.relative_to(root)), None)]
        for message, notes, context in _messages(file):
            catalogue.add(message, locations=place, auto_comments=notes, context=context)
    return catalogue


def _messages(file: Path) -> Iterator[tuple[Any, list[str], str | None]]:
    text = file.read_text()
    if file.suffix == ".html":
        # Becomes Python of a kind, whose indentation means nothing.
        text = "\n".join(line.lstrip() for line in templatize(text).splitlines())
    # The core knows no Django and marks nothing; there the second argument of _field is what a setting is.
    keywords = {"_field": (2,)} if file.match(SETTINGS) else KEYWORDS
    for _, message, notes, context in extract("python", BytesIO(text.encode()), keywords, ("Translators",)):
        yield message, notes, context


def load(po: Path) -> Catalog:
    """Raises babel.messages.pofile.PoFileError for what is no .po."""
    with po.open("rb") as file:
        return read_po(file, locale=po.parents[1].name, abort_invalid=True)


def refresh(po: Path, found: Catalog) -> Catalog:
    """Bring one language's file up to the sources: translations stay, new messages are empty, unused ones go.

    A file that is not there is made. Nothing is guessed: a reworded message has to be translated anew.
    """
    catalogue = (
        load(po) if po.exists() else Catalog(locale=po.parents[1].name, project="VEMO", charset="utf-8")
    )
    catalogue.update(found, no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    po.parent.mkdir(parents=True, exist_ok=True)
    with po.open("wb") as file:
        write_po(file, catalogue, width=110, include_lineno=False)
    return catalogue


def untranslated(catalogue: Catalog) -> list[str]:
    """The messages that lack a translation, or have one nobody has looked at (fuzzy), in the singular."""
    return [
        _singular(message.id)
        for message in catalogue
        if message.id and (message.fuzzy or not _whole(message.string))
    ]


def _singular(words: Any) -> str:
    return str(words if isinstance(words, str) else words[0])


def _whole(said: Any) -> bool:
    return all(said) if isinstance(said, (tuple, list)) else bool(said)
