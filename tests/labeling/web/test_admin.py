"""The admin lets managers look things up; it adds, deletes and moves nothing."""

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from labeling import admin as pages
from labeling.models import Detection, Erasure, Export, Item, Media, Snapshot, Source, Vote
from tests.factories import make_campaign, make_user

pytestmark = pytest.mark.django_db
SHOWN = [model for model, page in admin.site._registry.items() if isinstance(page, pages.LookUp)]


def sign_in(client: Client, role: str) -> None:
    user = make_user(role)
    user.is_staff = True
    user.save()
    client.force_login(user)


def list_of(model: type) -> str:
    return reverse(f"admin:labeling_{model._meta.model_name}_changelist")


def fill() -> None:
    campaign = make_campaign(2)
    source = Source.objects.create(name="s", kind="folder", location="/x")
    Item.objects.create(source=source, locator="a.png", media=Media.objects.first())
    Detection.objects.create(source=source, detector="haar")
    snapshot = Snapshot.objects.create(campaign=campaign, name="s")
    Export.objects.create(snapshot=snapshot, format="fer2013")
    Erasure.objects.create(scope="media", what=[1], reason="asked for")


@pytest.mark.parametrize("model", [model for model in SHOWN if model not in (Vote, Erasure)])
def test_managers_and_ml_staff_look(client: Client, model: type) -> None:
    fill()
    for role in ("manager", "trainer"):
        sign_in(client, role)
        assert client.get(list_of(model)).status_code == 200
        row = model._default_manager.first()
        page = reverse(f"admin:labeling_{model._meta.model_name}_change", args=[row.pk])
        assert client.get(page).status_code == 200


@pytest.mark.parametrize("model", SHOWN)
def test_an_annotator_who_may_enter_sees_none_of_it(client: Client, model: type) -> None:
    sign_in(client, "annotator")
    assert client.get(list_of(model)).status_code == 403


def test_what_was_erased_is_for_managers(client: Client) -> None:
    fill()
    row = Erasure.objects.get()
    for role, status in (("manager", 200), ("trainer", 403)):
        sign_in(client, role)
        page = reverse("admin:labeling_erasure_change", args=[row.pk])
        assert (client.get(list_of(Erasure)).status_code, client.get(page).status_code) == (status, status)


def test_who_voted_what_is_for_admins_alone(client: Client) -> None:
    sign_in(client, "manager")
    assert client.get(list_of(Vote)).status_code == 403
    sign_in(client, "admin")
    assert client.get(list_of(Vote)).status_code == 200


@pytest.mark.parametrize("model", SHOWN)
def test_nobody_adds_or_deletes_here(client: Client, model: type) -> None:
    fill()
    sign_in(client, "admin")
    name = model._meta.model_name
    assert client.get(reverse(f"admin:labeling_{name}_add")).status_code == 403
    row = model._default_manager.first()
    if row is not None:
        assert client.post(reverse(f"admin:labeling_{name}_delete", args=[row.pk])).status_code == 403


def test_a_manager_mends_a_licence_but_no_state(client: Client) -> None:
    fill()
    sign_in(client, "manager")
    source = Source.objects.get()
    wanted = {"name": "Holiday", "licence": "CC0", "author": "Ada", "state": "done", "location": "/etc"}
    client.post(reverse("admin:labeling_source_change", args=[source.pk]), wanted)
    source.refresh_from_db()
    assert (source.name, source.licence, source.author) == ("Holiday", "CC0", "Ada")
    assert (source.state, source.location) == ("waiting", "/x")


def test_ml_staff_mend_nothing(client: Client) -> None:
    fill()
    sign_in(client, "trainer")
    source = Source.objects.get()
    response = client.post(
        reverse("admin:labeling_source_change", args=[source.pk]), {"name": "x", "licence": "", "author": ""}
    )
    assert response.status_code == 403
