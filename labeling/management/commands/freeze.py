"""manage.py freeze CAMPAIGN: make a dataset version of what is settled."""

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from labeling import queries
from labeling.licence_words import rule_help
from labeling.management.finding import found
from labeling.management.following import follow
from labeling.models import Campaign, Snapshot
from labeling.snapshots import format as snapshots
from labeling.snapshots import freezing
from labeling.snapshots.rule import GROUPS


class Command(BaseCommand):
    help = "Freeze the settled faces of a campaign as a snapshot: a dataset version that never changes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("campaign", help="Number or name.")
        parser.add_argument("--name", default="", help="Left out: the campaign's name and a number.")
        parser.add_argument(
            "--fractions",
            type=_fractions,
            default=freezing.FRACTIONS,
            metavar="80,10,10",
            help="Shares of train, validation and test.",
        )
        parser.add_argument("--seed", type=int, default=0, help="The same seed draws the same splits.")
        parser.add_argument(
            "--splits",
            default=freezing.STRATIFIED,
            choices=[freezing.STRATIFIED, freezing.GIVEN],
            help="Drawn by class, or as the source gives them (FER2013's Usage).",
        )
        parser.add_argument(
            "--licences",
            type=_demands,
            metavar="DEMAND,DEMAND",
            help="What the licences of media must allow; left out: what the campaign asks for; none: nothing. "
            + rule_help(),
        )
        parser.add_argument(
            "--together",
            nargs="+",
            choices=GROUPS,
            help="What never straddles splits: all of one media (always), near-duplicates (alike). Left out: both "
            "where splits are drawn, the media where they are given.",
        )
        parser.add_argument("--in-process", action="store_true", help="Do it here and now, without a worker.")

    def handle(self, *args: Any, **options: Any) -> None:
        here = options["in_process"]
        try:
            snapshot = freezing.freeze(
                campaign=found(Campaign, options["campaign"]),
                name=options["name"],
                fractions=options["fractions"],
                seed=options["seed"],
                splits=options["splits"],
                licences=options["licences"],
                together=options["together"],
                wake=not here,
            )
        except freezing.CannotFreeze as refusal:
            raise CommandError(str(refusal)) from refusal
        if not here:
            self.stdout.write(f"Snapshot {snapshot.pk} “{snapshot.name}” is queued for a worker.")
            return
        follow(snapshot, lambda tell: freezing.run_freeze(snapshot.pk, tell=tell))
        self._report(snapshot)

    def _report(self, snapshot: Snapshot) -> None:
        table = queries.split_table(snapshot)
        size = filesizeformat(snapshot.bytes).replace("\N{NO-BREAK SPACE}", " ")
        self.stdout.write(f"Snapshot {snapshot.pk} “{snapshot.name}”: {table.faces:,} faces, {size}")
        self.stdout.write(f"digest {snapshot.digest}")
        width = max(len(row.label) for row in table.rows)
        self.stdout.write(" " * width + "".join(f"{split:>12}" for split in table.splits))
        for row in table.rows:
            self.stdout.write(f"{row.label:<{width}}" + "".join(f"{cell:>12,}" for cell in row.cells))
        for reason, count in table.left_out.items():
            self.stdout.write(f"left out: {count:,} {reason.replace('_', ' ')}")


def _demands(text: str) -> list[str]:
    return [] if text == "none" else text.split(",")


def _fractions(text: str) -> dict[str, float]:
    try:
        train, validation, test = (float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentTypeError(f"“{text}” are no three shares; write 80,10,10.") from None
    return dict(zip(snapshots.SPLITS, (train, validation, test), strict=True))
