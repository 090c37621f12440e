"""Put one annotator's votes of a campaign aside, from a date on, and count them again.

A vote put aside leaves a free place behind, so that somebody else is asked: "exactly N" holds as ever. A settled face
opens again and says meanwhile what its earlier rounds had agreed on. A vote of an earlier round had its part in the
consensus too, so one more vote is asked for in the present round.

Faces are taken in chunks, each a transaction of its own. A `Discard` is there before its first vote is moved, and is
*carried out* once its entry in the record is written; one that was killed before is finished by the next call. Locks
are taken in the one order: the discard, then the campaign faces by their keys, then their votes, then the line.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Count, F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling import audit
from labeling.consensus.majority import majority
from labeling.models import (
    AuditEntry,
    Campaign,
    CampaignFace,
    Discard,
    DiscardedVote,
    Gold,
    Outcome,
    Skip,
    Vote,
)
from labeling.models.campaign import FRONT, LAP
from labeling.people import demand_reason, is_paused, pause_annotator
from labeling.refusals import Refusal
from labeling.voting import gold, line, settle
from labeling.voting.votes import PUT_ASIDE

CHUNK = 200
"""Faces locked at a time: some milliseconds, in which votes on them wait."""
_OPENED: dict[str, Any] = {"state": CampaignFace.State.OPEN, "settled_at": None}


class CannotDiscard(Refusal):
    """No vote was moved; the text says why."""


@dataclass(frozen=True)
class Preview:
    """What putting votes aside would do."""

    votes: int
    faces: int
    reopened: int
    """Settled faces that would be open again."""
    changed: int
    """Of these, those whose label the other votes do not give."""


@dataclass(frozen=True)
class Discarded:
    """What was put aside. open: faces of these votes that wait for others now."""

    discard: Discard
    votes: int
    faces: int
    open: int


@dataclass(frozen=True)
class Restored:
    """What counts again, and what stays aside because somebody else has taken its place."""

    votes: int
    aside: int


def preview_discard(*, campaign: Campaign, annotator: Any, since: datetime) -> Preview:
    """What `discard` would do now. Nothing is changed."""
    votes = 0
    newest: dict[int, str] = {}
    for pk, answer in (
        _mine(campaign, annotator, since).order_by("round").values_list("campaign_face", "answer")
    ):
        votes += 1
        newest[pk] = answer
    reopened = changed = 0
    for row in _settled(newest):
        reopened += 1
        changed += row.outcome != Outcome.ADJUDICATED and _would_change(row, newest[row.pk], campaign)
    return Preview(votes, len(newest), reopened, changed)


def _settled(pks: Iterable[int]) -> Iterator[CampaignFace]:
    columns = CampaignFace.objects.only("outcome", "label", "counts")
    for chunk in _chunks(pks):
        yield from columns.filter(pk__in=chunk, state=CampaignFace.State.SETTLED)


def _would_change(row: CampaignFace, answer: str, campaign: Campaign) -> bool:
    others = {**row.counts, answer: max(0, row.counts.get(answer, 0) - 1)}
    found = majority(others, rule=campaign.rule, minimum_agreement=campaign.minimum_agreement)
    return (found.outcome, found.label) != (row.outcome, row.label)


def discard(
    *, campaign: Campaign, annotator: Any, since: datetime, reason: str, by: Any, pause: bool = False
) -> Discarded:
    """Put the annotator's votes of this campaign since then aside. pause: and let them cast no more.

    If an earlier call was killed half-way, it is finished first. Raises CannotDiscard when there is no vote to move.
    """
    reason = demand_reason(reason, CannotDiscard)
    finished = [_carry_out(left) for left in unfinished(campaign, annotator)]
    there = _mine(campaign, annotator, since).exists()
    if not there and not finished:
        raise CannotDiscard(
            _("{name} has no votes in this campaign since then. Choose an earlier date.").format(
                name=annotator
            )
        )
    if pause and not is_paused(campaign, annotator):
        pause_annotator(campaign=campaign, annotator=annotator, reason=reason, by=by)
    if not there:
        return finished[-1]
    made = Discard.objects.create(campaign=campaign, annotator=annotator, since=since, reason=reason, by=by)
    return _carry_out(made)


def unfinished(campaign: Campaign, annotator: Any = None) -> list[Discard]:
    """Those that were begun and not carried out, oldest first."""
    begun = Discard.objects.filter(campaign=campaign, restored_at=None).order_by("pk")
    if annotator is not None:
        begun = begun.filter(annotator=annotator)
    entries = AuditEntry.objects.filter(campaign=campaign, verb="votes_discarded")
    told = {details.get("discard") for details in entries.values_list("details", flat=True)}
    return [made for made in begun.select_related("campaign", "annotator") if made.pk not in told]


@dataclass(frozen=True)
class Made:
    """A discard as its campaign's pages show it."""

    discard: Discard
    votes: int
    """Votes that were put aside by it."""
    aside: int
    """Votes that are aside still."""
    finished: bool


def of(campaign: Campaign, annotator: Any) -> list[Made]:
    """The discards of one annotator's votes, newest first. Three statements."""
    rows = Discard.objects.filter(campaign=campaign, annotator=annotator).select_related("by", "restored_by")
    rows = rows.annotate(aside_now=Count("votes"))
    entries = AuditEntry.objects.filter(campaign=campaign, annotator=annotator, verb="votes_discarded")
    told = {found["discard"]: found["votes"] for found in entries.values_list("details", flat=True)}
    return [
        Made(row, told.get(row.pk, row.aside_now), row.aside_now, row.pk in told)
        for row in rows.order_by("-pk")
    ]


def restore(*, discard: Discard, by: Any) -> Restored:
    """Count the votes of a discard again, each where its place is still free. Raises CannotDiscard if none is aside.

    May be called again: for what stayed aside, a place may have come free.
    """
    _carry_out(discard)
    if not DiscardedVote.objects.filter(discard=discard).exists():
        raise CannotDiscard(_("All of these votes count already."))
    # First: from now on this is no discard that anybody would carry out.
    Discard.objects.filter(pk=discard.pk).update(restored_at=timezone.now(), restored_by=by)
    discard.refresh_from_db()
    pks = DiscardedVote.objects.filter(discard=discard).order_by("campaign_face")
    for chunk in _chunks(list(pks.values_list("campaign_face", flat=True).distinct())):
        with transaction.atomic():
            _lock(discard)
            _restore_chunk(discard, chunk)
    return _tell_restored(discard, by)


def _tell_restored(discard: Discard, by: Any) -> Restored:
    """The entry in the record. It tells what no entry before it has, be it of a call that was killed."""
    with transaction.atomic():
        _lock(discard)
        aside = DiscardedVote.objects.filter(discard=discard).count()
        taken = _told(discard, "votes_discarded") - _told(discard, "votes_restored")
        audit.write(
            discard.campaign,
            "votes_restored",
            by=by,
            annotator=discard.annotator,
            discard=discard.pk,
            votes=taken - aside,
            aside=aside,
        )
        return Restored(taken - aside, aside)


def _told(discard: Discard, verb: str) -> int:
    """How many votes the record says were moved."""
    entries = AuditEntry.objects.filter(campaign=discard.campaign, verb=verb, details__discard=discard.pk)
    return sum(details["votes"] for details in entries.values_list("details", flat=True))


def _mine(campaign: Campaign, annotator: Any, since: datetime) -> QuerySet[Vote]:
    return Vote.objects.filter(campaign=campaign, annotator=annotator, cast_at__gte=since)


def _carry_out(made: Discard) -> Discarded:
    """Move what is left to move, until the record says that all is."""
    # What was cast later is not meant: else somebody who goes on voting would keep this going.
    meant = _mine(made.campaign, made.annotator, made.since).filter(cast_at__lte=made.made_at)
    while votes := _by_face(meant):
        for pks in _chunks(votes):
            with transaction.atomic():
                # Another call may have finished it, and even restored it, since.
                if not _lock(made):
                    return _figures(made)
                _discard_chunk(made, pks, [vote for pk in pks for vote in votes[pk]])
    with transaction.atomic():
        found = _figures(made)
        if _lock(made):
            audit.write(
                made.campaign,
                "votes_discarded",
                by=made.by,
                annotator=made.annotator,
                reason=made.reason,
                discard=made.pk,
                since=made.since.isoformat(),
                votes=found.votes,
                faces=found.faces,
                open=found.open,
            )
    return found


def _by_face(votes: QuerySet[Vote]) -> dict[int, list[int]]:
    """The keys of the votes on each face, the faces in the order in which they are locked."""
    found: dict[int, list[int]] = {}
    for face, vote in sorted(votes.values_list("campaign_face", "pk")):
        found.setdefault(face, []).append(vote)
    return found


def _lock(made: Discard) -> bool:
    """Take turns at it. Whether it is still to be carried out."""
    Discard.objects.select_for_update(no_key=True).get(pk=made.pk)
    entries = AuditEntry.objects.filter(campaign=made.campaign, verb="votes_discarded")
    return not entries.filter(details__discard=made.pk).exists()


def _figures(made: Discard) -> Discarded:
    moved = DiscardedVote.objects.filter(discard=made)
    faces = moved.values("campaign_face").distinct()
    waiting = CampaignFace.objects.filter(pk__in=faces, state=CampaignFace.State.OPEN)
    return Discarded(made, moved.count(), faces.count(), waiting.count())


def _locked_faces(pks: list[int]) -> list[CampaignFace]:
    rows = CampaignFace.objects.select_for_update(no_key=True)
    return list(rows.filter(pk__in=pks).order_by("pk"))


def _discard_chunk(made: Discard, pks: list[int], meant: list[int]) -> None:
    rows = _locked_faces(pks)
    mine: dict[int, list[Vote]] = defaultdict(list)
    # By their keys: by annotator a planner would walk through all of their votes again for each chunk. Those that
    # were taken back meanwhile are gone.
    for vote in Vote.objects.filter(pk__in=meant):
        mine[vote.campaign_face_id].append(vote)
    _set_aside(made, [vote for votes in mine.values() for vote in votes])
    rows = [row for row in rows if mine[row.pk]]
    _keep_from(made.annotator, rows)
    _drop_gold_leases(rows)
    open_again = [(row, _opened(row, mine[row.pk], made.campaign)) for row in rows if row.wanted]
    _update(open_again, made.campaign)


def _drop_gold_leases(rows: list[CampaignFace]) -> None:
    settled = [row.pk for row in rows if row.state == CampaignFace.State.SETTLED]
    known = set(Gold.objects.filter(campaign_face__in=settled).values_list("campaign_face", flat=True))
    for row in rows:
        if row.pk in known:
            gold.drop_leases(row)


def _set_aside(made: Discard, votes: list[Vote]) -> None:
    DiscardedVote.objects.bulk_create(
        DiscardedVote(
            discard=made,
            campaign_face_id=vote.campaign_face_id,
            round=vote.round,
            answer=vote.answer,
            second=vote.second,
            client_key=vote.client_key,
            took_ms=vote.took_ms,
            cast_at=vote.cast_at,
        )
        for vote in votes
    )
    Vote.objects.filter(pk__in=[vote.pk for vote in votes]).delete()


def _keep_from(annotator: Any, rows: list[CampaignFace]) -> None:
    """These faces are not offered to the annotator in their present round."""
    now = timezone.now()
    Skip.objects.bulk_create(
        (
            Skip(campaign_face=row, annotator=annotator, round=row.round, reason=PUT_ASIDE, skipped_at=now)
            for row in rows
        ),
        ignore_conflicts=True,
    )


def _opened(row: CampaignFace, votes: list[Vote], campaign: Campaign) -> dict[str, Any]:
    """The row's new columns, its votes being gone. Numbers are what they change by."""
    now = sum(vote.round == row.round for vote in votes)
    earlier = settle.consensus_fields(row, campaign, up_to_round=row.round - 1)
    opened = _OPENED if row.state == CampaignFace.State.SETTLED else {}
    return {"votes": -now, "wanted": len(votes) - now, "places": len(votes), **earlier, **opened}


def _update(changes: list[tuple[CampaignFace, dict[str, Any]]], campaign: Campaign) -> None:
    """Rows that change alike are changed in one statement. Those that were full join the end of the line.

    Whoever has passed a face while it had a free place has answered or skipped it, or holds it: that one stays.
    """
    alike: dict[tuple[str, int, bool], tuple[list[int], dict[str, Any]]] = {}
    for row, fields in changes:
        key = (repr(fields), min(row.priority, 1), not row.places)
        alike.setdefault(key, ([], fields))[0].append(row.pk)
    lap = line.end(campaign.pk, room=LAP) if any(full for *_, full in alike) else 0
    for (_fields, front, full), (pks, fields) in alike.items():
        counted = {name: F(name) + fields[name] for name in ("votes", "wanted", "places")}
        # In the lap at the end they keep the random order they had.
        moved = {"shuffle": F("shuffle").bitand(LAP - 1) + (lap + FRONT * front)} if full else {}
        CampaignFace.objects.filter(pk__in=pks).update(**{**fields, **counted, **moved})


def _restore_chunk(discard: Discard, pks: list[int]) -> None:
    aside: dict[int, list[DiscardedVote]] = defaultdict(list)
    # The present round first: it is what most of the places are of.
    for vote in DiscardedVote.objects.filter(discard=discard, campaign_face__in=pks).order_by("-round"):
        aside[vote.campaign_face_id].append(vote)
    rows = _locked_faces(pks)
    ours = _skipped(rows, discard.annotator)
    found = {row.pk: _returning(row, aside[row.pk], skipped=row.pk in ours) for row in rows}
    back = _without_those_given_anew(discard.annotator, found)
    _store_again(discard, [vote for votes in back.values() for vote in votes])
    for row in rows:
        if back[row.pk]:
            _count_again(row, back[row.pk], discard.campaign)
    _offer_again(discard, ours)


def _skipped(rows: list[CampaignFace], annotator: Any) -> set[int]:
    """Faces with a skip this module made in their present round."""
    rounds = {row.pk: row.round for row in rows}
    skips = Skip.objects.filter(campaign_face__in=rounds, annotator=annotator, reason=PUT_ASIDE)
    return {face for face, round in skips.values_list("campaign_face", "round") if rounds[face] == round}


def _returning(row: CampaignFace, aside: list[DiscardedVote], *, skipped: bool) -> list[DiscardedVote]:
    """The votes for which the places they left behind are still there.

    A vote of an earlier round left one in the round in which it was put aside; the skip tells whether that goes on.
    """
    if row.state != CampaignFace.State.OPEN:
        return []
    return [vote for vote in aside if vote.round == row.round or skipped][: row.places]


def _without_those_given_anew(
    annotator: Any, found: dict[int, list[DiscardedVote]]
) -> dict[int, list[DiscardedVote]]:
    """Leave out whatever the annotator has sent once more since, be it by its key or on the same face."""
    votes = Vote.objects.filter(campaign_face__in=found)
    given = {
        (face, round)
        for face, who, round in votes.values_list("campaign_face", "annotator", "round")
        if who == annotator.pk
    }
    sent = [vote.client_key for votes_of_face in found.values() for vote in votes_of_face]
    mine = Vote.objects.filter(annotator=annotator, client_key__in=sent)
    keys = set(mine.values_list("client_key", flat=True))
    return {
        face: [vote for vote in those if (face, vote.round) not in given and vote.client_key not in keys]
        for face, those in found.items()
    }


def _store_again(discard: Discard, aside: list[DiscardedVote]) -> None:
    Vote.objects.bulk_create(
        Vote(
            campaign=discard.campaign,
            campaign_face_id=vote.campaign_face_id,
            annotator=discard.annotator,
            round=vote.round,
            answer=vote.answer,
            second=vote.second,
            client_key=vote.client_key,
            took_ms=vote.took_ms,
            cast_at=vote.cast_at,
        )
        for vote in aside
    )
    DiscardedVote.objects.filter(pk__in=[vote.pk for vote in aside]).delete()


def _count_again(row: CampaignFace, back: list[DiscardedVote], campaign: Campaign) -> None:
    """Give the places back to these votes, which are stored; whoever brings the last one settles the face."""
    now = sum(vote.round == row.round for vote in back)
    votes, wanted = row.votes + now, row.wanted - (len(back) - now)
    full = votes == wanted
    fields = settle.consensus_fields(row, campaign, up_to_round=None if full else row.round - 1)
    counted = {"votes": votes, "wanted": wanted, "places": row.places - len(back)}
    CampaignFace.objects.filter(pk=row.pk).update(**counted, **fields)


def _offer_again(discard: Discard, ours: set[int]) -> None:
    """Take the skips away that this module made, once nothing of the annotator's is aside on those faces."""
    own = Discard.objects.filter(campaign=discard.campaign_id, annotator=discard.annotator_id)
    discards = set(own.values_list("pk", flat=True))
    aside = DiscardedVote.objects.filter(campaign_face__in=ours).values_list("campaign_face", "discard")
    left = {face for face, made in aside if made in discards}
    gone = Skip.objects.filter(campaign_face__in=ours - left, annotator=discard.annotator, reason=PUT_ASIDE)
    gone.delete()


def _chunks(pks: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(pks)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
