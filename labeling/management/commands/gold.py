"""manage.py gold CAMPAIGN TABLE.csv: make faces gold, by their numbers or by their pictures."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling import gold
from labeling.expressions import known_as
from labeling.management import annotators
from labeling.models import Campaign, Face
from labeling.refusals import Refusal

COLUMNS = {"face", "crop_sha256", "answer", "note", "qualification"}
TRUE, FALSE = ("1", "true", "yes"), ("", "0", "false", "no")


class CannotRead(Refusal):
    """A line says nothing that could be done."""


class Command(BaseCommand):
    help = (
        "Make the faces of a CSV gold in a campaign. Columns: face (its number) or crop_sha256 (of its picture), "
        "answer, and if wanted note and qualification (1 or 0). Each line stands alone; those refused are named "
        "with their reasons. Exit status: 0 all are gold, 1 some were refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("campaign", type=int, help="The campaign's number.")
        parser.add_argument("table", type=Path, help="A CSV file in UTF-8, with a header.")
        parser.add_argument(
            "--qualification",
            action="store_true",
            help="For the qualification, where the table does not say.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        campaign = annotators.campaign_of(options["campaign"])
        done, refused = 0, 0
        for number, line in _lines(options["table"]):
            try:
                gold.set_gold(campaign=campaign, by=None, **_asked(campaign, line, options["qualification"]))
                done += 1
            except Refusal as refusal:
                refused += 1
                self.stderr.write(f"Line {number}: {refusal}")
        self.stdout.write(f"{done:,} faces are gold in “{campaign}”; {refused:,} lines were refused.")
        if refused:
            raise SystemExit(1)


def _lines(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line's number in the file and its columns."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="", restval="")
            columns = set(reader.fieldnames or ())
            if strange := columns - COLUMNS:
                raise CommandError(f"Nobody reads the column {', '.join(sorted(strange))} of {table.name}.")
            if "answer" not in columns or not columns & {"face", "crop_sha256"}:
                raise CommandError(f"{table.name} needs the columns answer, and face or crop_sha256.")
            for line in reader:
                yield reader.line_num, {name: str(line[name]).strip() for name in columns}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"{table} cannot be read: {error}.") from error


def _asked(campaign: Campaign, line: dict[str, str], otherwise: bool) -> dict[str, Any]:
    said = line.get("qualification", "").lower()
    if said not in (*TRUE, *FALSE):
        raise CannotRead(f"“{said}” is neither 1 nor 0.")
    return {
        "face": _face(campaign, line.get("face", ""), line.get("crop_sha256", "").lower()),
        "answer": line["answer"] if line["answer"] in campaign.expressions else known_as(line["answer"]),
        "note": line.get("note", ""),
        "qualification": said in TRUE if said else otherwise,
    }


def _face(campaign: Campaign, number: str, digest: str) -> int:
    if number:
        if not (number.isascii() and number.isdigit() and len(number) < 19):
            raise CannotRead(f"“{number}” is no face's number.")
        return int(number)
    if not digest:
        raise CannotRead("Neither a face nor a crop_sha256 is named.")
    same = Face.objects.filter(crop_sha256=digest).order_by("pk")
    # The same picture may have been found in several media: the one the campaign has is meant.
    found = list(same.filter(campaign_faces__campaign=campaign)[:2]) or list(same[:2])
    if not found:
        raise CannotRead(f"No face has the picture {digest[:12]}…")
    if len(found) > 1:
        raise CannotRead(f"Several faces have the picture {digest[:12]}…; name one by its number.")
    return found[0].pk
