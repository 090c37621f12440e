"""The managers' pages of campaigns."""

from html import unescape
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labeling.models import Campaign, CampaignFace
from labeling.voting import votes
from tests.factories import make_campaign, make_faces, make_user, settle

pytestmark = pytest.mark.django_db

PAGES = ["campaign", "campaign_faces", "campaign_disputes", "campaign_annotators", "campaign_integrity"]


@pytest.fixture
def manager(client):
    client.force_login(make_user("manager"))
    return client


def statements(client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def asked(**changes: object) -> dict[str, object]:
    return {
        "name": "Photographs",
        "question": "Which expression do you see?",
        "expression": ["happy", "sad"],
        "key": ["", ""],
        "icon": ["", ""],
        "votes_per_face": 3,
        "rule": "plurality",
        "minimum_agreement": 50,
        "gold_share": 5,
        "qualification_faces": 0,
        "qualification_pass": 70,
        "qualification_attempts": 3,
        "order": "breadth",
        "undo_minutes": 60,
        "lease_seconds": 600,
        **changes,
    }


def test_the_list_asks_the_database_the_same_for_one_campaign_and_for_three(manager) -> None:
    make_campaign(1)
    one = statements(manager, reverse("labeling:campaigns"))
    make_campaign(2)
    make_campaign(3)
    assert one == 4  # session, user, campaigns, their counts
    assert statements(manager, reverse("labeling:campaigns")) == one


@pytest.mark.parametrize("page", PAGES)
def test_a_campaigns_pages_ask_the_same_for_one_face_and_for_three(manager, page: str) -> None:
    campaigns = [make_campaign(1), make_campaign(3)]
    for face in CampaignFace.objects.all():
        settle(face, "happy", agreement=0.7)
    one, three = (statements(manager, reverse(f"labeling:{page}", args=[c.pk])) for c in campaigns)
    assert one == three


def test_a_new_campaign_takes_the_chosen_faces_in(manager) -> None:
    make_faces(2, detector="haar")
    make_faces(1, detector="yunet")
    answer = manager.post(reverse("labeling:campaign_new"), asked(detector=""))
    campaign = Campaign.objects.get()
    assert answer.url == reverse("labeling:campaign", args=[campaign.pk])
    assert campaign.expressions == ["happy", "sad"]
    assert campaign.campaign_faces.count() == 3
    assert (campaign.minimum_agreement, campaign.gold_share) == (0.5, 0.05)
    assert set(campaign.audit.values_list("verb", flat=True)) == {"created", "faces_added"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"expression": ["happy"]}, "at least two"),
        ({"expression": ["happy", "sad", "happy"], "key": [""] * 3, "icon": [""] * 3}, "named twice"),
        ({"expression": ["happy", "not_a_face"]}, "always offered"),
        ({"key": ["q", "Q"]}, "is given to both happy and sad"),
        ({"key": ["z", ""]}, "changes how the face looks"),
        ({"key_skip": "q", "key": ["q", ""]}, "is given to both happy and skip"),
        ({"icon": ["skull", ""]}, "no icon “skull”"),
        ({"votes_per_face": 0}, "greater than or equal to 1"),
        ({"name": "Taken"}, "Choose another"),
        ({"gold_share": 60}, "less than or equal to 50"),
        ({"deadline": "2001-01-01T12:00"}, "has passed already"),
        ({"min_size": "large"}, "Enter a whole number"),
    ],
)
def test_a_campaign_that_makes_no_sense_is_not_made(manager, fields: dict[str, object], said: str) -> None:
    make_campaign(name="Taken")
    answer = manager.post(reverse("labeling:campaign_new"), asked(**fields))
    assert answer.status_code == 400
    assert said in unescape(answer.content.decode())
    assert Campaign.objects.count() == 1


def test_pausing_opening_and_closing_move_the_campaign(manager) -> None:
    campaign = make_campaign(1)
    seen = []
    for page in ("campaign_pause", "campaign_reopen", "campaign_close"):
        manager.post(reverse(f"labeling:{page}", args=[campaign.pk]))
        campaign.refresh_from_db()
        seen.append(campaign.state)
    assert seen == ["paused", "open", "closed"]


def test_the_progress_that_moves_is_the_page_s_own(manager) -> None:
    campaign = make_campaign(2)
    address = reverse("labeling:campaign_live", args=[campaign.pk])
    page = manager.get(reverse("labeling:campaign", args=[campaign.pk])).content.decode()
    assert f'data-live="{address}" data-stage="open"' in page
    settle(CampaignFace.objects.filter(campaign=campaign)[0], "happy")
    said = manager.get(address).json()
    assert said["stage"] == "open"
    assert "<b>1<small" in said["html"]
    Campaign.objects.update(state="closed")
    assert manager.get(address).json()["stage"] == "over"


def test_a_state_never_moves_by_following_a_link(manager) -> None:
    campaign = make_campaign(1)
    assert manager.get(reverse("labeling:campaign_close", args=[campaign.pk])).status_code == 405


def test_what_cannot_be_done_is_said_on_the_page(manager) -> None:
    campaign = make_campaign(1, state="closed")
    answer = manager.post(reverse("labeling:campaign_pause", args=[campaign.pk]), follow=True)
    assert "This campaign is closed" in answer.content.decode()


def test_faces_are_filtered_by_label(manager) -> None:
    campaign = make_campaign(3)
    faces = list(campaign.campaign_faces.all())
    settle(faces[0], "happy")
    settle(faces[1], "sad")
    answer = manager.get(reverse("labeling:campaign_faces", args=[campaign.pk]), {"label": "sad"})
    assert [row.pk for row in answer.context["page"].rows] == [faces[1].face_id]


def test_faces_added_twice_are_in_once(manager) -> None:
    campaign = make_campaign(0)
    make_faces(2)
    address = reverse("labeling:campaign_add", args=[campaign.pk])
    manager.post(address, {"source": "", "detector": ""})
    answer = manager.post(address, {"source": "", "detector": ""}, follow=True)
    assert "0 faces added" in answer.content.decode()
    assert campaign.campaign_faces.count() == 2


@pytest.mark.parametrize("role", ["annotator", "trainer", "nobody"])
@pytest.mark.parametrize("page", ["campaigns", "campaign_new"])
def test_others_are_refused(client, role: str, page: str) -> None:
    client.force_login(make_user(role))
    assert client.get(reverse(f"labeling:{page}")).status_code == 403


def test_the_integrity_page_names_each_count_and_what_is_wrong(manager) -> None:
    campaign = make_campaign(1)
    address = reverse("labeling:campaign_integrity", args=[campaign.pk])
    page = manager.get(address).content.decode()
    assert "All is well" in page
    assert page.count("SELECT COUNT(*)") == 9
    settle(CampaignFace.objects.get(), "happy")
    assert "Something is wrong" in manager.get(address).content.decode()


def test_the_annotators_page_shows_who_voted_and_first_says_that_nobody_did(manager) -> None:
    campaign, annotator = make_campaign(1), make_user(name="Ada")
    address = reverse("labeling:campaign_annotators", args=[campaign.pk])
    assert "Nobody has voted yet" in manager.get(address).content.decode()
    votes.cast(
        campaign=campaign,
        annotator=annotator,
        campaign_face_id=CampaignFace.objects.get().pk,
        answer="happy",
        client_key=uuid4(),
    )
    assert "Ada" in manager.get(address).content.decode()


def test_before_votes_nothing_is_said_of_how_far_agreement_is_sure(client) -> None:
    campaign = make_campaign(2)
    client.force_login(make_user("manager"))
    page = client.get(reverse("labeling:campaign", args=[campaign.pk])).content.decode()
    assert "of pairs agree</span>" in page
    assert "– to –" not in page
