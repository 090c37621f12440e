"""What came of what: source → media → face → votes → snapshot → export → run → relabel round → next snapshot.

labeling knows nothing of training; training tells what it made (training.apps).
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from labeling.face_filter import ANY, in_source
from labeling.models import Campaign, CampaignFace, Face, FaceLabel, Item, Snapshot, Source, Vote, WorkState
from labeling.rules import may_manage, may_see_labels
from labeling.snapshots import taken_in
from labeling.snapshots.exports import FORMATS
from labeling.snapshots.rule import USUAL_LABELS, Rule, label_columns

SOURCE, MEDIA, FACES, VOTES, SNAPSHOT, EXPORT, RUN, ROUND, NEXT = (
    "source", "media", "faces", "votes", "snapshot", "export", "run", "round", "next",
)  # fmt: skip
STAGES = {
    SOURCE: gettext_noop("Sources"),
    MEDIA: gettext_noop("Media"),
    FACES: gettext_noop("Faces"),
    VOTES: gettext_noop("Votes and labels"),
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
class More:
    """Nodes of a stage that are not shown. url: of the list that has them all."""

    count: int
    url: str = ""
    may_open: Callable[[Any], bool] = may_see_labels


@dataclass(frozen=True)
class Lineage:
    nodes: list[Node] = field(default_factory=list)
    more: dict[str, More] = field(default_factory=dict)

    @property
    def edges(self) -> list[tuple[str, str]]:
        """Keys of what is here, and of what was made of it."""
        there = {node.key for node in self.nodes}
        return [(key, node.key) for node in self.nodes for key in node.came_of if key in there]


@dataclass(frozen=True)
class Place:
    """A list of all there is of a stage: the name of its address, and who may open it."""

    address: str
    may_open: Callable[[Any], bool]


Made = Callable[[Collection[int]], list[Node]]
"""What was made of the snapshots with these keys, as nodes; those made of a snapshot came of `snapshot-KEY`."""
_registered: list[Made] = []
_listed = {
    SOURCE: Place("labeling:sources", may_manage),
    MEDIA: Place("labeling:sources", may_manage),
    FACES: Place("labeling:campaigns", may_manage),
    VOTES: Place("labeling:campaigns", may_manage),
    SNAPSHOT: Place("labeling:snapshots", may_see_labels),
    EXPORT: Place("labeling:snapshots", may_see_labels),
    NEXT: Place("labeling:snapshots", may_see_labels),
}


def register(made: Made, listed: Mapping[str, Place]) -> None:
    """Have this asked for what was made of snapshots; listed: where its stages are. Registered once, however often it
    is called.
    """
    if made not in _registered:
        _registered.append(made)
        _listed.update(listed)


def of(
    campaign: Campaign,
    *,
    snapshot: Snapshot | None = None,
    source: Source | None = None,
    most: int | None = SHOWN,
) -> Lineage:
    """Of a campaign and all versions that took it in; of one snapshot with the one after it; of one source's part.

    most: nodes of a stage, None for all.
    """
    frozen, after = _frozen(campaign, snapshot)
    origins = _Origins(campaign, frozen, source)
    first = [_snapshot(row, SNAPSHOT, origins.of(row)) for row in frozen]
    exports = [node for row in frozen for node in _exports(row)]
    made = [node for ask in _registered for node in ask([row.pk for row in frozen])]
    # What comes next is voted on in the rounds opened by what was learnt, where there are any.
    led_to = tuple(node.key for node in made if node.stage == ROUND) or tuple(node.key for node in first)
    following = [_snapshot(row, NEXT, led_to) for row in after]
    # The files of one snapshot are all on its page.
    files = {EXPORT: _files(frozen[0])} if len(frozen) == 1 else {}
    return _cut([*origins.nodes, *first, *exports, *made, *following], most, files)


def told(found: Lineage, address: Callable[[Node], str | None]) -> dict[str, Any]:
    """As plain values, for programs. address: of a node's page."""
    nodes = [
        {"key": node.key, "stage": node.stage, "title": node.title, "what": node.what, "url": address(node)}
        for node in found.nodes
    ]
    return {"nodes": nodes, "edges": [{"source": one, "target": other} for one, other in found.edges]}


def joined_in(source: Source) -> QuerySet[Snapshot]:
    """The frozen versions that took the source's faces by their labels alone."""
    rows = Snapshot.objects.filter(state=WorkState.DONE, rule__has_key="labelled_sources")
    named = [row.pk for row in rows.only("rule") if source.name in row.rule["labelled_sources"]]
    return Snapshot.objects.filter(pk__in=named)


def _cut(nodes: list[Node], most: int | None, urls: Mapping[str, str]) -> Lineage:
    found = Lineage()
    for stage in STAGES:
        here = [node for node in nodes if node.stage == stage]
        found.nodes.extend(here[:most])
        if most is not None and len(here) > most:
            place = _listed[stage]
            url = urls.get(stage) or reverse(place.address)
            found.more[stage] = More(len(here) - most, url, place.may_open)
    return found


def _frozen(campaign: Campaign, snapshot: Snapshot | None) -> tuple[list[Snapshot], list[Snapshot]]:
    """The versions it is about, the newest first, and the one after."""
    rows = Snapshot.objects.filter(state=WorkState.DONE).select_related("campaign")
    own = rows.filter(campaign=campaign)
    if snapshot is not None:
        return [snapshot], list(own.filter(pk__gt=snapshot.pk).order_by("pk")[:1])
    joint = Snapshot.objects.filter(state=WorkState.DONE, rule__has_key="campaigns")
    joined = [row.pk for row in joint if campaign.pk in taken_in.keys_of(row)[1:]]
    return list(rows.filter(Q(campaign=campaign) | Q(pk__in=joined)).order_by("-pk")[:MOST]), []


class _Origins:
    """What versions were frozen from: the campaigns, and the sources that joined by their labels alone.

    campaign: drawn even if nothing was frozen of it. only: the one source that is drawn.
    """

    def __init__(self, campaign: Campaign, frozen: Collection[Snapshot], only: Source | None) -> None:
        self._rules = {
            row.pk: Rule.of({"consensus": "", "minimum_agreement": 0.0, **row.rule}) for row in frozen
        }
        self._only = only
        own = {row.campaign_id: row.campaign for row in frozen}
        found = {row.pk: taken_in.campaigns_of(row) for row in frozen}
        self._taken = {pk: [each for each in rows if each is not None] for pk, rows in found.items()}
        # By the name it had then: nothing else is known of it.
        self._gone = {
            pk: [
                name
                for each, name in zip(rows[1:], self._rules[pk].campaigns[1:], strict=True)
                if each is None
            ]
            for pk, rows in found.items()
        }
        others = sorted((each for rows in self._taken.values() for each in rows), key=lambda each: each.pk)
        self._campaigns = list({campaign.pk: campaign, **own, **{each.pk: each for each in others}}.values())
        joining = {name for rule in self._rules.values() for name in rule.labelled_sources}
        labelled = Source.objects.filter(name__in=joining).order_by("-pk")
        self._labelled = list(labelled if only is None else labelled.filter(pk=only.pk))
        self._columns = sorted({column for rule in self._rules.values() for column in label_columns(rule)})
        self.nodes = list(self._nodes())

    def of(self, row: Snapshot) -> tuple[str, ...]:
        """The keys of what its labels are: votes, where they count, and labels that somebody gave."""
        rule = self._rules[row.pk]
        taken = self._taken[row.pk]
        keys = [f"votes-{each.pk}" for each in taken if set(rule.labels) & set(USUAL_LABELS)]
        keys += [f"campaign-{name}" for name in self._gone[row.pk]]
        joined = [each for each in self._labelled if each.name in rule.labelled_sources]
        for column in label_columns(rule):
            keys += [f"labels-{each.pk}-{column}" for each in taken]
            keys += [f"labels-source-{each.pk}-{column}" for each in joined]
        there = {node.key for node in self.nodes}
        return tuple(key for key in keys if key in there)

    def _nodes(self) -> Iterator[Node]:
        media = {each.pk: _media_by_source(_asked([each])) for each in self._campaigns}
        all_media = (
            _media_by_source(_asked(self._campaigns)) if len(media) > 1 else media[self._campaigns[0].pk]
        )
        all_media |= {each.pk: _media_of(each) for each in self._labelled}
        rows = Source.objects.filter(pk__in=all_media).order_by("-pk")
        for row in rows if self._only is None else rows.filter(pk=self._only.pk):
            yield from _source(row, all_media[row.pk])
        for each in self._campaigns:
            keys = [f"media-{pk}" for pk in media[each.pk]]
            if self._only is None and (without := _without_source(each)):
                keys.append(f"media-without-source-{each.pk}")
                yield Node(keys[-1], MEDIA, _media(without), _("of no source any more"))
            yield from self._campaign(each, tuple(keys))
        for joined in self._labelled:
            yield from self._joined(joined)
        for name in sorted({name for names in self._gone.values() for name in names}):
            yield Node(f"campaign-{name}", VOTES, name, _("a campaign that is gone"))

    def _campaign(self, row: Campaign, media: tuple[str, ...]) -> Iterator[Node]:
        faces = _asked([row]).count()
        votes = Vote.objects.filter(campaign_face__campaign=row).count()
        asked, decided = _("asked about in “{name}”"), _("and what was decided in “{name}”")
        page = reverse("labeling:campaign_faces", args=[row.pk])
        yield Node(
            f"faces-{row.pk}", FACES, _faces(faces), asked.format(name=row.name), page, media, may_manage
        )
        yield Node(
            f"votes-{row.pk}",
            VOTES,
            ngettext("{n} vote", "{n} votes", votes).format(n=_n(votes)),
            decided.format(name=row.name),
            reverse("labeling:campaign", args=[row.pk]),
            (f"faces-{row.pk}",),
            may_manage,
        )
        given = FaceLabel.objects.filter(face__campaign_faces__campaign=row)
        gallery = f"{reverse('labeling:faces')}?{urlencode({'campaign': str(row.pk), 'expert': ANY})}"
        yield from self._labels(given, str(row.pk), row.name, f"faces-{row.pk}", gallery, page)

    def _joined(self, row: Source) -> Iterator[Node]:
        """Faces that are asked about nowhere, and what somebody said of them."""
        key, gallery = (
            f"faces-source-{row.pk}",
            f"{reverse('labeling:faces')}?{urlencode({'source': row.pk})}",
        )
        faces = Face.objects.kept().filter(in_source(row.pk)).count()
        what = _("joined by their labels from “{name}”").format(name=row.name)
        yield Node(key, FACES, _faces(faces), what, gallery, (f"media-{row.pk}",), may_manage)
        given = FaceLabel.objects.filter(face__in=Face.objects.kept().filter(in_source(row.pk)))
        labelled = f"{gallery}&{urlencode({'expert': ANY})}"
        page = reverse("labeling:source", args=[row.pk])
        yield from self._labels(given, f"source-{row.pk}", row.name, key, labelled, page)

    def _labels(
        self, given: QuerySet[FaceLabel], key: str, name: str, faces: str, gallery: str, page: str
    ) -> Iterator[Node]:
        """One for each column the rules ask. The gallery shows those of experts."""
        counted = given.filter(column__in=self._columns).order_by().values_list("column")
        for column, labels in counted.annotate(count=Count("pk")).order_by("column"):
            yield Node(
                f"labels-{key}-{column}",
                VOTES,
                ngettext("{n} label", "{n} labels", labels).format(n=_n(labels)),
                _("“{column}”, in “{name}”").format(column=column, name=name),
                gallery if column == FaceLabel.EXPERT else page,
                (faces,),
                may_manage,
            )


def _asked(campaigns: Collection[Campaign]) -> QuerySet[CampaignFace]:
    return CampaignFace.objects.filter(campaign__in=campaigns, face__isnull=False).order_by()


def _media_by_source(asked: QuerySet[CampaignFace]) -> dict[int, int]:
    """Source → how many of its media have such faces."""
    rows = Item.objects.filter(media__in=asked.values("face__media")).order_by()
    return dict(rows.values_list("source").annotate(count=Count("media", distinct=True)))


def _media_of(source: Source) -> int:
    return Item.objects.filter(source=source, media__isnull=False).values("media").distinct().count()


def _without_source(campaign: Campaign) -> int:
    here = Item.objects.filter(media=OuterRef("face__media"))
    return _asked([campaign]).filter(~Exists(here)).values("face__media").distinct().count()


def _source(row: Source, media: int) -> Iterator[Node]:
    page = reverse("labeling:source", args=[row.pk])
    yield Node(f"source-{row.pk}", SOURCE, row.name, _media(row.done), page, may_open=may_manage)
    yield Node(
        f"media-{row.pk}",
        MEDIA,
        _media(media),
        _("from “{name}”").format(name=row.name),
        f"{page}#media",
        (f"source-{row.pk}",),
        may_manage,
    )


def _media(number: int) -> str:
    return ngettext("{n} media", "{n} media", number).format(n=_n(number))


def _faces(number: int) -> str:
    return ngettext("{n} face", "{n} faces", number).format(n=_n(number))


def _snapshot(row: Snapshot, stage: str, came_of: tuple[str, ...]) -> Node:
    faces = sum(sum(counts.values()) for counts in row.counts.get("splits", {}).values())
    page = reverse("labeling:snapshot", args=[row.pk])
    return Node(f"snapshot-{row.pk}", stage, row.name, f"{_faces(faces)}, {row.digest[:8]}", page, came_of)


def _exports(row: Snapshot) -> list[Node]:
    page = _files(row)
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


def _files(row: Snapshot) -> str:
    return f"{reverse('labeling:snapshot', args=[row.pk])}#files"


def _n(number: int) -> str:
    return str(number_format(number, force_grouping=True))
