"""manage.py label_faces CSV: experts' labels for faces that are there already, and --export to get them out."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling import label_tables, labels
from labeling.management.commands.ingest import SOME_REFUSED
from labeling.refusals import Refusal
from labeling.sayings import told


class Command(BaseCommand):
    help = (
        "Give faces the labels of a CSV with the columns face (its number) or key (face_key in snapshots), label, and "
        "if you like origin and column. A label never writes over another. Exit status: 0 all given, 1 it could not be "
        f"done, {SOME_REFUSED} some lines were refused, each is listed with its reason. With --export: write the "
        "labels there are as such a CSV."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("csv", metavar="CSV", help="A file; - for the screen with --export.")
        parser.add_argument("--origin", default="", help="Whose labels they are, where no line says so.")
        parser.add_argument("--column", default="", help="Left out: expert; of an export all columns.")
        parser.add_argument("--export", action="store_true", help="Write the file instead of reading it.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["export"]:
                self._export(options["csv"], options["column"])
            else:
                self._read(Path(options["csv"]), options["origin"], options["column"])
        except (Refusal, OSError) as reason:
            raise CommandError(str(reason)) from reason

    def _export(self, path: str, column: str) -> None:
        if path == "-":
            label_tables.write(sys.stdout, column=column)
            return
        with open(path, "w", newline="", encoding="utf-8") as file:
            count = label_tables.write(file, column=column)
        self.stdout.write(f"{count:,} labels written to {path}.")

    def _read(self, path: Path, origin: str, column: str) -> None:
        right = refused = 0
        with path.open(newline="", encoding="utf-8-sig") as file:
            for one in label_tables.read(file, origin=origin, column=column):
                if one.problem:
                    refused += 1
                    self.stdout.write(f"  line {one.line}: {told(one.problem)}")
                else:
                    right += 1
        where = column or labels.EXPERT
        self.stdout.write(
            f"{right:,} faces are labelled so in the column {where}, {refused:,} lines were refused."
        )
        if refused:
            raise SystemExit(SOME_REFUSED)
