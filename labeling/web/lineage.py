"""What came of what, as a picture one can walk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from labeling import lineage
from labeling.lineage import (
    EXPORT,
    FACES,
    MEDIA,
    NEXT,
    ROUND,
    RUN,
    SNAPSHOT,
    SOURCE,
    STAGES,
    VOTES,
    Lineage,
    More,
    Node,
)
from labeling.models import Campaign, Snapshot, Source
from labeling.rules import may_manage, may_see_labels
from labeling.web.doors import door

NODE, HEIGHT, BETWEEN, GAP, HEAD, GUTTER, NARROW = 294, 56, 16, 36, 28, 24, 600
"""In units of the picture: a node's width and height, what lies between two, and between two stages, a stage's name
above its nodes, room for lines at the edge, and below which width lines go there."""
BESIDE = ((SOURCE,), (MEDIA, FACES, VOTES), (SNAPSHOT,), (RUN, EXPORT), (ROUND,), (NEXT,))
BELOW = ((SOURCE,), (MEDIA,), (FACES,), (VOTES,), (SNAPSHOT,), (RUN, EXPORT), (ROUND,), (NEXT,))
"""Bands where there is one campaign with faces of one source, and where there is more: each stage has a row then."""
WIDTH = 1208
"""Of the wide picture: four nodes."""


@dataclass(frozen=True)
class Box:
    node: Node
    url: str
    x: float
    y: float
    width: float
    title: str
    """As much of it as there is room for."""
    what: str


@dataclass(frozen=True)
class Picture:
    """boxes and lines in units of a picture `width` wide. heads: of each stage x, y, words, and the address of the list
    of all of them, where some are not shown.
    """

    width: int
    height: float
    heads: list[tuple[float, float, str, str]]
    boxes: list[Box]
    lines: list[str]


@door(may_see_labels)
@require_safe
def of_snapshot(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(Snapshot.objects.select_related("campaign"), pk=pk)
    found = lineage.of(row.campaign, snapshot=row)
    return _page(request, row, f"snapshot-{row.pk}", found)


@door(may_see_labels)
@require_safe
def of_campaign(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(Campaign, pk=pk)
    return _page(request, row, f"votes-{row.pk}", lineage.of(row))


@door(may_see_labels)
@require_safe
def of_source(request: HttpRequest, pk: int) -> HttpResponseBase:
    """In the newest campaign that asks about its faces or was frozen with its labels, or the one asked for; the others
    are named.
    """
    row = get_object_or_404(Source, pk=pk)
    asked = Campaign.objects.filter(campaign_faces__face__media__items__source=row).order_by().values("pk")
    joined = lineage.joined_in(row).order_by().values("campaign")
    campaigns = list(Campaign.objects.filter(Q(pk__in=asked) | Q(pk__in=joined)).order_by("-pk")[:50])
    wanted = request.GET.get("campaign", "")
    shown = next((each for each in campaigns if str(each.pk) == wanted), campaigns[0] if campaigns else None)
    found = lineage.of(shown, source=row) if shown else Lineage()
    return _page(request, row, f"source-{row.pk}", found, campaigns=campaigns, shown=shown)


def _page(
    request: HttpRequest, row: Source | Campaign | Snapshot, here: str, found: Lineage, **more: Any
) -> HttpResponseBase:
    context = {
        "name": str(row),
        "crumbs": _crumbs(row) if isinstance(row, Snapshot) or may_manage(request.user) else None,
        "here": here,
        "nodes": found.nodes,
        "wide": _picture(found, request.user, bands=_bands(found), width=WIDTH, letters=27),
        "narrow": _picture(found, request.user, bands=[(stage,) for stage in STAGES], width=360, letters=33),
        **more,
    }
    return render(request, "labeling/lineage.html", context)


def _crumbs(row: Source | Campaign | Snapshot) -> tuple[str, str, str]:
    """The address and words of the list it stands in, and the address of its own page."""
    many, words, one = {
        Source: ("labeling:sources", gettext_lazy("Sources"), "labeling:source"),
        Campaign: ("labeling:campaigns", gettext_lazy("Campaigns"), "labeling:campaign"),
        Snapshot: ("labeling:snapshots", gettext_lazy("Snapshots"), "labeling:snapshot"),
    }[type(row)]
    return reverse(many), str(words), reverse(one, args=[row.pk])


def _bands(found: Lineage) -> Sequence[Sequence[str]]:
    stages = [node.stage for node in found.nodes]
    return BESIDE if all(stages.count(stage) <= 1 for stage in (MEDIA, FACES, VOTES)) else BELOW


def _picture(
    found: Lineage, user: Any, *, bands: Sequence[Sequence[str]], width: int, letters: int
) -> Picture:
    """Bands of stages below each other; the stages of a band lie side by side.

    letters: as many as fit into a node.
    """
    beside = width < NARROW
    boxes: dict[str, Box] = {}
    heads: list[tuple[float, float, str, str]] = []
    y = 0.0
    for band in bands:
        stages = [stage for stage in band if any(node.stage == stage for node in found.nodes)]
        room = (width - GUTTER - 1) / max(1, len(stages))
        lowest = y
        for number, stage in enumerate(stages):
            left = GUTTER + number * room
            heads.append((left, y + 16, *_head(STAGES[stage], found.more.get(stage), user)))
            nodes = [node for node in found.nodes if node.stage == stage]
            at = {"left": left, "top": y + HEAD, "room": room}
            placed = list(_placed(nodes, user, **at, letters=letters, beside=beside))
            boxes |= {box.node.key: box for box in placed}
            lowest = max(lowest, placed[-1].y + HEIGHT)
        y = lowest + GAP if stages else y
    lines = [
        _line(boxes[key], box, beside=beside)
        for box in boxes.values()
        for key in box.node.came_of
        if key in boxes
    ]
    return Picture(width, max(0.0, y - GAP) + 2, heads, list(boxes.values()), lines)


def _placed(
    nodes: list[Node], user: Any, *, left: float, top: float, room: float, letters: int, beside: bool
) -> Iterator[Box]:
    """In rows of as many as there is room for; where all lie below each other each takes the whole room."""
    per_row = max(1, int(room // NODE))
    each = room if beside else min(room, NODE) - BETWEEN
    for number, node in enumerate(nodes):
        column, row = number % per_row, number // per_row
        url = node.url if node.may_open(user) else ""
        x, y = left + column * (each + BETWEEN), top + row * (HEIGHT + 8)
        yield Box(node, url, x, y, each, _short(node.title, letters), _short(node.what, letters + 8))


def _head(words: str, more: More | None, user: Any) -> tuple[str, str]:
    """Words, and the address they lead to."""
    named = _(words)
    if more is None:
        return named, ""
    url = more.url if more.may_open(user) else ""
    return _("{stage}, and {n} more").format(stage=named, n=more.count), url


def _line(start: Box, end: Box, *, beside: bool) -> str:
    """A path from what was to what came of it: down, out to the right where that lies beside others further below, or
    where all nodes lie below each other along the edge.
    """
    if beside:
        x, y1, y2 = start.x, start.y + HEIGHT / 2, end.y + HEIGHT / 2
        return f"M{x:.1f},{y1:.1f} C{x - GUTTER:.1f},{y1:.1f} {x - GUTTER:.1f},{y2:.1f} {x:.1f},{y2:.1f}"
    if start.y == end.y:
        y = start.y + HEIGHT / 2
        return f"M{start.x + start.width:.1f},{y:.1f} L{end.x:.1f},{y:.1f}"
    if end.y > start.y + HEIGHT + GAP + HEAD and end.x > start.x + start.width:
        x1, y1, y2 = start.x + start.width, start.y + HEIGHT / 2, end.y + HEIGHT / 2
        near = end.x - 2 * GUTTER
        return f"M{x1:.1f},{y1:.1f} L{near:.1f},{y1:.1f} C{end.x:.1f},{y1:.1f} {near:.1f},{y2:.1f} {end.x:.1f},{y2:.1f}"
    x1, y1 = start.x + start.width / 2, start.y + HEIGHT
    x2, y2 = end.x + end.width / 2, end.y
    middle = (y1 + y2) / 2
    return f"M{x1:.1f},{y1:.1f} C{x1:.1f},{middle:.1f} {x2:.1f},{middle:.1f} {x2:.1f},{y2:.1f}"


def _short(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
