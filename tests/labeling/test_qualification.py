"""The qualification before voting: which faces are asked, what an answer does, who is let in."""

import threading
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections

from labeling import campaigns, gold, people, qualification
from labeling.models import AuditEntry, Campaign, CampaignFace, Face, Gold, GoldAnswer, Participation
from labeling.qualification import Answered, CannotGrant, CannotQualify, Step
from labeling.voting import votes
from tests.factories import make_campaign, make_faces, make_user
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db
CLASSES = ("angry", "happy", "sad")


@pytest.fixture
def annotator() -> User:
    return make_user()


def campaign_of(faces: int, *, asked: int = 3, **fields: Any) -> Campaign:
    """With so many qualification faces, of angry, happy and sad in turn."""
    values = {"qualification_faces": asked, "qualification_pass": 0.6, "qualification_attempts": 2, **fields}
    campaign = make_campaign(0, **values)
    for n, face in enumerate(make_faces(faces)):
        answer = CLASSES[n % len(CLASSES)]
        gold.set_gold(campaign=campaign, face=face.pk, answer=answer, qualification=True, by=None)
    return campaign


def now_asked(campaign: Campaign, annotator: User) -> int:
    stands = qualification.state(campaign, annotator)
    found = qualification.asked(campaign, annotator, stands)
    assert found is not None
    return found.campaign_face_id


def say(campaign: Campaign, annotator: User, *, right: bool = True, key: UUID | None = None) -> Answered:
    """Answer the face that is asked now."""
    row = now_asked(campaign, annotator)
    known = Gold.objects.get(pk=row).answer
    return qualification.answer(
        campaign=campaign,
        annotator=annotator,
        campaign_face_id=row,
        number=qualification.state(campaign, annotator).round,
        answer=known if right else "fear",
        client_key=key or uuid4(),
    )


def take_round(campaign: Campaign, annotator: User, *, right: int, wrong: int) -> None:
    for n in range(right + wrong):
        say(campaign, annotator, right=n < right)


@pytest.mark.parametrize("faces", [0, 3])
def test_without_gold_or_number_there_is_nothing_to_do(annotator: User, faces: int) -> None:
    campaign = campaign_of(faces, asked=0 if faces else 3)
    assert qualification.state(campaign, annotator).step is Step.NOT_NEEDED


def test_hidden_gold_is_not_asked(annotator: User) -> None:
    campaign = campaign_of(0)
    face = make_faces(1)[0]
    gold.set_gold(campaign=campaign, face=face.pk, answer="sad", by=None)
    assert qualification.state(campaign, annotator).step is Step.NOT_NEEDED


def test_how_one_stands_costs_little(annotator: User, django_assert_num_queries) -> None:
    plain, asking = make_campaign(0), campaign_of(3)
    take_round(asking, annotator, right=1, wrong=2)
    with django_assert_num_queries(0):
        qualification.state(plain, annotator)
    with django_assert_num_queries(4):
        stands = qualification.state(asking, annotator)
    with django_assert_num_queries(2):
        qualification.asked(asking, annotator, stands)
    with django_assert_num_queries(3):
        qualification.people(asking)


def test_enough_right_answers_let_one_in(annotator: User) -> None:
    campaign = campaign_of(3)
    assert qualification.state(campaign, annotator).step is Step.TO_DO
    take_round(campaign, annotator, right=2, wrong=1)
    stands = qualification.state(campaign, annotator)
    assert (stands.step, stands.answered, stands.right, stands.begun) == (Step.PASSED, 3, 2, 1)
    assert Participation.objects.get(annotator=annotator).qualified_at is not None
    assert qualification.asked(campaign, annotator, stands) is None


def test_a_share_that_is_just_reached_is_enough(annotator: User) -> None:
    campaign = campaign_of(10, asked=10, qualification_pass=0.7)
    take_round(campaign, annotator, right=7, wrong=3)
    assert qualification.state(campaign, annotator).step is Step.PASSED


def test_too_few_leave_another_try_and_then_none(annotator: User) -> None:
    campaign = campaign_of(3)
    take_round(campaign, annotator, right=1, wrong=2)
    stands = qualification.state(campaign, annotator)
    assert (stands.step, stands.over, stands.left, stands.round) == (Step.TO_DO, True, 1, 2)
    take_round(campaign, annotator, right=1, wrong=2)
    stands = qualification.state(campaign, annotator)
    assert (stands.step, stands.left, stands.number) == (Step.FAILED, 0, 2)
    assert qualification.asked(campaign, annotator, stands) is None
    row = CampaignFace.objects.filter(campaign=campaign).first()
    assert row is not None
    with pytest.raises(CannotQualify, match="no attempt left") as told:
        qualification.answer(
            campaign=campaign,
            annotator=annotator,
            campaign_face_id=row.pk,
            number=3,
            answer="sad",
            client_key=uuid4(),
        )
    assert told.value.code == "failed"


def test_a_round_never_asks_a_face_twice_and_looking_again_draws_no_other(annotator: User) -> None:
    campaign = campaign_of(9, asked=6)
    asked = []
    for _ in range(6):
        assert now_asked(campaign, annotator) == now_asked(campaign, annotator)
        asked.append(now_asked(campaign, annotator))
        say(campaign, annotator)
    assert len(set(asked)) == 6


def test_a_round_asks_each_class_alike() -> None:
    classes = [(n, "happy" if n < 40 else ("sad", "fear")[n % 2]) for n in range(60)]
    for salt in ("a", "b", "c"):
        chosen = qualification.draw(classes, count=6, salt=salt)
        assert Counter(dict(classes)[pk] for pk in chosen) == {"happy": 2, "sad": 2, "fear": 2}


def test_another_person_and_another_round_are_asked_others() -> None:
    classes = [(n, "happy") for n in range(50)]
    draws = {tuple(qualification.draw(classes, count=5, salt=f"{n}")) for n in range(5)}
    assert len(draws) == 5


def test_what_was_met_comes_again_only_when_the_rest_is_used_up() -> None:
    classes = [(n, "happy" if n % 2 else "sad") for n in range(6)]
    chosen = qualification.draw(classes, count=4, salt="x", met=[0, 1, 2])
    assert {3, 4, 5} <= set(chosen)
    assert len(chosen) == 4


def test_a_later_round_asks_faces_not_met_before(annotator: User) -> None:
    campaign = campaign_of(6)
    take_round(campaign, annotator, right=0, wrong=3)
    take_round(campaign, annotator, right=0, wrong=3)
    answers = GoldAnswer.objects.filter(annotator=annotator)
    assert answers.values("campaign_face").distinct().count() == 6
    assert Counter(answers.values_list("attempt", flat=True)) == {1: 3, 2: 3}


def test_fewer_faces_than_asked_for_make_a_shorter_round(annotator: User) -> None:
    campaign = campaign_of(2, asked=5)
    take_round(campaign, annotator, right=2, wrong=0)
    assert qualification.state(campaign, annotator).step is Step.PASSED


def test_the_same_key_is_the_same_answer(annotator: User) -> None:
    campaign = campaign_of(3)
    row, key = now_asked(campaign, annotator), uuid4()
    sent = {"campaign": campaign, "annotator": annotator, "campaign_face_id": row, "number": 1}
    first = qualification.answer(**sent, answer="fear", client_key=key)
    again = qualification.answer(**sent, answer="fear", client_key=key)
    assert (again.answer_id, again.again, first.again) == (first.answer_id, True, False)
    assert GoldAnswer.objects.count() == 1


def test_a_second_answer_on_a_face_changes_nothing(annotator: User) -> None:
    campaign = campaign_of(3)
    row = now_asked(campaign, annotator)
    first = say(campaign, annotator, right=False)
    again = qualification.answer(
        campaign=campaign,
        annotator=annotator,
        campaign_face_id=row,
        number=1,
        answer=Gold.objects.get(pk=row).answer,
        client_key=uuid4(),
    )
    assert (again.answer_id, again.right, again.again) == (first.answer_id, False, True)


def test_a_page_left_open_from_a_round_that_is_over_begins_no_new_one(annotator: User) -> None:
    campaign = campaign_of(1, asked=1)
    row = now_asked(campaign, annotator)
    say(campaign, annotator, right=False)
    qualification.answer(
        campaign=campaign,
        annotator=annotator,
        campaign_face_id=row,
        number=1,
        answer="angry",
        client_key=uuid4(),
    )
    assert list(GoldAnswer.objects.values_list("attempt", "right")) == [(1, False)]


def test_only_the_face_that_is_asked_can_be_answered(annotator: User) -> None:
    campaign = campaign_of(3)
    row = now_asked(campaign, annotator)
    other = CampaignFace.objects.filter(campaign=campaign).exclude(pk=row).first()
    assert other is not None
    for face, number in ((other.pk, 1), (row, 2)):
        with pytest.raises(CannotQualify) as told:
            qualification.answer(
                campaign=campaign,
                annotator=annotator,
                campaign_face_id=face,
                number=number,
                answer="sad",
                client_key=uuid4(),
            )
        assert told.value.code == "turn"
    assert not GoldAnswer.objects.exists()


def test_a_key_of_a_hidden_answer_tells_nothing(annotator: User) -> None:
    campaign = campaign_of(3)
    row, key = CampaignFace.objects.filter(campaign=campaign).first(), uuid4()
    assert row is not None
    say(campaign, annotator, key=key)
    GoldAnswer.objects.update(attempt=0)
    with pytest.raises(CannotQualify) as told:
        qualification.answer(
            campaign=campaign,
            annotator=annotator,
            campaign_face_id=GoldAnswer.objects.get().campaign_face_id,
            number=0,
            answer="sad",
            client_key=key,
        )
    assert told.value.code == "key"


@pytest.mark.parametrize(
    ("what", "code"), [("answer", "answer"), ("role", "role"), ("closed", "closed"), ("paused", "paused")]
)
def test_what_keeps_from_voting_keeps_from_this(annotator: User, what: str, code: str) -> None:
    campaign = campaign_of(3)
    row = now_asked(campaign, annotator)
    person: User = make_user("manager") if what == "role" else annotator
    if what == "closed":
        Campaign.objects.update(state="paused")
    if what == "paused":
        people.pause_annotator(campaign=campaign, annotator=annotator, reason="hasty", by=None)
    with pytest.raises(CannotQualify) as told:
        qualification.answer(
            campaign=campaign,
            annotator=person,
            campaign_face_id=row,
            number=1,
            answer="bliss" if what == "answer" else "sad",
            client_key=uuid4(),
        )
    assert told.value.code == code


def test_who_passed_is_asked_no_more(annotator: User) -> None:
    campaign = campaign_of(3)
    take_round(campaign, annotator, right=3, wrong=0)
    row = CampaignFace.objects.filter(campaign=campaign).first()
    assert row is not None
    with pytest.raises(CannotQualify) as told:
        qualification.answer(
            campaign=campaign,
            annotator=annotator,
            campaign_face_id=row.pk,
            number=2,
            answer="sad",
            client_key=uuid4(),
        )
    assert told.value.code == "passed"


def test_a_manager_can_grant_more_attempts(annotator: User) -> None:
    campaign, manager = campaign_of(3, qualification_attempts=1), make_user("manager")
    take_round(campaign, annotator, right=0, wrong=3)
    assert qualification.state(campaign, annotator).step is Step.FAILED
    qualification.reset_attempts(campaign=campaign, annotator=annotator, by=manager)
    stands = qualification.state(campaign, annotator)
    assert (stands.step, stands.left, stands.round) == (Step.TO_DO, 1, 2)
    take_round(campaign, annotator, right=3, wrong=0)
    assert qualification.state(campaign, annotator).step is Step.PASSED
    entry = AuditEntry.objects.get(verb="attempts_reset")
    assert (entry.by, entry.annotator, entry.details) == (manager, annotator, {"attempts": 1})


def test_there_is_nothing_to_grant_to_who_has_not_tried_or_has_passed(annotator: User) -> None:
    campaign = campaign_of(3)
    with pytest.raises(CannotGrant, match="not tried"):
        qualification.reset_attempts(campaign=campaign, annotator=annotator, by=None)
    take_round(campaign, annotator, right=3, wrong=0)
    with pytest.raises(CannotGrant, match="has passed"):
        qualification.reset_attempts(campaign=campaign, annotator=annotator, by=None)


def test_who_has_reached_what_is_asked_by_now_is_let_in(annotator: User) -> None:
    campaign = campaign_of(3, qualification_attempts=1)
    take_round(campaign, annotator, right=1, wrong=2)
    Campaign.objects.update(qualification_pass=0.3)
    campaign.refresh_from_db()
    assert qualification.state(campaign, annotator).step is Step.TO_DO
    qualification.conclude(campaign, annotator)
    assert qualification.state(campaign, annotator).step is Step.PASSED


def test_gold_taken_back_in_the_middle_of_a_round_leaves_it_whole(annotator: User) -> None:
    campaign = campaign_of(3)
    say(campaign, annotator)
    gone = GoldAnswer.objects.get().campaign_face
    gold.remove_gold(campaign=campaign, face=gone.face_id, by=None)
    say(campaign, annotator)
    assert qualification.state(campaign, annotator).step is Step.PASSED


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_answers_sent_at_one_moment_count_one_face_each() -> None:
    annotator, campaign = make_user(), campaign_of(3)
    row = now_asked(campaign, annotator)
    begin, broken = threading.Barrier(6), list[str]()

    def send() -> None:
        try:
            begin.wait()
            qualification.answer(
                campaign=campaign,
                annotator=annotator,
                campaign_face_id=row,
                number=1,
                answer="sad",
                client_key=uuid4(),
            )
        except Exception as error:  # noqa: BLE001 - told below
            broken.append(repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert broken == []
    assert GoldAnswer.objects.count() == 1
    assert Participation.objects.get(annotator=annotator).attempts == 1


def test_no_face_is_handed_out_before_the_qualification_is_passed(annotator: User) -> None:
    campaign = campaign_of(3)
    campaigns.add_faces(
        campaign=campaign, faces=Face.objects.filter(pk__in=[face.pk for face in make_faces(2)])
    )
    with pytest.raises(votes.CannotLease) as told:
        votes.lease(campaign=campaign, annotator=annotator, limit=5)
    assert told.value.code == "qualify"
    take_round(campaign, annotator, right=2, wrong=1)
    assert len(votes.lease(campaign=campaign, annotator=annotator, limit=5)) == 2


def test_who_has_failed_is_handed_nothing_until_the_campaign_asks_no_qualification(annotator: User) -> None:
    campaign = campaign_of(3, qualification_attempts=1)
    campaigns.add_faces(
        campaign=campaign, faces=Face.objects.filter(pk__in=[face.pk for face in make_faces(2)])
    )
    take_round(campaign, annotator, right=0, wrong=3)
    with pytest.raises(votes.CannotLease) as told:
        votes.lease(campaign=campaign, annotator=annotator, limit=5)
    assert told.value.code == "qualify"
    for row in list(campaign.campaign_faces.filter(gold__isnull=False)):
        gold.remove_gold(campaign=campaign, face=row.face_id, by=None)
    assert qualification.state(campaign, annotator).step is Step.NOT_NEEDED
    assert len(votes.lease(campaign=campaign, annotator=annotator, limit=9)) == 5
