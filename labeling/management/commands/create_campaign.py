"""manage.py create_campaign NAME: ask a question about faces."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from labeling import campaigns
from labeling.campaign_queries import FaceChoice
from labeling.expressions import SEVEN
from labeling.licence_words import left_out_line, rule_help
from labeling.management.asking_quality import add_quality
from labeling.models import Campaign, Source
from labeling.quality_words import kept_out_line, unmeasured_line
from labeling.refusals import Refusal


class Command(BaseCommand):
    help = "Make a campaign of all faces found so far, or of those of one source or detector."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--source", type=int, help="Only faces of this source (its number).")
        parser.add_argument("--detector", default="", help="Only faces this detector found.")
        parser.add_argument(
            "--expressions", default=",".join(SEVEN), metavar="NAME,NAME", help="In the order of the keys."
        )
        parser.add_argument("--votes", type=int, default=10, help="Per face, each of another person.")
        parser.add_argument("--rule", default=Campaign.Rule.STRICT_MAJORITY, choices=Campaign.Rule.values)
        parser.add_argument("--minimum-agreement", type=float, default=0.5, metavar="SHARE")
        parser.add_argument("--order", default=Campaign.Order.BREADTH, choices=Campaign.Order.values)
        parser.add_argument(
            "--licence-rule",
            default="",
            metavar="DEMAND,DEMAND",
            help="Only faces of media whose licence meets these. " + rule_help(),
        )
        add_quality(parser)
        parser.add_argument("--limit", type=int, help="So many of the faces, at random.")

    def handle(self, *args: Any, **options: Any) -> None:
        source = Source.objects.filter(pk=options["source"]).first()
        if options["source"] is not None and source is None:
            raise CommandError(f"There is no source {options['source']}.")
        try:
            with transaction.atomic():
                campaign = campaigns.create(
                    name=options["name"],
                    expressions=options["expressions"].split(","),
                    votes_per_face=options["votes"],
                    rule=options["rule"],
                    minimum_agreement=options["minimum_agreement"],
                    order=options["order"],
                    quality_rule=dict(options["quality"]),
                    licence_rule=filter(None, options["licence_rule"].split(",")),
                )
                choice = FaceChoice(
                    sources=(source.pk,) if source else (),
                    detector=options["detector"],
                )
                made = campaigns.add_faces(campaign=campaign, faces=choice.matching(), limit=options["limit"])
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(
            f"Campaign {campaign.pk} “{campaign.name}” asks {campaign.votes_per_face} people each about "
            f"{made.added:,} faces."
        )
        if made.left_out.faces:
            self.stdout.write(left_out_line(made.left_out))
        for line in filter(None, (kept_out_line(made.kept_out), unmeasured_line(made.kept_out))):
            self.stdout.write(line)
