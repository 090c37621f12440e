"""Put one annotator's votes of a campaign aside, from a date on, and count them again.

A vote put aside leaves a free place behind, so that somebody else is asked: "exactly N" holds as ever. A settled face
opens again and says meanwhile what its earlier rounds had agreed on. A vote of an earlier round had its part in the
consensus too, so one more vote is asked for in the present round.

Faces are taken in chunks, each a transaction of its own. A `Discard` is there before its first vote is moved, and is
*carried out* once its entry in the record is written; one that was killed before is finished by the next call, or by
the sweep. Locks are taken in the one order: the discard, then the campaign faces by their keys, then their votes,
then the line.

Who asks for many votes to be moved is not kept waiting: pages hand those over to a worker (at_once).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling import audit, clock, moves
from labeling.consensus.majority import majority
from labeling.models import (
    AuditEntry,
    Campaign,
    CampaignFace,
    Discard,
    DiscardedVote,
    Outcome,
    Vote,
)
from labeling.people import demand_reason, is_paused, pause_annotator
from labeling.refusals import Refusal

CHUNK = 200
"""Faces locked at a time: some milliseconds, in which votes on them wait."""
AT_ONCE = 2_000
"""Votes that are moved within a request, in a second or two; more are a worker's."""


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
    finished: bool = True
    """False: a worker goes on with it, and these are the figures so far."""


@dataclass(frozen=True)
class Restored:
    """What counts again, and what stays aside because somebody else has taken its place."""

    votes: int
    aside: int
    finished: bool = True
    """False: a worker counts them again, and these are the figures so far."""


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
    *,
    campaign: Campaign,
    annotator: Any,
    since: datetime,
    reason: str,
    by: Any,
    pause: bool = False,
    at_once: int | None = None,
) -> Discarded:
    """Put the annotator's votes of this campaign since then aside. pause: and let them cast no more.

    If an earlier call was killed half-way, it is finished first. Raises CannotDiscard when there is no vote to move.
    at_once: hand it over to a worker if it is about more votes than that.
    """
    reason = demand_reason(reason, CannotDiscard)
    left = unfinished(campaign, annotator)
    mine = _mine(campaign, annotator, since)
    if not left and not mine.exists():
        raise CannotDiscard(
            _("{name} has no votes in this campaign since then. Choose an earlier date.").format(
                name=annotator
            )
        )
    if pause and not is_paused(campaign, annotator):
        pause_annotator(campaign=campaign, annotator=annotator, reason=reason, by=by)
    finished = [_carry_out(made, at_once) for made in left]
    if finished and not mine.exists():
        return finished[-1]
    made = Discard.objects.create(campaign=campaign, annotator=annotator, since=since, reason=reason, by=by)
    return _carry_out(made, at_once)


def carry_out(pk: int) -> None:
    """Go on with a discard wherever it stands. Nothing is done twice."""
    made = Discard.objects.filter(pk=pk).select_related("campaign", "annotator", "by").first()
    if made is not None:
        _carry_out(made)


def carry_out_left() -> int:
    """Finish those whose worker died, or never came. Returns how many there were."""
    # Begun by a machine whose clock is ahead, it is late too: to go on with one that somebody is at does no harm.
    late = Q(made_at__lt=clock.ago(settings.HEARTBEAT_TIMEOUT_S))
    ahead = Q(made_at__gt=clock.ago(-settings.HEARTBEAT_TIMEOUT_S))
    overdue = set(Discard.objects.filter(late | ahead, restored_at=None).values_list("pk", flat=True))
    left = [made for made in unfinished() if made.pk in overdue]
    for made in left:
        _carry_out(made)
    return len(left)


def unfinished(campaign: Campaign | None = None, annotator: Any = None) -> list[Discard]:
    """Those that were begun and not carried out, oldest first."""
    begun = Discard.objects.filter(restored_at=None).order_by("pk")
    entries = AuditEntry.objects.filter(verb="votes_discarded")
    if campaign is not None:
        begun, entries = begun.filter(campaign=campaign), entries.filter(campaign=campaign)
    if annotator is not None:
        begun = begun.filter(annotator=annotator)
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


def restore(*, discard: Discard, by: Any, at_once: int | None = None) -> Restored:
    """Count the votes of a discard again, each where its place is still free. Raises CannotDiscard if none is aside.

    May be called again: for what stayed aside, a place may have come free. at_once: as of `discard`.
    """
    aside = DiscardedVote.objects.filter(discard=discard).count()
    unmoved = _meant(discard).count() if discard in unfinished(discard.campaign, discard.annotator) else 0
    if not aside and not unmoved:
        raise CannotDiscard(_("All of these votes count already."))
    if at_once is not None and aside + unmoved > at_once:
        _hand_over("labeling.tasks.restore_votes", discard.pk, by.pk)
        return Restored(0, aside, finished=False)
    _carry_out(discard)
    # First: from now on this is no discard that anybody would carry out.
    Discard.objects.filter(pk=discard.pk).update(restored_at=timezone.now(), restored_by=by)
    discard.refresh_from_db()
    pks = DiscardedVote.objects.filter(discard=discard).order_by("campaign_face")
    for chunk in _chunks(list(pks.values_list("campaign_face", flat=True).distinct())):
        with transaction.atomic():
            _lock(discard)
            moves.count_again(discard, chunk)
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


def _meant(made: Discard) -> QuerySet[Vote]:
    """The votes that are still to be put aside by it."""
    # What was cast later is not meant: else somebody who goes on voting would keep this going.
    return _mine(made.campaign, made.annotator, made.since).filter(cast_at__lte=made.made_at)


def _hand_over(task: str, *args: int) -> None:
    """Let a worker do it. If the broker does not answer, the sweep finds a discard, and the page offers to restore."""
    transaction.on_commit(lambda: current_app.send_task(task, args=list(args), queue="default"), robust=True)


def _carry_out(made: Discard, at_once: int | None = None) -> Discarded:
    """Move what is left to move, until the record says that all is."""
    meant = _meant(made)
    if at_once is not None and meant.count() > at_once:
        _hand_over("labeling.tasks.carry_out_discard", made.pk)
        return replace(_figures(made), finished=False)
    while votes := _by_face(meant):
        for pks in _chunks(votes):
            with transaction.atomic():
                # Another call may have finished it, and even restored it, since.
                if not _lock(made):
                    return _figures(made)
                moves.put_aside(made, pks, [vote for pk in pks for vote in votes[pk]])
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


def _chunks(pks: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(pks)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
