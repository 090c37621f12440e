"""manage.py compare_snapshots OLD NEW: what changed between two versions."""

import csv
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.management.finding import found
from labeling.management.writing import written
from labeling.models import Snapshot
from labeling.refusals import Refusal
from labeling.snapshot_words import KINDS
from labeling.snapshots import comparing
from labeling.snapshots.diff import Difference


class Command(BaseCommand):
    help = "Say what changed between two frozen versions: faces, labels, splits, votes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("old", help="Number, name or digest.")
        parser.add_argument("new", help="Number, name or digest.")
        parser.add_argument("--csv", type=Path, metavar="FILE", help="A line for every face that differs.")
        parser.add_argument("--json", type=Path, metavar="FILE", help="The counts, and the same.")

    def handle(self, *args: Any, **options: Any) -> None:
        old, new = (found(Snapshot, options[which]) for which in ("old", "new"))
        try:
            # Before any file is opened: what cannot be compared leaves none behind.
            comparing.demand_there(old, new)
            difference = comparing.compare(old, new)
            if options["csv"]:
                self._write_faces(old, new, options["csv"])
            if options["json"]:
                with written(options["json"]) as file:
                    file.writelines(comparing.as_json(old, new))
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        self._tell(old, new, difference)

    def _tell(self, old: Snapshot, new: Snapshot, difference: Difference) -> None:
        self.stdout.write(f"{old} → {new}: {difference.both:,} faces in both")
        for kind, words in KINDS.items():
            self.stdout.write(f"{words}: {difference.count(kind):,}")
        for before, row in sorted(difference.labels.items()):
            for after, faces in sorted(row.items()):
                if before != after:
                    self.stdout.write(f"label: {before} → {after}: {faces:,}")
        if erased := sum(difference.erased.values()):
            self.stdout.write(f"erased: {erased:,}")

    def _write_faces(self, old: Snapshot, new: Snapshot, to: Path) -> None:
        with written(to) as file:
            writer = csv.DictWriter(file, comparing.COLUMNS)
            writer.writeheader()
            writer.writerows(comparing.cells(each) for each in comparing.every(old, new))
