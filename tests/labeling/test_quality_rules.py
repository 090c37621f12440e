"""What a campaign asks of how well faces can be seen: which come in, which stay listed, and what people are told."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from rest_framework.test import APIClient

from labeling import campaigns, gallery, kept_out, log, quality_rule, quality_words
from labeling.campaign_settings import CannotChange, CannotCreate
from labeling.models import AuditEntry, Campaign, Face, Item, Source
from labeling.vision import quality
from labeling.web.faces import measured
from tests.factories import make_campaign, make_faces, make_media, make_user
from tests.labeling.test_wizard import edited
from tests.labeling.web.test_campaign_pages import asked

pytestmark = pytest.mark.django_db

RULE = {"min_side": 40, "min_sharpness": 0.3, "max_yaw": 30}
SHARP = {
    "sharpness": 0.5,
    "brightness": 0.5,
    "contrast": 0.2,
    "outside": 0.0,
    "yaw": 5.0,
    "pitch": 0.0,
    "roll": 0.0,
}


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager"))
    return client


@pytest.fixture
def faces() -> dict[str, int]:
    """One of each kind, by name."""
    fields: dict[str, dict[str, object]] = {
        "good": SHARP,
        "small": {**SHARP, "width": 39},
        "blurred": {**SHARP, "sharpness": 0.29},
        "turned": {**SHARP, "yaw": -31.0},
        "both": {**SHARP, "sharpness": 0.1, "yaw": 80.0},
        "unmeasured": {},
        "half": {**SHARP, "yaw": None},
    }
    return {name: make_faces(1, **each)[0].pk for name, each in fields.items()}


def inside(campaign: Campaign) -> set[int | None]:
    return set(campaign.campaign_faces.values_list("face", flat=True))


def keys(faces: dict[str, int], *names: str) -> set[int]:
    return {faces[name] for name in names}


# ---- which come in ----


def test_faces_that_do_not_meet_the_rule_stay_out_counted_by_reason_and_unmeasured_ones_pass(faces) -> None:
    campaign = campaigns.create(name="Sharp", quality_rule=RULE)
    made = campaigns.add_faces(campaign=campaign, faces=Face.objects.all(), by=make_user("manager"))
    assert inside(campaign) == keys(faces, "good", "unmeasured", "half")
    assert (made.added, made.kept_out.faces, made.kept_out.unmeasured) == (3, 4, 2)
    assert made.kept_out.why == {"small": 1, "blurred": 2, "turned": 2}
    entry = AuditEntry.objects.get(campaign=campaign, verb="faces_added")
    assert log.details(entry) == [("faces", "3"), ("kept out for their quality", "4")]


def test_a_limit_draws_among_those_that_meet_the_rule(faces) -> None:
    campaign = campaigns.create(name="Sharp", quality_rule=RULE)
    made = campaigns.add_faces(campaign=campaign, faces=Face.objects.all(), limit=2)
    assert (made.added, made.kept_out.faces) == (2, 4)
    assert inside(campaign) < keys(faces, "good", "unmeasured", "half")


def test_without_a_rule_every_face_is_asked_about(faces) -> None:
    campaign = campaigns.create(name="All")
    made = campaigns.add_faces(campaign=campaign, faces=Face.objects.all())
    assert (made.added, made.kept_out) == (7, quality_rule.KeptOut())


class InTheDatabaseAsInPython(TestCase):
    @settings(max_examples=40)
    @given(
        rule=st.fixed_dictionaries(
            {},
            optional={
                name: st.integers(1, 90) if name == "min_side" else st.sampled_from([low, high / 3, high])
                for name, (low, high) in quality_rule.RANGES.items()
            },
        )
    )
    def test_the_rule_means_the_same_in_the_database_and_outside(self, rule: dict[str, float]) -> None:
        if any(quality_rule.problems(rule)):
            return
        for n in range(3):
            make_faces(1, width=20 + 20 * n, sharpness=0.2 * n, yaw=-20.0 * n, brightness=0.4 * n)
        limits = quality_rule.limits(rule)
        expected = {
            face.pk for face in Face.objects.all() if not quality.reasons(measured(face, limits), limits)
        }
        assert set(Face.objects.filter(quality_rule.meets(rule)).values_list("pk", flat=True)) == expected
        fails = set(Face.objects.filter(quality_rule.fails(rule)).values_list("pk", flat=True))
        assert fails == set(Face.objects.values_list("pk", flat=True)) - expected


# ---- what it may be ----


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"beauty": 1}, "Nothing called “beauty” is measured; choose of min_side, min_sharpness"),
        ({"min_side": 0}, "min_side is a number from 1 to 10000, not 0"),
        ({"min_side": 40.5}, "min_side is a number from 1 to 10000, not 40.5"),
        ({"max_yaw": 91}, "max_yaw is a number from 0 to 90, not 91"),
        ({"min_sharpness": "much"}, "min_sharpness is a number from 0 to 1, not much"),
        ({"min_sharpness": float("nan")}, "not nan"),
        ({"max_yaw": True}, "not True"),
        ({"min_brightness": 0.8, "max_brightness": 0.2}, "no face meets both"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: dict[str, object], said: str) -> None:
    with pytest.raises(CannotCreate, match=said):
        campaigns.create(name="Odd", quality_rule=rule)
    campaign = campaigns.create(name="Sound")
    with pytest.raises(CannotChange, match=said):
        campaigns.change(campaign=campaign, quality_rule=rule)
    assert Campaign.objects.get().quality_rule == {}


def test_a_rule_is_kept_without_what_asks_for_nothing() -> None:
    kept = quality_rule.kept({"max_yaw": 30, "min_sharpness": None, "min_side": 40.0})
    assert kept == {"min_side": 40, "max_yaw": 30}
    assert isinstance(kept["min_side"], int)


def test_a_changed_rule_keeps_the_faces_and_goes_on_record_in_words(faces) -> None:
    campaign = make_campaign(list(Face.objects.all()))
    campaigns.change(campaign=campaign, quality_rule={"min_side": 100, "max_outside": 0.25}, by=None)
    assert len(inside(campaign)) == 7
    (entry,) = AuditEntry.objects.filter(campaign=campaign)
    assert log.details(entry) == [
        (
            "what quality must reach",
            "any, however well it can be seen → shorter side at least 100 pixels; at most 25 % beyond the edge",
        )
    ]


def test_a_copy_has_the_rule_and_the_same_faces_whatever_it_says(faces) -> None:
    campaign = campaigns.create(name="Sharp", quality_rule=RULE)
    campaigns.add_faces(campaign=campaign, faces=Face.objects.all(), whatever_quality=True)
    copy = campaigns.duplicate(campaign=campaign, name="Again")
    assert (copy.quality_rule, inside(copy)) == (RULE, inside(campaign))


def test_the_gallery_says_how_many_do_not_meet_it(manager: Client, faces) -> None:
    campaign = campaigns.create(name="Sharp", quality_rule=RULE)
    deed = gallery.add_to_campaign(faces=Face.objects.all(), campaign=campaign, by=None)
    assert (deed.faces, deed.kept_out, deed.beside) == (3, 4, 0)
    other = campaigns.create(name="Sharper", quality_rule=RULE)
    posted = {"do": "add", "campaign": other.pk, "all": "1", "filter": ""}
    page = manager.post(reverse("labeling:faces_act"), posted, follow=True).content.decode()
    assert "3 faces added to Sharper. 4 do not meet its rule on quality." in page


# ---- those that stay out ----


def test_those_kept_out_are_listed_by_reason_and_let_in_all_the_same(manager: Client, faces) -> None:
    campaign = campaigns.create(name="Sharp", quality_rule=RULE)
    campaigns.add_faces(campaign=campaign, faces=Face.objects.all())
    address = reverse("labeling:campaign_kept_out", args=[campaign.pk])
    shown = manager.get(address)
    assert [(code, count) for code, _, count in shown.context["reasons"]] == [
        ("small", 1),
        ("blurred", 2),
        ("turned", 2),
    ]
    told = {face.pk: against for face, against in shown.context["faces"]}
    assert told == {
        faces["small"]: "small",
        faces["blurred"]: "blurred",
        faces["turned"]: "turned away",
        faces["both"]: "blurred, turned away",
    }
    turned = manager.get(address, {"reason": "turned"}).context["faces"]
    assert {face.pk for face, _ in turned} == keys(faces, "turned", "both")
    let_in = reverse("labeling:campaign_let_in", args=[campaign.pk])
    page = manager.post(let_in, {"face": [faces["both"], faces["small"], 999]}, follow=True).content.decode()
    assert "2 faces added, whatever their quality." in page
    assert keys(faces, "both", "small") < inside(campaign)
    entry = AuditEntry.objects.filter(campaign=campaign).first()
    assert entry is not None
    assert log.details(entry) == [("faces", "2"), ("whatever their quality", "yes")]
    assert "Tick the faces" in manager.post(let_in, follow=True).content.decode()


def test_only_faces_of_its_sources_and_detectors_are_listed_and_none_that_is_left_out() -> None:
    own, other = (Source.objects.create(name=name, kind="folder", location=f"/{name}") for name in "st")
    listed = []
    for source in (own, other):
        media = make_media()
        Item.objects.create(source=source, locator="a", state="ingested", media=media)
        make_faces(1, media=media, **SHARP)
        listed += make_faces(1, media=media, x=7, **{**SHARP, "sharpness": 0.1})
        make_faces(1, media=media, detector="yunet", **{**SHARP, "sharpness": 0.1})
        make_faces(1, media=media, x=9, left_out="person", **{**SHARP, "sharpness": 0.1})
    campaign = campaigns.create(name="Sharp", quality_rule=RULE)
    every = set(Face.objects.kept().filter(sharpness__lt=0.3).values_list("pk", flat=True))
    assert set(kept_out.of(campaign).values_list("pk", flat=True)) == every
    chosen = Face.objects.filter(detector="haar", media__items__source=own)
    campaigns.add_faces(campaign=campaign, faces=chosen)
    assert list(kept_out.of(campaign).values_list("pk", flat=True)) == [listed[0].pk]


@pytest.mark.parametrize("rows", [1, 3])
def test_the_list_costs_the_same_however_long_it_is(
    manager: Client, rows: int, django_assert_num_queries
) -> None:
    make_faces(rows, **{**SHARP, "sharpness": 0.1})
    campaign = campaigns.create(name="Sharp", quality_rule=RULE)
    with django_assert_num_queries(9):
        # session, user, campaign; for the counts: detectors, sources, counts; for the page the same two, faces
        manager.get(reverse("labeling:campaign_kept_out", args=[campaign.pk]))


def test_a_campaign_without_a_rule_says_so(manager: Client) -> None:
    campaign = make_campaign(1)
    page = manager.get(reverse("labeling:campaign_kept_out", args=[campaign.pk])).content.decode()
    assert "asks nothing of quality" in page


# ---- pages, API, command ----


def test_the_wizard_counts_what_the_rule_keeps_out_while_it_is_chosen(manager: Client, faces) -> None:
    address = reverse("labeling:campaign_draft_faces")
    posted = asked(quality_min_side=40, quality_min_sharpness="0.3", quality_max_yaw=30)
    found = manager.post(address, posted).json()
    assert found["count"] == 3
    assert "4 faces are kept out for their quality: small (1), blurred (2), turned away (2)." in found["html"]
    assert "2 faces were not measured in everything that is asked" in found["html"]
    assert manager.post(address, asked(quality_min_side="x")).json()["count"] == 7


def test_the_wizard_makes_the_campaign_with_its_rule_and_says_what_stayed_out(manager: Client, faces) -> None:
    posted = asked(name="Sharp", quality_min_side=40, quality_min_brightness=25, quality_max_outside="10")
    page = manager.post(reverse("labeling:campaign_new"), posted, follow=True).content.decode()
    campaign = Campaign.objects.get()
    assert campaign.quality_rule == {"min_side": 40, "min_brightness": 0.25, "max_outside": 0.1}
    assert "1 face is kept out for its quality: small (1)." in page
    assert "shorter side at least 40 pixels; brightness at least 25 %; at most 10 % beyond the edge" in page
    assert "Kept out" in page


def test_what_makes_no_sense_is_said_at_its_field(manager: Client) -> None:
    posted = asked(name="Odd", quality_min_brightness=80, quality_max_brightness=20)
    answer = manager.post(reverse("labeling:campaign_new"), posted)
    assert answer.status_code == 400
    assert "no face meets both" in str(answer.context["form"]["quality_max_brightness"].errors)
    assert (
        manager.post(reverse("labeling:campaign_new"), asked(name="Odd", quality_max_yaw=91)).status_code
        == 400
    )
    assert not Campaign.objects.exists()


def test_the_rule_is_changed_on_its_own_step_with_what_it_would_mean(manager: Client, faces) -> None:
    campaign = campaigns.create(name="Sharp", quality_rule=RULE)
    campaigns.add_faces(campaign=campaign, faces=Face.objects.all(), whatever_quality=True)
    edit = reverse("labeling:campaign_edit", args=[campaign.pk])
    form = manager.get(edit).context["form"]
    assert [field.value() for field in form.quality_fields()] == [
        40,
        0.3,
        None,
        None,
        None,
        None,
        30.0,
        None,
        None,
    ]
    live = reverse("labeling:campaign_draft_quality")
    html = manager.post(f"{live}?campaign={campaign.pk}", asked(quality_min_sharpness="0.3")).json()["html"]
    assert "<b>5</b> of the 7 faces in the campaign would meet it." in html
    assert "blurred (2)" in html
    manager.post(edit, edited(campaign, quality_min_sharpness="0.4"))
    campaign.refresh_from_db()
    assert campaign.quality_rule == {"min_sharpness": 0.4}


def test_faces_added_on_the_page_are_held_to_the_rule_of_the_campaign(manager: Client, faces) -> None:
    campaign = campaigns.create(name="Sharp", quality_rule=RULE)
    found = manager.post(f"{reverse('labeling:campaign_draft_faces')}?without={campaign.pk}", {}).json()
    assert found["count"] == 3
    page = manager.post(
        reverse("labeling:campaign_add", args=[campaign.pk]), {}, follow=True
    ).content.decode()
    assert "3 faces added" in page
    assert quality_words.kept_out_line(quality_rule.kept_out(Face.objects.all(), RULE)) in page


def test_the_rule_by_api(faces) -> None:
    client = APIClient()
    client.force_authenticate(make_user("manager"))
    made = client.post(
        "/api/v1/campaigns/", {"name": "Sharp", "quality_rule": {"min_side": 40.0}}, format="json"
    )
    assert (made.status_code, made.data["quality_rule"]) == (201, {"min_side": 40})
    address = f"/api/v1/campaigns/{made.data['id']}/"
    added = client.post(f"{address}faces/", {}, format="json").data
    assert (added["added"], added["kept_out"]) == (6, {"faces": 1, "why": {"small": 1}, "unmeasured": 0})
    rest = client.post(f"{address}faces/", {"whatever_quality": True}, format="json").data
    assert (rest["added"], rest["kept_out"]["faces"]) == (1, 0)
    changed = client.patch(address, {"quality_rule": {"max_yaw": 95}}, format="json")
    assert (changed.status_code, "from 0 to 90" in changed.data["error"]) == (409, True)


def test_those_kept_out_by_api(faces) -> None:
    client = APIClient()
    client.force_authenticate(make_user("manager"))
    campaign = campaigns.create(name="Sharp", quality_rule=RULE)
    campaigns.add_faces(campaign=campaign, faces=Face.objects.all())
    address = f"/api/v1/campaigns/{campaign.pk}/kept-out/"
    first = client.get(address, {"page_size": 3}).data
    rest = client.get(first["next"]).data
    told = {row["id"]: row["against"] for row in [*first["results"], *rest["results"]]}
    assert told == {
        faces["small"]: ["small"],
        faces["blurred"]: ["blurred"],
        faces["turned"]: ["turned"],
        faces["both"]: ["blurred", "turned"],
    }
    assert [row["id"] for row in first["results"]] == sorted(told, reverse=True)[:3]
    assert rest["next"] is None
    turned = client.get(address, {"reason": "turned"}).data["results"]
    assert {row["id"] for row in turned} == keys(faces, "turned", "both")
    assert client.get(address, {"reason": "ugly"}).status_code == 400
    asks_nothing = campaigns.create(name="Any")
    assert client.get(f"/api/v1/campaigns/{asks_nothing.pk}/kept-out/").data["results"] == []


@pytest.mark.parametrize("rows", [1, 3])
def test_the_list_by_api_costs_the_same_however_long_it_is(rows: int, django_assert_num_queries) -> None:
    client = APIClient()
    client.force_authenticate(make_user("manager"))
    campaign = campaigns.create(name="Sharp", quality_rule=RULE)
    campaigns.add_faces(campaign=campaign, faces=Face.objects.filter(pk=make_faces(1, **SHARP)[0].pk))
    make_faces(rows, **{**SHARP, "sharpness": 0.1})
    address = f"/api/v1/campaigns/{campaign.pk}/kept-out/"
    with django_assert_num_queries(5):
        # campaign, its groups, its detectors, its sources, faces
        assert len(client.get(address).data["results"]) == rows


def test_the_rule_on_the_command_line(faces) -> None:
    said = io.StringIO()
    call_command("create_campaign", "Sharp", quality=[("min_side", 40), ("min_sharpness", 0.3)], stdout=said)
    assert Campaign.objects.get().quality_rule == {"min_side": 40, "min_sharpness": 0.3}
    assert "3 faces are kept out for their quality: small (1), blurred (2)." in said.getvalue()
    with pytest.raises(CommandError, match="Nothing called “beauty”"):
        call_command("create_campaign", "Odd", "--quality", "beauty=1")
