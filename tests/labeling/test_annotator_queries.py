"""What a campaign's votes say of those who cast them."""

import math
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.utils import timezone

from labeling import annotator_queries
from labeling.annotator_queries import Annotator, annotators, survey
from labeling.models import Campaign, CampaignFace, GoldAnswer, Vote
from tests.factories import make_campaign, make_faces, make_user, make_votes

pytestmark = pytest.mark.django_db


def voted(answers: Sequence[Sequence[str]], *, every_s: float = 2.0, **fields: Any) -> Campaign:
    """A campaign where annotator i gave answers[i][n] on the n-th face; its faces are settled."""
    campaign = make_campaign(0, votes_per_face=len(answers))
    face = make_faces(len(answers[0]))
    rows = CampaignFace.objects.bulk_create(
        CampaignFace(
            campaign=campaign,
            face=each,
            wanted=len(answers),
            votes=len(answers),
            places=0,
            shuffle=n,
            state="settled",
            outcome="no_consensus",
            settled_at=timezone.now(),
        )
        for n, each in enumerate(face)
    )
    for number, given in enumerate(answers):
        make_votes(rows, make_user(name=f"person {number}"), given, every_s=every_s, **fields)
    return campaign


def by_name(campaign: Campaign) -> dict[str, Annotator]:
    return {person.name: person for person in annotators(campaign)}


def test_agreement_leaves_the_own_vote_out_and_ties_of_the_others_too() -> None:
    campaign = voted([["happy", "sad", "fear"], ["happy", "sad", "sad"], ["happy", "happy", "angry"]])
    people = by_name(campaign)
    # On the second face the others of persons 0 and 1 tie; on the third everybody's do.
    assert [(p.agreement, p.faces) for _, p in sorted(people.items())] == [(1.0, 1), (1.0, 1), (0.5, 2)]


def test_only_settled_faces_and_newest_answers_stand_for_agreement() -> None:
    campaign = voted([["happy"], ["happy"], ["sad"]])
    face, person = CampaignFace.objects.get(), Vote.objects.get(answer="sad").annotator
    Vote.objects.create(
        campaign=campaign,
        campaign_face=face,
        annotator=person,
        round=2,
        answer="happy",
        client_key=uuid4(),
        cast_at=timezone.now(),
    )
    assert by_name(campaign)["person 2"].agreement == 1.0
    CampaignFace.objects.update(state="open", votes=2, places=1, settled_at=None)
    assert math.isnan(by_name(campaign)["person 2"].agreement)


def test_pace_counts_no_pauses_and_unknown_times_are_no_times() -> None:
    campaign = voted([["happy", "sad", "sad"]], every_s=10)
    Vote.objects.filter(pk=Vote.objects.latest("cast_at").pk).update(cast_at=timezone.now())
    (person,) = annotators(campaign)
    assert (person.votes, person.per_hour, person.streak, person.faces) == (3, 360.0, 2, 0)
    assert math.isnan(person.median_ms)
    assert math.isnan(person.too_fast)
    assert person.entropy == pytest.approx(math.log2(3) - 2 / 3)
    assert (person.top_answer, person.top_share) == ("sad", pytest.approx(2 / 3))


def test_who_answers_sooner_than_one_can_see_is_flagged() -> None:
    (person,) = annotators(voted([["happy", "sad"] * 25], took_ms=120))
    assert (person.median_ms, person.too_fast) == (120.0, 1.0)
    assert [flag.code for flag in person.flags] == ["too fast"]
    assert person.flags[0].sentence.startswith("100 % of the answers came in less than 300 ms")


def test_who_gives_one_answer_where_others_see_many_is_flagged_with_the_numbers() -> None:
    many = ["happy", "sad", "fear", "angry", "surprise"] * 12
    people = by_name(voted([many, many, many, many, ["neutral"] * 60]))
    assert {name for name, person in people.items() if person.flags} == {"person 4"}
    disagrees, one = people["person 4"].flags
    assert disagrees.sentence == (
        "Answers agree with the others' majority on 0 % of 60 faces; the median of all annotators is 100 %."
    )
    assert one.sentence.startswith(
        "100 % of 60 answers are “neutral”; the most frequent answer of the median"
    )


def test_one_answer_is_no_flag_where_everybody_gives_it() -> None:
    assert [person.flags for person in annotators(voted([["neutral"] * 60] * 4))] == [()] * 4


def test_a_few_votes_are_held_against_nobody() -> None:
    people = annotators(voted([["happy"] * 10, ["happy"] * 10, ["happy"] * 10, ["sad"] * 10], took_ms=1))
    assert [person.flags for person in people] == [()] * 4


def test_it_takes_three_statements_and_nobody_is_nobody(django_assert_num_queries: Any) -> None:
    campaign = voted([["happy", "sad"]] * 3)
    with django_assert_num_queries(3):
        assert len(annotators(campaign)) == 3
    assert annotators(make_campaign(2)) == []


def said_of_gold(campaign: Campaign, person: Any, rights: Sequence[bool], *, attempt: int = 0) -> None:
    GoldAnswer.objects.bulk_create(
        GoldAnswer(
            campaign=campaign,
            campaign_face=row,
            annotator=person,
            attempt=attempt,
            answer="happy",
            right=right,
            client_key=uuid4(),
            cast_at=timezone.now(),
        )
        for row, right in zip(campaign.campaign_faces.all(), rights, strict=False)
    )


def test_gold_counts_what_was_mixed_in_and_not_the_qualification() -> None:
    campaign = voted([["happy"] * 4, ["happy"] * 4])
    person = Vote.objects.filter(annotator__username="person 0")[0].annotator
    said_of_gold(campaign, person, [True, True, True, False])
    said_of_gold(campaign, person, [False] * 4, attempt=1)
    people = by_name(campaign)
    assert (people["person 0"].gold, people["person 0"].gold_right) == (4, 0.75)
    assert people["person 1"].gold == 0
    assert math.isnan(people["person 1"].gold_right)


def test_who_misses_gold_far_more_than_the_others_is_flagged() -> None:
    campaign = voted([["happy"] * 20] * 5)
    for number in range(5):
        person = Vote.objects.filter(annotator__username=f"person {number}")[0].annotator
        said_of_gold(campaign, person, [True] * 19 + [False] if number else [True] * 8 + [False] * 12)
    people = by_name(campaign)
    assert [flag.code for flag in people["person 0"].flags] == ["misses gold"]
    assert (
        people["person 0"]
        .flags[0]
        .sentence.startswith(
            "40 % of 20 gold faces were answered as known; the median of all annotators is 95 %."
        )
    )
    assert not any(people[f"person {number}"].flags for number in range(1, 5))


def test_a_survey_counts_everybodys_answers() -> None:
    found = survey(voted([["happy", "sad"], ["happy", "happy"]]))
    assert found.answers() == {"happy": 3, "sad": 1}
    assert (found.votes, found.capped) == (4, False)


def test_of_too_many_votes_the_newest_are_read_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotator_queries, "MOST_VOTES", 3)
    found = survey(voted([["happy", "sad"], ["fear", "happy"]]))
    assert (found.votes, found.capped) == (3, True)
    assert found.answers() == {"sad": 1, "fear": 1, "happy": 1}


def test_where_reading_takes_long_it_is_read_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(annotator_queries, "KEPT_FROM", 4)
    campaign, small = voted([["happy", "sad"], ["happy", "sad"]]), make_campaign(1)
    first = survey(campaign)
    with django_assert_num_queries(0):
        assert survey(campaign).at == first.at
    survey(small)
    with django_assert_num_queries(2):  # no votes: nobody's name is asked for
        survey(small)
    cache.clear()
