"""The queue's statements stay point work: PostgreSQL plans them without reading a table through."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from labeling.models import Campaign, CampaignFace, Face, Lease, Participation, Vote
from labeling.voting import leasing, votes
from tests.factories import make_campaign, make_media, make_user
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db
FACES, PEOPLE = 8_000, 12
LARGE = ("labeling_campaignface", "labeling_vote")


def grown_campaign() -> tuple[Campaign, User]:
    """Every third face has four votes, and the annotator has cast a thousand of them."""
    media = make_media()
    box = {"detector": "haar", "score": 1.0, "y": 0, "width": 4, "height": 4}
    crop = {"crop": "c", "crop_sha256": "c", "crop_width": 4, "crop_height": 4}
    faces = Face.objects.bulk_create(Face(media=media, x=n, **box, **crop) for n in range(FACES))
    campaign, people = make_campaign(faces), [make_user() for _ in range(PEOPLE)]
    voted = list(campaign.campaign_faces.values_list("pk", flat=True))[::3]
    Vote.objects.bulk_create(
        Vote(
            campaign=campaign,
            campaign_face_id=pk,
            annotator=people[place],
            round=1,
            answer="happy",
            client_key=uuid4(),
            cast_at=timezone.now(),
        )
        for pk in voted
        for place in range(4)
    )
    CampaignFace.objects.filter(pk__in=voted).update(votes=4, places=6)
    return campaign, people[0]


def plan(sql: str, values: dict[str, Any]) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}", values)
        return "\n".join(row[0] for row in cursor.fetchall())


def test_lease_and_vote_read_no_large_table_through() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("asks PostgreSQL's planner")
    campaign, annotator = grown_campaign()
    held = votes.lease(campaign=campaign, annotator=annotator, limit=5)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    walk = Participation.objects.get(campaign=campaign, annotator=annotator)
    values = {
        "campaign": campaign.pk,
        "annotator": annotator.pk,
        "first": walk.cursor,
        "end": 2**31,
        "need": 5,
        "pks": [one.campaign_face_id for one in held],
        "cast": [0] * 5,
        "rounds": [1] * 5,
        "most": 16,
        "now": timezone.now(),
        "until": timezone.now(),
        "face": held[0].campaign_face_id,
        "answer": "happy",
        "second": "",
        "key": str(uuid4()),
        "took_ms": None,
    }
    for sql in (leasing.PARTICIPATION, leasing.AHEAD, leasing.TAKE, votes.COMMON):
        found = plan(sql, values)
        assert not [
            line for line in found.splitlines() if "Seq Scan" in line and any(t in line for t in LARGE)
        ]
        assert "JIT" not in found
    walked = plan(leasing.AHEAD, values)
    assert "Index Scan using campaign_queue" in walked
    assert "Sort" not in walked
    assert "Index Cond: ((campaign_face_id = " in walked


def cast(campaign: Campaign, annotator: User, pk: int) -> None:
    votes.cast(campaign=campaign, annotator=annotator, campaign_face_id=pk, answer="sad", client_key=uuid4())


@pytest.mark.parametrize("faces", [40, 400])
def test_a_lease_and_a_vote_take_the_same_statements_however_many_faces(
    faces: int, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    media = make_media()
    box = {"detector": "haar", "score": 1.0, "y": 0, "width": 4, "height": 4}
    crop = {"crop": "c", "crop_sha256": "c", "crop_width": 4, "crop_height": 4}
    made = Face.objects.bulk_create(Face(media=media, x=n, **box, **crop) for n in range(faces))
    campaign, annotator = make_campaign(made, gold_share=0), make_user()
    # At the head of the line: who starts near its end comes round, which is one statement more.
    Participation.objects.create(campaign=campaign, annotator=annotator, start=0, cursor=0)
    first = votes.lease(campaign=campaign, annotator=annotator, limit=2)
    cast(campaign, annotator, first[1].campaign_face_id)  # so that the statements are prepared
    on_postgresql = connection.vendor == "postgresql"
    # Beside the two of the test's own savepoint: who, what is held, look ahead, take, and note where one stands.
    with django_assert_max_num_queries(2 + (5 if on_postgresql else 6)):
        votes.lease(campaign=campaign, annotator=annotator, limit=5)
    with django_assert_num_queries(2 + (1 if on_postgresql else 3)):
        cast(campaign, annotator, first[0].campaign_face_id)
    assert Lease.objects.count() == 4
