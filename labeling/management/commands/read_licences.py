"""manage.py read_licences: understand the licences of media that were taken in before they were understood."""

from typing import Any

from django.core.management.base import BaseCommand

from labeling import licensing
from labeling.licences import LICENCES


class Command(BaseCommand):
    help = "Understand the licences that media have kept as text. Stopped, it goes on when started again."

    def handle(self, *args: Any, **options: Any) -> None:
        understood, unknown = 0, 0
        for read in licensing.read_kept():
            if read.code:
                understood += read.media
                meaning = LICENCES[read.code].name
            else:
                unknown += read.media
                meaning = "not understood"
            self.stdout.write(f"{read.media:>9,}  {read.text}: {meaning}")
        self.stdout.write(f"{understood:,} media understood, {unknown:,} not; these count as unknown.")
