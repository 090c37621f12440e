"""Pictures experts labelled: a folder per class, or a CSV of path, label and split; in a folder, a zip or a bucket."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings

from labeling import labels
from labeling.refusals import Refusal
from labeling.sayings import gettext_noop
from labeling.sources.base import Beat, CannotRead
from labeling.sources.folder import Folder
from labeling.sources.labelled.place import LabelledPlace, Shelf
from labeling.sources.labelled.table import leads_out
from labeling.sources.rights import BASIS
from labeling.sources.s3 import PROFILE, S3, SCHEME
from labeling.sources.zipped import Zip
from labeling.vision import detectors

ORIGIN, COLUMN, CLASSES, NUMBERS, TABLE, FACES = "origin", "column", "classes", "numbers", "table", "faces"
"""Whose labels they are; the column they go to; what the names of classes mean; whether 0 to 6 are FER2013's; the
CSV's name inside the set; the detector that finds the face, where pictures are no cropped faces."""
_NOT_A_SET = gettext_noop(
    "“{location}” is no labelled set: that is a folder, a zip, a CSV with its pictures beside it, or a bucket."
)
_BAD_CLASSES = gettext_noop(
    "The option classes is a mapping from the names of classes to labels of at most {most:,} characters; an empty one "
    "leaves a class out."
)
_BAD_TABLE = gettext_noop("The option table is the path of a CSV inside the set.")
_BAD_NUMBERS = gettext_noop("The option numbers is true or false.")
_BAD_FACES = gettext_noop("The option faces is a detector, {known}; without it each picture is a face.")


class Labelled:
    option_names = frozenset({BASIS, PROFILE, ORIGIN, COLUMN, CLASSES, NUMBERS, TABLE, FACES})

    def fits(self, address: str) -> bool:
        """Never: a folder of pictures is taken for one only if somebody says so."""
        return False

    @contextmanager
    def open(self, address: str, options: Mapping[str, Any], alive: Beat) -> Iterator[LabelledPlace]:
        _check(options)
        with ExitStack() as opened:
            shelf, table = _shelf(address, options, alive)
            yield LabelledPlace(
                opened.enter_context(shelf),
                classes=options.get(CLASSES, {}),
                numbers=options.get(NUMBERS, False),
                origin=options[ORIGIN],
                table=options.get(TABLE) or table,
                alive=alive,
                opened=opened,
            )


def _shelf(
    address: str, options: Mapping[str, Any], alive: Beat
) -> tuple[AbstractContextManager[Shelf], str]:
    """Where the pictures are; and the name of the CSV, if it is what the address names."""
    if address.lower().startswith(SCHEME):
        return S3().open(address, options, alive), ""
    path = Path(address)
    if path.is_dir():
        return Folder().open(path, {}), ""
    if Zip().fits(path):
        return Zip().open(path, {}), ""
    if path.is_file() and path.suffix.lower() in (".csv", ".tsv", ".txt"):
        return Folder().open(path.parent, {}), path.name
    raise CannotRead(_NOT_A_SET.format(location=address))


def _check(options: Mapping[str, Any]) -> None:
    """Raises CannotRead for options that cannot be."""
    try:
        labels.check(
            label="any", origin=str(options.get(ORIGIN, "")), column=str(options.get(COLUMN, labels.EXPERT))
        )
    except Refusal as reason:
        raise CannotRead(str(reason)) from reason
    classes = options.get(CLASSES, {})
    texts = isinstance(classes, dict) and all(
        isinstance(text, str) for pair in classes.items() for text in pair
    )
    if not texts or any(len(label) > labels.LONGEST_LABEL for label in classes.values()):
        raise CannotRead(_BAD_CLASSES.format(most=labels.LONGEST_LABEL))
    table = options.get(TABLE, "")
    if not isinstance(table, str) or (table and leads_out(table)):
        raise CannotRead(_BAD_TABLE)
    if not isinstance(options.get(NUMBERS, False), bool):
        raise CannotRead(_BAD_NUMBERS)
    known = detectors.available(settings.YUNET_MODEL)
    if options.get(FACES) and options[FACES] not in known:
        raise CannotRead(_BAD_FACES.format(known=", ".join(known)))
