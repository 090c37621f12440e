"""manage.py export_snapshot SNAPSHOT FORMAT: write a snapshot as one file for others."""

import os
import shutil
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.management.finding import found
from labeling.management.following import follow
from labeling.models import Export, Snapshot, WorkState
from labeling.snapshots import exporting


class Command(BaseCommand):
    help = "Write a snapshot in somebody's format, as one file in the storage."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("snapshot", help="Number, name or digest.")
        parser.add_argument(
            "format",
            choices=list(exporting.FORMATS),
            help="; ".join(f"{name}: {format.title}" for name, format in exporting.FORMATS.items()),
        )
        parser.add_argument("--to", type=Path, metavar="FILE", help="Copy the file here too; does not queue.")
        parser.add_argument("--in-process", action="store_true", help="Do it here and now, without a worker.")

    def handle(self, *args: Any, **options: Any) -> None:
        here = options["in_process"] or options["to"] is not None
        try:
            row = exporting.export(
                snapshot=found(Snapshot, options["snapshot"]), format=options["format"], wake=not here
            )
        except exporting.CannotExport as refusal:
            raise CommandError(str(refusal)) from refusal
        if not here and row.state != WorkState.DONE:
            self.stdout.write(f"Export {row.pk} ({row}) is queued for a worker.")
            return
        if row.state != WorkState.DONE:
            follow(row, lambda tell: exporting.run_export(row.pk, tell=tell))
        self.stdout.write(f"{row}: {row.bytes:,} bytes, sha256 {row.sha256}")
        self.stdout.write(f"in the storage as {row.stored_as}")
        if options["to"] is not None:
            self._copy(row, options["to"])

    def _copy(self, row: Export, target: Path) -> None:
        part = target.with_name(f".{target.name}.part")
        try:
            with default_storage.open(row.stored_as) as source, part.open("wb") as copy:
                shutil.copyfileobj(source, copy, 1024 * 1024)
            os.replace(part, target)
        except OSError as error:
            raise CommandError(f"The file could not be copied to {target}: {error.strerror}.") from error
        finally:
            part.unlink(missing_ok=True)
        self.stdout.write(f"and at {target}")
