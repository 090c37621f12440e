"""Who may vote in a campaign, and how much more: asked at every lease, and at a vote that has lost its lease."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.models import Campaign, Gold, GoldAnswer, Lease, Participation, Vote
from labeling.voting.refusals import CannotVote, closed

COLUMNS = """c.state, c.deadline, c.qualification_faces, c.languages, c.daily_cap, c.cap,
    EXISTS (SELECT 1 FROM labeling_campaign_groups g WHERE g.campaign_id = c.id), p.qualified_at, p.paused_at"""
"""What Standing holds, of a campaign c and a participation p."""
UNLIMITED = 2**31


@dataclass(frozen=True)
class Standing:
    """What a campaign asks of its annotators, and how one of them stands; in the order of COLUMNS."""

    state: str
    deadline: datetime | None
    qualification_faces: int
    languages: str
    daily_cap: int | None
    cap: int | None
    grouped: bool
    qualified_at: datetime | None
    paused_at: datetime | None


def aware(found: datetime) -> datetime:
    """A moment as the database hands it out without Django: SQLite's has no time zone, and means UTC."""
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def standing_of(campaign: Campaign, annotator: Any) -> Standing:
    """The same as the queue's own statement finds, asked of Django."""
    asked = Campaign.objects.get(pk=campaign.pk)
    own = Participation.objects.filter(campaign=asked, annotator=annotator).first()
    return Standing(
        state=asked.state,
        deadline=asked.deadline,
        qualification_faces=asked.qualification_faces,
        languages="" if not asked.languages else str(asked.languages),
        daily_cap=asked.daily_cap,
        cap=asked.cap,
        grouped=asked.groups.exists(),
        qualified_at=own.qualified_at if own else None,
        paused_at=own.paused_at if own else None,
    )


def demand_eligible(
    stands: Standing, campaign: Campaign, annotator: Any, refuse: type[CannotVote], *, now: datetime
) -> None:
    """Raise what keeps the annotator from voting in the campaign now, if anything does."""
    if stands.state != Campaign.State.OPEN or (stands.deadline and aware(stands.deadline) <= now):
        raise closed(refuse)
    if stands.paused_at is not None:
        raise refuse(
            _("A manager has paused your work in this campaign. Ask them; your votes are kept."), "paused"
        )
    if stands.grouped and not campaign.groups.filter(user=annotator).exists():
        raise refuse(
            _("This campaign is for the members of certain groups. Ask its manager to be let in."), "group"
        )
    if stands.languages not in ("", "[]") and not _speaks(campaign, annotator):
        raise refuse(
            _(
                "This campaign is for people who use VEMO in another language. Your account page has the language."
            ),
            "language",
        )
    if stands.qualification_faces and stands.qualified_at is None and must_qualify(campaign):
        raise refuse(_("This campaign begins with a short qualification. Take it first."), "qualify")


def must_qualify(campaign: Campaign) -> bool:
    """Whether there is anything to be asked in the qualification: without gold for it, nobody is kept out."""
    return Gold.objects.filter(campaign=campaign, qualification=True).exists()


def _speaks(campaign: Campaign, annotator: Any) -> bool:
    asked = Campaign.objects.values_list("languages", flat=True).get(pk=campaign.pk)
    return get_user_model().objects.filter(pk=annotator.pk, language__in=asked).exists()


def room(stands: Standing, campaign: Campaign, annotator: Any, *, now: datetime) -> int:
    """How many more faces the campaign's caps let the annotator hold. Gold counts: it must not be told apart."""
    if stands.cap is None and stands.daily_cap is None:
        return UNLIMITED
    mine = {"campaign": campaign, "annotator": annotator}
    held = Lease.objects.filter(**mine).count()
    left = UNLIMITED
    for cap, cast in ((stands.cap, {}), (stands.daily_cap, {"cast_at__gte": day_of(now)})):
        if cap is not None:
            votes = Vote.objects.filter(**mine, **cast).count()
            votes += GoldAnswer.objects.filter(**mine, **cast, attempt=0).count()
            left = min(left, cap - votes - held)
    return max(0, left)


def day_of(now: datetime) -> datetime:
    """Where the day of a moment begins, in the site's time zone."""
    return timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)


def used_up(stands: Standing, campaign: Campaign, annotator: Any, refuse: type[CannotVote]) -> CannotVote:
    """The refusal of who has reached a cap."""
    mine = {"campaign": campaign, "annotator": annotator}
    cast = Vote.objects.filter(**mine).count() + GoldAnswer.objects.filter(**mine, attempt=0).count()
    if stands.cap is not None and cast >= stands.cap:
        text = ngettext(
            "You have given the {n} vote this campaign asks of one person. Thank you.",
            "You have given all {n} votes this campaign asks of one person. Thank you.",
            stands.cap,
        )
        return refuse(text.format(n=stands.cap), "cap")
    text = ngettext(
        "That was your {n} vote of today in this campaign. Thank you; it goes on tomorrow.",
        "Those were your {n} votes of today in this campaign. Thank you; it goes on tomorrow.",
        stands.daily_cap or 0,
    )
    return refuse(text.format(n=stands.daily_cap), "day")
