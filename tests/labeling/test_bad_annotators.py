"""Two of ten annotators do not look: who votes at random and who always says neutral are found, and nobody else."""

import csv
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from labeling.annotator_queries import annotators
from labeling.expressions import EIGHT, FERPLUS_ANSWERS, OTHER_ANSWERS
from labeling.models import Campaign, Face
from tests.factories import make_campaign, make_media, make_user, make_votes

pytestmark = pytest.mark.django_db
FERPLUS = Path(__file__).resolve().parents[3] / "shared" / "data" / "ferplus" / "fer2013new.csv"
AT_RANDOM, ALWAYS_NEUTRAL = 3, 7
"""Which of the ten."""


def hands(rows: int) -> Iterator[list[str]]:
    """The ten answers on each of the first rows of FER+ that have ten, dealt to ten people; two do as they like."""
    dice = random.Random(0)
    with FERPLUS.open(newline="") as file:
        for row, _ in zip(csv.DictReader(file), range(rows), strict=False):
            dealt = [ours for column, ours in FERPLUS_ANSWERS.items() for _ in range(int(row[column]))]
            dice.shuffle(dealt)
            dealt[AT_RANDOM] = dice.choice([*EIGHT, *OTHER_ANSWERS])
            dealt[ALWAYS_NEUTRAL] = "neutral"
            yield dealt


def replayed(rows: int) -> Campaign:
    media, people = make_media(), [make_user(name=f"person {n}") for n in range(10)]
    box = {"detector": "fer2013", "score": 1.0, "x": 0, "y": 0, "width": 48, "height": 48}
    crop = {"crop": "c", "crop_sha256": "c", "crop_width": 48, "crop_height": 48}
    faces = Face.objects.bulk_create(Face(media=media, row=n, **box, **crop) for n in range(1, rows + 1))
    campaign = make_campaign(faces, expressions=list(EIGHT))
    campaign.campaign_faces.update(
        state="settled", votes=10, places=0, outcome="no_consensus", settled_at=timezone.now()
    )
    faces_in = list(campaign.campaign_faces.order_by("pk"))
    for person, given in zip(people, zip(*hands(rows), strict=True), strict=True):
        make_votes(faces_in, person, list(given))
    return campaign


@pytest.mark.shared_data
@pytest.mark.slow
def test_of_ten_annotators_the_one_at_random_and_the_one_always_neutral_are_found() -> None:
    """The first rows of FER+ (Barsoum et al. 2016); VEMO_REPLAY_ROWS=2000 takes longer."""
    if not FERPLUS.exists():
        pytest.skip(
            f"needs {FERPLUS.parent.parent.name}/{FERPLUS.parent.name}/{FERPLUS.name} of ../shared/data"
        )
    people = annotators(replayed(int(os.environ.get("VEMO_REPLAY_ROWS", "400"))))
    assert {person.name: [flag.code for flag in person.flags] for person in people if person.flags} == {
        f"person {AT_RANDOM}": ["disagrees"],
        f"person {ALWAYS_NEUTRAL}": ["disagrees", "one answer"],
    }
