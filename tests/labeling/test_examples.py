"""The faces a campaign's instructions show."""

import pytest

from labeling import examples, gold
from labeling.examples import CannotShowExample
from labeling.models import AuditEntry, Example
from tests.factories import make_campaign, make_faces, make_user, settle
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager() -> User:
    return make_user("manager")


def test_examples_stand_in_the_order_of_the_keys(manager: User, django_assert_num_queries) -> None:
    campaign = make_campaign(0)
    first, second, third, fourth = make_faces(4)
    for face, expression, note in (
        (first, "not_a_face", ""),
        (second, "sad", "corners down"),
        (third, "angry", ""),
        (fourth, "sad", ""),
    ):
        examples.set_example(campaign=campaign, face=face.pk, expression=expression, note=note, by=manager)
    with django_assert_num_queries(1):
        shown = examples.of(campaign)
    assert shown == [
        ("angry", [(third.pk, "")]),
        ("sad", [(second.pk, "corners down"), (fourth.pk, "")]),
        ("not_a_face", [(first.pk, "")]),
    ]


def test_an_expression_that_was_dropped_stands_at_the_end(manager: User) -> None:
    campaign = make_campaign(0)
    first, second = make_faces(2)
    examples.set_example(campaign=campaign, face=first.pk, expression="angry", by=manager)
    examples.set_example(campaign=campaign, face=second.pk, expression="happy", by=manager)
    campaign.expressions = ["happy", "sad"]
    assert [name for name, _ in examples.of(campaign)] == ["happy", "angry"]


def test_set_again_it_says_something_else(manager: User) -> None:
    campaign = make_campaign(0)
    face = make_faces(1)[0]
    examples.set_example(campaign=campaign, face=face.pk, expression="fear", by=manager)
    examples.set_example(
        campaign=campaign, face=face.pk, expression="surprise", note=" brows up ", by=manager
    )
    assert examples.of(campaign) == [("surprise", [(face.pk, "brows up")])]


@pytest.mark.parametrize(
    ("expression", "note", "text"),
    [("bliss", "", "“bliss” is no answer"), ("happy", "x" * 301, "at most 300")],
)
def test_what_is_no_answer_or_too_long_is_refused(
    manager: User, expression: str, note: str, text: str
) -> None:
    face = make_faces(1)[0]
    with pytest.raises(CannotShowExample, match=text):
        examples.set_example(
            campaign=make_campaign(0), face=face.pk, expression=expression, note=note, by=manager
        )
    assert not Example.objects.exists()


def test_a_face_there_is_not_is_refused(manager: User) -> None:
    with pytest.raises(CannotShowExample, match="no such face"):
        examples.set_example(campaign=make_campaign(0), face=404, expression="happy", by=manager)


def test_gold_is_not_shown_with_its_answer(manager: User) -> None:
    campaign = make_campaign(1)
    face = campaign.campaign_faces.get().face_id
    gold.set_gold(campaign=campaign, face=face, answer="happy", by=manager)
    with pytest.raises(CannotShowExample, match="give its answer away"):
        examples.set_example(campaign=campaign, face=face, expression="happy", by=manager)
    # In another campaign it is a face like any other.
    examples.set_example(campaign=make_campaign(0), face=face, expression="happy", by=manager)


def test_an_example_taken_away_is_shown_no_more(manager: User) -> None:
    campaign = make_campaign(0)
    face = make_faces(1)[0]
    examples.set_example(campaign=campaign, face=face.pk, expression="happy", by=manager)
    examples.remove_example(campaign=campaign, face=face.pk, by=manager)
    assert examples.of(campaign) == []
    with pytest.raises(CannotShowExample, match="no example"):
        examples.remove_example(campaign=campaign, face=face.pk, by=manager)


def test_examples_the_campaign_still_asks_about_are_told(manager: User) -> None:
    campaign = make_campaign(2)
    first, second = campaign.campaign_faces.order_by("pk")
    settle(first, "happy")
    for row in (first, second):
        examples.set_example(campaign=campaign, face=row.face_id, expression="happy", by=manager)
    assert examples.voted_on(campaign) == {second.face_id}


def test_both_deeds_are_on_record(manager: User) -> None:
    campaign = make_campaign(1)
    row = campaign.campaign_faces.get()
    examples.set_example(campaign=campaign, face=row.face_id, expression="happy", note="teeth", by=manager)
    examples.remove_example(campaign=campaign, face=row.face_id, by=manager)
    entries = AuditEntry.objects.filter(campaign=campaign, by=manager, campaign_face=row).order_by("pk")
    assert [entry.verb for entry in entries] == ["example_set", "example_removed"]
    assert entries[0].details == {"face": row.face_id, "expression": "happy", "note": "teeth"}
