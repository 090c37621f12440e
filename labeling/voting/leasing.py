"""Hand faces out, each place once, and take back what was held too long.

Where the annotator stands in the line, and why nobody misses a face: labeling.voting.line. Locks are taken in one
order everywhere: the annotator's participation, then the campaign face, then its leases and votes, then the line.
"""

import zlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from labeling.models import Campaign, CampaignFace, Lease, Participation
from labeling.models.campaign import LAP
from labeling.voting import gold, line, order
from labeling.voting.eligibility import COLUMNS, Standing, aware, demand_eligible, room, used_up
from labeling.voting.prepared import Statement
from labeling.voting.refusals import CannotLease, demand_annotator

SPARE = 4
"""Faces tried beyond those asked for, in case others are at that moment busy with some."""
TRIES = 20

PARTICIPATION = f"""
    SELECT p.id, p.start, p."cursor", p.wrapped, p.front, EXISTS (
        SELECT 1 FROM labeling_campaignface f WHERE f.campaign_id = p.campaign_id AND f.state = 'open'
        AND f.shuffle >= p.front AND f.shuffle < 0 AND f.places > 0
    ), p.last_kin, c.gold_share, {COLUMNS}
    FROM labeling_participation p JOIN labeling_campaign c ON c.id = p.campaign_id
    WHERE p.campaign_id = %(campaign)s AND p.annotator_id = %(annotator)s
"""
# Written so that PostgreSQL's planner, whatever it believes of the tables, walks along the line and stops when it has
# enough. Subqueries, as joins could be turned round. COALESCE, as of IS NULL it believes that hardly any row passes,
# so that it prepares for a long way (and compiles the statement, for 30 ms). A plus, as it could look through all of an
# annotator's votes for the one on a face.
AHEAD = """
    SELECT f.id, f.face_id, f.shuffle, f.votes, f.round, f.kin FROM labeling_campaignface f
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
# The first `need` of these faces that can be had. A face somebody else has locked is passed over, and so is one whose
# votes have changed since it was looked at: the vote may have been this annotator's, sent from another tab.
TAKE = """
    WITH wanted AS (
        SELECT * FROM unnest(%(pks)s, %(cast)s, %(rounds)s) WITH ORDINALITY AS w (id, votes, round, turn)
    ),
    free AS (
        SELECT f.id, wanted.turn FROM wanted JOIN labeling_campaignface f ON f.id = wanted.id
        WHERE f.state = 'open' AND f.places > 0 AND f.votes = wanted.votes AND f.round = wanted.round
        ORDER BY wanted.turn LIMIT %(need)s FOR NO KEY UPDATE OF f SKIP LOCKED
    ),
    taken AS (
        UPDATE labeling_campaignface f SET places = f.places - 1, leases = f.leases + 1
        FROM free WHERE f.id = free.id RETURNING f.id, free.turn
    )
    INSERT INTO labeling_lease (campaign_id, campaign_face_id, annotator_id, taken_at, expires_at)
    SELECT %(campaign)s, taken.id, %(annotator)s, %(now)s, %(until)s FROM taken ORDER BY taken.turn
    RETURNING campaign_face_id
"""
HELD = """
    SELECT l.campaign_face_id, f.face_id, l.expires_at
    FROM labeling_lease l JOIN labeling_campaignface f ON f.id = l.campaign_face_id
    WHERE l.annotator_id = %(annotator)s AND l.campaign_id = %(campaign)s ORDER BY l.id
"""
PASS = """
    UPDATE labeling_participation
    SET "cursor" = %(cursor)s, wrapped = %(wrapped)s, front = %(front)s, last_kin = %(kin)s
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


@dataclass
class _Hold:
    """One lease as it is being made: who takes faces and until when, and what they have so far."""

    campaign: Campaign
    annotator: Any
    now: datetime
    until: datetime
    walk: line.Walk
    last_kin: int
    held: list[Leased]
    limit: int

    @property
    def need(self) -> int:
        return self.limit - len(self.held)

    def who(self) -> dict[str, int]:
        return {"campaign": self.campaign.pk, "annotator": self.annotator.pk}


def lease(*, campaign: Campaign, annotator: Any, limit: int = 5) -> list[Leased]:
    """Hold faces for the annotator: those held already, oldest first, then new ones, `limit` in all.

    Fewer come back when fewer are left, none when none is. Raises CannotLease when the campaign is not open, or not
    for this annotator, or they have reached one of its caps and hold nothing.
    """
    demand_annotator(annotator, CannotLease)
    for _ in range(TRIES):
        with transaction.atomic():
            found = _lease(campaign, annotator, limit)
        if found is None:
            # In a transaction of its own, short, as all who join wait for the line.
            join(campaign, annotator)
            continue
        held, busy = found
        if held or busy is None:
            return held
        _wait_for(busy)
    return []


def _lease(campaign: Campaign, annotator: Any, limit: int) -> tuple[list[Leased], int | None] | None:
    """What is held now, and the first face that could not be taken because somebody else was at it.

    None if the annotator has not joined the campaign yet.
    """
    asked = _locked if connection.features.has_select_for_no_key_update else _walk
    row = asked.row({"campaign": campaign.pk, "annotator": annotator.pk})
    if row is None:
        return None
    pk, last_kin, gold_share = row[0], row[6], row[7]
    walk, stands = line.Walk(*row[1:6]), Standing(*row[8:])
    now = timezone.now()
    demand_eligible(stands, campaign, annotator, CannotLease, now=now)
    hold = _Hold(campaign, annotator, now, expiry(campaign, now), walk, last_kin, [], limit)
    hold.held = _held(hold)[:limit]
    if not hold.need:
        return hold.held, None
    hold.limit = len(hold.held) + min(hold.need, room(stands, campaign, annotator, now=now))
    if not hold.limit:
        raise used_up(stands, campaign, annotator, CannotLease)
    busy = _walk_on(hold, gold.share_out(gold_share, hold.need)) if hold.need else None
    if hold.walk != walk or hold.last_kin != last_kin:
        stands_now = {"cursor": hold.walk.cursor, "wrapped": hold.walk.wrapped, "front": hold.walk.front}
        _pass.rows({**stands_now, "kin": hold.last_kin, "participation": pk})
    return hold.held, busy


def _walk_on(hold: _Hold, gold_faces: int) -> int | None:
    """Take free faces ahead until there are enough, some of them gold; see _lease for what is returned."""
    salt = _salt(hold.campaign, hold.annotator)
    while ahead := _look_ahead(hold):
        # Only in the place of a face that is left: else who is through would be handed nothing but gold.
        gold_faces -= _hold_gold(hold, min(gold_faces, len(ahead)))
        wanted = order.ranked([face for face, _ in ahead], salt=salt, last_kin=hold.last_kin)
        taken = _take(hold, wanted)
        left = [(face, walk) for face, walk in ahead if face.pk not in taken]
        # Faces taken beyond the first that is left are not met again: they are held.
        face, hold.walk = left[0] if left else ahead[-1]
        hold.walk.pass_to(face.place)
        if not hold.need:
            return None
        if left:
            return left[0][0].pk
    return None


def join(campaign: Campaign, annotator: Any) -> None:
    """Let the annotator in. The line is held meanwhile: faces added from now on go to its end.

    Who joins a campaign that is voted face after face begins at the head of its line, like everybody.
    """
    start = _salt(campaign, annotator) if campaign.order == Campaign.Order.BREADTH else 0
    who = Participation(campaign=campaign, annotator=annotator, start=start, cursor=start)
    with transaction.atomic():
        line.end(campaign.pk, room=0)
        Participation.objects.bulk_create([who], ignore_conflicts=True)


def _salt(campaign: Campaign, annotator: Any) -> int:
    """The annotator's own number in the campaign, below LAP."""
    return zlib.crc32(f"{campaign.pk}/{annotator.pk}".encode()) % LAP


def _held(hold: _Hold) -> list[Leased]:
    """What the annotator holds already. Who asks is still there: a hold past half its time is renewed."""
    held = [Leased(pk, face, aware(expires_at)) for pk, face, expires_at in _held_now.rows(hold.who())]
    late = hold.now + (hold.until - hold.now) / 2
    if any(leased.expires_at < late for leased in held):
        mine = Lease.objects.filter(campaign=hold.campaign, annotator=hold.annotator)
        mine.filter(expires_at__lt=late).update(expires_at=hold.until)
        held = [replace(one, expires_at=hold.until) if one.expires_at < late else one for one in held]
    return held


def _look_ahead(hold: _Hold) -> list[tuple[order.Ahead, line.Walk]]:
    """The next free faces in the line's order, each with the walk that has come to its stretch.

    Over the end of a stretch too, so that kin are kept apart there as anywhere. Only those that are asked first keep to
    themselves.
    """
    most = max(order.WINDOW, hold.need + SPARE)
    found: dict[int, tuple[order.Ahead, line.Walk]] = {}
    walk = replace(hold.walk)
    for stretch, (first, end) in enumerate(walk.stretches()):
        rows = _ahead.rows({**hold.who(), "first": first, "end": end, "most": most - len(found)})
        for row in rows:
            # A stretch may end on the place at which another began.
            found.setdefault(row[0], (order.Ahead(*(*row, stretch)), replace(walk)))
        if len(found) >= most or (found and first < 0):
            break
    if not found:
        hold.walk = walk
    return list(found.values())


def _take(hold: _Hold, wanted: list[order.Ahead]) -> set[int]:
    """Lease the first of these faces that can be had, as many as are needed; returns the keys of those taken."""
    if not hold.need:
        return set()
    taken = _take_at_once(hold, wanted) if connection.vendor == "postgresql" else _take_in_turn(hold, wanted)
    mine = [face for face in wanted if face.pk in taken]
    hold.held += [Leased(face.pk, face.face, hold.until) for face in mine]
    hold.last_kin = mine[-1].kin if mine else hold.last_kin
    return taken


def _take_at_once(hold: _Hold, wanted: list[order.Ahead]) -> set[int]:
    tried = wanted[: hold.need + SPARE]
    values: dict[str, Any] = {
        **hold.who(),
        "pks": [face.pk for face in tried],
        "cast": [face.votes for face in tried],
        "rounds": [face.round for face in tried],
        "need": hold.need,
        "now": hold.now,
        "until": hold.until,
    }
    return {pk for (pk,) in _take_all.rows(values)}


def _take_in_turn(hold: _Hold, wanted: list[order.Ahead]) -> set[int]:
    """Nobody else writes meanwhile: SQLite's write transactions come one after the other."""
    pks = [face.pk for face in wanted[: hold.need]]
    CampaignFace.objects.filter(pk__in=pks).update(places=F("places") - 1, leases=F("leases") + 1)
    Lease.objects.bulk_create(_lease_of(hold, pk) for pk in pks)
    return set(pks)


def _hold_gold(hold: _Hold, count: int) -> int:
    """Lease up to so many gold faces; returns how many."""
    rows = gold.draw(hold.campaign, hold.annotator, count) if count else []
    Lease.objects.bulk_create(_lease_of(hold, row.pk) for row in rows)
    hold.held += [Leased(row.pk, row.face_id, hold.until) for row in rows if row.face_id is not None]
    return len(rows)


def _lease_of(hold: _Hold, pk: int) -> Lease:
    who = {"campaign": hold.campaign, "annotator": hold.annotator}
    return Lease(campaign_face_id=pk, taken_at=hold.now, expires_at=hold.until, **who)


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
    if count and row.state == CampaignFace.State.OPEN:  # else it was held as gold, which takes no place
        moved = line.rejoin(row) if move else {}
        CampaignFace.objects.filter(pk=row.pk).update(
            places=F("places") + count, leases=F("leases") - count, **moved
        )
    return count
