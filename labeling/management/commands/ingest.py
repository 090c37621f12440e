"""manage.py ingest PATH: take a folder, zip, image, video, FER2013 CSV or list of web addresses in."""

import json
import os
from argparse import ArgumentTypeError
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.management.following import follow
from labeling.models import Face, Item, Source, WorkState
from labeling.sources import KINDS, SITES, faces, ingest, watching
from labeling.sources.rights import BASES

SOME_REFUSED = 3


class Command(BaseCommand):
    help = (
        "Take the media of a folder, zip, image, video, FER2013 CSV or list of web addresses in. Started again on "
        "the same path, it goes on, and takes in what is new. Exit status: 0 all in (or queued), 1 it could not "
        f"be done, {SOME_REFUSED} some items were refused (each is listed with its reason), the others are in."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "path", help="A path, or the address of a page of Flickr or YouTube or of a search of Google."
        )
        parser.add_argument(
            "--kind", default="", choices=["", *KINDS, *SITES], help="Left out: what the path looks like."
        )
        parser.add_argument("--name", default="", help="Left out: the last part of the path.")
        parser.add_argument("--licence", default="", help="Of what no sources.csv names one for.")
        parser.add_argument("--author", default="")
        parser.add_argument(
            "--ferplus", default="", metavar="CSV", help="FER+'s vote table for a FER2013 CSV."
        )
        parser.add_argument(
            "--rows", type=_rows, metavar="A:B", help="Rows of a FER2013 CSV, from 1, both included."
        )
        parser.add_argument(
            "--basis",
            default="",
            choices=["", *BASES],
            help="Why media may be used; has to be said of all that is fetched, and can be of all else.",
        )
        parser.add_argument(
            "--basis-note",
            default="",
            metavar="TEXT",
            help="What more there is to say of it, such as the number of a contract.",
        )
        parser.add_argument("--most", type=int, help="Of a site, at most so many pictures or videos.")
        parser.add_argument("--height", type=int, help="Of YouTube, the tallest picture in pixels (720).")
        parser.add_argument(
            "--cookies",
            default="",
            metavar="FILE",
            help="For YouTube, a cookies.txt of who is signed in there.",
        )
        parser.add_argument(
            "--profile", default="", help="Of a bucket, the storage it is in: see S3_PROFILES."
        )
        parser.add_argument("--origin", default="", help="Of a labelled set, whose labels they are.")
        parser.add_argument("--column", default="", help="Of a labelled set, where its labels go (expert).")
        parser.add_argument("--table", default="", help="Of a labelled set, the CSV inside it (labels.csv).")
        parser.add_argument(
            "--classes",
            type=_classes,
            metavar="FILE",
            help="Of a labelled set, a JSON file: its classes' names → labels; an empty label leaves a class out.",
        )
        parser.add_argument("--numbers", action="store_true", help="Classes 0 to 6 are FER2013's.")
        parser.add_argument(
            "--faces", default="", help="Of a labelled set, the detector that finds the face."
        )
        parser.add_argument("--detect", default="", metavar="haar,yunet", help="Then find faces with these.")
        parser.add_argument(
            "--watch", type=int, metavar="MINUTES", help="Look again that often; see manage.py watch."
        )
        parser.add_argument("--in-process", action="store_true", help="Do it here and now, without a worker.")

    def handle(self, *args: Any, **options: Any) -> None:
        here = options["in_process"]
        try:
            source = ingest.resume_or_add(
                kind=options["kind"],
                location=options["path"],
                name=options["name"],
                options=_options(options),
                licence=options["licence"],
                author=options["author"],
                watch_minutes=options["watch"],
                wake=not here,
            )
        except (ingest.CannotAdd, watching.CannotWatch) as refusal:
            raise CommandError(str(refusal)) from refusal
        if not here:
            self.stdout.write(f"Source {source.pk} “{source.name}” is queued for a worker.")
            return
        follow(source, partial(ingest.ingest, source.pk, wake=False))
        self._detect(source)
        self._report(source)

    def _detect(self, source: Source) -> None:
        for detection in source.detections.filter(state=WorkState.WAITING).order_by("pk"):
            follow(detection, partial(faces.find_faces, detection.pk))

    def _report(self, source: Source) -> None:
        items = source.items
        media = items.filter(media__isnull=False).values("media").distinct().count()
        found = Face.objects.filter(media__in=items.values("media")).count()
        known = items.filter(state=Item.State.KNOWN).count()
        refused = items.filter(state=Item.State.REFUSED).order_by("pk")
        self.stdout.write(
            f"Source {source.pk} “{source.name}”: {media:,} media, {found:,} faces; "
            f"{known:,} items were known already, {refused.count():,} refused."
        )
        if not refused:
            return
        width = min(60, max(len(item.locator) for item in refused))
        for item in refused:
            self.stdout.write(f"  {item.locator:<{width}}  {item.reason}")
        raise SystemExit(SOME_REFUSED)


def _options(given: dict[str, Any]) -> dict[str, Any]:
    return {
        "detect": [name.strip() for name in given["detect"].split(",") if name.strip()],
        "ferplus": given["ferplus"],
        "rows": given["rows"],
        "basis": given["basis"],
        "basis_note": given["basis_note"],
        "most": given["most"],
        "height": given["height"],
        **{name: given[name] for name in ("profile", "origin", "column", "table", "classes", "faces")},
        "numbers": given["numbers"] or "",
        "cookies": os.path.abspath(given["cookies"]) if given["cookies"] else "",
    }


def _classes(path: str) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArgumentTypeError(f"“{path}” is no JSON file that can be read: {error}.") from None


def _rows(text: str) -> list[int | None]:
    first, colon, last = text.partition(":")
    try:
        return [int(first or 1), int(last) if last else None if colon else int(first)]
    except ValueError:
        raise ArgumentTypeError(f"“{text}” is no range of rows; write 1:2000.") from None
