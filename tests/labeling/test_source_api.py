"""A source's progress and its failures, as programs see them."""

import pytest
from django.test import Client

from labeling.models import Item, Source
from tests.factories import make_media, make_over, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager"))
    return client


@pytest.fixture
def source() -> Source:
    source = Source.objects.create(name="s", kind="folder", location="/x")
    Item.objects.create(source=source, locator="a.png", state="ingested", media=make_media(bytes=700))
    for n, reason in enumerate(["Gone.", "Gone.", "Late."]):
        Item.objects.create(source=source, locator=f"{n}", state="refused", reason=reason)
    make_over(source)
    return source


def test_progress_tells_counts_bytes_and_reasons(manager: Client, source: Source) -> None:
    assert manager.get(f"/api/v1/sources/{source.pk}/progress/").json() == {
        "items": {"found": 0, "ingested": 1, "known": 0, "refused": 3},
        "media": 1,
        "bytes": 700,
        "bytes_per_second": None,
        "items_per_second": None,
        "seconds_left": None,
        "reasons": [{"reason": "Gone.", "items": 2}, {"reason": "Late.", "items": 1}],
        "refused_for_others": 0,
    }


def test_items_are_listed_by_reason_and_tried_again(manager: Client, source: Source) -> None:
    address = f"/api/v1/sources/{source.pk}/"
    late = manager.get(f"{address}items/", {"state": "refused", "reason": "Late."}).json()["results"]
    assert [item["locator"] for item in late] == ["2"]
    again = manager.post(f"{address}retry/", {"item": late[0]["id"]}, content_type="application/json")
    assert (again.status_code, again.json()["state"]) == (200, "waiting")
    refused = source.items.filter(state="refused")
    assert sorted(refused.values_list("locator", flat=True)) == ["0", "1"]
    # It waits for a worker now, and so do the others that are asked for meanwhile.
    others = manager.post(f"{address}retry/", {"reason": "Gone."}, content_type="application/json")
    assert (others.status_code, others.json()["state"], refused.count()) == (200, "waiting", 0)
