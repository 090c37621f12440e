"""Open a relabel round on the faces a run doubts most."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.management.finding import found
from labeling.models import Campaign
from labeling.refusals import Refusal
from training import relabeling
from training.models import TrainingRun


class Command(BaseCommand):
    help = "Put the faces a run doubts most back before annotators, for fresh votes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", help="number or name of a run that has predicted")
        parser.add_argument("--campaign", help="number or name; default: the one its snapshot came from")
        parser.add_argument("--faces", type=int, default=20, help="how many, the most doubted first (20)")
        parser.add_argument("--votes", type=int, default=5, help="fresh votes of each face (5)")
        parser.add_argument("--dry-run", action="store_true", help="list the faces, open nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        run = found(TrainingRun, options["run"])
        campaign = found(Campaign, options["campaign"]) if options["campaign"] else run.snapshot.campaign
        doubted = relabeling.doubted(run=run, campaign=campaign, limit=options["faces"])
        if not doubted:
            raise CommandError("This run doubts no settled face of the campaign. Let it predict first.")
        for suggestion in doubted:
            face = suggestion.campaign_face
            self.stdout.write(
                f"  face {face.face_id}: votes say {face.label or face.get_outcome_display()}, "
                f"network says {suggestion.label}, doubt {suggestion.doubt:.2f}"
            )
        if options["dry_run"]:
            return
        try:
            opened = relabeling.open_round(
                run=run,
                campaign_face_ids=[suggestion.campaign_face_id for suggestion in doubted],
                votes_per_face=options["votes"],
            )
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(
            f"Relabel round {opened.pk}: {len(doubted)} faces, {options['votes']} fresh votes each."
        )
