"""manage.py fetch_yunet: fetch the model file of the second detector, once."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.fetching.refusals import CannotFetch
from labeling.sources import remote

URL = (
    "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/"
    "face_detection_yunet_2023mar.onnx"
)
SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
"""Of the file in OpenCV's model zoo (MIT licence), 232,589 bytes."""
_MOST_BYTES = 10_000_000


class Command(BaseCommand):
    help = (
        "Fetch YuNet's model file from OpenCV's model zoo (MIT licence), checked by its sha256. It lies in VEMO_HOME "
        "then, and the second detector is offered after a restart. There already and whole, it is not fetched again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", default=URL, help="Another place that has the same file.")
        parser.add_argument("--sha256", default=SHA256, help="Of another version that you trust.")

    def handle(self, *args: Any, url: str, sha256: str, **options: Any) -> None:
        target = Path(settings.YUNET_FETCHED)
        if target.is_file() and hashlib.sha256(target.read_bytes()).hexdigest() == sha256:
            self.stdout.write(f"{target} is there already.")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=target.parent, suffix=".part")
        os.close(handle)
        try:
            self._fetch(url, Path(part), sha256)
            os.replace(part, target)
        finally:
            Path(part).unlink(missing_ok=True)
        self.stdout.write(f"{target} is there. Restart the site and its workers: they offer yunet then.")

    def _fetch(self, url: str, part: Path, sha256: str) -> None:
        place = settings.YUNET_FETCHED
        by_hand = f"Without a network, copy the file to {place} by hand, or set YUNET_MODEL to where it is."
        try:
            with remote.fetcher() as fetcher:
                found = fetcher.fetch_file(url, to=part, most_bytes=lambda begin: _MOST_BYTES)
        except CannotFetch as error:
            raise CommandError(f"{url} could not be fetched: {error} {by_hand}") from error
        if found.sha256 != sha256:
            raise CommandError(
                f"What {url} gave is another file than expected (sha256 {found.sha256}, not {sha256}); "
                f"it was not kept. {by_hand}"
            )
