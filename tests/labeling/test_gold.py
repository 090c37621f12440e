"""Faces whose answer is known: how they are made and taken back, and how people do on them."""

import threading
from uuid import uuid4

import pytest
from django.db import connections
from django.utils import timezone

from labeling import examples, gold
from labeling.gold import CannotSetGold
from labeling.models import AuditEntry, Campaign, CampaignFace, Gold, GoldAnswer, Lease, Vote
from labeling.models.campaign import LAP
from labeling.voting import integrity, votes
from tests.factories import make_campaign, make_faces, make_user, settle
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager() -> User:
    return make_user("manager")


def rows_of(campaign: Campaign) -> list[CampaignFace]:
    return list(campaign.campaign_faces.order_by("pk"))


def answered(
    row: CampaignFace, answer: str, *, attempt: int = 0, by: User | None = None, right: bool | None = None
) -> GoldAnswer:
    return GoldAnswer.objects.create(
        campaign_id=row.campaign_id,
        campaign_face=row,
        annotator=by or make_user(),
        attempt=attempt,
        answer=answer,
        right=row.gold.answer == answer if right is None else right,
        client_key=uuid4(),
        cast_at=timezone.now(),
    )


def test_a_face_nobody_has_voted_on_leaves_the_line(manager: User) -> None:
    campaign = make_campaign(1)
    row = rows_of(campaign)[0]
    made = gold.set_gold(campaign=campaign, face=row.face_id, answer="happy", note=" smiles ", by=manager)
    row.refresh_from_db()
    assert (row.state, row.wanted, row.votes, row.leases, row.places) == ("gold", 0, 0, 0, 0)
    assert (made.answer, made.note, made.qualification, made.made_by) == ("happy", "smiles", False, manager)


def test_a_settled_face_keeps_its_state_and_label(manager: User) -> None:
    campaign = make_campaign(1)
    row = rows_of(campaign)[0]
    settle(row, "sad")
    gold.set_gold(campaign=campaign, face=row.face_id, answer="sad", by=manager)
    row.refresh_from_db()
    assert (row.state, row.label, row.wanted, row.votes) == ("settled", "sad", 10, 10)
    assert row.gold.answer == "sad"


def test_a_face_that_is_not_in_the_campaign_comes_in_as_gold(manager: User) -> None:
    campaign = make_campaign(0)
    face = make_faces(1)[0]
    gold.set_gold(campaign=campaign, face=face.pk, answer="fear", by=manager)
    row = CampaignFace.objects.get(campaign=campaign, face=face)
    assert (row.state, row.wanted, row.kin) == ("gold", 0, face.media_id)
    assert votes.lease(campaign=Campaign.objects.get(pk=campaign.pk), annotator=make_user(), limit=1) == []


@pytest.mark.parametrize(("held", "text"), [(True, "looking at this face"), (False, "being voted on")])
def test_a_face_that_is_voted_on_is_refused(manager: User, held: bool, text: str) -> None:
    campaign, annotator = make_campaign(1), make_user()
    [leased] = votes.lease(campaign=campaign, annotator=annotator, limit=1)
    if not held:
        votes.cast(
            campaign=campaign,
            annotator=annotator,
            campaign_face_id=leased.campaign_face_id,
            answer="sad",
            client_key=uuid4(),
        )
    with pytest.raises(CannotSetGold, match=text):
        gold.set_gold(campaign=campaign, face=leased.face_id, answer="happy", by=manager)
    assert not Gold.objects.exists()
    assert rows_of(campaign)[0].state == "open"


def test_a_reopened_face_is_refused(manager: User) -> None:
    campaign = make_campaign(1)
    row = rows_of(campaign)[0]
    settle(row, "sad")
    votes.reopen(campaign_faces=[row.pk], votes=3)
    with pytest.raises(CannotSetGold, match="being voted on"):
        gold.set_gold(campaign=campaign, face=row.face_id, answer="happy", by=manager)


@pytest.mark.parametrize(
    ("answer", "note", "text"), [("bliss", "", "“bliss” is no answer"), ("happy", "x" * 301, "at most 300")]
)
def test_what_is_no_answer_or_too_long_is_refused(manager: User, answer: str, note: str, text: str) -> None:
    campaign = make_campaign(1)
    face = rows_of(campaign)[0].face_id
    with pytest.raises(CannotSetGold, match=text):
        gold.set_gold(campaign=campaign, face=face, answer=answer, note=note, by=manager)


def test_a_face_there_is_not_is_refused(manager: User) -> None:
    with pytest.raises(CannotSetGold, match="no such face"):
        gold.set_gold(campaign=make_campaign(0), face=404, answer="happy", by=manager)


def test_other_answers_can_be_gold(manager: User) -> None:
    campaign = make_campaign(1)
    row = rows_of(campaign)[0]
    gold.set_gold(campaign=campaign, face=row.face_id, answer="not_a_face", by=manager)
    assert Gold.objects.get().answer == "not_a_face"


def test_an_example_cannot_be_gold(manager: User) -> None:
    campaign = make_campaign(1)
    face = rows_of(campaign)[0].face_id
    examples.set_example(campaign=campaign, face=face, expression="happy", by=manager)
    with pytest.raises(CannotSetGold, match="examples first"):
        gold.set_gold(campaign=campaign, face=face, answer="happy", by=manager)
    assert rows_of(campaign)[0].state == "open"


def test_another_answer_judges_again(manager: User) -> None:
    campaign = make_campaign(1)
    row = rows_of(campaign)[0]
    gold.set_gold(campaign=campaign, face=row.face_id, answer="happy", by=manager)
    first, second = answered(row, "happy"), answered(row, "sad")
    gold.set_gold(campaign=campaign, face=row.face_id, answer="sad", note="look again", by=manager)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.right, second.right) == (False, True)
    assert Gold.objects.get().note == "look again"


def test_gold_taken_back_joins_the_end_of_the_line(manager: User) -> None:
    campaign = make_campaign(2, votes_per_face=3)
    row = rows_of(campaign)[0]
    gold.set_gold(campaign=campaign, face=row.face_id, answer="happy", by=manager)
    told = answered(row, "happy")
    gold.remove_gold(campaign=campaign, face=row.face_id, by=manager)
    row.refresh_from_db()
    assert (row.state, row.wanted, row.places, row.votes) == ("open", 3, 3, 0)
    assert row.shuffle >= LAP
    assert not Gold.objects.exists()
    assert GoldAnswer.objects.get() == told


def test_a_settled_face_is_as_it_was_when_its_gold_is_taken_back(manager: User) -> None:
    campaign = make_campaign(1)
    row = rows_of(campaign)[0]
    settle(row, "sad")
    before = CampaignFace.objects.values().get(pk=row.pk)
    gold.set_gold(campaign=campaign, face=row.face_id, answer="sad", by=manager)
    gold.remove_gold(campaign=campaign, face=row.face_id, by=manager)
    assert CampaignFace.objects.values().get(pk=row.pk) == before


@pytest.mark.parametrize("deed", ["remove", "ask in the qualification"])
def test_who_holds_it_as_gold_holds_it_no_more(manager: User, deed: str) -> None:
    campaign, annotator = make_campaign(1), make_user()
    row = rows_of(campaign)[0]
    gold.set_gold(campaign=campaign, face=row.face_id, answer="happy", by=manager)
    now = timezone.now()
    Lease.objects.create(
        campaign=campaign, campaign_face=row, annotator=annotator, taken_at=now, expires_at=now
    )
    if deed == "remove":
        gold.remove_gold(campaign=campaign, face=row.face_id, by=manager)
    else:
        gold.set_gold(campaign=campaign, face=row.face_id, answer="happy", qualification=True, by=manager)
    assert not Lease.objects.exists()
    assert {what: n for what, n in integrity.check(campaign).items() if n} == {}


def test_what_is_not_gold_cannot_be_taken_back(manager: User) -> None:
    campaign = make_campaign(1)
    for face in (rows_of(campaign)[0].face_id, 404):
        with pytest.raises(CannotSetGold, match="not gold"):
            gold.remove_gold(campaign=campaign, face=face, by=manager)


def test_both_deeds_are_on_record(manager: User) -> None:
    campaign = make_campaign(1)
    row = rows_of(campaign)[0]
    gold.set_gold(campaign=campaign, face=row.face_id, answer="happy", qualification=True, by=manager)
    gold.remove_gold(campaign=campaign, face=row.face_id, by=manager)
    entries = AuditEntry.objects.filter(campaign=campaign, by=manager, campaign_face=row).order_by("pk")
    assert [entry.verb for entry in entries] == ["gold_set", "gold_removed"]
    assert entries[0].details == {"face": row.face_id, "answer": "happy", "note": "", "qualification": True}


def test_candidates_are_agreed_faces_and_the_classes_take_turns(manager: User) -> None:
    campaign = make_campaign(7)
    rows = rows_of(campaign)
    for row, label, agreement in zip(
        rows,
        ["happy", "happy", "happy", "sad", "sad", "fear", "fear"],
        [0.9, 1.0, 0.95, 0.92, 0.8, 1.0, 1.0],
        strict=True,
    ):
        settle(row, label, agreement=agreement)
    gold.set_gold(campaign=campaign, face=rows[5].face_id, answer="fear", by=manager)
    examples.set_example(campaign=campaign, face=rows[2].face_id, expression="happy", by=manager)
    found = gold.candidates(campaign)
    # Fear has gold already, so its turn is last; the rest in the order of the keys, most agreed first.
    assert [one.face for one in found] == [rows[n].face_id for n in (1, 3, 6, 0)]
    assert [one.face for one in gold.candidates(campaign, label="sad", least=0.5)] == [
        rows[3].face_id,
        rows[4].face_id,
    ]
    assert [one.face for one in gold.candidates(campaign, limit=1)] == [rows[1].face_id]
    assert gold.candidates(campaign, label="bliss") == []


def test_sources_name_candidates_before_anybody_has_voted() -> None:
    faces = [*make_faces(2, given={"label": "sad"}), *make_faces(1, given={"label": "fear"}), *make_faces(1)]
    campaign = make_campaign(faces)
    found = [(one.face, one.answer) for one in gold.named_by_sources(campaign)]
    assert found == [(faces[2].pk, "fear"), (faces[0].pk, "sad"), (faces[1].pk, "sad")]
    votes.lease(campaign=campaign, annotator=make_user(), limit=4)
    assert gold.named_by_sources(campaign) == []


def test_figures_count_each_person_once_and_doubt_what_most_contradict(manager: User) -> None:
    campaign = make_campaign(2)
    first, second = rows_of(campaign)
    for row in (first, second):
        gold.set_gold(campaign=campaign, face=row.face_id, answer="happy", by=manager)
    stubborn = make_user()
    answered(first, "sad", attempt=1, by=stubborn)
    answered(first, "happy", attempt=2, by=stubborn)
    for answer in ("sad", "sad", "fear", "happy"):
        answered(first, answer)
    answered(second, "happy")
    told, quiet = gold.figures(campaign)
    assert (told.gold.pk, told.answered, told.right, told.share) == (first.pk, 5, 1, 0.2)
    assert (told.wrong, told.doubtful) == (("sad", 3), True)
    assert (quiet.answered, quiet.share, quiet.wrong, quiet.doubtful) == (1, 1.0, None, False)


def test_supply_counts_by_answer(manager: User) -> None:
    campaign = make_campaign(4, qualification_faces=3)
    faces = [row.face_id for row in rows_of(campaign)]
    gold.set_gold(campaign=campaign, face=faces[0], answer="happy", by=manager)
    gold.set_gold(campaign=campaign, face=faces[1], answer="happy", qualification=True, by=manager)
    gold.set_gold(campaign=campaign, face=faces[2], answer="cant_tell", qualification=True, by=manager)
    found = gold.supply(campaign)
    assert found.by_answer["happy"] == (1, 1)
    assert found.by_answer["cant_tell"] == (0, 1)
    assert found.by_answer["sad"] == (0, 0)
    assert (found.hidden, found.qualification, found.missing) == (1, 2, 1)


def test_figures_cost_the_same_however_much_gold_there_is(manager: User, django_assert_num_queries) -> None:
    for size in (1, 3):
        campaign = make_campaign(size)
        for row in rows_of(campaign):
            gold.set_gold(campaign=campaign, face=row.face_id, answer="happy", by=manager)
        with django_assert_num_queries(2):
            gold.figures(campaign)
        with django_assert_num_queries(1):
            gold.supply(campaign)


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_gold_and_lease_at_one_moment_never_both_have_the_face(manager: User) -> None:
    """Whoever is second is told: no face is gold and held for a vote."""
    campaign = make_campaign(12, gold_share=0.0)
    annotators = [make_user() for _ in range(3)]
    begin = threading.Barrier(4)
    refused: list[int] = []
    leased: list[int] = []
    broken: list[Exception] = []

    def make_gold() -> None:
        begin.wait()
        for face in campaign.campaign_faces.order_by("shuffle").values_list("face", flat=True):
            try:
                gold.set_gold(campaign=campaign, face=face, answer="happy", by=manager)
            except CannotSetGold:
                refused.append(face)

    def take(annotator: User) -> None:
        begin.wait()
        for _ in range(3):
            leased.extend(one.face_id for one in votes.lease(campaign=campaign, annotator=annotator, limit=4))

    def run(what, *args) -> None:
        try:
            what(*args)
        except Exception as error:  # noqa: BLE001 - told below
            broken.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(make_gold,))]
    threads += [threading.Thread(target=run, args=(take, one)) for one in annotators]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert broken == []
    golden = set(Gold.objects.values_list("campaign_face__face", flat=True))
    assert golden | set(refused) == set(campaign.campaign_faces.values_list("face", flat=True))
    assert golden & set(leased) == set()
    assert {what: n for what, n in integrity.check(campaign).items() if n} == {}
    assert not Vote.objects.exists()
