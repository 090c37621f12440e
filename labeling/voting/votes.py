"""Lease, cast, skip, withdraw, re-open: the queue of votes, exact under any number of hands.

Every verb locks the campaign face first and its leases and votes after, so two verbs never wait for each other in
a circle; leasing takes only faces nobody has locked. The row's CHECK (wanted = votes + leases + places) is the last
word: if a verb here were wrong, the database would refuse rather than store an eleventh vote.

**Who gets which face.** Faces stand in a random but fixed order (`shuffle`). Each annotator starts somewhere of
their own and walks round once (`Participation.cursor`); what is behind the cursor has been answered, skipped or
was full. Faces with a priority (relabel rounds) come first. Near the end the walk begins anew from 0, where faces
may have come free again: a lease expired, a vote was taken back. So every face with a free place reaches
everybody who has not answered it, nobody meets one twice in a round, and the cost is that of the faces handed out.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from labeling.expressions import OTHER_ANSWERS
from labeling.models import Campaign, CampaignFace, Lease, Participation, Skip, Vote
from labeling.refusals import Refusal
from labeling.rules import may_vote
from labeling.voting.settle import consensus_fields

CLOSED = "This campaign takes no votes at the moment. Your earlier votes are kept."


class CannotVote(Refusal):
    """The vote was not counted; `code` says why: closed, role, answer, unknown, already, complete."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


class CannotLease(CannotVote):
    """No face can be handed out."""


class CannotWithdraw(CannotVote):
    """The vote stands."""


@dataclass(frozen=True)
class Leased:
    """A face held for one annotator."""

    campaign_face_id: int
    face_id: int
    expires_at: datetime


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


def lease(*, campaign: Campaign, annotator: Any, limit: int = 5) -> list[Leased]:
    """Hold faces for the annotator: those held already, oldest first, then new ones, `limit` in all.

    Fewer come back when fewer are left. Raises CannotLease when the campaign is not open.
    """
    _demand_open(campaign, annotator, CannotLease)
    now = timezone.now()
    with transaction.atomic():
        participation = _participation(campaign, annotator)
        held = _renew(campaign, annotator, now)[:limit]
        if len(held) < limit:
            held += _take(participation, campaign, annotator, limit - len(held), now)
        return held


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
    _demand_open(campaign, annotator, CannotVote)
    if answer not in campaign.expressions and answer not in OTHER_ANSWERS:
        raise CannotVote(f"“{answer}” is not an answer of this campaign.", "answer")
    with transaction.atomic():
        row = _locked(campaign, campaign_face_id, CannotVote)
        before = Vote.objects.filter(annotator=annotator, client_key=client_key).first()
        if before is not None:
            return _same(before, row, answer)
        if Vote.objects.filter(campaign_face=row, annotator=annotator, round=row.round).exists():
            raise CannotVote("You have answered this face before; that answer counts.", "already")
        place = _place(row, annotator)
        vote = Vote.objects.create(
            campaign=campaign,
            campaign_face=row,
            annotator=annotator,
            round=row.round,
            answer=answer,
            client_key=client_key,
            took_ms=took_ms,
            cast_at=timezone.now(),
        )
        settled = row.votes + 1 == row.wanted
        changes = consensus_fields(row, campaign) if settled else {}
        CampaignFace.objects.filter(pk=row.pk).update(votes=F("votes") + 1, **place, **changes)
        return Cast(vote.pk, settled, again=False)


def skip(*, campaign: Campaign, annotator: Any, campaign_face_id: int, reason: str = "") -> None:
    """Pass a face on. It is not offered to this annotator again in this round. Skipping twice is once."""
    _demand_open(campaign, annotator, CannotVote)
    with transaction.atomic():
        row = _locked(campaign, campaign_face_id, CannotVote)
        if Vote.objects.filter(campaign_face=row, annotator=annotator, round=row.round).exists():
            raise CannotVote("You have answered this face; take the answer back first.", "already")
        Skip.objects.get_or_create(
            campaign_face=row,
            annotator=annotator,
            round=row.round,
            defaults={"reason": reason[:200], "skipped_at": timezone.now()},
        )
        _give_back(row, Lease.objects.filter(campaign_face=row, annotator=annotator))


def withdraw(*, campaign: Campaign, annotator: Any, client_key: UUID | None = None) -> Withdrawn:
    """Take back the named vote, or the newest. The annotator holds the face again. Raises CannotWithdraw.

    If the vote had settled the face, the face is open again; a consensus of an earlier round stays in sight.
    """
    _demand_open(campaign, annotator, CannotWithdraw)
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
            expires_at=_expiry(campaign, now),
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
    chosen = CampaignFace.objects.filter(pk__in=pks)
    return chosen.filter(state=CampaignFace.State.SETTLED).update(
        state=CampaignFace.State.OPEN,
        round=F("round") + 1,
        wanted=votes,
        votes=0,
        leases=0,
        places=votes,
        priority=priority,
        settled_at=None,
    )


def return_expired_leases(*, campaign: Campaign | None = None) -> int:
    """Give the places of expired leases back to the queue. Returns how many leases there were."""
    expired = Lease.objects.filter(expires_at__lt=timezone.now())
    if campaign is not None:
        expired = expired.filter(campaign=campaign)
    count = 0
    for pk in sorted(set(expired.values_list("campaign_face", flat=True))):
        with transaction.atomic():
            row = CampaignFace.objects.select_for_update(of=("self",)).get(pk=pk)
            count += _give_back(row, Lease.objects.filter(campaign_face=row, expires_at__lt=timezone.now()))
    return count


def _demand_open(campaign: Campaign, annotator: Any, refuse: type[CannotVote]) -> None:
    if not may_vote(annotator):
        raise refuse("Your account may not vote. Ask an admin for the annotator's role.", "role")
    state = Campaign.objects.filter(pk=campaign.pk).values_list("state", flat=True).first()
    if state != Campaign.State.OPEN:
        raise refuse(CLOSED, "closed")


def _locked(campaign: Campaign, pk: int, refuse: type[CannotVote]) -> CampaignFace:
    row = CampaignFace.objects.select_for_update(of=("self",)).filter(pk=pk, campaign=campaign).first()
    if row is None:
        raise refuse("This face is not in this campaign any more.", "unknown")
    return row


def _participation(campaign: Campaign, annotator: Any) -> Participation:
    """The annotator's row, locked: two requests of one person take turns."""
    start = zlib.crc32(f"{campaign.pk}/{annotator.pk}".encode()) & 0x7FFF_FFFF
    mine = Participation.objects.filter(campaign=campaign, annotator=annotator)
    row = mine.select_for_update().first()
    if row is None:
        defaults = {"start": start, "cursor": start}
        Participation.objects.get_or_create(campaign=campaign, annotator=annotator, defaults=defaults)
        row = mine.select_for_update().get()
    return row


def _renew(campaign: Campaign, annotator: Any, now: datetime) -> list[Leased]:
    """What the annotator holds already; an expired hold nobody has swept is simply theirs again."""
    mine = Lease.objects.filter(campaign=campaign, annotator=annotator)
    rows = list(mine.order_by("pk").values_list("campaign_face", "campaign_face__face", "expires_at"))
    if any(expires_at < now for _, _, expires_at in rows):
        mine.filter(expires_at__lt=now).update(expires_at=_expiry(campaign, now))
        rows = list(mine.order_by("pk").values_list("campaign_face", "campaign_face__face", "expires_at"))
    return [Leased(*row) for row in rows]


def _take(part: Participation, campaign: Campaign, annotator: Any, need: int, now: datetime) -> list[Leased]:
    rows = _free(campaign, annotator, part, need)
    if not rows:
        return []
    pks = [pk for pk, _, _, _ in rows]
    CampaignFace.objects.filter(pk__in=pks).update(places=F("places") - 1, leases=F("leases") + 1)
    until = _expiry(campaign, now)
    Lease.objects.bulk_create(
        Lease(campaign=campaign, campaign_face_id=pk, annotator=annotator, taken_at=now, expires_at=until)
        for pk in pks
    )
    walked = [shuffle for _, _, shuffle, priority in rows if priority == 0]
    if walked:
        Participation.objects.filter(pk=part.pk).update(cursor=walked[-1])
    return [Leased(pk, face, until) for pk, face, _, _ in rows]


def _free(
    campaign: Campaign, annotator: Any, part: Participation, need: int
) -> list[tuple[int, int, int, int]]:
    """Faces with a free place the annotator has not met in this round, locked; at most `need`."""
    met = {"campaign_face": OuterRef("pk"), "annotator": annotator}
    free = (
        CampaignFace.objects.filter(campaign=campaign, places__gt=0)
        .exclude(Exists(Vote.objects.filter(round=OuterRef("round"), **met)))
        .exclude(Exists(Skip.objects.filter(round=OuterRef("round"), **met)))
        .exclude(Exists(Lease.objects.filter(**met)))
    )
    walks = (
        free.filter(priority__gt=0).order_by("-priority", "shuffle"),
        free.filter(priority=0, shuffle__gt=part.cursor).order_by("shuffle"),
        free.filter(priority=0, shuffle__lte=part.cursor).order_by("shuffle"),
    )
    rows: list[tuple[int, int, int, int]] = []
    for walk in walks:
        if len(rows) < need:
            locked = walk.select_for_update(
                of=("self",), skip_locked=connection.features.has_select_for_update_skip_locked
            )
            rows += locked.values_list("pk", "face_id", "shuffle", "priority")[: need - len(rows)]
    return rows


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


def _give_back(row: CampaignFace, leases: QuerySet[Lease]) -> int:
    count = leases.delete()[0]
    if count:
        CampaignFace.objects.filter(pk=row.pk).update(places=F("places") + count, leases=F("leases") - count)
    return count


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


def _expiry(campaign: Campaign, now: datetime) -> datetime:
    return now + timedelta(seconds=campaign.lease_seconds)
