"""What came of what: source → media → face → votes → snapshot → export → run → relabel round → next snapshot.

labeling knows nothing of training; training tells what it made (training.apps).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from labeling.models import Campaign, CampaignFace, Item, Snapshot, Source, Vote, WorkState
from labeling.rules import may_manage, may_see_labels
from labeling.snapshots.exports import FORMATS

SOURCE, MEDIA, FACES, VOTES, SNAPSHOT, EXPORT, RUN, ROUND, NEXT = (
    "source", "media", "faces", "votes", "snapshot", "export", "run", "round", "next",
)  # fmt: skip
STAGES = {
    SOURCE: gettext_noop("Sources"),
    MEDIA: gettext_noop("Media"),
    FACES: gettext_noop("Faces"),
    VOTES: gettext_noop("Votes"),
    SNAPSHOT: gettext_noop("Snapshots"),
    EXPORT: gettext_noop("Exports"),
    RUN: gettext_noop("Training runs"),
    ROUND: gettext_noop("Relabel rounds"),
    NEXT: gettext_noop("Next snapshot"),
}
SHOWN = 4
"""Nodes of a stage; the others are counted."""
MOST = 100
"""Versions of a campaign that are looked at, the newest."""


@dataclass(frozen=True)
class Node:
    key: str
    stage: str
    title: str
    what: str
    """Counts, in words."""
    url: str = ""
    came_of: tuple[str, ...] = ()
    """Keys of the nodes it was made of."""
    may_open: Callable[[Any], bool] = may_see_labels
    """Whether a user may open its page."""


@dataclass(frozen=True)
class Lineage:
    nodes: list[Node] = field(default_factory=list)
    more: dict[str, int] = field(default_factory=dict)
    """Stage → nodes that are not shown."""


Made = Callable[[Collection[int]], list[Node]]
"""What was made of the snapshots with these keys, as nodes; those made of a snapshot came of `snapshot-KEY`."""
_registered: list[Made] = []


def register(made: Made) -> None:
    """Have this asked for what was made of snapshots. Registered once, however often it is called."""
    if made not in _registered:
        _registered.append(made)


def of(campaign: Campaign, *, snapshot: Snapshot | None = None, source: Source | None = None) -> Lineage:
    """Of a campaign and all its frozen versions; of one snapshot with the one after it; of one source's part in it."""
    nodes = _sources(campaign, source)
    faces = _faces(campaign, [node.key for node in nodes])
    frozen, after = _frozen(campaign, snapshot)
    first = [_snapshot(row, SNAPSHOT, ("votes",)) for row in frozen]
    exports = [node for row in frozen for node in _exports(row)]
    made = [node for ask in _registered for node in ask([row.pk for row in frozen])]
    # What comes next is voted on in the rounds opened by what was learnt, where there are any.
    led_to = tuple(node.key for node in made if node.stage == ROUND) or tuple(node.key for node in first)
    following = [_snapshot(row, NEXT, led_to) for row in after]
    return _cut([*nodes, *faces, *first, *exports, *made, *following])


def _cut(nodes: list[Node]) -> Lineage:
    found = Lineage()
    for stage in STAGES:
        here = [node for node in nodes if node.stage == stage]
        found.nodes.extend(here[:SHOWN])
        if len(here) > SHOWN:
            found.more[stage] = len(here) - SHOWN
    return found


def _frozen(campaign: Campaign, snapshot: Snapshot | None) -> tuple[list[Snapshot], list[Snapshot]]:
    """The versions it is about, the newest first, and the one after."""
    rows = campaign.snapshots.filter(state=WorkState.DONE)
    if snapshot is None:
        return list(rows.order_by("-pk")[:MOST]), []
    return [snapshot], list(rows.filter(pk__gt=snapshot.pk).order_by("pk")[:1])


def _sources(campaign: Campaign, only: Source | None) -> list[Node]:
    media = CampaignFace.objects.filter(campaign=campaign, face__isnull=False).values("face__media")
    rows = Source.objects.filter(pk__in=Item.objects.filter(media__in=media).values("source"))
    if only is not None:
        rows = rows.filter(pk=only.pk)
    return [
        Node(
            f"source-{row.pk}",
            SOURCE,
            row.name,
            ngettext("{n} media", "{n} media", row.done).format(n=_n(row.done)),
            reverse("labeling:source", args=[row.pk]),
            may_open=may_manage,
        )
        for row in rows.order_by("-pk")
    ]


def _faces(campaign: Campaign, sources: list[str]) -> list[Node]:
    there = CampaignFace.objects.filter(campaign=campaign, face__isnull=False)
    media = there.values("face__media").distinct().count()
    faces = there.count()
    votes = Vote.objects.filter(campaign_face__campaign=campaign).count()
    page = reverse("labeling:campaign", args=[campaign.pk])
    return [
        Node(
            "media",
            MEDIA,
            ngettext("{n} media", "{n} media", media).format(n=_n(media)),
            "",
            "",
            tuple(sources),
        ),
        Node(
            "faces",
            FACES,
            ngettext("{n} face", "{n} faces", faces).format(n=_n(faces)),
            _("asked about in “{name}”").format(name=campaign.name),
            reverse("labeling:campaign_faces", args=[campaign.pk]),
            ("media",),
            may_manage,
        ),
        Node(
            "votes",
            VOTES,
            ngettext("{n} vote", "{n} votes", votes).format(n=_n(votes)),
            _("and what was decided in “{name}”").format(name=campaign.name),
            page,
            ("faces",),
            may_manage,
        ),
    ]


def _snapshot(row: Snapshot, stage: str, came_of: tuple[str, ...]) -> Node:
    faces = sum(sum(counts.values()) for counts in row.counts.get("splits", {}).values())
    what = ngettext("{n} face", "{n} faces", faces).format(n=_n(faces))
    page = reverse("labeling:snapshot", args=[row.pk])
    return Node(f"snapshot-{row.pk}", stage, row.name, f"{what}, {row.digest[:8]}", page, came_of)


def _exports(row: Snapshot) -> list[Node]:
    page = reverse("labeling:snapshot", args=[row.pk])
    return [
        Node(
            f"export-{each.pk}",
            EXPORT,
            _(FORMATS[each.format].title) if each.format in FORMATS else each.format,
            str(each.get_state_display()),
            page,
            (f"snapshot-{row.pk}",),
        )
        for each in row.exports.order_by("format")
    ]


def _n(number: int) -> str:
    return str(number_format(number, force_grouping=True))
