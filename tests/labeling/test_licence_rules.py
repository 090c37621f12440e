"""What a campaign asks of licences: which faces come in, and what people are told."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from labeling import campaigns, log
from labeling.models import AuditEntry, Campaign, Face, Media
from tests.factories import make_campaign, make_faces, make_media, make_user
from tests.labeling.web.test_campaign_pages import asked

pytestmark = pytest.mark.django_db

LEFT_OUT = "3 faces are left out for their licences: licence not known (1), commercial use not allowed (2)."
ALL_LEFT_OUT = (
    "4 faces are left out for their licences: "
    "licence not known (1), commercial use not allowed (2), share alike (1)."
)


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager"))
    return client


@pytest.fixture
def faces() -> dict[str, list[int]]:
    """Two faces that may be used commercially, one of them to be shared alike; two that may not; one unknown."""
    made: dict[str, list[int]] = {}
    for code in ("cc-by-4.0", "cc-by-sa-2.0", "cc-by-nc-2.0", "cc-by-nc-2.0", ""):
        (face,) = make_faces(1, media=make_media(licence_code=code))
        made.setdefault(code, []).append(face.pk)
    return made


def inside(campaign: Campaign) -> set[int]:
    return set(campaign.campaign_faces.values_list("face", flat=True))


def test_without_a_rule_every_face_is_asked_about(faces) -> None:
    campaign = campaigns.create(name="All")
    made = campaigns.add_faces(campaign=campaign, faces=Face.objects.all())
    assert (made.added, made.left_out.faces, made.left_out.why) == (5, 0, {})


def test_faces_that_do_not_meet_the_rule_stay_out_and_are_counted_by_demand(faces) -> None:
    campaign = campaigns.create(name="Free", licence_rule=["no_sa", "no_nc"])
    made = campaigns.add_faces(campaign=campaign, faces=Face.objects.all(), by=make_user("manager"))
    assert inside(campaign) == set(faces["cc-by-4.0"])
    # Of an unknown licence nobody can say what it allows: only that it is unknown is told.
    assert (made.added, made.left_out.faces) == (1, 4)
    assert made.left_out.why == {"no_unknown": 1, "no_nc": 2, "no_sa": 1}
    entry = AuditEntry.objects.get(campaign=campaign, verb="faces_added")
    assert log.details(entry) == [("faces", "1"), ("left out for their licences", "4")]


def test_a_limit_draws_among_those_that_meet_the_rule(faces) -> None:
    campaign = campaigns.create(name="Free", licence_rule=["no_nc"])
    made = campaigns.add_faces(campaign=campaign, faces=Face.objects.all(), limit=2)
    assert (made.added, made.left_out.faces) == (2, 3)
    assert inside(campaign) == {*faces["cc-by-4.0"], *faces["cc-by-sa-2.0"]}


def test_a_face_is_counted_once_however_many_sources_hold_it(faces) -> None:
    campaign = campaigns.create(name="Free", licence_rule=["no_unknown"])
    twice = Face.objects.filter(pk__in=faces[""]) | Face.objects.filter(campaign_faces__isnull=True)
    assert campaigns.add_faces(campaign=campaign, faces=twice).left_out.faces == 1


def test_a_licence_that_is_understood_later_brings_its_faces_in(faces) -> None:
    campaign = campaigns.create(name="Known", licence_rule=["no_unknown"])
    assert campaigns.add_faces(campaign=campaign, faces=Face.objects.all()).left_out.faces == 1
    Media.objects.filter(licence_code="").update(licence_code="own")
    again = campaigns.add_faces(campaign=campaign, faces=Face.objects.all())
    assert (again.added, again.left_out.faces) == (1, 0)


def test_a_rule_of_unknown_demands_is_refused() -> None:
    with pytest.raises(campaigns.CannotCreate, match="no demand “no_cats” on licences") as refused:
        campaigns.create(name="x", licence_rule=["no_cats"])
    assert (refused.value.field, Campaign.objects.count()) == ("licence_rule", 0)


def test_a_changed_rule_keeps_the_faces_and_goes_on_record_in_words(faces) -> None:
    campaign = make_campaign(list(Face.objects.all()))
    campaigns.change(campaign=campaign, licence_rule=["no_nc", "no_unknown"], by=make_user("manager"))
    assert (campaign.licence_rule, len(inside(campaign))) == (["no_unknown", "no_nc"], 5)
    entry = AuditEntry.objects.get(campaign=campaign, verb="changed")
    assert log.details(entry) == [
        ("what licences must allow", "none → The licence is known, Commercial use is allowed")
    ]


def test_a_copy_has_the_rule_and_only_the_faces_that_meet_it(manager: Client, faces) -> None:
    campaign = make_campaign(list(Face.objects.all()))
    campaigns.change(campaign=campaign, licence_rule=["no_nc"])
    address = reverse("labeling:campaign_duplicate", args=[campaign.pk])
    page = manager.post(address, {"name": "Copy", "same_faces": "on"}, follow=True).content.decode()
    made = Campaign.objects.get(name="Copy")
    assert (made.licence_rule, len(inside(made))) == (["no_nc"], 2)
    assert LEFT_OUT in page


def test_the_wizard_counts_what_the_rule_leaves_out_while_it_is_chosen(manager: Client, faces) -> None:
    address = reverse("labeling:campaign_draft_faces")
    told = manager.post(address, {"licence_rule": ["no_nc"]}).json()
    assert (told["count"], told["line"]) == (2, "2 faces")
    assert LEFT_OUT in told["html"]
    none = manager.post(address, {"licence_rule": ["no_nc", "no_sa"], "min_size": 900}).json()
    assert "No face is like that" in none["html"]
    Media.objects.update(licence_code="")
    only = manager.post(address, {"licence_rule": ["no_unknown"]}).json()
    assert only["count"] == 0
    assert "5 faces are left out for their licences: licence not known (5)." in only["html"]
    assert "No face is like that" not in only["html"]


def test_the_wizard_makes_the_campaign_with_its_rule_and_says_what_stayed_out(manager: Client, faces) -> None:
    new = manager.get(reverse("labeling:campaign_new")).content.decode()
    assert new.count('name="licence_rule"') == 5
    body = asked(licence_rule=["no_nc", "no_sa"])
    page = manager.post(reverse("labeling:campaign_new"), body, follow=True).content.decode()
    assert inside(Campaign.objects.get()) == set(faces["cc-by-4.0"])
    assert ALL_LEFT_OUT in page
    assert "Commercial use is allowed; What is made of it need not carry the same licence" in page


def test_the_rule_is_changed_on_its_own_step_and_the_page_says_what_no_longer_meets_it(
    manager: Client, faces
) -> None:
    campaign = make_campaign(list(Face.objects.all()))
    address = reverse("labeling:campaign_edit", args=[campaign.pk])
    assert 'id="step-rights"' in manager.get(address).content.decode()
    body = asked(
        name=campaign.name,
        expression=campaign.expressions,
        key=[""] * 7,
        icon=[""] * 7,
        votes_per_face=campaign.votes_per_face,
        rule=campaign.rule,
        licence_rule=["no_nc"],
    )
    page = manager.post(address, body, follow=True).content.decode()
    assert Campaign.objects.get().licence_rule == ["no_nc"]
    assert "3 faces of the campaign do not meet it and stay out of snapshots" in page
    edit = manager.get(address).content.decode()
    assert 'value="no_nc" id="id_licence_rule_2" checked' in edit


def test_faces_added_on_the_page_are_held_to_the_rule_of_the_campaign(manager: Client, faces) -> None:
    campaign = campaigns.create(name="Free", licence_rule=["no_nc"])
    draft = f"{reverse('labeling:campaign_draft_faces')}?without={campaign.pk}"
    assert manager.post(draft, {}).json()["count"] == 2
    page = manager.post(
        reverse("labeling:campaign_add", args=[campaign.pk]), {"limit": "1"}, follow=True
    ).content.decode()
    assert "1 face added; those that were in stay as they are." in page
    assert LEFT_OUT in page


def test_the_rule_by_api(faces) -> None:
    client = APIClient()
    client.force_authenticate(make_user("manager"))
    body = {"name": "Free", "licence_rule": ["no_nc"]}
    made = client.post("/api/v1/campaigns/", body, format="json").json()
    assert made["licence_rule"] == ["no_nc"]
    added = client.post(f"/api/v1/campaigns/{made['id']}/faces/", {}, format="json").json()
    assert added == {
        "added": 2,
        "left_out": {"faces": 3, "why": {"no_unknown": 1, "no_nc": 2}},
        "kept_out": {"faces": 0, "why": {}, "unmeasured": 0},
    }
    address = f"/api/v1/campaigns/{made['id']}/"
    assert client.patch(address, {"licence_rule": []}, format="json").json()["licence_rule"] == []
    wrong = client.patch(address, {"licence_rule": ["no_cats"]}, format="json")
    assert (wrong.status_code, list(wrong.json())) == (400, ["licence_rule"])


def test_the_rule_on_the_command_line(faces) -> None:
    out = io.StringIO()
    call_command("create_campaign", "Free", "--licence-rule", "no_nc,no_sa", stdout=out)
    assert out.getvalue().splitlines()[1] == ALL_LEFT_OUT
    assert Campaign.objects.get().licence_rule == ["no_nc", "no_sa"]
    with pytest.raises(CommandError, match="no demand “no_cats”"):
        call_command("create_campaign", "Cats", "--licence-rule", "no_cats")
