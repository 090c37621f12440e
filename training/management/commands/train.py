"""Start a training on a snapshot."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.management.finding import found
from labeling.management.following import do_or_wait
from labeling.models import Snapshot, WorkState
from training import metrics, queries, runs
from training.core.config import PRESETS


class Command(BaseCommand):
    help = "Start a training on a snapshot. A gpu worker takes it up; with --in-process, this command does."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("snapshot", help="number or name of a frozen snapshot")
        parser.add_argument("--network", default="resnet18", metavar="NAME")
        parser.add_argument("--preset", default="quick", choices=list(PRESETS))
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="a setting that differs; repeatable",
        )
        parser.add_argument(
            "--fast",
            action="store_true",
            help="bf16 and channels_last as the machine that trains is quickest with them",
        )
        parser.add_argument("--name", default="")
        parser.add_argument("--in-process", action="store_true", help="train now, without a worker")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = runs.start(
                snapshot=found(Snapshot, options["snapshot"]),
                network=options["network"],
                preset=options["preset"],
                settings=_settings_from(options["set"]),
                fast=options["fast"],
                name=options["name"],
            )
        except runs.CannotStart as refusal:
            raise CommandError(str(refusal)) from refusal
        if not options["in_process"]:
            self.stdout.write(f"Run {run.pk} is queued for a gpu worker.")
            return
        self.stdout.write(f"Run {run.pk}: {run.name}, up to {run.epochs} epochs, in {runs.folder(run)}")
        told = _Teller(self, run)
        do_or_wait(run, lambda: runs.train(run.pk, tell=told))
        told(queries.progress_of(run))
        if run.state != WorkState.DONE:
            raise CommandError(run.error or f"The run is {run.get_state_display()}.")
        for evaluation in run.evaluations.order_by("split"):
            low, high = evaluation.figures["accuracy_interval"]
            self.stdout.write(
                f"{evaluation.split}: accuracy {evaluation.accuracy:.1%} ({low:.1%} to {high:.1%}), "
                f"macro F1 {evaluation.macro_f1:.3f}, {evaluation.images} faces"
            )


def _settings_from(pairs: list[str]) -> dict[str, str]:
    """`["epochs=3"]` → {"epochs": "3"}; raises CommandError for what is not KEY=VALUE."""
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise CommandError(f"--set takes KEY=VALUE, not {pair}.")
        settings[name.strip()] = value.strip()
    return settings


class _Teller:
    """One line per finished epoch."""

    def __init__(self, command: BaseCommand, run: Any) -> None:
        self._command = command
        self._run = run
        self._told = 0

    def __call__(self, progress: metrics.Progress) -> None:
        if progress.epoch == self._told:
            return
        for epoch in runs.curves(self._run)[self._told :]:
            self._command.stdout.write(
                f"  epoch {epoch['epoch']:>3} of {epoch['epochs']}: loss {epoch['train_loss']:.3f}, "
                f"validation accuracy {epoch['validation_accuracy']:.1%}, {epoch['seconds']:.1f} s"
                f"{' (best)' if epoch['best'] else ''}"
            )
        self._told = progress.epoch
