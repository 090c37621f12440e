"""Who may vote in a campaign, how much, and how long a vote may be taken back or changed."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from labeling.models import Campaign, CampaignFace, Gold, GoldAnswer, Participation, Vote
from labeling.voting import votes
from tests.factories import make_campaign, make_user
from tests.labeling.voting.test_hidden_gold import make_gold
from tests.labeling.voting.test_line import answer, leased
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db


def refusal(campaign: Campaign, annotator: User) -> str:
    """Why no face is handed out; and a vote without a lease is refused for the same reason."""
    with pytest.raises(votes.CannotVote) as lease:
        leased(campaign, annotator)
    unanswered = campaign.campaign_faces.filter(state="open").exclude(cast__annotator=annotator)
    pk = unanswered.values_list("pk", flat=True).first()
    assert pk is not None
    with pytest.raises(votes.CannotVote) as vote:
        answer(campaign, annotator, pk)
    assert vote.value.code == lease.value.code
    return lease.value.code


def test_only_members_of_the_groups() -> None:
    campaign, annotator = make_campaign(3), make_user()
    group = Group.objects.create(name="experts")
    campaign.groups.add(group)
    assert refusal(campaign, annotator) == "group"
    annotator.groups.add(group)
    assert len(leased(campaign, annotator)) == 1


def test_only_who_has_chosen_one_of_the_languages() -> None:
    campaign, annotator = make_campaign(3, languages=["vi"]), make_user()
    assert refusal(campaign, annotator) == "language"
    User.objects.filter(pk=annotator.pk).update(language="vi")
    assert len(leased(campaign, annotator)) == 1


def test_who_is_paused_gets_no_face_and_others_do() -> None:
    campaign, annotator = make_campaign(3), make_user()
    leased(campaign, make_user())
    Participation.objects.create(
        campaign=campaign, annotator=annotator, start=0, cursor=0, paused_at=timezone.now()
    )
    assert refusal(campaign, annotator) == "paused"


def test_the_qualification_comes_first_where_there_is_gold_for_it() -> None:
    campaign, annotator = make_campaign(3, qualification_faces=5), make_user()
    assert len(leased(campaign, make_user())) == 1
    make_gold(campaign, 1, qualification=True)
    assert refusal(campaign, annotator) == "qualify"
    Participation.objects.update_or_create(
        campaign=campaign,
        annotator=annotator,
        defaults={"start": 0, "cursor": 0, "qualified_at": timezone.now()},
    )
    assert len(leased(campaign, annotator)) == 1


def test_gold_of_the_qualification_is_never_mixed_in() -> None:
    campaign, annotator = make_campaign(9, gold_share=0.5), make_user()
    golden = make_gold(campaign, 5, qualification=True)
    assert not set(leased(campaign, annotator, 9)) & set(golden)


def test_after_the_deadline_no_vote_counts() -> None:
    campaign, annotator = make_campaign(3), make_user()
    Campaign.objects.update(deadline=timezone.now() - timedelta(seconds=1))
    assert refusal(campaign, annotator) == "closed"


def test_the_cap_of_a_person_counts_votes_gold_and_what_is_held() -> None:
    campaign, annotator = make_campaign(9, cap=4), make_user()
    make_gold(campaign, 1)
    Campaign.objects.update(gold_share=1)
    held = leased(campaign, annotator, 3)
    assert len(leased(campaign, annotator, 9)) == 4
    for pk in held:
        answer(campaign, annotator, pk)
    (last,) = leased(campaign, annotator, 5)
    answer(campaign, annotator, last)
    assert refusal(campaign, annotator) == "cap"
    assert (Vote.objects.count(), GoldAnswer.objects.count()) == (3, 1)
    assert len(leased(campaign, make_user(), 4)) == 4


def test_the_cap_of_a_day_goes_on_the_next_day() -> None:
    campaign, annotator = make_campaign(9, daily_cap=2), make_user()
    for pk in leased(campaign, annotator, 5):
        answer(campaign, annotator, pk)
    assert refusal(campaign, annotator) == "day"
    Vote.objects.update(cast_at=timezone.now() - timedelta(days=1))
    assert len(leased(campaign, annotator, 5)) == 2


def test_a_vote_taken_back_makes_room_under_the_cap() -> None:
    campaign, annotator = make_campaign(3, cap=1), make_user()
    (pk,) = leased(campaign, annotator)
    answer(campaign, annotator, pk)
    votes.withdraw(campaign=campaign, annotator=annotator)
    assert leased(campaign, annotator, 5) == [pk]


def voted(campaign: Campaign, annotator: User) -> tuple[int, Any]:
    (pk,), key = leased(campaign, annotator), uuid4()
    votes.cast(campaign=campaign, annotator=annotator, campaign_face_id=pk, answer="sad", client_key=key)
    return pk, key


def test_a_vote_is_taken_back_for_so_long_and_no_longer() -> None:
    campaign, annotator = make_campaign(3, undo_minutes=10), make_user()
    _, key = voted(campaign, annotator)
    Vote.objects.update(cast_at=timezone.now() - timedelta(minutes=11))
    with pytest.raises(votes.CannotWithdraw, match="too late") as refused:
        votes.withdraw(campaign=campaign, annotator=annotator, client_key=key)
    assert refused.value.code == "late"
    assert Vote.objects.count() == 1


def test_one_s_own_vote_is_changed_while_its_face_is_open() -> None:
    campaign, annotator = make_campaign(3, votes_per_face=2), make_user()
    pk, key = voted(campaign, annotator)
    votes.change(campaign=campaign, annotator=annotator, client_key=key, answer="fear")
    assert Vote.objects.get().answer == "fear"
    other = make_user()
    answer(campaign, other, pk)
    with pytest.raises(votes.CannotVote, match="all its votes") as refused:
        votes.change(campaign=campaign, annotator=annotator, client_key=key, answer="happy")
    assert refused.value.code == "settled"
    with pytest.raises(votes.CannotVote, match="no vote of yours"):
        votes.change(campaign=campaign, annotator=other, client_key=key, answer="happy")


def test_a_mixed_answer_names_two_expressions_where_that_is_allowed() -> None:
    campaign, annotator = make_campaign(3), make_user()
    pk = leased(campaign, annotator)[0]
    given: dict[str, Any] = {"campaign": campaign, "annotator": annotator, "campaign_face_id": pk}
    with pytest.raises(votes.CannotVote, match="one expression"):
        votes.cast(**given, answer="sad", second="fear", client_key=uuid4())
    campaign.mixed_allowed = True
    campaign.save()
    for answered, second in (("sad", "sad"), ("sad", "not_a_face"), ("cant_tell", "sad"), ("sad", "odd")):
        with pytest.raises(votes.CannotVote, match="two different"):
            votes.cast(**given, answer=answered, second=second, client_key=uuid4())
    key = uuid4()
    votes.cast(**given, answer="sad", second="fear", client_key=key)
    assert (Vote.objects.get().answer, Vote.objects.get().second) == ("sad", "fear")
    assert votes.cast(**given, answer="sad", second="fear", client_key=key).again
    with pytest.raises(votes.CannotVote, match="another answer"):
        votes.cast(**given, answer="sad", client_key=key)


def test_gold_and_votes_stay_apart_in_the_database() -> None:
    campaign = make_campaign(1)
    (pk,) = make_gold(campaign, 1)
    row = CampaignFace.objects.get(pk=pk)
    assert (row.state, row.wanted, Gold.objects.get().campaign_face_id) == ("gold", 0, pk)
