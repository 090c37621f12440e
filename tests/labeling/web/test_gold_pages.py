"""The managers' page of gold and examples, and the annotators' pages of the qualification."""

from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from labeling import examples, gold, qualification
from labeling.models import Campaign, Example, Gold, GoldAnswer, Participation
from labeling.qualification import Step
from tests.factories import make_campaign, make_faces, make_user, settle
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager"))
    return client


@pytest.fixture
def annotator() -> User:
    return make_user("annotator")


@pytest.fixture
def voter(annotator: User) -> Client:
    client = Client()
    client.force_login(annotator)
    return client


def page_of(client: Client, campaign: Campaign, query: str = "") -> str:
    response = client.get(reverse("labeling:campaign_gold", args=[campaign.pk]) + query)
    assert response.status_code == 200
    return response.content.decode()


def set_many(client: Client, campaign: Campaign, use: str, *chosen: str, **more: str) -> str:
    address = reverse("labeling:gold_set", args=[campaign.pk])
    response = client.post(address, {"use": use, "chosen": chosen, **more}, follow=True)
    return response.content.decode()


# ---- the managers' page ----


def test_an_empty_page_says_what_to_do(manager: Client) -> None:
    page = page_of(manager, make_campaign(0, qualification_faces=5))
    assert "No gold yet" in page
    assert "no gold for the qualification yet" in page
    assert "No settled face is agreed on as much" in page


def test_gold_is_listed_with_what_people_say(manager: Client, annotator: User) -> None:
    campaign = make_campaign(1)
    row = campaign.campaign_faces.get()
    gold.set_gold(campaign=campaign, face=row.face_id, answer="happy", note="teeth", by=None)
    for _ in range(3):
        GoldAnswer.objects.create(
            campaign=campaign,
            campaign_face=row,
            annotator=make_user(),
            answer="sad",
            right=False,
            client_key=uuid4(),
            cast_at="2026-01-01T00:00Z",
        )
    page = page_of(manager, campaign)
    for words in ("teeth", "most contradict", "0 %", "hidden"):
        assert words in page


def test_candidates_become_gold_together(manager: Client) -> None:
    campaign = make_campaign(3)
    rows = list(campaign.campaign_faces.order_by("pk"))
    for row, label in zip(rows, ("happy", "sad", "fear"), strict=True):
        settle(row, label)
    page = page_of(manager, campaign)
    assert f'value="{rows[0].face_id} happy"' in page
    told = set_many(manager, campaign, "qualification", f"{rows[0].face_id} happy", f"{rows[1].face_id} sad")
    assert "2 faces are set." in told
    assert list(Gold.objects.order_by("pk").values_list("answer", "qualification")) == [
        ("happy", True),
        ("sad", True),
    ]
    assert f'value="{rows[0].face_id} happy"' not in page_of(manager, campaign)


def test_candidates_can_be_filtered(manager: Client) -> None:
    campaign = make_campaign([*make_faces(2), *make_faces(1, given={"label": "fear"})])
    rows = list(campaign.campaign_faces.order_by("pk"))
    settle(rows[0], "happy", agreement=0.6)
    settle(rows[1], "sad")
    assert f"{rows[0].face_id} happy" not in page_of(manager, campaign)
    assert f"{rows[0].face_id} happy" in page_of(manager, campaign, "?least=60")
    assert f"{rows[1].face_id} sad" not in page_of(manager, campaign, "?least=60&label=happy")
    assert f"{rows[2].face_id} fear" in page_of(manager, campaign, "?said_by=source")
    assert "No settled face" not in page_of(manager, campaign, "?least=none&label=" + "x" * 99)


def test_a_face_by_its_number_becomes_an_example(manager: Client) -> None:
    campaign, face = make_campaign(0), make_faces(1)[0]
    address = reverse("labeling:gold_set", args=[campaign.pk])
    manager.post(address, {"face": face.pk, "answer": "sad", "use": "example", "note": "brows"})
    assert examples.of(campaign) == [("sad", [(face.pk, "brows")])]
    assert "brows" in page_of(manager, campaign)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"use": "hidden"}, "Choose at least one face."),
        ({"use": "nonsense", "chosen": ["1 happy"]}, "Choose a face, its answer"),
        ({"use": "hidden", "chosen": ["404 happy"]}, "There is no such face."),
        ({"use": "hidden", "chosen": ["happy"]}, "Choose a face, its answer"),
    ],
)
def test_what_cannot_be_set_is_told(manager: Client, sent: dict[str, object], words: str) -> None:
    campaign = make_campaign(0)
    response = manager.post(reverse("labeling:gold_set", args=[campaign.pk]), sent, follow=True)
    assert words in response.content.decode()
    assert not Gold.objects.exists()


def test_gold_and_examples_are_taken_away(manager: Client) -> None:
    campaign = make_campaign(2)
    first, second = (row.face_id for row in campaign.campaign_faces.order_by("pk"))
    gold.set_gold(campaign=campaign, face=first, answer="happy", by=None)
    examples.set_example(campaign=campaign, face=second, expression="sad", by=None)
    manager.post(reverse("labeling:gold_remove", args=[campaign.pk]), {"face": first})
    manager.post(reverse("labeling:example_remove", args=[campaign.pk]), {"face": second})
    assert (Gold.objects.count(), Example.objects.count()) == (0, 0)
    for face in (first, "x", ""):
        told = manager.post(reverse("labeling:gold_remove", args=[campaign.pk]), {"face": face}, follow=True)
        assert "not gold in this campaign" in told.content.decode()


def test_one_comes_back_to_where_one_was_and_nowhere_else(manager: Client) -> None:
    campaign = make_campaign(1)
    face = campaign.campaign_faces.get().face_id
    address = reverse("labeling:gold_set", args=[campaign.pk])
    sent = {"face": face, "answer": "sad", "use": "hidden"}
    assert manager.post(address, {**sent, "next": "/faces/"})["Location"] == "/faces/"
    away = manager.post(address, {**sent, "next": "https://elsewhere.example/"})
    assert away["Location"] == reverse("labeling:campaign_gold", args=[campaign.pk])


def test_a_faces_own_page_offers_gold_and_says_when_it_cannot_be(manager: Client) -> None:
    campaign = make_campaign(2)
    first, second = campaign.campaign_faces.order_by("pk")
    page = manager.get(reverse("labeling:face", args=[first.face_id])).content.decode()
    assert "as hidden gold" in page
    campaign.campaign_faces.filter(pk=second.pk).update(votes=1, places=9)
    page = manager.get(reverse("labeling:face", args=[second.face_id])).content.decode()
    assert "as hidden gold" not in page
    assert "It can be gold when it has all its votes." in page
    gold.set_gold(campaign=campaign, face=first.face_id, answer="sad", note="brows", by=None)
    page = manager.get(reverse("labeling:face", args=[first.face_id])).content.decode()
    assert "Take it out of the gold" in page
    assert "brows" in page


def test_who_may_only_see_labels_is_not_offered_gold() -> None:
    campaign, trainer = make_campaign(1), Client()
    trainer.force_login(make_user("trainer"))
    face = campaign.campaign_faces.get().face_id
    assert "Gold and examples" not in trainer.get(reverse("labeling:face", args=[face])).content.decode()


@pytest.mark.parametrize("faces", [1, 3])
def test_the_page_costs_the_same_however_much_gold_there_is(
    manager: Client, django_assert_num_queries, faces: int
) -> None:
    campaign = make_campaign(faces, qualification_faces=2, expressions=["happy", "fear"])
    for row in campaign.campaign_faces.all():
        gold.set_gold(campaign=campaign, face=row.face_id, answer="happy", qualification=True, by=None)
        person = make_user()
        answer_now(campaign, person, right=False)
    # session, user, campaign; gold and answers; supply; examples and those voted on; people: gold, who and answers;
    # candidates: gold and two classes
    with django_assert_num_queries(14):
        page_of(manager, campaign)


# ---- the qualification ----


def qualified_by(faces: int = 3, **fields: object) -> Campaign:
    values: dict[str, object] = {
        "qualification_faces": faces,
        "qualification_pass": 0.6,
        "qualification_attempts": 1,
        "created_by": make_user("manager", name=f"boss {uuid4().hex[:6]}"),
    }
    campaign = make_campaign(0, **{**values, **fields})
    for n, face in enumerate(make_faces(faces)):
        gold.set_gold(
            campaign=campaign,
            face=face.pk,
            answer=("happy", "sad")[n % 2],
            note="SECRETNOTE",
            qualification=True,
            by=None,
        )
    return campaign


def answer_now(campaign: Campaign, person: User, *, right: bool) -> None:
    stands = qualification.state(campaign, person)
    now = qualification.asked(campaign, person, stands)
    assert now is not None
    known = Gold.objects.get(pk=now.campaign_face_id).answer
    qualification.answer(
        campaign=campaign,
        annotator=person,
        campaign_face_id=now.campaign_face_id,
        number=stands.round,
        answer=known if right else "fear",
        client_key=uuid4(),
    )


def address(campaign: Campaign) -> str:
    return reverse("labeling:vote_qualify", args=[campaign.pk])


def form_of(client: Client, campaign: Campaign) -> dict[str, object]:
    response = client.get(address(campaign) + "?go=1")
    context = response.context
    return {
        "face": context["now"].campaign_face_id,
        "number": context["stands"].round,
        "key": str(context["key"]),
    }


def test_without_a_qualification_one_goes_on_to_vote(voter: Client) -> None:
    campaign = make_campaign(1)
    response = voter.get(address(campaign))
    assert response["Location"] == reverse("labeling:vote", args=[campaign.pk])


def test_it_says_what_it_is_before_it_begins(voter: Client) -> None:
    campaign = qualified_by(instructions="Look at the brows.")
    face = make_faces(1)[0]
    examples.set_example(campaign=campaign, face=face.pk, expression="happy", note="teeth", by=None)
    page = voter.get(address(campaign)).content.decode()
    for words in ("you answer 3 faces", "60 %", "1 attempt", "Look at the brows.", "teeth", "?go=1"):
        assert words in page
    assert not Participation.objects.exists()


def test_the_answer_reaches_the_page_only_with_the_feedback(voter: Client) -> None:
    campaign = qualified_by()
    page = voter.get(address(campaign) + "?go=1")
    assert "SECRETNOTE" not in page.content.decode()
    assert page["Cache-Control"].count("no-store") == 1
    sent = {**form_of(voter, campaign), "answer": "fear", "took_ms": "812"}
    told = voter.post(address(campaign), sent, follow=True).content.decode()
    assert "SECRETNOTE" in told
    assert "Not what was meant" in told
    assert GoldAnswer.objects.get().took_ms == 812


def test_reload_and_double_submit_are_one_answer(voter: Client, annotator: User) -> None:
    campaign = qualified_by()
    sent = form_of(voter, campaign)
    first = voter.post(address(campaign), {**sent, "answer": "fear"})
    again = voter.post(address(campaign), {**sent, "answer": "fear"})
    other = voter.post(address(campaign), {**sent, "answer": "happy", "key": str(uuid4())})
    assert first["Location"] == again["Location"] == other["Location"]
    assert list(GoldAnswer.objects.values_list("annotator", "answer")) == [(annotator.pk, "fear")]
    assert "Not what was meant" in voter.get(first["Location"]).content.decode()


def test_reloading_the_question_asks_the_same_face(voter: Client) -> None:
    campaign = qualified_by(6)
    assert form_of(voter, campaign)["face"] == form_of(voter, campaign)["face"]


def test_who_passes_is_told_and_may_vote(voter: Client, annotator: User) -> None:
    campaign = qualified_by()
    for _ in range(3):
        answer_now(campaign, annotator, right=True)
    page = voter.get(address(campaign)).content.decode()
    assert "3 of 3 faces right" in page
    assert reverse("labeling:vote", args=[campaign.pk]) in page


def test_who_fails_is_told_whom_to_ask(voter: Client, annotator: User) -> None:
    campaign = qualified_by()
    for _ in range(3):
        answer_now(campaign, annotator, right=False)
    page = voter.get(address(campaign)).content.decode()
    assert "That was your last attempt." in page
    assert f"Ask {campaign.created_by} for another attempt" in page
    assert "?go=1" not in page


def test_who_has_attempts_left_may_try_again(voter: Client, annotator: User) -> None:
    campaign = qualified_by(qualification_attempts=2)
    for _ in range(3):
        answer_now(campaign, annotator, right=False)
    assert "You have 1 more attempt." in voter.get(address(campaign)).content.decode()
    assert form_of(voter, campaign)["number"] == 2


def test_who_has_reached_what_is_asked_by_now_is_let_in_on_looking(voter: Client, annotator: User) -> None:
    campaign = qualified_by()
    for _ in range(3):
        answer_now(campaign, annotator, right=False)
    Campaign.objects.update(qualification_pass=0.0)
    assert "You are in" in voter.get(address(campaign)).content.decode()
    assert qualification.state(campaign, annotator).step is Step.PASSED


def test_a_closed_campaign_asks_nothing(voter: Client) -> None:
    campaign = qualified_by()
    Campaign.objects.update(state="closed")
    page = voter.get(address(campaign) + "?go=1").content.decode()
    assert "takes no votes at the moment" in page


@pytest.mark.parametrize("broken", [{"key": "x"}, {"face": "x"}, {"number": "0"}, {"answer": ""}])
def test_what_came_in_pieces_counts_nothing(voter: Client, broken: dict[str, str]) -> None:
    campaign = qualified_by()
    sent = {**form_of(voter, campaign), "answer": "sad", **broken}
    assert "in pieces" in voter.post(address(campaign), sent, follow=True).content.decode()
    assert not GoldAnswer.objects.exists()


def test_a_refusal_is_told(voter: Client) -> None:
    campaign = qualified_by()
    sent = {**form_of(voter, campaign), "number": "2", "answer": "sad"}
    assert "Another face is asked now." in voter.post(address(campaign), sent, follow=True).content.decode()


def test_nobody_elses_answer_is_told(voter: Client) -> None:
    campaign, other = qualified_by(), make_user()
    answer_now(campaign, other, right=False)
    page = voter.get(f"{address(campaign)}?told={GoldAnswer.objects.get().pk}").content.decode()
    assert "SECRETNOTE" not in page
    assert "A short qualification" in page


def test_an_answer_given_unannounced_is_never_told(voter: Client, annotator: User) -> None:
    campaign = qualified_by()
    answer_now(campaign, annotator, right=False)
    GoldAnswer.objects.update(attempt=0)
    page = voter.get(f"{address(campaign)}?told={GoldAnswer.objects.get().pk}").content.decode()
    assert "SECRETNOTE" not in page


def test_ones_own_keys_hold_here_too(voter: Client) -> None:
    campaign = qualified_by(keys={"happy": "h"})
    assert 'data-key="h"' in voter.get(address(campaign) + "?go=1").content.decode()


def test_a_manager_sees_who_tried_and_lets_them_try_anew(manager: Client, annotator: User) -> None:
    campaign = qualified_by()
    for _ in range(3):
        answer_now(campaign, annotator, right=False)
    assert "no attempt left" in page_of(manager, campaign)
    reset = reverse("labeling:attempts_reset", args=[campaign.pk, annotator.pk])
    told = manager.post(reset, follow=True).content.decode()
    assert f"{annotator} can try the qualification again." in told
    assert qualification.state(campaign, annotator).step is Step.TO_DO
    assert "has not tried" in manager.post(reset, follow=True).content.decode()
