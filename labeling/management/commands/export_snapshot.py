"""manage.py export_snapshot SNAPSHOT FORMAT: write a snapshot as one file for others."""

import json
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
from labeling.snapshots.exports import card


class Command(BaseCommand):
    help = "Write a snapshot in somebody's format, as one file in the storage."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("snapshot", help="Number, name or digest.")
        parser.add_argument(
            "format",
            choices=list(exporting.FORMATS),
            help="; ".join(f"{name}: {format.title}" for name, format in exporting.FORMATS.items()),
        )
        parser.add_argument(
            "--to", type=Path, metavar="FILE", help="Copy the one file here too; does not queue."
        )
        parser.add_argument(
            "--into",
            default="",
            metavar="PLACE",
            help="Write the files unpacked here too: a folder, or s3://bucket/prefix.",
        )
        parser.add_argument("--profile", default="", help="Which of S3_PROFILES the bucket is in.")
        parser.add_argument(
            "--words",
            type=Path,
            metavar="FILE",
            help=f"A JSON object for the dataset card: an answer each to {', '.join(card.QUESTIONS)}.",
        )
        parser.add_argument("--in-process", action="store_true", help="Do it here and now, without a worker.")

    def handle(self, *args: Any, **options: Any) -> None:
        here = options["in_process"] or options["to"] is not None
        try:
            row = exporting.export(
                snapshot=found(Snapshot, options["snapshot"]),
                format=options["format"],
                words=_words(options["words"]) if options["words"] else None,
                to=options["into"] and _whole(options["into"]),
                profile=options["profile"],
                wake=not here,
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
        for place in row.also_at:
            self.stdout.write(f"and unpacked in {place}")
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


def _whole(place: str) -> str:
    """A folder as the worker finds it, wherever that was started."""
    return place if "://" in place else str(Path(place).resolve())


def _words(file: Path) -> dict[str, str]:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(told, dict) or not all(isinstance(text, str) for text in told.values()):
        raise CommandError(f"{file} is no JSON object of texts.")
    if unknown := told.keys() - card.QUESTIONS.keys():
        raise CommandError(f"The card asks {', '.join(card.QUESTIONS)}; not {', '.join(sorted(unknown))}.")
    return told
