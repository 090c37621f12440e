"""What a snapshot asks of licences."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from labeling import campaigns
from labeling.models import Campaign, CampaignFace, Face, Media, Snapshot
from labeling.snapshots import format as snapshots
from labeling.snapshots import freezing
from tests.factories import make_campaign, make_user, settle
from tests.labeling.snapshots.making import frozen, make_settled
from tests.labeling.sources.places import fer_csv, fer_row, taken_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    """Twenty settled faces: 12 under CC BY, 5 under CC BY-NC, 3 under an unknown licence."""
    made = make_settled(20)
    media = list(Media.objects.order_by("pk").values_list("pk", flat=True))
    Media.objects.filter(pk__in=media[:12]).update(licence="CC BY 4.0", licence_code="cc-by-4.0")
    Media.objects.filter(pk__in=media[12:17]).update(licence="CC BY-NC 4.0", licence_code="cc-by-nc-4.0")
    return made


def manifest(snapshot: Snapshot) -> snapshots.Manifest:
    return snapshots.read_manifest(freezing.local_folder(snapshot))


def test_without_a_rule_every_licence_is_frozen_and_the_rule_says_nothing_of_it(campaign) -> None:
    said = manifest(frozen(campaign))
    assert (said.rows, said.left_out, "licences" in said.rule) == (20, {}, False)


def test_faces_that_do_not_meet_the_rule_are_left_out_and_the_manifest_says_so(campaign) -> None:
    snapshot = frozen(campaign, licences=["no_nc", "no_unknown"])
    said = manifest(snapshot)
    assert (said.rows, said.left_out) == (12, {"licence": 8})
    assert said.rule["licences"] == ["no_unknown", "no_nc"]
    licences = snapshots.read_table(freezing.local_folder(snapshot), columns=["licence"]).column("licence")
    assert set(licences.to_pylist()) == {"CC BY 4.0"}


def test_the_rule_of_the_campaign_holds_unless_another_is_asked_for(campaign) -> None:
    campaigns.change(campaign=campaign, licence_rule=["no_nc"])
    assert manifest(frozen(campaign)).rows == 12
    assert manifest(frozen(campaign, licences=["no_unknown"])).rows == 17
    assert manifest(frozen(campaign, licences=[])).rows == 20


def test_the_same_faces_under_another_rule_are_another_snapshot(campaign) -> None:
    Media.objects.update(licence_code="cc0-1.0")
    plain, asked = frozen(campaign), frozen(campaign, licences=["no_nc"])
    assert manifest(plain).rows == manifest(asked).rows
    assert plain.digest != asked.digest


def test_a_face_without_a_label_is_left_out_for_that_and_not_for_its_licence(campaign) -> None:
    last = list(campaign.campaign_faces.order_by("-pk").values_list("pk", flat=True)[:1])
    CampaignFace.objects.filter(pk__in=last).update(outcome="no_consensus", label="")
    assert manifest(frozen(campaign, licences=["no_nc"])).left_out == {"licence": 7, "no_consensus": 1}


def test_a_rule_that_nothing_meets_is_refused_with_what_is_in_the_way(campaign) -> None:
    Media.objects.filter(licence_code="cc-by-4.0").update(licence_code="cc-by-nc-sa-2.0")
    with pytest.raises(
        freezing.CannotFreeze, match=r"not known \(3\), commercial use not allowed \(17\). Ask for less"
    ):
        freezing.freeze(campaign=campaign, licences=["no_nc"])
    with pytest.raises(freezing.CannotFreeze, match="no demand “no_cats”"):
        freezing.freeze(campaign=campaign, licences=["no_cats"])
    assert not Snapshot.objects.exists()


def test_the_page_says_what_each_demand_would_leave_out_and_freezes_by_those_ticked(
    client: Client, campaign
) -> None:
    client.force_login(make_user("manager"))
    campaigns.change(campaign=campaign, licence_rule=["no_nc"])
    answer = client.get(reverse("labeling:snapshot_new"), {"campaign": campaign.pk})
    page = answer.content.decode()
    assert answer.context["table"].faces == 12
    assert answer.context["left_out"] == [(8, "for their licences")]
    assert (
        "By what the campaign asks are left out: licence not known (3), commercial use not allowed (5)."
        in page
    )
    assert 'value="no_nc" id="id_licences_2" checked' in page
    assert 'value="no_nd" id="id_licences_3" checked' not in page
    assert page.count("leaves 3 faces out") == 4
    assert page.count("leaves 8 faces out") == 1
    body = {
        "campaign": campaign.pk,
        "splits": "stratified",
        "train": 80,
        "validation": 10,
        "test": 10,
        "seed": 0,
        "labels": '["adjudicated", "votes"]',
    }
    client.post(reverse("labeling:snapshot_new"), {**body, "licences": ["no_unknown"]})
    snapshot = Snapshot.objects.get()
    assert snapshot.rule["licences"] == ["no_unknown"]
    freezing.run_freeze(snapshot.pk)
    shown = client.get(reverse("labeling:snapshot", args=[snapshot.pk])).content.decode()
    assert "<dt>Rights</dt><dd>The licence is known</dd>" in shown
    assert "<dt>3</dt><dd>for their licences</dd>" in shown
    client.post(reverse("labeling:snapshot_new"), body)
    assert "licences" not in Snapshot.objects.order_by("-pk")[0].rule


def test_the_rule_of_a_snapshot_by_command_and_by_api(campaign) -> None:
    campaigns.change(campaign=campaign, licence_rule=["no_nc"])
    out = io.StringIO()
    call_command("freeze", campaign.name, "--in-process", "--licences", "no_unknown", stdout=out)
    assert "left out: 3 for their licences" in out.getvalue()
    call_command("freeze", campaign.name, "--in-process", "--licences", "none", stdout=out)
    call_command("freeze", campaign.name, "--in-process", stdout=out)
    rules = [row.rule.get("licences") for row in Snapshot.objects.order_by("pk")]
    assert rules == [["no_unknown"], None, ["no_nc"]]
    with pytest.raises(CommandError, match="no demand “no_cats”"):
        call_command("freeze", campaign.name, "--licences", "no_cats")
    client = APIClient()
    client.force_authenticate(make_user("manager"))
    body = {"campaign": campaign.pk, "licences": ["no_nd"]}
    made = client.post("/api/v1/snapshots/", body, format="json").json()
    assert made["rule"]["licences"] == ["no_nd"]


def test_rows_of_tables_are_frozen_by_the_licence_of_their_source(tmp_path: Path) -> None:
    licences = ("CC BY 4.0", "CC BY-NC 4.0", "CC BY-ND 4.0", "", "research only")
    for number, licence in enumerate(licences):
        rows = [fer_row(3, 10 * number + row) for row in range(8)]
        taken_in(fer_csv(tmp_path / f"{number}.csv", rows), licence=licence)
    # The same pixels under two licences: nobody has decided which.
    taken_in(fer_csv(tmp_path / "again.csv", [fer_row(3, 0)]), licence="CC BY-SA 4.0")
    campaign = make_campaign(list(Face.objects.order_by("pk")))
    for number, row in enumerate(campaign.campaign_faces.all()):
        settle(row, ("happy", "sad")[number % 2])
    said = manifest(frozen(campaign, licences=["no_unknown", "no_nc", "no_nd"]))
    assert (said.rows, said.left_out) == (7, {"licence": 33})
