"""manage.py check_licences: look at the pages of media again, and say whose licence has changed."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling import licence_checks


class Command(BaseCommand):
    help = (
        "Look again at the pages of media that were fetched from the network, and keep which licence they name now. "
        f"No page is looked at twice within {licence_checks.AGAIN_AFTER.days} days."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, default=100, help="Pages at most, 100 if left out.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["limit"] < 1:
            raise CommandError("--limit is a number above 0.")
        seen, changed, failed = 0, 0, 0
        for checked in licence_checks.check_pages(options["limit"]):
            media = checked.media
            if checked.problem:
                failed += 1
                self.stdout.write(f"media {media.pk}: {media.page_url}: {checked.problem}")
                continue
            seen += 1
            if checked.changed:
                changed += 1
                was = media.licence or "not known"
                self.stdout.write(f"media {media.pk}: licence changed: was {was}, now {media.licence_now}")
        self.stdout.write(
            f"{seen:,} pages looked at, {changed:,} with another licence, {failed:,} not reached."
        )
