"""manage.py replay_votes CAMPAIGN: cast the votes that came with the faces (FER+), by the verb people use."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.management import annotators
from labeling.management.progress import ProgressLine
from labeling.refusals import Refusal
from labeling.voting import simulate


class Command(BaseCommand):
    help = "Cast the votes the faces came with, one per annotator and face. Started again, it goes on."

    def add_arguments(self, parser: CommandParser) -> None:
        annotators.add_arguments(parser)
        parser.add_argument("--seed", type=int, default=0, help="Decides who casts which of a face's votes.")
        parser.add_argument(
            "--pass-uneven-on",
            action="store_true",
            help="List the faces that came with another number of votes and leave them open; else that is refused.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        campaign = annotators.campaign_of(options["campaign"])
        people = annotators.annotators_of(options["annotators"])
        wanted = simulate.votes_wanted(campaign)
        line = ProgressLine(f"Replay into “{campaign}”")
        for face in simulate.uneven(campaign, votes_each=len(people)):
            came = sum(face.given.get("votes", {}).values())
            self.stderr.write(f"  face {face.pk} (row {face.row}) came with {came} votes")
        try:
            cast = simulate.replay(
                campaign=campaign,
                annotators=people,
                seed=options["seed"],
                pass_uneven_on=options["pass_uneven_on"],
                progress=lambda done: line(done, wanted, "votes"),
            )
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        line.end(f"{cast:,} votes of {len(people)} annotators")
