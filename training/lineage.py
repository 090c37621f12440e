"""What training made of snapshots, for the picture of what came of what (labeling.lineage)."""

from collections.abc import Collection

from django.db.models import Count
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.lineage import ROUND, RUN, Node, Place
from training.models import RelabelRound, TrainingRun
from training.rules import may_train

LISTED = {RUN: Place("training:runs", may_train), ROUND: Place("training:relabel_rounds", may_train)}


def made_of(snapshots: Collection[int]) -> list[Node]:
    """The runs on these snapshots, and the relabel rounds they opened; the newest first."""
    runs = TrainingRun.objects.filter(snapshot__in=snapshots).order_by("-pk")
    rounds = (
        RelabelRound.objects.filter(run__snapshot__in=snapshots)
        .order_by("-pk")
        .annotate(asked=Count("faces"))
    )
    return [*(_run(row) for row in runs), *(_round(row) for row in rounds)]


def _run(row: TrainingRun) -> Node:
    right = row.validation_accuracy
    what = str(row.get_state_display())
    if right is not None:
        what = _("{share} % right on validation").format(share=number_format(f"{100 * right:.1f}"))
    page = reverse("training:run", args=[row.pk])
    return Node(f"run-{row.pk}", RUN, row.name, what, page, (f"snapshot-{row.snapshot_id}",), may_train)


def _round(row: RelabelRound) -> Node:
    faces = row.asked  # type: ignore[attr-defined]
    what = ngettext("{n} face asked again", "{n} faces asked again", faces).format(n=faces)
    page = reverse("training:relabel_round", args=[row.pk])
    title = _("Round {number}").format(number=row.pk)
    return Node(f"round-{row.pk}", ROUND, title, what, page, (f"run-{row.run_id}",), may_train)
