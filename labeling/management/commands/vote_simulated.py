"""manage.py vote_simulated CAMPAIGN: let programs answer, for trying things out; the votes are INVENTED."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.expressions import CANT_TELL
from labeling.management import annotators
from labeling.management.progress import ProgressLine
from labeling.models import Campaign, Face
from labeling.refusals import Refusal
from labeling.sources.drawn import expression_at
from labeling.voting import simulate


class Command(BaseCommand):
    help = (
        "Let programs vote: mostly what a face's source says it shows, sometimes something else. Only for trying "
        "things out: no person looked at the faces."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        annotators.add_arguments(parser)
        parser.add_argument(
            "--sure", type=float, default=0.8, help="How often they answer what is said, 0–1."
        )
        parser.add_argument("--seed", type=int, default=0)

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 <= options["sure"] <= 1:
            raise CommandError("--sure is a share from 0 to 1.")
        campaign = annotators.campaign_of(options["campaign"])
        people = annotators.annotators_of(options["annotators"])
        wanted = simulate.votes_wanted(campaign)
        line = ProgressLine(f"Programs vote in “{campaign}”")
        try:
            cast = simulate.simulate(
                campaign=campaign,
                annotators=people,
                opinion=lambda face: _opinion(campaign, face, options["sure"]),
                seed=options["seed"],
                progress=lambda done: line(done, wanted, "votes"),
            )
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        line.end(f"{cast:,} invented votes of {len(people)} programs")


def _opinion(campaign: Campaign, face: Face, sure: float) -> Mapping[str, float]:
    said = str(face.given.get("label", ""))
    with suppress(ValueError):  # drawn by nobody we know: then what its source says must do
        said = said or expression_at(face.media.original_name, face.time_ms)
    answers = [*campaign.expressions, CANT_TELL]
    if said not in answers:
        return dict.fromkeys(answers, 1 / len(answers))
    rest = (1 - sure) / (len(answers) - 1)
    return {answer: sure if answer == said else rest for answer in answers}
