"""Hand faces out, each place once, and take back what was held too long.

Where the annotator stands in the line, and why nobody misses a face: labeling.voting.line. Locks are taken in one
order everywhere: the annotator's participation, then the campaign face, then its leases and votes, then the line.
"""

import zlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from labeling.models import Campaign, CampaignFace, Lease, Participation
from labeling.models.campaign import LAP
from labeling.voting import line
from labeling.voting.prepared import Statement
from labeling.voting.refusals import CLOSED, CannotLease, demand_annotator

SPARE = 4
"""Faces looked at beyond those asked for, in case others are at that moment busy with some."""
TRIES = 20

PARTICIPATION = """
    SELECT p.id, c.state, p.start, p.cursor, p.wrapped, p.front, EXISTS (
        SELECT 1 FROM labeling_campaignface f WHERE f.campaign_id = p.campaign_id AND f.state = 'open'
        AND f.shuffle >= p.front AND f.shuffle < 0 AND f.places > 0
    )
    FROM labeling_participation p JOIN labeling_campaign c ON c.id = p.campaign_id
    WHERE p.campaign_id = %(campaign)s AND p.annotator_id = %(annotator)s
"""
# Written so that PostgreSQL's planner, whatever it believes of the tables, walks along the line and stops when it has
# enough. Subqueries, as joins could be turned round. COALESCE, as of IS NULL it believes that hardly any row passes,
# so that it prepares for a long way (and compiles the statement, for 30 ms). A plus, as it could look through all of an
# annotator's votes for the one on a face.
AHEAD = """
    SELECT f.id, f.face_id, f.shuffle, f.votes, f.round FROM labeling_campaignface f
    WHERE f.campaign_id = %(campaign)s AND f.state = 'open' AND f.places > 0
      AND f.shuffle >= %(first)s AND f.shuffle < %(end)s
      AND COALESCE((SELECT FALSE FROM labeling_vote v WHERE v.campaign_face_id = f.id
                    AND +v.annotator_id = %(annotator)s AND v.round = f.round), TRUE)
      AND COALESCE((SELECT FALSE FROM labeling_skip s WHERE s.campaign_face_id = f.id
                    AND +s.annotator_id = %(annotator)s AND s.round = f.round), TRUE)
      AND COALESCE((SELECT FALSE FROM labeling_lease l WHERE l.campaign_face_id = f.id
                    AND l.annotator_id = %(annotator)s), TRUE)
    ORDER BY f.shuffle LIMIT %(most)s
"""
# All of it in one statement of PostgreSQL. A face somebody else has locked is passed over, and so is one whose
# votes have changed since the statement began: the vote may have been this annotator's, sent from another tab.
TAKE = f"""
    WITH ahead AS MATERIALIZED ({AHEAD}),
    free AS (
        SELECT f.id FROM ahead JOIN labeling_campaignface f ON f.id = ahead.id
        WHERE f.places > 0 AND f.votes = ahead.votes AND f.round = ahead.round
        ORDER BY ahead.shuffle LIMIT %(need)s FOR NO KEY UPDATE OF f SKIP LOCKED
    ),
    taken AS (
        UPDATE labeling_campaignface f SET places = f.places - 1, leases = f.leases + 1
        FROM free WHERE f.id = free.id RETURNING f.id
    ),
    held AS (
        INSERT INTO labeling_lease (campaign_id, campaign_face_id, annotator_id, taken_at, expires_at)
        SELECT %(campaign)s, taken.id, %(annotator)s, %(now)s, %(until)s
        FROM taken JOIN ahead ON ahead.id = taken.id ORDER BY ahead.shuffle RETURNING campaign_face_id
    )
    SELECT ahead.id, ahead.face_id, ahead.shuffle, held.campaign_face_id IS NOT NULL
    FROM ahead LEFT JOIN held ON held.campaign_face_id = ahead.id ORDER BY ahead.shuffle
"""
HELD = """
    SELECT l.campaign_face_id, f.face_id, l.expires_at
    FROM labeling_lease l JOIN labeling_campaignface f ON f.id = l.campaign_face_id
    WHERE l.annotator_id = %(annotator)s AND l.campaign_id = %(campaign)s ORDER BY l.id
"""
PASS = """
    UPDATE labeling_participation SET "cursor" = %(cursor)s, wrapped = %(wrapped)s, front = %(front)s
    WHERE id = %(participation)s
"""
_walk = Statement("walk", PARTICIPATION)
_locked = Statement("walk_locked", f"{PARTICIPATION} FOR NO KEY UPDATE OF p")
_ahead = Statement("ahead", AHEAD)
_take_all = Statement("take", TAKE)
_held_now = Statement("held", HELD)
_pass = Statement("pass", PASS)


@dataclass(frozen=True)
class Leased:
    """A face held for one annotator."""

    campaign_face_id: int
    face_id: int
    expires_at: datetime


@dataclass(frozen=True)
class _Met:
    """A face the walk came by: taken, or left where it stands."""

    pk: int
    face: int
    place: int
    taken: bool


def lease(*, campaign: Campaign, annotator: Any, limit: int = 5) -> list[Leased]:
    """Hold faces for the annotator: those held already, oldest first, then new ones, `limit` in all.

    Fewer come back when fewer are left, none when none is. Raises CannotLease when the campaign is not open.
    """
    demand_annotator(annotator, CannotLease)
    for _ in range(TRIES):
        with transaction.atomic():
            held, busy = _lease(campaign, annotator, limit)
        if held or busy is None:
            return held
        _wait_for(busy)
    return []


def _lease(campaign: Campaign, annotator: Any, limit: int) -> tuple[list[Leased], int | None]:
    """What is held now, and the first face that could not be taken because somebody else was at it."""
    participation, walk = _locked_walk(campaign, annotator)
    now = timezone.now()
    hold = _Hold(campaign, annotator, now, expiry(campaign, now))
    held = _held(hold)[:limit]
    if len(held) >= limit:
        return held, None
    before = replace(walk)
    busy = _walk_on(walk, hold, held, limit)
    if walk != before:
        stands = {"cursor": walk.cursor, "wrapped": walk.wrapped, "front": walk.front}
        _pass.rows({**stands, "participation": participation})
    return held, busy


def _walk_on(walk: line.Walk, hold: "_Hold", held: list[Leased], limit: int) -> int | None:
    """Take free faces ahead, into `held`, until there are `limit`; see _lease for what is returned."""
    for stretch in walk.stretches():
        met = _take(hold, stretch, limit - len(held))
        held += [Leased(face.pk, face.face, hold.until) for face in met if face.taken]
        left = next((face for face in met if not face.taken), None)
        if met:
            walk.pass_to(left.place if left else met[-1].place)
        if len(held) >= limit:
            return None
        if left is not None:
            return left.pk
    return None


@dataclass(frozen=True)
class _Hold:
    """Who takes faces, and until when."""

    campaign: Campaign
    annotator: Any
    now: datetime
    until: datetime


def _locked_walk(campaign: Campaign, annotator: Any) -> tuple[int, line.Walk]:
    """The annotator's participation, locked (two requests of one person take turns), and where they stand."""
    asked = _locked if connection.features.has_select_for_no_key_update else _walk
    row = asked.row({"campaign": campaign.pk, "annotator": annotator.pk})
    if row is None:
        _join(campaign, annotator)
        return _locked_walk(campaign, annotator)
    pk, state, *walk = row
    if state != Campaign.State.OPEN:
        raise CannotLease(CLOSED, "closed")
    return pk, line.Walk(*walk)


def _join(campaign: Campaign, annotator: Any) -> None:
    """Let the annotator in. The line is held meanwhile: faces added from now on go to its end."""
    start = zlib.crc32(f"{campaign.pk}/{annotator.pk}".encode()) % LAP
    with transaction.atomic():
        line.end(campaign.pk, room=0)
        Participation.objects.get_or_create(
            campaign=campaign, annotator=annotator, defaults={"start": start, "cursor": start}
        )


def _held(hold: _Hold) -> list[Leased]:
    """What the annotator holds already. Who asks is still there: a hold past half its time is renewed."""
    who = {"campaign": hold.campaign.pk, "annotator": hold.annotator.pk}
    held = [Leased(pk, face, _time(expires_at)) for pk, face, expires_at in _held_now.rows(who)]
    late = hold.now + (hold.until - hold.now) / 2
    if any(leased.expires_at < late for leased in held):
        mine = Lease.objects.filter(campaign=hold.campaign, annotator=hold.annotator)
        mine.filter(expires_at__lt=late).update(expires_at=hold.until)
        held = [replace(one, expires_at=hold.until) if one.expires_at < late else one for one in held]
    return held


def _time(found: datetime) -> datetime:
    """A moment as the database hands it out without Django: SQLite's has no time zone, and means UTC."""
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _take(hold: _Hold, stretch: tuple[int, int], need: int) -> list[_Met]:
    """Lease the first `need` free faces of the stretch; returns those met on the way, in their order."""
    values = {
        "campaign": hold.campaign.pk,
        "annotator": hold.annotator.pk,
        "first": stretch[0],
        "end": stretch[1],
        "need": need,
        "most": need + SPARE,
        "now": hold.now,
        "until": hold.until,
    }
    if connection.vendor == "postgresql":
        return [_Met(*row) for row in _take_all.rows(values)]
    # Nobody else writes meanwhile: SQLite's write transactions come one after the other.
    ahead = _ahead.rows({**values, "most": need})
    pks = [row[0] for row in ahead]
    CampaignFace.objects.filter(pk__in=pks).update(places=F("places") - 1, leases=F("leases") + 1)
    who = {"campaign": hold.campaign, "annotator": hold.annotator}
    Lease.objects.bulk_create(
        Lease(campaign_face_id=pk, taken_at=hold.now, expires_at=hold.until, **who) for pk in pks
    )
    return [_Met(pk, face, place, True) for pk, face, place, *_ in ahead]


def _wait_for(pk: int) -> None:
    """Let whoever has the face locked finish."""
    with transaction.atomic():
        CampaignFace.objects.select_for_update(no_key=True).filter(pk=pk).values_list("pk").first()


def expiry(campaign: Campaign, now: datetime) -> datetime:
    return now + timedelta(seconds=campaign.lease_seconds)


def return_expired_leases(*, campaign: Campaign | None = None) -> int:
    """Give the places of expired leases back to the queue. Returns how many leases there were."""
    expired = Lease.objects.filter(expires_at__lt=timezone.now())
    if campaign is not None:
        expired = expired.filter(campaign=campaign)
    count = 0
    for pk in sorted(set(expired.values_list("campaign_face", flat=True))):
        with transaction.atomic():
            row = CampaignFace.objects.select_for_update(no_key=True).filter(pk=pk).first()
            if row is not None:
                count += give_back(
                    row, Lease.objects.filter(campaign_face=row, expires_at__lt=timezone.now())
                )
    return count


def give_back(row: CampaignFace, leases: QuerySet[Lease], *, move: bool = True) -> int:
    """End these leases of a locked face, and move it to the end of the line. Returns how many there were.

    move: False if whoever passed the face did so while it had a free place, and did not want it.
    """
    count = leases.delete()[0]
    if count:
        moved = line.rejoin(row) if move else {}
        CampaignFace.objects.filter(pk=row.pk).update(
            places=F("places") + count, leases=F("leases") - count, **moved
        )
    return count
