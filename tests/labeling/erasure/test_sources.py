"""A source that is erased as a whole, at work or not, brings nothing in any more."""

import hashlib
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling import erasure
from labeling.models import Media, Source
from labeling.sources import ingest, intake, store, watching
from tests.factories import make_user
from tests.labeling.erasure.erasing import erase
from tests.labeling.erasure.test_race import together
from tests.labeling.sources.places import again, png, taken_in, write

pytestmark = pytest.mark.django_db
PICTURES = 40


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_what_comes_in_while_a_source_is_erased_goes_too(tmp_path: Path, monkeypatch) -> None:
    take_file = intake.take_file

    def slowly(**given: object) -> None:
        time.sleep(0.1)
        take_file(**given)

    monkeypatch.setattr(intake, "take_file", slowly)
    folder = write(tmp_path / "own", {f"{number}.png": png(number) for number in range(PICTURES)})
    source = ingest.add(location=folder, wake=False)
    row = erasure.demand("source", [source.pk], reason="Asked to", wake=False)

    def in_the_middle() -> None:
        until = time.monotonic() + 60
        while Media.objects.count() < 3 and time.monotonic() < until:
            time.sleep(0.05)
        erasure.carry_out(row.pk)

    together(lambda: ingest.ingest(source.pk, wake=False), in_the_middle)
    row.refresh_from_db()
    source.refresh_from_db()
    assert (row.state, source.state) == ("done", "stopped")
    assert 3 <= row.touched["media"] < PICTURES
    assert not Media.objects.exists()
    assert {item.state for item in source.items.all()} == {"refused"}
    hashes = [hashlib.sha256(png(number)).hexdigest() for number in range(PICTURES)]
    assert not any(default_storage.exists(store.name_of("media", sha256, "png")) for sha256 in hashes)


def test_a_source_whose_worker_died_is_not_waited_for(tmp_path: Path) -> None:
    source = taken_in(write(tmp_path / "own", {"one.png": png(1)}))
    long_ago = timezone.now() - timedelta(seconds=settings.HEARTBEAT_TIMEOUT_S + 1)
    running = {"state": "running", "worker": "dead", "ended_at": None, "heartbeat_at": long_ago}
    Source.objects.filter(pk=source.pk).update(**running)
    erase("source", [source.pk])
    source.refresh_from_db()
    assert (source.state, source.worker, source.stop_asked) == ("stopped", "", False)
    assert not Media.objects.exists()


def test_an_erased_source_does_not_go_on_and_what_else_is_there_is_a_new_one(tmp_path: Path) -> None:
    folder = write(tmp_path / "own", {"one.png": png(1), "broken.png": "no picture"})
    source = taken_in(folder)
    erase("source", [source.pk])
    for deed in (
        lambda: ingest.refresh(source=source),
        lambda: ingest.retry_refused(source=source),
        lambda: watching.watch(source=source, minutes=5),
    ):
        with pytest.raises((ingest.IsErased, watching.CannotWatch), match="This source was erased"):
            deed()
    write(folder, {"two.png": png(2)})
    other = ingest.resume_or_add(location=folder, wake=False)
    assert other != source
    ingest.ingest(other.pk, wake=False)
    assert sorted(other.items.values_list("locator", "state")) == [
        ("broken.png", "refused"),
        ("one.png", "refused"),
        ("two.png", "ingested"),
    ]


def test_a_demand_not_yet_carried_out_counts(tmp_path: Path) -> None:
    source = taken_in(write(tmp_path / "own", {"one.png": png(1)}))
    erasure.demand("source", [source.pk], reason="Asked to", wake=False)
    with pytest.raises(ingest.IsErased):
        ingest.refresh(source=source)


def test_the_page_offers_nothing_that_an_erased_source_refuses(client: Client, tmp_path: Path) -> None:
    client.force_login(make_user("manager"))
    source = taken_in(write(tmp_path / "own", {"one.png": png(1), "broken.png": "no picture"}))
    address = reverse("labeling:source", args=[source.pk])
    verbs = [
        reverse(f"labeling:source_{verb}", args=[source.pk])
        for verb in ("restart", "retry", "watch", "detect")
    ]
    before = client.get(address).content.decode()
    assert all(verb in before for verb in verbs)
    row = erase("source", [source.pk])
    page = client.get(address).content.decode()
    assert not [verb for verb in verbs if verb in page]
    assert reverse("labeling:erasure", args=[row.pk]) in page
    client.post(verbs[0])
    assert "This source was erased" in client.get(address).content.decode()
    source.refresh_from_db()
    assert source.state == "done"
    refused = client.post(f"/api/v1/sources/{source.pk}/restart/")
    assert (refused.status_code, "This source was erased" in refused.content.decode()) == (409, True)


def test_what_was_erased_is_not_offered_to_be_tried_again(client: Client, tmp_path: Path) -> None:
    client.force_login(make_user("manager"))
    source = taken_in(
        write(tmp_path / "own", {"one.png": png(1), "two.png": png(2), "broken.png": "no picture"})
    )
    gone = source.items.get(locator="one.png")
    erase("media", [gone.media_id])
    address = reverse("labeling:source", args=[source.pk])
    page = client.get(address).content.decode()
    broken = source.items.get(locator="broken.png")
    assert "Try the refused one again" in page
    assert f'name="item" value="{broken.pk}"' in page
    assert f'name="item" value="{gone.pk}"' not in page
    assert page.count('name="reason" value=') == 1
    broken.delete()
    page = client.get(address).content.decode()
    assert "Erased on" in page
    assert reverse("labeling:source_retry", args=[source.pk]) not in page


def test_a_source_says_no_counts_that_an_erasure_has_changed(tmp_path: Path) -> None:
    source = taken_in(write(tmp_path / "own", {"one.png": png(1), "broken.png": "no picture"}))
    assert source.message == "1 items in, 1 refused"
    erase("media", [source.items.get(locator="one.png").media_id])
    source.refresh_from_db()
    assert source.message == ""
    again(source)
    assert "2 refused" in source.message
