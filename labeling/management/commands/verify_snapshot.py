"""manage.py verify_snapshot SNAPSHOT: read every byte again."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.management.finding import found
from labeling.models import Snapshot
from labeling.refusals import Refusal
from labeling.snapshots import format as snapshots
from labeling.snapshots import freezing


class Command(BaseCommand):
    help = (
        "Read every byte of a snapshot again. Exit status 1, and a line for each problem, if one has changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("snapshot", help="Number, name, digest, or a snapshot's folder.")

    def handle(self, *args: Any, **options: Any) -> None:
        which = options["snapshot"]
        folder = Path(which)
        if folder.is_dir() and not which.isdigit():
            problems = snapshots.verify(folder)
        else:
            snapshot = found(Snapshot, which)
            try:
                problems = freezing.verify(snapshot=snapshot)
            except Refusal as refusal:
                raise CommandError(str(refusal)) from refusal
        for problem in problems:
            self.stdout.write(f"{problem.where}: {problem.what}")
        if problems:
            raise SystemExit(1)
        self.stdout.write(f"Snapshot {which}: nothing has changed.")
