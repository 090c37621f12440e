"""The form of a campaign, and what it says a draft would mean."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling import campaign_queries
from labeling.campaign_queries import FaceChoice, chosen_faces
from labeling.models import Campaign, CampaignFace, Face, Item, Source
from labeling.tasks import return_expired_leases
from labeling.web import campaign_words
from tests.factories import make_campaign, make_faces, make_media, make_user, settle
from tests.labeling.test_campaigns import vote_on
from tests.labeling.web.test_campaign_pages import asked

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager"))
    return client


def edited(campaign: Campaign, **changes: object) -> dict[str, object]:
    """The form as the edit page sends it when nothing but `changes` was touched."""
    names = campaign.expressions
    own = {"name": campaign.name, "expression": names, "key": [""] * len(names), "icon": [""] * len(names)}
    return asked(**{**own, "votes_per_face": campaign.votes_per_face, "rule": campaign.rule, **changes})


# ---- which faces ----


def test_faces_are_chosen_by_where_they_come_from_and_how_they_look() -> None:
    source = Source.objects.create(name="s", kind="folder", location="/s")
    photo, film = make_media(licence="CC BY 4.0"), make_media(kind="video")
    first = make_faces(1, media=photo, score=0.9)[0]
    second = make_faces(1, media=film, width=20, score=0.4)[0]
    third = make_faces(1, detector="yunet")[0]
    Item.objects.create(source=source, locator="a", state="ingested", media=photo)
    other = Source.objects.create(name="t", kind="folder", location="/t")
    Item.objects.create(source=other, locator="a", state="ingested", media=film)

    def chosen(**fields: Any) -> set[int]:
        return set(FaceChoice(**fields).faces().values_list("pk", flat=True))

    assert chosen() == {first.pk, second.pk, third.pk}
    assert chosen(sources=(source.pk,)) == {first.pk}
    assert chosen(sources=(source.pk, other.pk)) == {first.pk, second.pk}
    assert chosen(detector="yunet") == {third.pk}
    assert chosen(kind="video") == {second.pk}
    assert chosen(min_size=40) == {first.pk, third.pk}
    assert chosen(min_score=0.8) == {first.pk, third.pk}
    assert chosen(licence="cc by") == {first.pk}
    assert len(chosen(limit=2)) == 2


def test_faces_are_chosen_by_what_another_campaign_says() -> None:
    campaign = make_campaign(4)
    rows = list(campaign.campaign_faces.order_by("pk"))
    settle(rows[0], "happy", agreement=0.6)
    settle(rows[1], "happy", agreement=0.9)
    settle(rows[2], "sad", agreement=0.6)

    def chosen(**fields: Any) -> list[int]:
        faces = FaceChoice(settled_in=campaign.pk, **fields).faces().order_by("pk")
        return list(faces.values_list("pk", flat=True))

    faces = [row.face_id for row in rows]
    assert chosen() == faces[:3]
    assert chosen(outcome="agreed", label="happy") == faces[:2]
    assert chosen(agreement_below=0.9) == [faces[0], faces[2]]


def test_a_choice_is_counted_with_faces_from_all_over_it() -> None:
    faces = make_faces(30)
    found = chosen_faces(FaceChoice())
    assert (found.count, found.left, len(found.sample)) == (30, 0, 12)
    assert found.sample[0] == faces[0].pk
    assert found.sample[-1] > faces[25].pk
    campaign = make_campaign(faces[:10])
    few = chosen_faces(FaceChoice(limit=5), without=campaign)
    assert (few.count, few.left, len(few.sample)) == (5, 15, 5)
    assert chosen_faces(FaceChoice(detector="none")).sample == []


# ---- what a draft would mean ----


def test_the_draft_of_faces_shows_how_many_and_some(manager: Client) -> None:
    make_faces(3)
    told = manager.post(reverse("labeling:campaign_draft_faces"), {"limit": "2"}).json()
    assert (told["count"], told["line"]) == (2, "2 faces, drawn from 3")
    assert told["html"].count("<img") == 2
    campaign = make_campaign(list(Face.objects.all()))
    address = f"{reverse('labeling:campaign_draft_faces')}?without={campaign.pk}"
    assert "All of these are in the campaign already" in manager.post(address, {}).json()["html"]
    assert "No face is like that" in manager.post(address, {"min_size": 900}).json()["html"]
    wrong = manager.post(reverse("labeling:campaign_draft_faces"), {"min_size": "large"}).json()
    assert wrong == {"errors": {"min_size": ["Enter a whole number."]}}


def test_the_draft_says_what_is_set_which_keys_that_gives_and_what_is_wrong(manager: Client) -> None:
    group = Group.objects.create(name="class of May")
    body = asked(
        key=["2", ""],
        gold_share=10,
        qualification_faces=12,
        groups=[group.pk],
        languages=["en"],
        daily_cap=200,
        mixed_allowed="on",
        counted="40",
        votes_per_face=0,
    )
    told = manager.post(reverse("labeling:campaign_draft"), body).json()
    assert told["keys"] == ["2", "1"]
    assert told["summary"]["question"] == "2 expressions, mixed answers too"
    assert told["summary"]["gold"] == "10 % gold; qualification of 12 faces, 70 % right"
    assert told["summary"]["people"] == "only class of May, English, 200 votes a day, no deadline"
    assert told["votes"] == "400 votes in all, from at least 10 people."
    assert list(told["errors"]) == ["votes_per_face"]
    clash = manager.post(reverse("labeling:campaign_draft"), asked(key=["q", "q"])).json()
    assert clash["errors"] == {"expressions": ["“q” is given to both happy and sad. Choose another for one."]}


def test_a_rule_is_tried_on_the_votes_of_a_campaign(manager: Client) -> None:
    campaign = make_campaign(4, votes_per_face=3, rule="plurality")
    vote_on(campaign, {0: ["happy"] * 3, 1: ["happy", "sad", "fear"], 2: ["happy", "happy", "sad"]})
    body = asked(rule="minimum_agreement", minimum_agreement=90, tried_on=campaign.pk)
    html = manager.post(reverse("labeling:campaign_draft_trial"), body).json()["html"]
    assert "A label needs most votes, and at least 3 of 3." in html
    assert "All 3 votes must say the same" in html
    assert "2 happy, 1 sad: <b>at least 90 % says no consensus</b>" in html
    assert "most votes says happy; more than half says happy" in html
    assert "Of 3 settled faces." in html
    less = manager.post(reverse("labeling:campaign_draft_trial"), {**body, "votes_per_face": 2}).json()
    assert "drawn from them at random" in less["html"]
    more = manager.post(reverse("labeling:campaign_draft_trial"), {**body, "votes_per_face": 5}).json()
    assert "3 have fewer votes" in more["html"]


def test_a_rule_is_tried_on_the_votes_that_sources_came_with(manager: Client) -> None:
    make_faces(2, given={"votes": {"happy": 6, "sad": 4}})
    make_faces(1)
    assert not campaign_queries.votes_were_given()
    Source.objects.create(name="f", kind="fer2013", location="/f", options={"ferplus": "/p"})
    assert campaign_queries.votes_were_given()
    body = asked(votes_per_face=10, rule="strict_majority", tried_on="given")
    html = manager.post(reverse("labeling:campaign_draft_trial"), body).json()["html"]
    assert "Of 2 settled faces." in html
    none = manager.post(reverse("labeling:campaign_draft_trial"), {**body, "tried_on": ""}).json()
    assert "settled face" not in none["html"]


def test_trying_a_rule_costs_the_same_however_many_faces(
    manager: Client, django_assert_num_queries: Any
) -> None:
    for faces in (1, 3):
        campaign = make_campaign(faces, votes_per_face=2)
        vote_on(campaign, {n: ["happy", "sad"] for n in range(faces)})
        with django_assert_num_queries(4):  # session, user, the campaign, its counts
            manager.post(reverse("labeling:campaign_draft_trial"), asked(tried_on=campaign.pk))


# ---- changing ----


def test_the_edit_page_shows_what_is_set_and_changes_nothing_unasked(manager: Client) -> None:
    deadline = timezone.now() + timedelta(days=1)
    campaign = make_campaign(2, keys={"happy": "h", "skip": "j"}, icons={"happy": "sad"}, deadline=deadline)
    address = reverse("labeling:campaign_edit", args=[campaign.pk])
    page = manager.get(address)
    form = page.context["form"]
    rows = {row.name: row for row in form.rows()}
    assert (rows["happy"].key, rows["happy"].icon, rows["happy"].usual) == ("h", "sad", "h")
    names = campaign.expressions
    body = edited(
        campaign,
        key=["h" if name == "happy" else "" for name in names],
        icon=["sad" if name == "happy" else "" for name in names],
        key_skip="j",
        deadline=timezone.localtime(deadline).strftime("%Y-%m-%dT%H:%M"),
    )
    answer = manager.post(address, body, follow=True)
    assert "Nothing was changed" in answer.content.decode()
    assert campaign.audit.count() == 0


def test_more_votes_are_asked_of_settled_faces_when_the_manager_ticks_it(manager: Client) -> None:
    campaign = make_campaign(1, votes_per_face=1)
    vote_on(campaign, {0: ["happy"]})
    address = reverse("labeling:campaign_edit", args=[campaign.pk])
    assert "settled_too" in manager.get(address).content.decode()
    assert manager.post(address, edited(campaign, votes_per_face=3, settled_too="on")).status_code == 302
    assert CampaignFace.objects.values_list("state", "wanted", "round").get() == ("open", 2, 2)


def test_what_cannot_be_changed_is_said_at_its_field(manager: Client) -> None:
    campaign = make_campaign(1, votes_per_face=3)
    vote_on(campaign, {0: ["happy"]})
    address = reverse("labeling:campaign_edit", args=[campaign.pk])
    kept = [row.kept for row in manager.get(address).context["form"].rows() if row.name == "happy"]
    assert kept == [True]
    answer = manager.post(address, edited(campaign, votes_per_face=2))
    assert answer.status_code == 400
    assert "can only grow from 3" in str(answer.context["form"].errors["votes_per_face"])
    names = ["sad", "fear"]
    answer = manager.post(address, edited(campaign, expression=names, key=["", ""], icon=["", ""]))
    assert "has been answered" in str(answer.context["form"].errors["expressions"])


def test_once_somebody_has_begun_the_order_stays_whatever_is_sent(manager: Client) -> None:
    campaign = make_campaign(1)
    campaign.participations.create(annotator=make_user(), start=0, cursor=0)
    address = reverse("labeling:campaign_edit", args=[campaign.pk])
    assert "so the order stays" in manager.get(address).content.decode()
    manager.post(address, edited(campaign, order="depth"))
    campaign.refresh_from_db()
    assert campaign.order == "breadth"


# ---- its page ----


def test_a_copy_is_made_and_opened_for_editing(manager: Client) -> None:
    campaign = make_campaign(2)
    page = manager.get(reverse("labeling:campaign", args=[campaign.pk]))
    name = page.context["duplicate"]["name"].value()
    assert name == f"{campaign.name} (2)"
    address = reverse("labeling:campaign_duplicate", args=[campaign.pk])
    answer = manager.post(address, {"name": name, "same_faces": "on"})
    made = Campaign.objects.get(name=name)
    assert answer.url == reverse("labeling:campaign_edit", args=[made.pk])
    assert made.campaign_faces.count() == 2
    again = manager.post(address, {"name": name}, follow=True)
    assert "There is a campaign of this name" in again.content.decode()
    assert "Give the copy a name" in manager.post(address, {"name": ""}, follow=True).content.decode()


def test_a_deadline_is_shown_passed_and_moved(manager: Client) -> None:
    campaign = make_campaign(1, deadline=timezone.now() + timedelta(days=3, minutes=1))
    address = reverse("labeling:campaign", args=[campaign.pk])
    assert "3\xa0days left" in manager.get(reverse("labeling:campaigns")).content.decode()
    Campaign.objects.update(deadline=timezone.now() - timedelta(minutes=5))
    return_expired_leases()
    page = manager.get(address).content.decode()
    assert "has passed. Extend it to open the campaign again." in page
    extend = reverse("labeling:campaign_extend", args=[campaign.pk])
    refused = manager.post(extend, {"deadline": "2001-01-01T12:00"}, follow=True)
    assert "has passed already" in refused.content.decode()
    assert "Choose a day" in manager.post(extend, {"deadline": "soon"}, follow=True).content.decode()
    manager.post(extend, {"deadline": "2099-01-01T12:00"})
    campaign.refresh_from_db()
    assert (campaign.state, campaign.deadline.year) == ("open", 2099)


def test_the_page_warns_when_the_votes_will_come_too_late(manager: Client) -> None:
    campaign = make_campaign(20, votes_per_face=3)
    vote_on(campaign, {n: ["happy", "sad"] for n in range(4)})
    campaign.refresh_from_db()
    first = campaign.campaign_faces.first().cast.order_by("pk").first()
    type(first).objects.filter(pk=first.pk).update(cast_at=timezone.now() - timedelta(hours=10))
    address = reverse("labeling:campaign", args=[campaign.pk])
    Campaign.objects.update(deadline=timezone.now() + timedelta(hours=2))
    assert "after the deadline" in manager.get(address).content.decode()
    Campaign.objects.update(deadline=timezone.now() + timedelta(days=90))
    assert "after the deadline" not in manager.get(address).content.decode()


def test_faces_are_added_by_any_filter(manager: Client) -> None:
    campaign = make_campaign(0)
    make_faces(2)
    make_faces(1, detector="yunet", width=20)
    address = reverse("labeling:campaign_add", args=[campaign.pk])
    manager.post(address, {"min_size": "30"})
    assert campaign.campaign_faces.count() == 2
    make_faces(3)
    manager.post(address, {"limit": "2"})
    # Of those that are not in it yet, so it is two whatever is drawn.
    assert campaign.campaign_faces.count() == 4
    wrong = manager.post(address, {"min_size": "x"}, follow=True)
    assert "No faces were added. Enter a whole number." in wrong.content.decode()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"rule": "plurality"}, "10 votes a face; a label needs more votes than any other answer"),
        ({"rule": "strict_majority"}, "10 votes a face; a label needs at least 6 of 10 votes"),
        (
            {"rule": "minimum_agreement", "minimum_agreement": 0.55, "votes_per_face": 20},
            "20 votes a face; a label needs most votes, and at least 11 of 20",
        ),
        ({"votes_per_face": 1}, "1 vote a face; a label needs at least 1 of 1 votes"),
    ],
)
def test_a_rule_is_said_in_numbers(fields: dict[str, Any], said: str) -> None:
    assert campaign_words.summary(Campaign(**fields))["consensus"] == said
