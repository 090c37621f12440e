"""Counts that must be zero, and are asked of the votes themselves, not of the tallies."""

from typing import Any

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from labeling.models import Campaign, CampaignFace, Lease, Vote


def check(campaign: Campaign) -> dict[str, int]:
    """What is wrong in a campaign: description → how many faces (or holds). All zero when all is well."""
    rows = _counted(campaign)
    settled = Q(state=CampaignFace.State.SETTLED)
    return {
        "settled with too few votes": rows.filter(settled, cast_now__lt=F("wanted")).count(),
        "more votes than asked for": rows.filter(cast_now__gt=F("wanted")).count(),
        "tally of votes differs from the votes": rows.exclude(cast_now=F("votes")).count(),
        "tally of leases differs from the leases": rows.exclude(held_now=F("leases")).count(),
        "two votes of one person in a round": _doubles(campaign),
        "settled faces still held": rows.filter(settled, held_now__gt=0).count(),
        "holds by somebody who has voted": _held_after_vote(campaign),
    }


def _counted(campaign: Campaign) -> QuerySet[Any]:
    cast = Vote.objects.filter(campaign_face=OuterRef("pk"), round=OuterRef("round"))
    held = Lease.objects.filter(campaign_face=OuterRef("pk"))
    return CampaignFace.objects.filter(campaign=campaign).annotate(
        cast_now=Coalesce(Subquery(_count_by_face(cast)), 0),
        held_now=Coalesce(Subquery(_count_by_face(held)), 0),
    )


def _count_by_face(rows: QuerySet[Any]) -> QuerySet[Any]:
    counted: QuerySet[Any] = rows.order_by().values("campaign_face").annotate(n=Count("pk")).values("n")
    return counted


def _doubles(campaign: Campaign) -> int:
    by_person = (
        Vote.objects.filter(campaign=campaign).order_by().values("campaign_face", "annotator", "round")
    )
    return by_person.annotate(n=Count("pk")).filter(n__gt=1).count()


def _held_after_vote(campaign: Campaign) -> int:
    voted = Q(
        campaign_face__cast__annotator=F("annotator"), campaign_face__cast__round=F("campaign_face__round")
    )
    return Lease.objects.filter(voted, campaign=campaign).count()
