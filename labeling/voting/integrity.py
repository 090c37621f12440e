"""Counts that must be zero, and are asked of the votes themselves, not of the tallies."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from labeling.models import Campaign, CampaignFace, Lease, Vote

SETTLED = Q(state=CampaignFace.State.SETTLED)
OPEN = Q(state=CampaignFace.State.OPEN)


@dataclass(frozen=True)
class Check:
    """One thing that must not be. rows: whatever is wrong, one row each."""

    what: str
    meaning: str
    rows: QuerySet[Any]

    def count(self) -> int:
        return self.rows.count()

    def sql(self) -> str:
        """The statement that counts the rows, ready to be run by hand."""
        text, values = self.rows.query.sql_with_params()
        return f"SELECT COUNT(*) FROM ({text % tuple(map(_literal, values))}) AS wrong"


def _literal(value: object) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def check(campaign: Campaign) -> dict[str, int]:
    """What is wrong in a campaign: description → how many faces (or holds, or votes). All zero when all is well."""
    return {found.what: found.count() for found in checks(campaign)}


def checks(campaign: Campaign) -> list[Check]:
    """All that must be zero, nothing counted yet."""
    return [*_of_faces(campaign), *_of_people(campaign), _late(campaign)]


def _of_faces(campaign: Campaign) -> list[Check]:
    rows = _counted(campaign)
    return [
        Check(
            _("settled with too few votes"),
            _("A face was settled before everybody it asked for had answered."),
            rows.filter(SETTLED, cast_now__lt=F("wanted")),
        ),
        Check(
            _("more votes than asked for"),
            _("A face was answered by more people in one round than the campaign asks."),
            rows.filter(cast_now__gt=F("wanted")),
        ),
        Check(
            _("tally of votes differs from the votes"),
            _("The number kept beside a face is not the number of its votes."),
            rows.exclude(cast_now=F("votes")),
        ),
        Check(
            _("tally of leases differs from the leases"),
            _("The number kept beside a face is not the number of people who hold it."),
            rows.filter(OPEN).exclude(held_now=F("leases")),
        ),
        Check(
            _("settled faces still held"),
            _("A face that has all its votes is still kept for somebody."),
            rows.filter(SETTLED, held_now__gt=0, gold=None),
        ),
        Check(
            _("gold faces with votes"),
            _("A face that is asked of nobody but to measure people has votes of the campaign."),
            rows.filter(state=CampaignFace.State.GOLD, cast_now__gt=0),
        ),
    ]


def _of_people(campaign: Campaign) -> list[Check]:
    votes = Vote.objects.filter(campaign=campaign).order_by()
    by_person = votes.values("campaign_face", "annotator", "round").annotate(n=Count("pk"))
    voted = Q(
        campaign_face__cast__annotator=F("annotator"), campaign_face__cast__round=F("campaign_face__round")
    )
    return [
        Check(
            _("two votes of one person in a round"),
            _("Somebody counts twice on one face."),
            by_person.filter(n__gt=1),
        ),
        Check(
            _("holds by somebody who has voted"),
            _("A face is kept for somebody who has answered it already."),
            Lease.objects.filter(voted, campaign=campaign).order_by().values("pk"),
        ),
    ]


def _late(campaign: Campaign) -> Check:
    return Check(
        _("votes later than the closing"),
        _("A vote was counted although the campaign was closed."),
        Vote.objects.filter(campaign=campaign, cast_at__gt=F("campaign__closed_at")).order_by().values("pk"),
    )


def _counted(campaign: Campaign) -> QuerySet[Any]:
    cast = Vote.objects.filter(campaign_face=OuterRef("pk"), round=OuterRef("round"))
    held = Lease.objects.filter(campaign_face=OuterRef("pk"))
    counted = CampaignFace.objects.filter(campaign=campaign).annotate(
        cast_now=Coalesce(Subquery(_count_by_face(cast)), 0),
        held_now=Coalesce(Subquery(_count_by_face(held)), 0),
    )
    return counted.order_by().values("pk")


def _count_by_face(rows: QuerySet[Any]) -> QuerySet[Any]:
    counted: QuerySet[Any] = rows.order_by().values("campaign_face").annotate(n=Count("pk")).values("n")
    return counted
