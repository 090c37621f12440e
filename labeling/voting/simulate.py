"""Annotators that are programs: for demos, benches and replays. They use the verbs people use, and no others."""

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db.models import F, Sum

from labeling.models import Campaign, CampaignFace, Face
from labeling.refusals import Refusal
from labeling.voting import votes

BATCH = 10
Opinion = Callable[[Face], Mapping[str, float]]
Progress = Callable[[int], None]


class CannotReplay(Refusal):
    """The votes that came with the faces cannot be cast as they are."""


def simulate(
    *,
    campaign: Campaign,
    annotators: Sequence[Any],
    opinion: Opinion,
    seed: int = 0,
    progress: Progress | None = None,
) -> int:
    """Let each annotator answer all they are offered. Returns the number of votes cast.

    opinion: what a face looks like, answer → probability; each annotator draws from it for themselves, the same
    again for the same seed.
    """

    def answer(face: Face, place: int) -> str:
        chances = opinion(face)
        dice = random.Random(f"{seed}/{campaign.pk}/{face.pk}/{place}")
        return dice.choices(list(chances), weights=list(chances.values()))[0]

    return _vote_all(campaign, annotators, answer, progress)


def uneven(campaign: Campaign, *, votes_each: int) -> list[Face]:
    """The campaign's faces that did not come with exactly so many votes."""
    faces = Face.objects.filter(campaign_faces__campaign=campaign).only("pk", "row", "given")
    return [face for face in faces.iterator() if sum(face.given.get("votes", {}).values()) != votes_each]


def replay(
    *,
    campaign: Campaign,
    annotators: Sequence[Any],
    seed: int = 0,
    pass_uneven_on: bool = False,
    progress: Progress | None = None,
) -> int:
    """Cast the votes the faces' source came with (Face.given["votes"], answer → count), one per annotator.

    Raises CannotReplay when a face has not exactly as many votes as there are annotators, before any is cast;
    with pass_uneven_on such faces are skipped instead and stay open. Returns the number of votes cast.
    """
    left_out = uneven(campaign, votes_each=len(annotators))
    if left_out and not pass_uneven_on:
        named = ", ".join(_named(face) for face in left_out[:5])
        raise CannotReplay(
            f"{len(left_out)} faces did not come with exactly {len(annotators)} votes, beginning with {named}. "
            "Have them passed on, or leave them out of the campaign."
        )
    passed_on = {face.pk for face in left_out}

    def answer(face: Face, place: int) -> str | None:
        if face.pk in passed_on:
            return None
        given: Mapping[str, int] = face.given["votes"]
        dealt = [name for name in sorted(given) for _ in range(given[name])]
        # The same hands every time, but not the same people always with the minority.
        random.Random(f"{seed}/{_named(face)}").shuffle(dealt)
        return dealt[place]

    return _vote_all(campaign, annotators, answer, progress)


def _named(face: Face) -> str:
    return f"row {face.row}" if face.row else f"face {face.pk}"


def _vote_all(
    campaign: Campaign,
    annotators: Sequence[Any],
    answer: Callable[[Face, int], str | None],
    progress: Progress | None,
) -> int:
    count = 0
    for place, annotator in enumerate(annotators):
        while held := votes.lease(campaign=campaign, annotator=annotator, limit=BATCH):
            faces = Face.objects.in_bulk([leased.face_id for leased in held])
            for leased in held:
                count += _act(campaign, annotator, leased, answer(faces[leased.face_id], place))
            if progress is not None:
                progress(count)
    return count


def _act(campaign: Campaign, annotator: Any, leased: votes.Leased, answer: str | None) -> int:
    given = {"campaign": campaign, "annotator": annotator, "campaign_face_id": leased.campaign_face_id}
    if answer is None:
        votes.skip(**given, reason="came with another number of votes")
        return 0
    votes.cast(**given, answer=answer, client_key=uuid.uuid4())
    return 1


def votes_wanted(campaign: Campaign) -> int:
    """Votes the campaign still waits for."""
    missing = CampaignFace.objects.filter(campaign=campaign).aggregate(n=Sum(F("wanted") - F("votes")))
    return missing["n"] or 0
