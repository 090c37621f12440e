"""Whoever meets an erased face in a campaign, on a page or by the API, is told so; nothing falls over."""

from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from labeling import adjudication, campaign_changes, campaign_queries, campaigns, discards, own, suggestions
from labeling.face_filter import FaceFilter
from labeling.gallery_queries import gallery, gallery_count
from labeling.models import AuditEntry, Campaign, CampaignFace, DiscardedVote, GoldAnswer, Vote
from labeling.voting import votes
from labeling.voting.integrity import check
from tests.factories import make_campaign, make_user
from tests.labeling.erasure.erasing import erase
from vemo.accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def annotator() -> User:
    return make_user()


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign(4, votes_per_face=2)


def held(campaign: Campaign, annotator: User) -> CampaignFace:
    """A face this annotator looks at just now."""
    (leased,) = votes.lease(campaign=campaign, annotator=annotator, limit=1)
    return CampaignFace.objects.get(pk=leased.campaign_face_id)


def voted(campaign: Campaign, annotator: User) -> tuple[CampaignFace, Vote]:
    row = held(campaign, annotator)
    votes.cast(
        campaign=campaign, annotator=annotator, campaign_face_id=row.pk, answer="happy", client_key=uuid4()
    )
    return row, Vote.objects.get(campaign_face=row)


def test_a_vote_on_an_erased_face_is_refused_and_the_next_is_offered(
    campaign: Campaign, annotator: User, client: Client
) -> None:
    row = held(campaign, annotator)
    erase("face", [row.face_id])
    client.force_login(annotator)
    said = {"id": row.pk, "answer": "happy", "key": str(uuid4()), "took_ms": 9, "want": 2}
    answer = client.post(
        reverse("labeling:vote_cast", args=[campaign.pk]), said, content_type="application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "erased")
    following = client.post(
        reverse("labeling:vote_next", args=[campaign.pk]), {"limit": 4}, content_type="application/json"
    )
    assert len(following.json()["faces"]) == 3
    assert set(check(campaign).values()) == {0}


def test_skipping_an_erased_face_is_no_error(campaign: Campaign, annotator: User) -> None:
    row = held(campaign, annotator)
    erase("face", [row.face_id])
    votes.skip(campaign=campaign, annotator=annotator, campaign_face_id=row.pk)
    assert set(check(campaign).values()) == {0}


def test_a_vote_sent_again_after_the_erasure_counts_once(campaign: Campaign, annotator: User) -> None:
    row, vote = voted(campaign, annotator)
    erase("face", [row.face_id])
    said = {"campaign_face_id": row.pk, "answer": "happy", "client_key": vote.client_key}
    assert votes.cast(campaign=campaign, annotator=annotator, **said).again


def test_a_vote_on_an_erased_face_can_neither_be_taken_back_nor_changed(
    campaign: Campaign, annotator: User
) -> None:
    row, vote = voted(campaign, annotator)
    erase("face", [row.face_id])
    with pytest.raises(votes.CannotWithdraw) as taken_back:
        votes.withdraw(campaign=campaign, annotator=annotator)
    with pytest.raises(votes.CannotVote) as changed:
        votes.change(campaign=campaign, annotator=annotator, client_key=vote.client_key, answer="sad")
    assert (taken_back.value.code, changed.value.code) == ("erased", "erased")
    assert set(check(campaign).values()) == {0}


def test_an_answer_to_erased_gold_stays_as_it_was_judged(campaign: Campaign, annotator: User) -> None:
    row = campaign.campaign_faces.first()
    CampaignFace.objects.filter(pk=row.pk).update(state="gold", wanted=0, places=0)
    _row, vote = voted(campaign, annotator)
    answer = GoldAnswer.objects.create(
        campaign=campaign,
        campaign_face=row,
        annotator=annotator,
        answer="sad",
        right=True,
        client_key=uuid4(),
        cast_at=vote.cast_at,
    )
    erase("face", [row.face_id])
    with pytest.raises(votes.CannotVote):
        votes.change(campaign=campaign, annotator=annotator, client_key=answer.client_key, answer="happy")
    answer.refresh_from_db()
    assert answer.right


def test_erased_faces_are_neither_open_nor_counted(campaign: Campaign, annotator: User) -> None:
    voted(campaign, annotator)
    erase("face", [row.face_id for row in campaign.campaign_faces.all()[:2]])
    found = campaigns.progress(campaign)
    (row,) = campaign_queries.campaign_rows([campaign])
    assert (found.faces, found.wanted, row.faces, row.wanted) == (2, 4, 2, 4)
    wanted = FaceFilter(campaign=campaign.pk)
    assert (gallery_count(wanted), len(gallery(wanted))) == (2, 2)


def test_votes_put_aside_and_restored_leave_an_erased_face_sound(campaign: Campaign, annotator: User) -> None:
    row, vote = voted(campaign, annotator)
    erase("face", [row.face_id])
    made = discards.discard(
        campaign=campaign, annotator=annotator, since=vote.cast_at, reason="spam", by=make_user("manager")
    )
    row.refresh_from_db()
    assert (row.state, row.votes, row.wanted, row.places) == ("erased", 0, 0, 0)
    discards.restore(discard=made.discard, by=make_user("manager"))
    assert DiscardedVote.objects.count() == 1
    assert set(check(campaign).values()) == {0}


def test_nobody_decides_on_an_erased_face(campaign: Campaign, annotator: User, client: Client) -> None:
    row = campaign.campaign_faces.first()
    erase("face", [row.face_id])
    with pytest.raises(adjudication.CannotAdjudicate, match="erased"):
        adjudication.adjudicate(campaign_face_id=row.pk, label="sad", reason="clear", by=annotator)
    with pytest.raises(adjudication.CannotAdjudicate, match="erased"):
        adjudication.retract(campaign_face_id=row.pk, by=annotator)
    client.force_login(make_user("manager"))
    said = {"face": row.pk, "label": "sad", "reason": "clear"}
    for name, key in (("campaign_decide", campaign.pk), ("adjudicate", row.pk), ("retract", row.pk)):
        assert client.post(reverse(f"labeling:{name}", args=[key]), said).status_code == 302


def test_a_networks_opinion_of_an_erased_face_is_not_kept(campaign: Campaign) -> None:
    row, other, *_ = campaign.campaign_faces.all()
    erase("face", [row.face_id])
    kept = suggestions.store(origin="run 1", rows=[(row.pk, {"sad": 1.0}), (other.pk, {"sad": 1.0})])
    assert kept == 1


def test_the_line_can_be_laid_anew(campaign: Campaign) -> None:
    erase("face", [campaign.campaign_faces.first().face_id])
    campaign_changes.change(campaign=campaign, order="balanced", by=make_user("manager"))
    campaign.refresh_from_db()
    assert campaign.order == "balanced"


def test_more_votes_are_asked_of_the_others_only(campaign: Campaign) -> None:
    row = campaign.campaign_faces.first()
    erase("face", [row.face_id])
    campaign_changes.change(campaign=campaign, votes_per_face=5, by=make_user("manager"))
    row.refresh_from_db()
    assert (row.wanted, row.places) == (0, 0)
    assert set(check(campaign).values()) == {0}


def test_one_may_still_look_back_on_ones_answers(campaign: Campaign, annotator: User, client: Client) -> None:
    row, _vote = voted(campaign, annotator)
    erase("face", [row.face_id])
    (told,) = own.history(campaign, annotator).rows
    assert (told.face, told.open) == (None, False)
    client.force_login(annotator)
    page = client.get(reverse("labeling:vote_mine", args=[campaign.pk]))
    assert "erased" in page.content.decode()


PAGES = ["campaign", "campaign_faces", "campaign_log", "campaign_annotators", "campaign_disputes"]
PAGES += ["campaign_integrity", "campaign_gold", "campaign_decide"]


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_of_a_campaign_bear_an_erased_face(
    name: str, campaign: Campaign, annotator: User, client: Client
) -> None:
    row, _vote = voted(campaign, annotator)
    AuditEntry.objects.create(campaign=campaign, verb="adjudicated", campaign_face=row)
    erase("face", [row.face_id])
    client.force_login(make_user("admin"))
    assert client.get(reverse(f"labeling:{name}", args=[campaign.pk])).status_code == 200


def test_an_annotators_page_bears_an_erased_face(campaign: Campaign, annotator: User, client: Client) -> None:
    row, vote = voted(campaign, annotator)
    GoldAnswer.objects.create(
        campaign=campaign,
        campaign_face=row,
        annotator=annotator,
        answer="sad",
        right=False,
        client_key=uuid4(),
        cast_at=vote.cast_at,
    )
    erase("face", [row.face_id])
    client.force_login(make_user("admin"))
    page = client.get(reverse("labeling:campaign_annotator", args=[campaign.pk, annotator.pk]))
    assert page.status_code == 200
    assert page.content.decode().count("face-erased") == 2
    for model in ("campaignface", "vote"):
        assert client.get(reverse(f"admin:labeling_{model}_changelist")).status_code == 200
