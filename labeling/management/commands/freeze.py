"""manage.py freeze CAMPAIGN: make a dataset version of what is settled."""

from argparse import ArgumentTypeError
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from labeling import queries
from labeling.licence_words import rule_help
from labeling.management.asking_quality import add_quality
from labeling.management.finding import found
from labeling.management.following import follow
from labeling.models import Campaign, Snapshot
from labeling.snapshot_words import certificate_lines, left_out
from labeling.snapshots import format as snapshots
from labeling.snapshots import freezing
from labeling.snapshots.choosing import Choice
from labeling.snapshots.rule import GROUPS, STRATIFIED, USUAL_LABELS, WAYS


class Command(BaseCommand):
    help = "Freeze the settled faces of a campaign as a snapshot: a dataset version that never changes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("campaign", help="Number or name.")
        parser.add_argument("--name", default="", help="Left out: the campaign's name and a number.")
        parser.add_argument(
            "--fractions",
            type=_fractions,
            metavar="80,10,10",
            help="Shares of train, validation and test, of splits that are drawn. Left out: 80,10,10.",
        )
        parser.add_argument("--seed", type=int, default=0, help="The same seed draws the same splits.")
        parser.add_argument(
            "--splits",
            default=STRATIFIED,
            choices=WAYS,
            help="Drawn by class, as the source gives them (FER2013's Usage), or by --test-sources.",
        )
        for split in ("validation", "test"):
            parser.add_argument(
                f"--{split}-sources", nargs="+", default=[], metavar="SOURCE", help="With --splits sources."
            )
        parser.add_argument(
            "--together",
            nargs="+",
            choices=GROUPS,
            help="What never straddles splits: all of one media (always), near-duplicates (alike), all of one author "
            "or uploader. Left out: media and near-duplicates where splits are drawn, the media elsewhere.",
        )
        parser.add_argument("--folds", type=int, default=0, help="Number of folds by group; 0: none.")
        parser.add_argument(
            "--test-may-move",
            action="store_true",
            help="Do not keep in test what earlier versions tested on.",
        )
        self._add_faces(parser)
        parser.add_argument("--preview", action="store_true", help="Say what it would hold; freeze nothing.")
        parser.add_argument("--in-process", action="store_true", help="Do it here and now, without a worker.")

    def _add_faces(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--labels",
            nargs="+",
            default=USUAL_LABELS,
            metavar="COLUMN",
            help="Whose word counts, the first that has one: votes, adjudicated, or a column of labels such as "
            "expert. Left out: adjudicated votes.",
        )
        parser.add_argument(
            "--also", nargs="+", default=[], metavar="CAMPAIGN", help="Others that ask the same."
        )
        parser.add_argument(
            "--labelled-sources",
            nargs="+",
            default=[],
            metavar="SOURCE",
            help="Their faces join by their labels alone.",
        )
        parser.add_argument(
            "--votes-at-least", type=int, default=0, help="Votes that a label by votes needs."
        )
        parser.add_argument(
            "--agreement-at-least",
            type=float,
            default=0.0,
            metavar="SHARE",
            help="0 to 1, of a label by votes.",
        )
        parser.add_argument("--classes", nargs="+", default=[], help="Left out: all of the campaign.")
        parser.add_argument(
            "--side-at-least", type=int, default=0, metavar="PIXELS", help="Of the shorter side."
        )
        add_quality(parser)
        parser.add_argument(
            "--sources", nargs="+", default=[], metavar="SOURCE", help="Only faces from these."
        )
        parser.add_argument(
            "--licences",
            type=_demands,
            metavar="DEMAND,DEMAND",
            help="What the licences of media must allow; left out: what the campaign asks for; none: nothing. "
            + rule_help(),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        here, rule = options["in_process"], _rule(options)
        try:
            if options["preview"]:
                self._preview(freezing.preview(**rule))
                return
            snapshot = freezing.freeze(**rule, name=options["name"], wake=not here)
        except freezing.CannotFreeze as refusal:
            raise CommandError(str(refusal)) from refusal
        if not here:
            self.stdout.write(f"Snapshot {snapshot.pk} “{snapshot.name}” is queued for a worker.")
            return
        follow(snapshot, lambda tell: freezing.run_freeze(snapshot.pk, tell=tell))
        self._report(snapshot)

    def _preview(self, choice: Choice) -> None:
        splits = {"classes": list(choice.faces.classes), "splits": choice.counts}
        table = queries.split_table(Snapshot(counts=splits))
        self.stdout.write(f"{table.faces:,} faces would be frozen.")
        self._tell(table, choice.faces.left_out, choice.certificate)
        for note in choice.notes:
            self.stdout.write(f"note: {note}")

    def _report(self, snapshot: Snapshot) -> None:
        table = queries.split_table(snapshot)
        size = filesizeformat(snapshot.bytes).replace("\N{NO-BREAK SPACE}", " ")
        self.stdout.write(f"Snapshot {snapshot.pk} “{snapshot.name}”: {table.faces:,} faces, {size}")
        self.stdout.write(f"digest {snapshot.digest}")
        self._tell(table, table.left_out, snapshot.counts.get("certificate", {}))

    def _tell(self, table: queries.SplitTable, out: Mapping[str, int], proof: Mapping[str, Any]) -> None:
        width = max(len(row.label) for row in table.rows)
        self.stdout.write(" " * width + "".join(f"{split:>12}" for split in table.splits))
        for row in table.rows:
            self.stdout.write(f"{row.label:<{width}}" + "".join(f"{cell:>12,}" for cell in row.cells))
        for count, words in left_out(out):
            self.stdout.write(f"left out: {count:,} {words}")
        for line in certificate_lines(proof):
            self.stdout.write(f"{line.term}: {line.text}")


def _rule(options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of freezing.freeze and freezing.preview that make the rule."""
    by_source = {split: options[f"{split}_sources"] for split in ("validation", "test")}
    return {
        "campaign": found(Campaign, options["campaign"]),
        "also": [found(Campaign, which) for which in options["also"]],
        "split_sources": by_source,
        "test_stays": not options["test_may_move"],
        "quality": dict(options["quality"]),
        **{name: options[name] for name in _AS_ASKED},
    }


_AS_ASKED = (
    "labels", "labelled_sources", "votes_at_least", "agreement_at_least", "classes", "side_at_least", "sources",
    "licences", "splits", "fractions", "seed", "together", "folds",
)  # fmt: skip


def _demands(text: str) -> list[str]:
    return [] if text == "none" else text.split(",")


def _fractions(text: str) -> dict[str, float]:
    try:
        train, validation, test = (float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentTypeError(f"“{text}” are no three shares; write 80,10,10.") from None
    return dict(zip(snapshots.SPLITS, (train, validation, test), strict=True))
