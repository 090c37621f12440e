"""manage.py import_label_studio FILE: take in labels and votes that people gave in Label Studio."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling import label_studio
from labeling.management.finding import found
from labeling.management.progress import ProgressLine
from labeling.models import Source
from labeling.refusals import Refusal


class Command(BaseCommand):
    help = "Take in labels, or votes, that people gave in Label Studio. Started again, it goes on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="What Label Studio exports as JSON or JSON-MIN.")
        parser.add_argument(
            "--pictures",
            type=Path,
            metavar="FOLDER",
            help="Where the tasks' paths begin; they are known by their content. Tasks with web addresses need none.",
        )
        parser.add_argument(
            "--source",
            metavar="SOURCE",
            help="Number or name: the tasks’ pictures are known by their names in it.",
        )
        parser.add_argument("--campaign", default="", help="The new campaign's name, where there are votes.")

    def handle(self, *args: Any, **options: Any) -> None:
        source = found(Source, options["source"]) if options["source"] else None
        line = ProgressLine(f"Label Studio: {options['file'].name}")
        try:
            taken = label_studio.take_in(
                file=options["file"],
                pictures=options["pictures"],
                source=source,
                name=options["campaign"],
                progress=lambda done, total: line(done, total or None, "answers"),
            )
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        for number, reason in sorted(taken.refused.items()):
            self.stderr.write(f"  task {number}: {reason}")
        if taken.campaign is None:
            line.end(f"{taken.labelled:,} labels in the column “{label_studio.COLUMN}”")
        else:
            line.end(f"{taken.cast:,} votes in campaign {taken.campaign.pk} (“{taken.campaign}”)")
