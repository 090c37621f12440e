"""What an annotator's pages ask about their own work: never a word about anybody else's.

Answers to gold count as votes everywhere here, and stand among them: nobody is to find out which faces were gold.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.annotator_queries import per_hour
from labeling.expressions import OTHER_ANSWERS
from labeling.models import Campaign, CampaignFace, Gold, GoldAnswer, Lease, Participation, Skip, Vote
from labeling.voting import gold
from labeling.voting.eligibility import day_of
from labeling.voting.refusals import CannotVote

COUNT_LIMIT = 1_000
"""Faces left are counted no further, so that a page costs the same at a million faces."""
NEWEST = 10_000
"""So many votes, the newest, make the figures of pace and agreement."""
ENOUGH_FACES = 20
"""Settled faces below which no agreement is told: of few, it would tell the label of each."""
OFTEN, OFTEN_SHARE, DIFFERENCES = 3, 0.2, 3
"""A difference from the others is told from so many times on and from such a share of the faces; so many are."""


@dataclass(frozen=True)
class OwnCampaign:
    campaign: Campaign
    votes: int
    waiting: bool
    """Whether a face waits for this annotator."""
    closed_by: str = ""
    """What keeps the annotator out: deadline, paused, group, language, qualify, cap, day; "" if nothing does."""

    @property
    def why_not(self) -> str:
        """The same in a short sentence."""
        return _why_not(self.campaign).get(self.closed_by, "")


@dataclass(frozen=True)
class OwnProgress:
    votes: int
    left: int
    """Faces this annotator could still be asked, counted up to COUNT_LIMIT."""
    more: bool
    """There are more left than were counted."""

    @property
    def all(self) -> int:
        return max(1, self.votes + self.left)


@dataclass(frozen=True)
class Difference:
    """One answered `own` where most others say `others`: `times` of the `of` faces of which they say so."""

    own: str
    others: str
    times: int
    of: int


@dataclass(frozen=True)
class Statistics:
    """One annotator's figures in one campaign, for their own eyes. None: too little to say."""

    votes: int
    today: int
    week: int
    """Since Monday."""
    per_hour: float | None
    """Votes per hour while working; longer pauses do not count."""
    median_ms: float | None
    """From seen to answered."""
    agreement: float | None
    """Share of `faces` where the answer is the others' majority."""
    faces: int
    """Settled faces on which the others have one most frequent answer."""
    confusion: dict[str, dict[str, int]]
    """The others' majority → the annotator's answer → faces; empty below ENOUGH_FACES."""
    differences: tuple[Difference, ...]
    """The most frequent first."""


@dataclass(frozen=True)
class Answered:
    """One answer of the annotator's, as their history shows it."""

    key: UUID
    face: int | None
    """None: it was erased."""
    answer: str
    second: str
    at: datetime
    open: bool
    """Whether it can be changed: its face still gathers votes."""


@dataclass(frozen=True)
class History:
    rows: list[Answered]
    next: str
    """Where the next page begins; "" on the last."""


def campaigns_of(annotator: Any) -> list[OwnCampaign]:
    """Open campaigns, newest first, and others one has voted in. Three statements."""
    now = timezone.now()
    votes, today = _cast_by_campaign(annotator, day_of(now))
    mine = {"campaign": OuterRef("pk"), "annotator": annotator}
    own = Participation.objects.filter(**mine)
    rows = Campaign.objects.annotate(
        free=Exists(_free_for(annotator).filter(campaign=OuterRef("pk"))),
        held=Exists(Lease.objects.filter(**mine)),
        grouped=Exists(Campaign.groups.through.objects.filter(campaign=OuterRef("pk"))),
        member=Exists(Campaign.groups.through.objects.filter(campaign=OuterRef("pk"), group__user=annotator)),
        qualifies=Exists(Gold.objects.filter(campaign=OuterRef("pk"), qualification=True)),
        qualified=Subquery(own.values("qualified_at")[:1]),
        stopped=Subquery(own.values("paused_at")[:1]),
    )
    return [
        OwnCampaign(
            campaign,
            votes[campaign.pk],
            campaign.free or campaign.held,
            _closed_by(campaign, annotator, votes[campaign.pk], today[campaign.pk], now),
        )
        for campaign in rows.order_by("-pk")
        if campaign.state == Campaign.State.OPEN or campaign.pk in votes
    ]


def _cast_by_campaign(annotator: Any, day: datetime) -> tuple[Counter[int], Counter[int]]:
    """The annotator's votes in each campaign: all, and since then."""
    votes: Counter[int] = Counter()
    today: Counter[int] = Counter()
    for answers in (
        Vote.objects.filter(annotator=annotator),
        GoldAnswer.objects.filter(annotator=annotator, attempt=0),
    ):
        counted = answers.order_by().values_list("campaign")
        for pk, cast, cast_today in counted.annotate(Count("pk"), n=Count("pk", filter=Q(cast_at__gte=day))):
            votes[pk] += cast
            today[pk] += cast_today
    return votes, today


def _closed_by(campaign: Any, annotator: Any, votes: int, today: int, now: datetime) -> str:
    """What the queue would refuse the annotator for, in the queue's order."""
    speaks = getattr(annotator, "language", "")
    reasons = {
        "deadline": campaign.deadline is not None and campaign.deadline <= now,
        "paused": campaign.stopped is not None,
        "group": campaign.grouped and not campaign.member,
        "language": bool(campaign.languages) and speaks not in campaign.languages,
        "qualify": campaign.qualification_faces and campaign.qualifies and campaign.qualified is None,
        "cap": campaign.cap is not None and votes >= campaign.cap,
        "day": campaign.daily_cap is not None and today >= campaign.daily_cap,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _why_not(campaign: Campaign) -> dict[str, str]:
    day, cap = campaign.daily_cap or 0, campaign.cap or 0
    given = ngettext(
        "You have given the {n} vote asked of you.", "You have given all {n} votes asked of you.", cap
    )
    today = ngettext(
        "Today's {n} vote is given. It goes on tomorrow.",
        "Today's {n} votes are given. It goes on tomorrow.",
        day,
    )
    return {
        "deadline": _("Its time is over."),
        "paused": _("A manager has paused your work here. Ask them."),
        "group": _("For the members of certain groups. Ask its manager."),
        "language": _("For people who use VEMO in another language."),
        "qualify": _("Begins with a short qualification."),
        "cap": given.format(n=cap),
        "day": today.format(n=day),
    }


def progress_of(*, campaign: Campaign, annotator: Any) -> OwnProgress:
    """How much one has done and has before oneself in the campaign. Five statements.

    Gold one has not met counts among what is left, as long as anything is: so no answer makes the count jump.
    """
    mine = {"campaign": campaign, "annotator": annotator}
    left = _up_to_limit(_free_for(annotator).filter(campaign=campaign)) + Lease.objects.filter(**mine).count()
    if left and campaign.gold_share:
        left += _up_to_limit(gold.hidden(campaign, annotator))
    votes = Vote.objects.filter(**mine).count() + GoldAnswer.objects.filter(**mine, attempt=0).count()
    return OwnProgress(votes=votes, left=min(left, COUNT_LIMIT), more=left > COUNT_LIMIT)


def _up_to_limit(rows: QuerySet[CampaignFace]) -> int:
    return rows.order_by().values("pk")[: COUNT_LIMIT + 1].count()


def _free_for(annotator: Any) -> QuerySet[CampaignFace]:
    """Faces with a free place that the annotator neither holds nor answered nor skipped in this round."""
    mine = {"campaign_face": OuterRef("pk"), "annotator": annotator}
    return CampaignFace.objects.filter(
        ~Exists(Vote.objects.filter(**mine, round=OuterRef("round"))),
        ~Exists(Skip.objects.filter(**mine, round=OuterRef("round"))),
        ~Exists(Lease.objects.filter(**mine)),
        state=CampaignFace.State.OPEN,
        places__gt=0,
    )


@dataclass(frozen=True)
class _Cast:
    """One answer, with what its face's votes add up to if it is settled."""

    face: int
    answer: str
    took_ms: int | None
    at: datetime
    others: Mapping[str, int] | None
    """The other people's answers on a settled face; None while it is open."""


def statistics(campaign: Campaign, annotator: Any) -> Statistics:
    """The annotator's own figures. Four statements along their own index, however large the campaign.

    Of settled faces only sums are told, here and on every page of an annotator's: a face can be re-opened, and who
    knew what the others had said of it would not look with fresh eyes.
    """
    now = timezone.now()
    day = day_of(now)
    week = day - timedelta(days=day.weekday())
    counted = [
        answers.aggregate(
            votes=Count("pk"),
            today=Count("pk", filter=Q(cast_at__gte=day)),
            week=Count("pk", filter=Q(cast_at__gte=week)),
        )
        for answers in _own_answers(campaign, annotator)
    ]
    cast = list(_newest_cast(campaign, annotator))
    moments = np.array(sorted(one.at.timestamp() for one in cast))
    times = [one.took_ms for one in cast if one.took_ms is not None]
    pace = per_hour(moments)
    confusion = _confusion(cast)
    faces = sum(sum(row.values()) for row in confusion.values())
    alike = sum(row.get(label, 0) for label, row in confusion.items())
    enough = faces >= ENOUGH_FACES
    return Statistics(
        **{name: sum(row[name] for row in counted) for name in ("votes", "today", "week")},
        per_hour=None if np.isnan(pace) else pace,
        median_ms=float(np.median(times)) if times else None,
        agreement=alike / faces if enough else None,
        faces=faces,
        confusion=confusion if enough else {},
        differences=_differences(confusion) if enough else (),
    )


def _own_answers(campaign: Campaign, annotator: Any) -> tuple[QuerySet[Any], QuerySet[Any]]:
    mine = {"campaign": campaign, "annotator": annotator}
    return Vote.objects.filter(**mine), GoldAnswer.objects.filter(**mine, attempt=0)


def _newest_cast(campaign: Campaign, annotator: Any) -> Iterator[_Cast]:
    """A face's stored counts hold everybody's newest answer: less one's own, they are the others'."""
    columns = (
        "campaign_face",
        "answer",
        "took_ms",
        "cast_at",
        "campaign_face__state",
        "campaign_face__counts",
    )
    for answers, counted in zip(_own_answers(campaign, annotator), (1, 0), strict=True):
        newest = answers.order_by("-cast_at")[:NEWEST]
        seen: set[int] = set()
        for face, answer, took_ms, at, state, counts in newest.values_list(*columns).iterator(2_000):
            others = Counter(counts) if state == CampaignFace.State.SETTLED and face not in seen else None
            if others is not None:
                others[answer] -= counted
            seen.add(face)
            yield _Cast(face, answer, took_ms, at, others)


def _confusion(cast: Iterable[_Cast]) -> dict[str, dict[str, int]]:
    """The others' most frequent answer → one's own → faces, leaving out where they tie or are none."""
    found: dict[str, Counter[str]] = {}
    for one in cast:
        top = max((one.others or {}).values(), default=0)
        first = [answer for answer, votes in (one.others or {}).items() if votes == top > 0]
        if len(first) == 1:
            found.setdefault(first[0], Counter())[one.answer] += 1
    return {label: dict(row) for label, row in found.items()}


def _differences(confusion: Mapping[str, Mapping[str, int]]) -> tuple[Difference, ...]:
    found = [
        Difference(own, others, times, sum(row.values()))
        for others, row in confusion.items()
        for own, times in row.items()
        if own != others and times >= OFTEN and times >= OFTEN_SHARE * sum(row.values())
    ]
    return tuple(sorted(found, key=lambda one: (-one.times, one.own, one.others))[:DIFFERENCES])


def answers_shown(campaign: Campaign, confusion: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The answers that occur in a confusion, in the campaign's order; those it no longer asks for at the end."""
    met = {*confusion, *(own for row in confusion.values() for own in row)}
    order = [name for name in (*campaign.expressions, *OTHER_ANSWERS) if name in met]
    return [*order, *sorted(met - set(order))]


def history(campaign: Campaign, annotator: Any, *, before: str = "", size: int = 25) -> History:
    """The annotator's answers, newest first, from the cursor `before` on. Two statements.

    Of a face nothing is told but whether it still gathers votes: never what others have said, nor its label.
    """
    older = _older_than(before)
    votes, golds = (
        answers.filter(older).select_related("campaign_face").order_by("-cast_at", "-client_key")[: size + 1]
        for answers in _own_answers(campaign, annotator)
    )
    merged = sorted([*votes, *golds], key=lambda one: (one.cast_at, one.client_key), reverse=True)[: size + 1]
    taking = campaign.state == Campaign.State.OPEN
    rows = [
        Answered(
            one.client_key, one.campaign_face.face_id, one.answer, one.second, one.cast_at, taking and still
        )
        for one, still in zip(merged, _still_open(merged), strict=True)
    ]
    more = len(rows) > size
    return History(rows[:size], _cursor(rows[size - 1]) if more else "")


def _still_open(answers: list[Any]) -> list[bool]:
    """Of each answer whether its face is open. Gold is never settled by votes: it does as the vote before it."""
    found: list[bool] = []
    still = True
    for one in reversed(answers):
        if isinstance(one, Vote):
            row = one.campaign_face
            still = row.state == CampaignFace.State.OPEN and row.round == one.round
        found.append(still)
    return found[::-1]


def demand_open(campaign: Campaign, annotator: Any, key: UUID) -> None:
    """Refuse to change an answer the history shows as settled, gold or not. Raises CannotVote."""
    votes, golds = _own_answers(campaign, annotator)
    gold_answer = golds.filter(client_key=key).first()
    if gold_answer is None:
        return  # votes.change knows
    earlier = Q(cast_at__lt=gold_answer.cast_at) | Q(cast_at=gold_answer.cast_at, client_key__lt=key)
    before = votes.filter(earlier).select_related("campaign_face").order_by("-cast_at", "-client_key").first()
    if before is not None and not _still_open([before])[0]:
        raise CannotVote(_("This face has all its votes by now; yours stays as it is."), "settled")


_MOMENT = "%Y%m%dT%H%M%S.%f"


def _cursor(row: Answered) -> str:
    return f"{row.at.astimezone(UTC).strftime(_MOMENT)}-{row.key}"


def is_cursor(text: str) -> bool:
    """Whether a page of a history begins there."""
    return bool(_older_than(text))


def _older_than(cursor: str) -> Q:
    moment, _dash, key = cursor.partition("-")
    try:
        at, last = datetime.strptime(moment, _MOMENT).replace(tzinfo=UTC), UUID(key)
    except ValueError:
        return Q()
    return Q(cast_at__lt=at) | Q(cast_at=at, client_key__lt=last)
