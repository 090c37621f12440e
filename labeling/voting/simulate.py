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


def replay(*, campaign: Campaign, annotators: Sequence[Any], progress: Progress | None = None) -> int:
    """Cast the votes the faces' source came with (Face.given["votes"], answer → count), one per annotator.

    Raises CannotReplay when a face has not exactly as many votes as there are annotators, before any is cast.
    """
    wrong = [
        str(face.row or face.pk)
        for face in Face.objects.filter(campaign_faces__campaign=campaign)
        .only("pk", "row", "given")
        .iterator()
        if sum(face.given.get("votes", {}).values()) != len(annotators)
    ]
    if wrong:
        raise CannotReplay(
            f"{len(wrong)} faces have not exactly {len(annotators)} votes, beginning with row {', '.join(wrong[:5])}. "
            "Leave them out of the campaign."
        )

    def answer(face: Face, place: int) -> str:
        given: Mapping[str, int] = face.given["votes"]
        dealt = [name for name in sorted(given) for _ in range(given[name])]
        # The same hands every time, but not the same people always with the minority.
        random.Random(face.pk).shuffle(dealt)
        return dealt[place]

    return _vote_all(campaign, annotators, answer, progress)


def _vote_all(
    campaign: Campaign,
    annotators: Sequence[Any],
    answer: Callable[[Face, int], str],
    progress: Progress | None,
) -> int:
    count = 0
    for place, annotator in enumerate(annotators):
        while held := votes.lease(campaign=campaign, annotator=annotator, limit=BATCH):
            faces = Face.objects.in_bulk([leased.face_id for leased in held])
            for leased in held:
                votes.cast(
                    campaign=campaign,
                    annotator=annotator,
                    campaign_face_id=leased.campaign_face_id,
                    answer=answer(faces[leased.face_id], place),
                    client_key=uuid.uuid4(),
                )
                count += 1
            if progress is not None:
                progress(count)
    return count


def votes_wanted(campaign: Campaign) -> int:
    """Votes the campaign still waits for."""
    missing = CampaignFace.objects.filter(campaign=campaign).aggregate(n=Sum(F("wanted") - F("votes")))
    return missing["n"] or 0
