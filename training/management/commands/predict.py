"""Let a finished run look at every face of a campaign."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.management.finding import found
from labeling.management.following import do_or_wait
from labeling.models import Campaign, WorkState
from labeling.refusals import Refusal
from training import predictions
from training.models import TrainingRun


class Command(BaseCommand):
    help = "Let a finished run look at every face of a campaign, and keep its opinions."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", help="number or name of a finished run")
        parser.add_argument("--campaign", help="number or name; default: the one its snapshot came from")
        parser.add_argument("--in-process", action="store_true", help="do it now, without a worker")

    def handle(self, *args: Any, **options: Any) -> None:
        campaign = found(Campaign, options["campaign"]) if options["campaign"] else None
        try:
            prediction = predictions.predict(run=found(TrainingRun, options["run"]), campaign=campaign)
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        if not options["in_process"]:
            self.stdout.write("Queued for a gpu worker.")
            return
        do_or_wait(prediction, lambda: predictions.run_predict(prediction.pk, tell=self._tell))
        if prediction.state != WorkState.DONE:
            raise CommandError(prediction.error or f"The prediction is {prediction.get_state_display()}.")
        self.stdout.write(f"{prediction}: {prediction.message}")

    def _tell(self, done: int, total: int) -> None:
        self.stdout.write(f"  {done} of {total} opinions kept")
