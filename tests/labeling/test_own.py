"""What annotators see of their own work: figures, differences and history, and nothing that tells gold apart."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from labeling import own
from labeling.annotator_queries import annotators
from labeling.models import Campaign, CampaignFace, Gold, GoldAnswer, Participation, Vote
from labeling.voting import votes
from tests.factories import make_campaign, make_user, make_votes
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def annotator() -> User:
    return make_user("annotator")


def rows_of(campaign: Campaign) -> list[CampaignFace]:
    return list(campaign.campaign_faces.order_by("pk"))


def settled(campaign: Campaign, people: dict[User, list[str]], **fields) -> None:
    """Everybody's answers on the first faces, each face settled by them."""
    rows = rows_of(campaign)
    for person, answers in people.items():
        make_votes(rows[: len(answers)], person, answers, **fields)
    for row, given in zip(rows, zip(*people.values(), strict=True), strict=False):
        counts = {answer: given.count(answer) for answer in given}
        CampaignFace.objects.filter(pk=row.pk).update(
            state="settled",
            wanted=len(given),
            votes=len(given),
            places=0,
            outcome="no_consensus",
            counts=counts,
            settled_at=timezone.now(),
        )


def answer_gold(
    campaign: Campaign, annotator: User, row: CampaignFace, answer: str = "happy", **fields
) -> GoldAnswer:
    CampaignFace.objects.filter(pk=row.pk).update(state="gold", wanted=0, places=0)
    Gold.objects.get_or_create(campaign_face=row, campaign=campaign, answer="sad")
    values = {"client_key": uuid4(), "cast_at": timezone.now(), "right": answer == "sad", **fields}
    return GoldAnswer.objects.create(
        campaign=campaign, campaign_face=row, annotator=annotator, answer=answer, **values
    )


def test_agreement_with_the_others_is_the_one_managers_see(annotator: User) -> None:
    campaign = make_campaign(30)
    others = [make_user("annotator") for _ in range(4)]
    mine = ["happy"] * 18 + ["sad"] * 12
    crowd = [[("happy", "sad", "fear")[(n + k * (n % 4 == 0)) % 3] for n in range(30)] for k in range(4)]
    settled(campaign, {annotator: mine, **dict(zip(others, crowd, strict=True))}, every_s=4, took_ms=1500)
    found = own.statistics(campaign, annotator)
    seen = next(person for person in annotators(campaign) if person.pk == annotator.pk)
    assert (found.agreement, found.faces) == (seen.agreement, seen.faces)
    assert found.per_hour == pytest.approx(seen.per_hour)
    assert (found.median_ms, found.votes) == (1500, 30)


def test_differences_are_told_in_words_once_there_are_enough_faces(client, annotator: User) -> None:
    campaign = make_campaign(25)
    crowd = ["fear"] * 20 + ["happy"] * 5
    mine = ["surprise"] * 8 + ["fear"] * 12 + ["happy"] * 5
    people = {annotator: mine, make_user("annotator"): crowd, make_user("annotator"): crowd}
    settled(campaign, people)
    found = own.statistics(campaign, annotator)
    assert found.differences == (own.Difference("surprise", "fear", 8, 20),)
    assert found.confusion == {"fear": {"surprise": 8, "fear": 12}, "happy": {"happy": 5}}
    assert found.agreement == 17 / 25
    client.force_login(annotator)
    page = client.get(reverse("labeling:vote_mine", args=[campaign.pk])).content.decode()
    assert "You often answer “surprise” where most others say “fear”: 8 of 20 times." in page


def test_of_few_faces_no_agreement_is_told(annotator: User) -> None:
    campaign = make_campaign(19)
    settled(campaign, {annotator: ["happy"] * 19, make_user("annotator"): ["sad"] * 19})
    found = own.statistics(campaign, annotator)
    assert (found.faces, found.agreement, found.confusion, found.differences) == (19, None, {}, ())


def test_where_the_others_tie_nothing_is_counted_and_open_faces_say_nothing(annotator: User) -> None:
    campaign = make_campaign(2)
    people = {annotator: ["happy"], make_user("annotator"): ["sad"], make_user("annotator"): ["fear"]}
    settled(campaign, people)
    make_votes(rows_of(campaign)[1:], annotator, ["happy"])
    assert own.statistics(campaign, annotator).faces == 0


def test_today_and_this_week_are_counted_apart(annotator: User) -> None:
    campaign = make_campaign(2)
    make_votes(rows_of(campaign), annotator, ["happy", "sad"])
    Vote.objects.filter(annotator=annotator, answer="sad").update(cast_at=timezone.now())
    Vote.objects.filter(annotator=annotator, answer="happy").update(
        cast_at=timezone.now() - timedelta(days=8)
    )
    found = own.statistics(campaign, annotator)
    assert (found.votes, found.today, found.week) == (2, 1, 1)


def test_the_history_is_newest_first_and_pages_by_key(annotator: User) -> None:
    campaign = make_campaign(7)
    names = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    make_votes(rows_of(campaign), annotator, names, every_s=1)
    make_votes(rows_of(campaign), make_user("annotator"), ["happy"] * 7)
    pages, before = [], ""
    while True:
        page = own.history(campaign, annotator, before=before, size=3)
        pages.append([row.answer for row in page.rows])
        if not (before := page.next):
            break
    assert pages == [["neutral", "surprise", "sad"], ["happy", "fear", "disgust"], ["angry"]]


def test_votes_of_one_moment_are_all_shown_once(annotator: User) -> None:
    campaign = make_campaign(5)
    make_votes(rows_of(campaign), annotator, ["happy"] * 5)
    keys, before = [], ""
    while True:
        page = own.history(campaign, annotator, before=before, size=2)
        keys += [row.key for row in page.rows]
        if not (before := page.next):
            break
    assert len(keys) == len(set(keys)) == 5


def test_a_cursor_that_is_none_shows_the_newest(annotator: User) -> None:
    campaign = make_campaign(1)
    make_votes(rows_of(campaign), annotator, ["happy"])
    assert len(own.history(campaign, annotator, before="nonsense").rows) == 1


def test_only_answers_whose_face_still_gathers_votes_in_their_round_are_open(annotator: User) -> None:
    campaign = make_campaign(3)
    rows = rows_of(campaign)
    make_votes(rows, annotator, ["angry", "fear", "sad"], every_s=1)
    settled(campaign, {make_user("annotator"): ["happy"]})
    CampaignFace.objects.filter(pk=rows[1].pk).update(round=2)
    assert [(row.answer, row.open) for row in own.history(campaign, annotator).rows] == [
        ("sad", True),
        ("fear", False),
        ("angry", False),
    ]
    campaign.state = "paused"
    assert not any(row.open for row in own.history(campaign, annotator).rows)


def test_gold_stands_among_the_votes_and_does_as_the_vote_before_it(annotator: User) -> None:
    campaign = make_campaign(4)
    rows = rows_of(campaign)
    make_votes(rows[:2], annotator, ["angry", "fear"], every_s=60)
    settled(campaign, {make_user("annotator"): ["happy"]})
    first, second = Vote.objects.filter(annotator=annotator).order_by("cast_at")
    answer_gold(campaign, annotator, rows[2], cast_at=first.cast_at + timedelta(seconds=1))
    answer_gold(campaign, annotator, rows[3], "sad", cast_at=second.cast_at + timedelta(seconds=1))
    shown = own.history(campaign, annotator).rows
    assert [(row.answer, row.open) for row in shown] == [
        ("sad", True),
        ("fear", True),
        ("happy", False),
        ("angry", False),
    ]
    assert {type(row) for row in shown} == {own.Answered}
    assert own.statistics(campaign, annotator).votes == 4


def test_answers_in_the_qualification_are_no_votes(annotator: User) -> None:
    campaign = make_campaign(2)
    answer_gold(campaign, annotator, rows_of(campaign)[0], attempt=1)
    assert own.statistics(campaign, annotator).votes == 0
    assert own.history(campaign, annotator).rows == []
    assert own.progress_of(campaign=campaign, annotator=annotator).votes == 0


def test_an_answer_to_gold_moves_one_face_from_left_to_voted(annotator: User) -> None:
    campaign = make_campaign(5, gold_share=0.5)
    gold = rows_of(campaign)[4]
    CampaignFace.objects.filter(pk=gold.pk).update(state="gold", wanted=0, places=0)
    Gold.objects.create(campaign_face=gold, campaign=campaign, answer="sad")
    before = own.progress_of(campaign=campaign, annotator=annotator)
    answer_gold(campaign, annotator, gold)
    after = own.progress_of(campaign=campaign, annotator=annotator)
    assert (before.votes, before.left) == (0, 5)
    assert (after.votes, after.left) == (1, 4)


def test_who_is_through_has_nothing_left_even_if_gold_is(annotator: User) -> None:
    campaign = make_campaign(2, gold_share=0.5)
    gold, row = rows_of(campaign)
    CampaignFace.objects.filter(pk=gold.pk).update(state="gold", wanted=0, places=0)
    Gold.objects.create(campaign_face=gold, campaign=campaign, answer="sad")
    make_votes([row], annotator, ["happy"])
    assert own.progress_of(campaign=campaign, annotator=annotator).left == 0


def why(annotator: User, **fields) -> str:
    campaign = make_campaign(3, **fields)
    return next(card.closed_by for card in own.campaigns_of(annotator) if card.campaign == campaign)


def test_why_a_campaign_is_not_open_to_somebody_is_told(annotator: User) -> None:
    assert why(annotator) == ""
    assert why(annotator, deadline=timezone.now() - timedelta(hours=1)) == "deadline"
    assert why(annotator, languages=["xx"]) == "language"
    assert why(annotator, qualification_faces=5) == ""  # there is no gold to qualify by
    campaign = make_campaign(3)
    campaign.groups.add(Group.objects.create(name="experts"))
    Participation.objects.create(
        campaign=make_campaign(1), annotator=annotator, start=0, cursor=0, paused_at=timezone.now()
    )
    shown = own.campaigns_of(annotator)
    assert [card.closed_by for card in shown[:2]] == ["paused", "group"]
    assert all(card.why_not for card in shown if card.closed_by)
    annotator.groups.add(Group.objects.get(name="experts"))
    assert own.campaigns_of(annotator)[1].closed_by == ""


def test_caps_count_gold_too(annotator: User) -> None:
    campaign = make_campaign(3, cap=2)
    rows = rows_of(campaign)
    make_votes(rows[:1], annotator, ["happy"])
    assert [card.closed_by for card in own.campaigns_of(annotator)] == [""]
    answer_gold(campaign, annotator, rows[1])
    assert [card.closed_by for card in own.campaigns_of(annotator)] == ["cap"]
    Campaign.objects.update(cap=None, daily_cap=1)
    assert [(card.closed_by, card.why_not) for card in own.campaigns_of(annotator)] == [
        ("day", "Today's 1 vote is given. It goes on tomorrow.")
    ]


def test_who_is_to_qualify_is_told(annotator: User) -> None:
    campaign = make_campaign(2, qualification_faces=1)
    row = rows_of(campaign)[0]
    CampaignFace.objects.filter(pk=row.pk).update(state="gold", wanted=0, places=0)
    Gold.objects.create(campaign_face=row, campaign=campaign, answer="sad", qualification=True)
    assert [card.closed_by for card in own.campaigns_of(annotator)] == ["qualify"]
    Participation.objects.create(
        campaign=campaign, annotator=annotator, start=0, cursor=0, qualified_at=timezone.now()
    )
    assert [card.closed_by for card in own.campaigns_of(annotator)] == [""]


def test_the_page_asks_the_same_of_the_database_for_one_vote_and_for_many(client, annotator: User) -> None:
    campaign = make_campaign(8)
    rows = rows_of(campaign)
    client.force_login(annotator)

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(reverse("labeling:vote_mine", args=[campaign.pk])).status_code == 200
        return len(captured)

    make_votes(rows[:1], annotator, ["happy"])
    one = statements()
    make_votes(rows[1:], annotator, ["happy"] * 7)
    answer_gold(campaign, annotator, rows[0])
    assert one == 9  # session, user, campaign; counts, newest and history of votes and of answers to gold
    assert statements() == one


def test_the_page_says_nothing_of_a_face_but_whether_it_is_settled(client, annotator: User) -> None:
    campaign = make_campaign(2)
    settled(campaign, {annotator: ["happy"], make_user("annotator"): ["disgust"]})
    make_votes(rows_of(campaign)[1:], annotator, ["happy"])
    make_votes(rows_of(campaign)[1:], make_user("annotator"), ["disgust"])
    client.force_login(annotator)
    page = client.get(reverse("labeling:vote_mine", args=[campaign.pk])).content.decode()
    assert page.count('class="chip expression-happy"') == 2
    assert 'class="chip expression-disgust"' not in page
    assert page.count(">Change<") == 1
    assert page.count("settled") == page.count("· settled") + page.count("settled: all")


def change(client, campaign: Campaign, key: object, answer: str, **fields):
    address = reverse("labeling:vote_change", args=[campaign.pk])
    return client.post(address, {"key": str(key), "answer": answer, **fields}, follow=True)


def test_an_answer_is_changed_while_its_face_is_open_and_not_later(client, annotator: User) -> None:
    campaign = make_campaign(1)
    held = votes.lease(campaign=campaign, annotator=annotator, limit=1)[0]
    key = uuid4()
    votes.cast(
        campaign=campaign,
        annotator=annotator,
        campaign_face_id=held.campaign_face_id,
        answer="happy",
        client_key=key,
    )
    client.force_login(annotator)
    assert "Changed to “sad”." in change(client, campaign, key, "sad").content.decode()
    assert Vote.objects.get().answer == "sad"
    settled(campaign, {make_user("annotator"): ["happy"]})
    change(client, campaign, key, "fear")
    assert Vote.objects.get(annotator=annotator).answer == "sad"


def test_gold_is_changed_and_refused_like_any_vote(client, annotator: User) -> None:
    campaign = make_campaign(2)
    row, other = rows_of(campaign)
    make_votes([other], annotator, ["happy"])
    gold = answer_gold(campaign, annotator, row)
    client.force_login(annotator)
    assert "Changed to “sad”." in change(client, campaign, gold.client_key, "sad").content.decode()
    gold.refresh_from_db()
    assert (gold.answer, gold.right) == ("sad", True)
    CampaignFace.objects.filter(pk=other.pk).update(
        state="settled", wanted=1, votes=1, places=0, settled_at=timezone.now()
    )
    refused = change(client, campaign, gold.client_key, "fear").content.decode()
    assert "This face has all its votes by now; yours stays as it is." in refused
    assert (
        "yours stays as it is"
        in change(client, campaign, Vote.objects.get().client_key, "sad").content.decode()
    )


def test_nobody_changes_what_is_not_theirs(client, annotator: User) -> None:
    campaign = make_campaign(1)
    make_votes(rows_of(campaign), make_user("annotator"), ["happy"])
    client.force_login(annotator)
    change(client, campaign, Vote.objects.get().client_key, "sad")
    assert Vote.objects.get().answer == "happy"
    assert "There is no such vote of yours." in change(client, campaign, "nonsense", "sad").content.decode()
    assert client.get(reverse("labeling:vote_change", args=[campaign.pk])).status_code == 405
