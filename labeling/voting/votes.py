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
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from labeling.expressions import OTHER_ANSWERS
from labeling.models import Campaign, CampaignFace, Lease, Participation, Skip, Vote
from labeling.models.campaign import FRONT, LAP
from labeling.voting import line
from labeling.voting.leasing import Leased, expiry, give_back, lease, return_expired_leases
from labeling.voting.prepared import Statement
from labeling.voting.refusals import CLOSED, CannotLease, CannotVote, CannotWithdraw, demand_annotator
from labeling.voting.settle import consensus_fields

__all__ = [
    "CannotLease",
    "CannotVote",
    "CannotWithdraw",
    "Cast",
    "Leased",
    "Withdrawn",
    "cast",
    "lease",
    "reopen",
    "return_expired_leases",
    "skip",
    "withdraw",
]

# The common vote: its lease is there, and it is not the last of its face. Anything else leaves all as it was and
# goes the long way. On PostgreSQL it is one statement, elsewhere a conditional UPDATE with what follows from it.
COMMON = """
    WITH face AS (
        SELECT f.id, f.round FROM labeling_campaignface f JOIN labeling_campaign c ON c.id = f.campaign_id
        WHERE f.id = %(face)s AND c.id = %(campaign)s AND c.state = 'open' AND f.votes + 1 < f.wanted
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
        (campaign_id, campaign_face_id, annotator_id, round, answer, client_key, took_ms, cast_at)
    SELECT %(campaign)s, tally.id, %(annotator)s, tally.round, %(answer)s, %(key)s, %(took_ms)s, %(now)s
    FROM tally RETURNING id
"""
TALLY = """
    UPDATE labeling_campaignface SET votes = votes + 1, leases = leases - 1
    WHERE id = %(face)s AND campaign_id = %(campaign)s AND votes + 1 < wanted
      AND EXISTS (SELECT 1 FROM labeling_campaign c WHERE c.id = %(campaign)s AND c.state = 'open')
      AND EXISTS (SELECT 1 FROM labeling_lease l
                  WHERE l.campaign_face_id = %(face)s AND l.annotator_id = %(annotator)s)
    RETURNING round
"""
USED = "DELETE FROM labeling_lease WHERE campaign_face_id = %(face)s AND annotator_id = %(annotator)s"
_common = Statement("cast", COMMON)
_tally = Statement("tally", TALLY)
_used = Statement("used", USED)


@dataclass(frozen=True)
class Cast:
    """What became of an answer. `again`: this client key had been counted before, and was not counted twice."""

    vote_id: int
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
    key: UUID
    took_ms: int | None
    at: datetime
    """Taken before anything is asked of the campaign: no vote that counts is later than the closing."""

    def where(self) -> dict[str, int]:
        return {"campaign": self.campaign.pk, "annotator": self.annotator.pk, "face": self.face}


def cast(
    *,
    campaign: Campaign,
    annotator: Any,
    campaign_face_id: int,
    answer: str,
    client_key: UUID,
    took_ms: int | None = None,
) -> Cast:
    """Count one answer, exactly once. An expired lease loses nothing while the face still has a place.

    took_ms: milliseconds from seen to answered, as the client says. Raises CannotVote.
    """
    demand_annotator(annotator, CannotVote)
    if answer not in campaign.expressions and answer not in OTHER_ANSWERS:
        raise CannotVote(f"“{answer}” is not an answer of this campaign.", "answer")
    given = _Answer(campaign, annotator, campaign_face_id, answer, client_key, took_ms, timezone.now())
    try:
        return _cast_at_once(given) or _cast_in_steps(given)
    except IntegrityError:
        # The key came twice at the same time, for one face or for two. One of them has been counted by now.
        with transaction.atomic():
            return _cast(given)


def _cast_at_once(given: _Answer) -> Cast | None:
    """The common vote on PostgreSQL. One statement is a transaction by itself."""
    if connection.vendor != "postgresql":
        return None
    values: dict[str, Any] = {
        **given.where(),
        "answer": given.answer,
        "key": given.key,
        "took_ms": given.took_ms,
        "now": given.at,
    }
    # Inside another transaction, what it violates must not end that one.
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        row = _common.row(values)
    return Cast(row[0], settled=False, again=False) if row else None


def _cast_in_steps(given: _Answer) -> Cast:
    with transaction.atomic():
        if connection.vendor != "postgresql" and (row := _tally.row(given.where())) is not None:
            _used.rows(given.where())
            return Cast(_store(given, row[0]).pk, settled=False, again=False)
        return _cast(given)


def _store(given: _Answer, round: int) -> Vote:
    return Vote.objects.create(
        campaign=given.campaign,
        campaign_face_id=given.face,
        annotator=given.annotator,
        round=round,
        answer=given.answer,
        client_key=given.key,
        took_ms=given.took_ms,
        cast_at=given.at,
    )


def _cast(given: _Answer) -> Cast:
    row = _locked(given.campaign, given.face, CannotVote)
    before = Vote.objects.filter(annotator=given.annotator, client_key=given.key).first()
    if before is not None:
        return _same(before, row, given.answer)
    _demand_open(given.campaign, CannotVote)
    if _has_voted(row, given.annotator):
        raise CannotVote("You have answered this face before; that answer counts.", "already")
    place = _place(row, given.annotator)
    vote = _store(given, row.round)
    settled = row.votes + 1 == row.wanted
    changes = consensus_fields(row, given.campaign) if settled else {}
    CampaignFace.objects.filter(pk=row.pk).update(votes=F("votes") + 1, **place, **changes)
    return Cast(vote.pk, settled, again=False)


def skip(*, campaign: Campaign, annotator: Any, campaign_face_id: int, reason: str = "") -> None:
    """Pass a face on. It is not offered to this annotator again in this round. Skipping twice is once."""
    demand_annotator(annotator, CannotVote)
    with transaction.atomic():
        # So that the face is not being leased to the same person at this moment.
        list(Participation.objects.select_for_update().filter(campaign=campaign, annotator=annotator))
        row = _locked(campaign, campaign_face_id, CannotVote)
        _demand_open(campaign, CannotVote)
        if _has_voted(row, annotator):
            raise CannotVote("You have answered this face; take the answer back first.", "already")
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
        vote = _own_vote(campaign, annotator, client_key)
        row = _locked(campaign, vote.campaign_face_id, CannotWithdraw)
        if vote.round != row.round:
            raise CannotWithdraw(
                "This face has been opened for fresh votes since; the old one stays.", "round"
            )
        if not Vote.objects.filter(pk=vote.pk).delete()[0]:
            raise CannotWithdraw("This vote was taken back already.", "unknown")
        now = timezone.now()
        Lease.objects.create(
            campaign=campaign,
            campaign_face=row,
            annotator=annotator,
            taken_at=now,
            expires_at=expiry(campaign, now),
        )
        reopened: dict[str, Any] = {}
        if row.state == CampaignFace.State.SETTLED:
            earlier = consensus_fields(row, campaign, up_to_round=row.round - 1)
            reopened = {**earlier, "state": CampaignFace.State.OPEN, "settled_at": None}
        CampaignFace.objects.filter(pk=row.pk).update(
            votes=F("votes") - 1, leases=F("leases") + 1, **reopened
        )
        return Withdrawn(row.pk, vote.answer)


def reopen(*, campaign_faces: Iterable[int] | QuerySet[CampaignFace], votes: int, priority: int = 1) -> int:
    """Ask `votes` fresh votes of settled faces, in a new round; the votes so far stay. Returns how many faces.

    Faces that are open are left alone: they are being voted on.
    """
    if votes < 1:
        raise CannotVote("A round needs at least one vote per face.", "votes")
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
        raise refuse(CLOSED, "closed")


def _locked(campaign: Campaign, pk: int, refuse: type[CannotVote]) -> CampaignFace:
    row = CampaignFace.objects.select_for_update(no_key=True).filter(pk=pk, campaign=campaign).first()
    if row is None:
        raise refuse("This face is not in this campaign any more.", "unknown")
    return row


def _has_voted(row: CampaignFace, annotator: Any) -> bool:
    return Vote.objects.filter(campaign_face=row, annotator=annotator, round=row.round).exists()


def _place(row: CampaignFace, annotator: Any) -> dict[str, Any]:
    """Use the annotator's lease, else a free place, else one whose lease has expired."""
    if Lease.objects.filter(campaign_face=row, annotator=annotator).delete()[0]:
        return {"leases": F("leases") - 1}
    if row.places:
        return {"places": F("places") - 1}
    expired = Lease.objects.filter(campaign_face=row, expires_at__lt=timezone.now()).first()
    if expired is not None:
        expired.delete()
        return {"leases": F("leases") - 1}
    raise CannotVote("Others have answered this face in the meantime; it needs no more votes.", "complete")


def _same(before: Vote, row: CampaignFace, answer: str) -> Cast:
    if before.campaign_face_id != row.pk or before.answer != answer:
        raise CannotVote("This key has been used for another answer; choose a new one.", "key")
    return Cast(before.pk, row.state == CampaignFace.State.SETTLED, again=True)


def _own_vote(campaign: Campaign, annotator: Any, client_key: UUID | None) -> Vote:
    mine = Vote.objects.filter(campaign=campaign, annotator=annotator)
    vote = (
        mine.filter(client_key=client_key).first() if client_key else mine.order_by("-cast_at", "-pk").first()
    )
    if vote is None:
        raise CannotWithdraw("There is no vote of yours to take back.", "unknown")
    return vote
