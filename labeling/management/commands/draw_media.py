"""manage.py draw_media FOLDER: draw the project's own media."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from labeling.sources import drawn


class Command(BaseCommand):
    help = "Draw people with seven expressions: stills, two groups, a short video. Free of anybody's rights (CC0)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--stills", type=int, default=drawn.STILLS)
        parser.add_argument("--seed", type=int, default=0)

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = options["folder"]
        drawn.draw_collection(folder, stills=options["stills"], seed=options["seed"])
        self.stdout.write(
            f"{options['stills']} stills, {len(drawn.GROUPS)} groups and a video are in {folder}."
        )
