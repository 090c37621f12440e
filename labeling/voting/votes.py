"""Cast, skip, withdraw, re-open: exact under any number of hands. Leasing is in labeling.voting.leasing.

"Exactly N" rests on three things. A face's row holds wanted = votes + leases + places, by a CHECK: if a verb here
were wrong, the database would refuse rather than store an eleventh vote. Each verb moves one place between the
three in the same transaction as the Vote or Lease row it stands for, with the face's row locked. And a person has
one vote per face and round, and one per client key, by UNIQUE constraints.

A vote is settled with its last vote, in that vote's transaction. Taking back a settling vote opens the face
again: what an earlier round had agreed on comes back into sight, else nothing is said of it.
"""

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.expressions import OTHER_ANSWERS
from labeling.models import (
    Campaign,
    CampaignFace,
    Gold,
    GoldAnswer,
    Lease,
    Participation,
    Skip,
    Vote,
    WithdrawnKey,
)
from labeling.models.campaign import FRONT, LAP
from labeling.voting import gold, line
from labeling.voting.eligibility import demand_eligible, room, standing_of, used_up
from labeling.voting.leasing import Leased, expiry, give_back, lease, return_expired_leases
from labeling.voting.prepared import Statement
from labeling.voting.refusals import CannotLease, CannotVote, CannotWithdraw, closed, demand_annotator
from labeling.voting.settle import consensus_fields

__all__ = [
    "CannotLease",
    "CannotVote",
    "CannotWithdraw",
    "Cast",
    "Leased",
    "Withdrawn",
    "cast",
    "change",
    "lease",
    "reopen",
    "return_expired_leases",
    "skip",
    "withdraw",
]

# The common vote: its lease is there, and it is not the last of its face. Anything else leaves all as it was and
# goes the long way. On PostgreSQL it is one statement, elsewhere a conditional UPDATE with what follows from it.
WITHDRAWN = """
    SELECT 1 FROM labeling_withdrawnkey w WHERE w.annotator_id = %(annotator)s AND w.client_key = %(key)s
"""
COMMON = f"""
    WITH face AS (
        SELECT f.id, f.round FROM labeling_campaignface f JOIN labeling_campaign c ON c.id = f.campaign_id
        WHERE f.id = %(face)s AND c.id = %(campaign)s AND c.state = 'open' AND f.votes + 1 < f.wanted
          AND NOT EXISTS ({WITHDRAWN})
        FOR NO KEY UPDATE OF f
    ),
    used AS (
        DELETE FROM labeling_lease l USING face
        WHERE l.campaign_face_id = face.id AND l.annotator_id = %(annotator)s RETURNING face.id, face.round
    ),
    tally AS (
        UPDATE labeling_campaignface f SET votes = f.votes + 1, leases = f.leases - 1
        FROM used WHERE f.id = used.id RETURNING f.id, used.round
    )
    INSERT INTO labeling_vote
        (campaign_id, campaign_face_id, annotator_id, round, answer, second, client_key, took_ms, cast_at)
    SELECT %(campaign)s, tally.id, %(annotator)s, tally.round, %(answer)s, %(second)s, %(key)s, %(took_ms)s, %(now)s
    FROM tally RETURNING id
"""
TALLY = f"""
    UPDATE labeling_campaignface SET votes = votes + 1, leases = leases - 1
    WHERE id = %(face)s AND campaign_id = %(campaign)s AND votes + 1 < wanted
      AND EXISTS (SELECT 1 FROM labeling_campaign c WHERE c.id = %(campaign)s AND c.state = 'open')
      AND EXISTS (SELECT 1 FROM labeling_lease l
                  WHERE l.campaign_face_id = %(face)s AND l.annotator_id = %(annotator)s)
      AND NOT EXISTS ({WITHDRAWN})
    RETURNING round
"""
USED = "DELETE FROM labeling_lease WHERE campaign_face_id = %(face)s AND annotator_id = %(annotator)s"
PUT_ASIDE = "discarded"
"""The reason of the skips of those whose vote on a face was put aside: it is not asked of them again."""
_common = Statement("cast", COMMON)
_tally = Statement("tally", TALLY)
_used = Statement("used", USED)


@dataclass(frozen=True)
class Cast:
    """What became of an answer. `again`: this client key had been counted before, and was not counted twice."""

    settled: bool
    again: bool


@dataclass(frozen=True)
class Withdrawn:
    """A vote that was taken back; its face is held for the annotator again."""

    campaign_face_id: int
    answer: str


@dataclass(frozen=True)
class _Answer:
    """One answer as it came in."""

    campaign: Campaign
    annotator: Any
    face: int
    answer: str
    second: str
    key: UUID
    took_ms: int | None
    at: datetime
    """Taken before anything is asked of the campaign: no vote that counts is later than the closing."""

    def where(self) -> dict[str, int]:
        return {"campaign": self.campaign.pk, "annotator": self.annotator.pk, "face": self.face}

    def said(self) -> dict[str, Any]:
        """The columns that a vote and an answer to gold have in common."""
        return {
            "campaign": self.campaign,
            "campaign_face_id": self.face,
            "annotator": self.annotator,
            "answer": self.answer,
            "second": self.second,
            "client_key": self.key,
            "took_ms": self.took_ms,
            "cast_at": self.at,
        }


def cast(
    *,
    campaign: Campaign,
    annotator: Any,
    campaign_face_id: int,
    answer: str,
    client_key: UUID,
    took_ms: int | None = None,
    second: str = "",
) -> Cast:
    """Count one answer, exactly once. An expired lease loses nothing while the face still has a place.

    took_ms: milliseconds from seen to answered, as the client says. second: the weaker expression of a mixed answer,
    where the campaign allows it. Raises CannotVote.
    """
    demand_annotator(annotator, CannotVote)
    _demand_answer(campaign, answer, second)
    given = _Answer(
        campaign, annotator, campaign_face_id, answer, second, client_key, took_ms, timezone.now()
    )
    try:
        return _cast_at_once(given) or _cast_in_steps(given)
    except IntegrityError:
        # The key came twice at the same time, for one face or for two. One of them has been counted by now.
        with transaction.atomic():
            return _cast(given)


def _demand_answer(campaign: Campaign, answer: str, second: str) -> None:
    if answer not in campaign.expressions and answer not in OTHER_ANSWERS:
        raise CannotVote(_("“{answer}” is not an answer of this campaign.").format(answer=answer), "answer")
    if not second:
        return
    if not campaign.mixed_allowed:
        raise CannotVote(_("This campaign takes one expression per face."), "answer")
    if second == answer or {answer, second} - set(campaign.expressions):
        raise CannotVote(_("A mixed answer names two different expressions of this campaign."), "answer")


def _cast_at_once(given: _Answer) -> Cast | None:
    """The common vote on PostgreSQL. One statement is a transaction by itself."""
    if connection.vendor != "postgresql":
        return None
    values: dict[str, Any] = {
        **given.where(),
        "answer": given.answer,
        "second": given.second,
        "key": given.key,
        "took_ms": given.took_ms,
        "now": given.at,
    }
    # Inside another transaction, what it violates must not end that one.
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        counted = _common.row(values)
    return Cast(settled=False, again=False) if counted else None


def _cast_in_steps(given: _Answer) -> Cast:
    with transaction.atomic():
        if connection.vendor != "postgresql" and (row := _tally_up(given)) is not None:
            _used.rows(given.where())
            Vote.objects.create(**given.said(), round=row[0])
            return Cast(settled=False, again=False)
        return _cast(given)


def _tally_up(given: _Answer) -> tuple[Any, ...] | None:
    return _tally.row({**given.where(), "key": given.key.hex})


def _cast(given: _Answer) -> Cast:
    row = _locked(given.campaign, given.face, CannotVote)
    before = _by_key(given.annotator, given.key)
    if before is not None:
        return _same(before, row, given)
    if WithdrawnKey.objects.filter(annotator=given.annotator, client_key=given.key).exists():
        raise CannotVote(_("This answer was taken back, and is not counted again."), "withdrawn")
    _demand_open(given.campaign, CannotVote)
    if _has_voted(row, given.annotator):
        raise CannotVote(_("You have answered this face before; that answer counts."), "already")
    if gold.is_gold(row):
        return _cast_gold(given, row)
    place = _place(row, given)
    Vote.objects.create(**given.said(), round=row.round)
    settled = row.votes + 1 == row.wanted
    # By the rule as it is now: a manager may have changed it since the request began.
    changes = consensus_fields(row, row.campaign) if settled else {}
    CampaignFace.objects.filter(pk=row.pk).update(votes=F("votes") + 1, **place, **changes)
    return Cast(settled, again=False)


def _cast_gold(given: _Answer, row: CampaignFace) -> Cast:
    """Keep what is said of a gold face. Refusals are those of any other face, so that none gives it away."""
    if GoldAnswer.objects.filter(campaign_face=row, annotator=given.annotator, attempt=0).exists():
        raise CannotVote(_("You have answered this face before; that answer counts."), "already")
    if not Lease.objects.filter(campaign_face=row, annotator=given.annotator).delete()[0]:
        raise _complete()
    known = Gold.objects.get(campaign_face=row)
    GoldAnswer.objects.create(**given.said(), right=given.answer == known.answer)
    return Cast(settled=False, again=False)


def skip(*, campaign: Campaign, annotator: Any, campaign_face_id: int, reason: str = "") -> None:
    """Pass a face on. It is not offered to this annotator again in this round. Skipping twice is once."""
    demand_annotator(annotator, CannotVote)
    with transaction.atomic():
        # So that the face is not being leased to the same person at this moment.
        list(Participation.objects.select_for_update().filter(campaign=campaign, annotator=annotator))
        row = _locked(campaign, campaign_face_id, CannotVote)
        _demand_open(campaign, CannotVote)
        if _has_voted(row, annotator):
            raise CannotVote(_("You have answered this face; take the answer back first."), "already")
        Skip.objects.get_or_create(
            campaign_face=row,
            annotator=annotator,
            round=row.round,
            defaults={"reason": reason[:200], "skipped_at": timezone.now()},
        )
        give_back(row, Lease.objects.filter(campaign_face=row, annotator=annotator), move=not row.places)


def withdraw(*, campaign: Campaign, annotator: Any, client_key: UUID | None = None) -> Withdrawn:
    """Take back the named vote, or the newest. The annotator holds the face again. Raises CannotWithdraw.

    If the vote had settled the face, the face is open again; a consensus of an earlier round comes back.
    """
    demand_annotator(annotator, CannotWithdraw)
    _demand_open(campaign, CannotWithdraw)
    with transaction.atomic():
        said = _own_answer(campaign, annotator, client_key)
        row = _locked(campaign, said.campaign_face_id, CannotWithdraw)
        _demand_not_erased(row, CannotWithdraw)
        if isinstance(said, Vote) and said.round != row.round:
            raise CannotWithdraw(
                _("This face has been opened for fresh votes since; the old one stays."), "round"
            )
        now = timezone.now()
        # Of a face that is gold no more there is nothing to hold again.
        gone = isinstance(said, GoldAnswer) and not gold.is_gold(row)
        if gone or now - said.cast_at > timedelta(minutes=campaign.undo_minutes):
            raise CannotWithdraw(_("It is too late to take this vote back; it stays."), "late")
        if not type(said).objects.filter(pk=said.pk).delete()[0]:
            raise CannotWithdraw(_("This vote was taken back already."), "unknown")
        WithdrawnKey.objects.get_or_create(annotator=annotator, client_key=said.client_key)
        if isinstance(said, Vote):
            _uncount(row, campaign)
        Lease.objects.create(
            campaign=campaign,
            campaign_face=row,
            annotator=annotator,
            taken_at=now,
            expires_at=expiry(campaign, now),
        )
        return Withdrawn(row.pk, said.answer)


def _uncount(row: CampaignFace, campaign: Campaign) -> None:
    """A vote of the locked face's round becomes a lease; a settled face is open again."""
    reopened: dict[str, Any] = {}
    if row.state == CampaignFace.State.SETTLED:
        gold.drop_leases(row)
        earlier = consensus_fields(row, campaign, up_to_round=row.round - 1)
        reopened = {**earlier, "state": CampaignFace.State.OPEN, "settled_at": None}
    CampaignFace.objects.filter(pk=row.pk).update(votes=F("votes") - 1, leases=F("leases") + 1, **reopened)


def change(*, campaign: Campaign, annotator: Any, client_key: UUID, answer: str, second: str = "") -> None:
    """Give one's own vote another answer, as long as its face is open. Raises CannotVote; the vote stands then."""
    demand_annotator(annotator, CannotVote)
    _demand_answer(campaign, answer, second)
    with transaction.atomic():
        said = _own_answer(campaign, annotator, client_key)
        row = _locked(campaign, said.campaign_face_id, CannotVote)
        _demand_not_erased(row, CannotVote)
        _demand_open(campaign, CannotVote)
        changes: dict[str, Any] = {"answer": answer, "second": second}
        if isinstance(said, GoldAnswer):
            known = Gold.objects.filter(campaign_face=row).values_list("answer", flat=True).first()
            changes |= {"right": answer == known}
        elif row.state != CampaignFace.State.OPEN or said.round != row.round:
            raise CannotVote(_("This face has all its votes by now; yours stays as it is."), "settled")
        if not type(said).objects.filter(pk=said.pk).update(**changes):
            raise CannotVote(_("This vote was taken back already."), "unknown")


def reopen(*, campaign_faces: Iterable[int] | QuerySet[CampaignFace], votes: int, priority: int = 1) -> int:
    """Ask `votes` fresh votes of settled faces, in a new round; the votes so far stay. Returns how many faces.

    Faces that are open are left alone: they are being voted on.
    """
    if votes < 1:
        raise CannotVote(_("A round needs at least one vote per face."), "votes")
    pks: Any = campaign_faces
    if isinstance(campaign_faces, QuerySet):
        pks = campaign_faces.values("pk")
    settled = CampaignFace.objects.filter(pk__in=pks, state=CampaignFace.State.SETTLED)
    with transaction.atomic():
        # In the order of their keys, as two rounds opened at once must not wait for each other in a circle.
        locked = settled.select_for_update(of=("self",)).order_by("campaign", "pk")
        chosen = list(locked.values_list("campaign", "pk"))
        for campaign, rows in groupby(chosen, key=lambda row: row[0]):
            _reopen(campaign, [pk for _, pk in rows], votes, priority)
    return len(chosen)


def _reopen(campaign_id: int, pks: list[int], votes: int, priority: int) -> None:
    """A lap at the end of the line for them, in which they keep the random order they had."""
    Lease.objects.filter(campaign_face__in=pks).delete()  # settled faces are held as gold only
    lap = line.end(campaign_id, room=LAP) + (FRONT if priority else 0)
    CampaignFace.objects.filter(pk__in=pks).update(
        state=CampaignFace.State.OPEN,
        round=F("round") + 1,
        wanted=votes,
        votes=0,
        leases=0,
        places=votes,
        priority=priority,
        shuffle=F("shuffle").bitand(LAP - 1) + lap,
        settled_at=None,
    )


def _demand_open(campaign: Campaign, refuse: type[CannotVote]) -> None:
    state = Campaign.objects.filter(pk=campaign.pk).values_list("state", flat=True).first()
    if state != Campaign.State.OPEN:
        raise closed(refuse)


def _locked(campaign: Campaign, pk: int, refuse: type[CannotVote]) -> CampaignFace:
    row = CampaignFace.objects.select_for_update(no_key=True).filter(pk=pk, campaign=campaign).first()
    if row is None:
        raise refuse(_("This face is not in this campaign any more."), "unknown")
    return row


def _demand_not_erased(row: CampaignFace, refuse: type[CannotVote]) -> None:
    if row.state == CampaignFace.State.ERASED:
        raise refuse(_("This face was erased; nothing more is asked of it."), "erased")


def _has_voted(row: CampaignFace, annotator: Any) -> bool:
    return Vote.objects.filter(campaign_face=row, annotator=annotator, round=row.round).exists()


def _place(row: CampaignFace, given: _Answer) -> dict[str, Any]:
    """Use the annotator's lease, else a free place, else one whose lease has expired."""
    mine = {"campaign_face": row, "annotator": given.annotator}
    _demand_not_erased(row, CannotVote)
    aside = Skip.objects.filter(**mine, round=row.round, reason=PUT_ASIDE)
    if row.state != CampaignFace.State.OPEN or aside.exists():
        raise _complete()
    if Lease.objects.filter(**mine).delete()[0]:
        return {"leases": F("leases") - 1}
    _demand_eligible(given)
    if row.places:
        return {"places": F("places") - 1}
    expired = Lease.objects.filter(campaign_face=row, expires_at__lt=timezone.now()).first()
    if expired is not None:
        expired.delete()
        return {"leases": F("leases") - 1}
    raise _complete()


def _demand_eligible(given: _Answer) -> None:
    """What a lease has asked already, of a vote that comes without one."""
    stands = standing_of(given.campaign, given.annotator)
    demand_eligible(stands, given.campaign, given.annotator, CannotVote, now=given.at)
    if not room(stands, given.campaign, given.annotator, now=given.at):
        raise used_up(stands, given.campaign, given.annotator, CannotVote)


def _complete() -> CannotVote:
    return CannotVote(
        _("Others have answered this face in the meantime; it needs no more votes."), "complete"
    )


def _by_key(annotator: Any, key: UUID) -> Vote | GoldAnswer | None:
    mine = {"annotator": annotator, "client_key": key}
    return Vote.objects.filter(**mine).first() or GoldAnswer.objects.filter(**mine).first()


def _same(before: Vote | GoldAnswer, row: CampaignFace, given: _Answer) -> Cast:
    said = (before.campaign_face_id, before.answer, before.second)
    if said != (row.pk, given.answer, given.second):
        raise CannotVote(_("This key has been used for another answer; choose a new one."), "key")
    settled = isinstance(before, Vote) and row.state == CampaignFace.State.SETTLED
    return Cast(settled, again=True)


def _own_answer(campaign: Campaign, annotator: Any, client_key: UUID | None) -> Vote | GoldAnswer:
    """One's answer of this key, or the newest; an answer of the qualification is none of these."""
    mine: dict[str, Any] = {"campaign": campaign, "annotator": annotator}
    if client_key:
        mine["client_key"] = client_key
    vote = Vote.objects.filter(**mine).order_by("-cast_at", "-pk").first()
    known = GoldAnswer.objects.filter(**mine, attempt=0).order_by("-cast_at", "-pk").first()
    said = [answer for answer in (vote, known) if answer is not None]
    if not said:
        raise CannotWithdraw(_("There is no vote of yours to take back."), "unknown")
    return max(said, key=lambda answer: answer.cast_at)
