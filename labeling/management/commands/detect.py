"""manage.py detect SOURCE: find faces in a source's media."""

from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Exists, OuterRef

from labeling.management.following import follow
from labeling.management.named_numbers import named_number
from labeling.models import Detection, Item, Scan, Source
from labeling.sources import faces
from labeling.vision.detectors import DETECTORS


class Command(BaseCommand):
    help = "Find faces in all media of a source that the detector has not seen yet."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", type=int, help="The source's number.")
        parser.add_argument("--detector", default="haar", choices=list(DETECTORS))
        parser.add_argument(
            "--per-second", type=float, help="Frames of a video that are searched; 5 if left out."
        )
        parser.add_argument(
            "--margin", type=float, help="Share of the box around it in the crop; 0.2 if left out."
        )
        parser.add_argument(
            "--per-track",
            type=int,
            metavar="FACES",
            help="Of a person's faces in one shot, offer the so many sharpest and most different; all if left out.",
        )
        parser.add_argument(
            "--min-side", type=int, help="Pixels of the smallest box's shorter side; 0 if left out."
        )
        parser.add_argument(
            "--aligned",
            action="store_true",
            default=None,
            help="Turn crops so that eyes are level (YuNet only).",
        )
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            type=named_number,
            metavar="NAME=NUMBER",
            help="A setting of the detector's own, such as score_threshold=0.8; may be given several times.",
        )
        parser.add_argument("--in-process", action="store_true", help="Do it here and now, without a worker.")

    def handle(self, *args: Any, **options: Any) -> None:
        source = Source.objects.filter(pk=options["source"]).first()
        if source is None:
            raise CommandError(f"There is no source {options['source']}.")
        given = {name: options[name] for name in faces.OURS if options[name] is not None}
        given |= dict(options["set"])
        here = options["in_process"]
        try:
            detection = faces.detect_in(
                source=source, detector=options["detector"], settings=given or None, wake=not here
            )
        except faces.CannotDetect as refusal:
            raise CommandError(str(refusal)) from refusal
        if not here:
            self.stdout.write(f"The search “{detection}” is queued for a worker.")
            return
        follow(detection, partial(faces.find_faces, detection.pk))
        self._report(detection)

    def _report(self, detection: Detection) -> None:
        inside = Exists(Item.objects.filter(source=detection.source, media=OuterRef("media")))
        scans = (
            Scan.objects.filter(inside, detector=detection.detector).select_related("media").order_by("media")
        )
        self.stdout.write(f"{'faces':>6} {'frames':>6} {'ms':>7}  media")
        for scan in scans:
            problem = f"  ({scan.problem})" if scan.problem else ""
            self.stdout.write(
                f"{scan.faces:>6} {scan.frames:>6} {scan.milliseconds:>7}  {scan.media}{problem}"
            )
