"""manage.py sweep_storage: files of the storage that belong to nobody, and rows whose file is gone.

So it does with what killed exports left in the folders that their files were to go to.
"""

import shutil
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from labeling import storage_sweep
from labeling.snapshots import exporting


class Command(BaseCommand):
    help = "List the storage's files that no row owns, and the rows whose file is missing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--delete",
            action="store_true",
            help="Delete the ownerless that are older than a day, and what killed exports left in other folders.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        ownerless = deleted = missing = 0
        for name in storage_sweep.ownerless():
            ownerless += 1
            gone = options["delete"] and storage_sweep.delete(name)
            deleted += gone
            self.stdout.write(f"{'deleted' if gone else 'nobody’s'}: {name}")
        for part in exporting.left_parts():
            ownerless += 1
            if options["delete"]:
                shutil.rmtree(part, ignore_errors=True)
            gone = not part.exists()
            deleted += gone
            self.stdout.write(f"{'deleted' if gone else 'nobody’s'}: {part}")
        for row, name in storage_sweep.missing():
            missing += 1
            self.stdout.write(f"missing: {name} of {row}")
        self.stdout.write(
            f"{ownerless:,} files are nobody’s, {deleted:,} of them deleted; {missing:,} are missing."
        )
