"""manage.py check_votes: count what must be zero in campaigns."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from labeling.management import annotators
from labeling.models import Campaign
from labeling.voting import integrity


class Command(BaseCommand):
    help = "Count, from the votes themselves, what must be zero. Exit status: 0 all is well, 1 something is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("campaign", type=int, nargs="?", help="The campaign's number; all if left out.")

    def handle(self, *args: Any, **options: Any) -> None:
        named = options["campaign"]
        campaigns = [annotators.campaign_of(named)] if named else Campaign.objects.order_by("pk")
        wrong = 0
        for campaign in campaigns:
            counts = integrity.check(campaign)
            found = {what: count for what, count in counts.items() if count}
            wrong += sum(found.values())
            verdict = ", ".join(f"{what}: {count:,}" for what, count in found.items()) or "all is well"
            self.stdout.write(f"Campaign {campaign.pk} “{campaign}”: {verdict}.")
        if wrong:
            raise SystemExit(1)
