"""Compile the site's translations, each .po beside itself into a .mo: `python platform/compile_words.py`.

No Django and nothing of ours: it also runs while an image or a wheel is built, where no settings are.
"""

import os
import tempfile
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALE = Path(__file__).parent / "vemo" / "locale"


def compile_words(locale: Path = LOCALE) -> list[Path]:
    """Write the .mo of every .po below the folder; return what was written.

    Fuzzy and missing translations are left out. Raises babel.messages.pofile.PoFileError for a file it cannot read.
    """
    return [_compiled(po) for po in sorted(locale.glob("*/LC_MESSAGES/*.po"))]


def _compiled(po: Path) -> Path:
    with po.open("rb") as file:
        catalogue = _whole(read_po(file, locale=po.parents[1].name, abort_invalid=True))
    # A site that is starting may read the old one at this moment: it gets the old or the new, whole.
    with tempfile.NamedTemporaryFile(dir=po.parent, suffix=".part", delete=False) as part:
        write_mo(part, catalogue)
    Path(part.name).chmod(0o644)
    mo = po.with_suffix(".mo")
    os.replace(part.name, mo)
    return mo


def _whole(catalogue: Catalog) -> Catalog:
    """Without messages that lack a translation, or one of its plurals: an empty one would be shown as nothing."""
    for message in list(catalogue):
        said = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
        if message.id and not all(said):
            catalogue.delete(message.id, message.context)
    return catalogue


if __name__ == "__main__":
    compile_words()
