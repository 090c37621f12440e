"""The faces that a campaign's rule on quality keeps out of it: page by page, and how many there are."""

from collections import Counter
from collections.abc import Iterator
from itertools import accumulate, pairwise

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from labeling import asked_about, gallery_queries, quality_rule
from labeling.asked_about import AskedAbout
from labeling.models import Campaign, CampaignFace, Face, Item, Source
from labeling.quality_rule import KeptOut

NEAR = 2_500
"""So many media of other sources are read over: that takes no longer than another statement."""
STRETCHES = 10
"""About so many at most: of more gaps the widest are left out."""


def of(campaign: Campaign, code: str = "") -> QuerySet[Face]:
    """All of them; with a code, those kept out for that reason.

    They are of the sources the campaign asks about and found by the detectors that found its faces; all that are
    offered to campaigns, as long as it has none.
    """
    return _of(campaign, asked_about.by(campaign), code)


def page(
    campaign: Campaign, code: str = "", *, after: int = 0, limit: int, newest_first: bool = False
) -> list[Face]:
    """Some of them, from the one past the key `after`, in the order of their media, then of their keys.

    Those that one search found are in the order in which they were found. Four statements, one more with a place, and
    one for each further stretch of media that is walked.
    """
    about = asked_about.by(campaign)
    rows: list[Face] = []
    for faces in _in_order(_of(campaign, about, code), about, after, newest_first):
        rows += faces[: limit - len(rows)]
        if len(rows) == limit:
            break
    return rows


def counted(campaign: Campaign) -> KeptOut:
    """How many there are and why; where there are more than a gallery counts, one more than that, and why these.

    Four statements, and one for each further stretch of media.
    """
    about = asked_about.by(campaign)
    every, why = 0, Counter[str]()
    for faces in _in_order(_of(campaign, about), about):
        found = quality_rule.counted(faces[: gallery_queries.COUNT_LIMIT + 1 - every], campaign.quality_rule)
        every += found.faces
        why.update(found.why)
        if every > gallery_queries.COUNT_LIMIT:
            break
    return KeptOut(every, {code: why[code] for code in quality_rule.REASONS.values() if why[code]})


def _of(campaign: Campaign, about: AskedAbout, code: str = "") -> QuerySet[Face]:
    faces = Face.objects.kept().filter(quality_rule.fails(campaign.quality_rule, code))
    if about.detectors:
        faces = faces.filter(detector__in=about.detectors)
    if about.sources:
        media = Item.objects.filter(source__in=about.sources, media__isnull=False).order_by()
        faces = faces.filter(media__in=media.values("media"))
    return faces.filter(~Exists(CampaignFace.objects.filter(campaign=campaign, face=OuterRef("pk"))))


def _in_order(
    faces: QuerySet[Face], about: AskedAbout, after: int = 0, newest_first: bool = False
) -> Iterator[QuerySet[Face]]:
    """The faces behind the place, stretch by stretch."""
    to, sign = ("lt", "-") if newest_first else ("gt", "")
    beyond = Q(**{f"pk__{to}": after}) if after else Q()
    if not about.sources:
        yield faces.filter(beyond).order_by(f"{sign}pk")
        return
    media = Face.objects.filter(pk=after).values_list("media", flat=True).first() if after else None
    if media is not None:
        beyond |= Q(**{f"media__{to}": media})
    stretches = _stretches(about.sources, Q() if media is None else Q(**{f"media__{to}e": media}))
    for first, last in reversed(stretches) if newest_first else stretches:
        between = Q(media__gte=first, media__lte=last)
        yield faces.filter(between, beyond).order_by(f"{sign}media_id", f"{sign}pk")


def _stretches(sources: list[int], beyond: Q) -> list[tuple[int, int]]:
    """The first and the last media of each stretch that these sources' media take up, in order.

    Between two stretches lie so many media of other sources that to read the faces of these would take long.
    """
    items = Item.objects.filter(beyond, source=OuterRef("pk"), media__isnull=False)
    each = Source.objects.filter(pk__in=sources).annotate(
        first=Subquery(items.order_by("media").values("media")[:1]),
        last=Subquery(items.order_by("-media").values("media")[:1]),
    )
    spans = sorted(each.filter(first__isnull=False).values_list("first", "last"))
    if not spans:
        return []
    ends = list(accumulate((last for _, last in spans), max))
    gaps = [first - end for (first, _), end in zip(spans[1:], ends, strict=False)]
    wide = sorted((gap for gap in gaps if gap > NEAR), reverse=True)[: STRETCHES - 1]
    cuts = [at for at, gap in enumerate(gaps, 1) if wide and gap >= wide[-1]]
    return [(spans[begin][0], ends[end - 1]) for begin, end in pairwise([0, *cuts, len(spans)])]
