"""The faces that a campaign's rule on quality keeps out of it: page by page, and how many there are."""

from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet, Subquery

from labeling import asked_about, gallery_queries, quality_rule
from labeling.asked_about import AskedAbout
from labeling.models import Campaign, CampaignFace, Face, Item, Source
from labeling.quality_rule import KeptOut


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

    Those that one search found are in the order in which they were found. Four statements, five with a place.
    """
    about = asked_about.by(campaign)
    return list(_in_order(_of(campaign, about, code), about, after, newest_first)[:limit])


def counted(campaign: Campaign) -> KeptOut:
    """How many there are and why; where there are more than a gallery counts, one more than that, and why these.

    Four statements.
    """
    about = asked_about.by(campaign)
    first = _in_order(_of(campaign, about), about)[: gallery_queries.COUNT_LIMIT + 1]
    return quality_rule.counted(first, campaign.quality_rule)


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
) -> QuerySet[Face]:
    to, sign = ("lt", "-") if newest_first else ("gt", "")
    beyond = Q(**{f"pk__{to}": after}) if after else Q()
    if not about.sources:
        return faces.filter(beyond).order_by(f"{sign}pk")
    media = Face.objects.filter(pk=after).values_list("media", flat=True).first() if after else None
    if media is not None:
        beyond |= Q(**{f"media__{to}": media})
    ends = _ends(about.sources, Q() if media is None else Q(**{f"media__{to}e": media}))
    if ends is None:
        return Face.objects.none()
    between = Q(media__gte=ends[0], media__lte=ends[1])
    return faces.filter(between, beyond).order_by(f"{sign}media_id", f"{sign}pk")


def _ends(sources: list[int], beyond: Q) -> tuple[int, int] | None:
    """The first and the last media of these sources: or the faces of all others before and behind would be read."""
    items = Item.objects.filter(beyond, source=OuterRef("pk"), media__isnull=False)
    each = Source.objects.filter(pk__in=sources).annotate(
        first=Subquery(items.order_by("media").values("media")[:1]),
        last=Subquery(items.order_by("-media").values("media")[:1]),
    )
    ends = each.aggregate(low=Min("first"), high=Max("last"))
    return None if ends["low"] is None else (ends["low"], ends["high"])
