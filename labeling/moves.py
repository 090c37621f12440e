"""Move votes aside and back: the work of labeling.discards on a few faces, inside its transaction."""

from collections import defaultdict
from typing import Any

from django.db.models import F
from django.utils import timezone

from labeling.models import Campaign, CampaignFace, Discard, DiscardedVote, Gold, Skip, Vote
from labeling.models.campaign import FRONT, LAP
from labeling.voting import gold, line, settle
from labeling.voting.votes import PUT_ASIDE

_OPENED: dict[str, Any] = {"state": CampaignFace.State.OPEN, "settled_at": None}
_KEPT = ("campaign_face_id", "round", "answer", "second", "client_key", "took_ms", "cast_at")


def _locked_faces(pks: list[int]) -> list[CampaignFace]:
    rows = CampaignFace.objects.select_for_update(no_key=True)
    return list(rows.filter(pk__in=pks).order_by("pk"))


def put_aside(made: Discard, pks: list[int], meant: list[int]) -> None:
    """Put these votes on these faces aside; those that are gone meanwhile are left out."""
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
    erased = [row for row in rows if row.state == CampaignFace.State.ERASED]
    _lessen(erased, mine)
    there = [row for row in rows if row.state != CampaignFace.State.ERASED]
    open_again = [(row, _opened(row, mine[row.pk], made.campaign)) for row in there if row.wanted]
    _update(open_again, made.campaign)


def _lessen(erased: list[CampaignFace], mine: dict[int, list[Vote]]) -> None:
    """Of an erased face nothing is asked any more: its tally shrinks, and no place comes free."""
    for row in erased:
        now = sum(vote.round == row.round for vote in mine[row.pk])
        CampaignFace.objects.filter(pk=row.pk).update(votes=F("votes") - now, wanted=F("wanted") - now)


def _drop_gold_leases(rows: list[CampaignFace]) -> None:
    settled = [row.pk for row in rows if row.state == CampaignFace.State.SETTLED]
    known = set(Gold.objects.filter(campaign_face__in=settled).values_list("campaign_face", flat=True))
    for row in rows:
        if row.pk in known:
            gold.drop_leases(row)


def _said(vote: Vote | DiscardedVote) -> dict[str, Any]:
    """What a vote is, wherever it is kept."""
    return {name: getattr(vote, name) for name in _KEPT}


def _set_aside(made: Discard, votes: list[Vote]) -> None:
    DiscardedVote.objects.bulk_create(DiscardedVote(discard=made, **_said(vote)) for vote in votes)
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


def count_again(discard: Discard, pks: list[int]) -> None:
    """Count what the discard holds of these faces again, where its place is still free."""
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
            _back_in_tally(row, back[row.pk], discard.campaign)
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
        Vote(campaign=discard.campaign, annotator=discard.annotator, **_said(vote)) for vote in aside
    )
    DiscardedVote.objects.filter(pk__in=[vote.pk for vote in aside]).delete()


def _back_in_tally(row: CampaignFace, back: list[DiscardedVote], campaign: Campaign) -> None:
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
