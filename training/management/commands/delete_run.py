"""Delete a run, or only its weights."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from labeling.management.finding import found
from labeling.refusals import Refusal
from training import deleting
from training.models import TrainingRun


class Command(BaseCommand):
    help = "Delete a run that is over, with its folder and what it said of campaigns. It cannot be undone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", help="number or name of a run")
        parser.add_argument("--weights-only", action="store_true", help="keep figures, curves and opinions")

    def handle(self, *args: Any, **options: Any) -> None:
        run = found(TrainingRun, options["run"])
        verb = deleting.delete_weights if options["weights_only"] else deleting.delete
        try:
            freed = verb(run=run)
        except Refusal as refusal:
            raise CommandError(str(refusal)) from refusal
        what = "The weights of" if options["weights_only"] else "All of"
        self.stdout.write(
            f"{what} “{run}” {'are' if options['weights_only'] else 'is'} deleted: {filesizeformat(freed)}."
        )
