"""The ML room, driven as a person drives it, with a real worker behind it."""

from pathlib import Path

import pytest
from django.urls import reverse

from labeling import suggestions
from labeling.models import CampaignFace
from tests.browser.test_pages import serious
from tests.factories import make_campaign, make_over, make_user
from tests.training.making import (
    epoch,
    faces_of,
    finish,
    make_real_snapshot,
    make_run,
    make_snapshot,
    settled_faces,
    write_events,
)
from tests.worker import worker
from training import predictions, relabeling
from training.models import Prediction, RelabelRound, TrainingRun

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def trainer():
    return make_user("trainer")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_trainers_pages_are_sound(
    enter, live_server, trainer, complaints: list[str], scheme: str
) -> None:
    campaign = make_campaign(3)
    faces = settled_faces(campaign)
    snapshot = make_snapshot(campaign)
    run = finish(make_run(snapshot), [(face.pk, "happy", "sad") for face in faces_of(campaign)])
    suggestions.store(
        origin=predictions.origin(run), rows=[(face.pk, {"happy": 0.2, "sad": 0.8}) for face in faces]
    )
    make_over(Prediction.objects.create(run=run, campaign=campaign))
    relabeling.open_round(run=run, campaign_face_ids=[faces[0].pk], votes_per_face=2)
    waiting = make_run(snapshot)
    write_events(waiting, epoch(1, 0.4), epoch(2, 0.6))
    round_page = f"/relabel-rounds/{RelabelRound.objects.get().pk}/"
    page = enter(trainer)
    page.emulate_media(color_scheme=scheme)
    own = f"/runs/{run.pk}/"
    for address in (
        "/runs/", "/runs/new/", own, f"{own}mistakes/", f"{own}doubts/", f"/runs/{waiting.pk}/",
        "/relabel-rounds/", round_page,
    ):  # fmt: skip
        page.goto(live_server.url + address)
        assert (address, serious(page)) == (address, [])
    assert complaints == []


@pytest.mark.slow
@pytest.mark.worker
def test_from_the_admins_start_button_to_a_relabel_round(
    enter, live_server, trainer, complaints: list[str], tmp_path: Path
) -> None:
    campaign = make_campaign(4)
    settled_faces(campaign)
    make_real_snapshot(campaign)
    page = enter(trainer)
    page.set_default_timeout(60_000)
    page.goto(f"{live_server.url}/admin/training/trainingrun/add/")
    page.select_option("[name=network]", "resnet18")
    for name, value in {"image_size": "32", "batch_size": "8", "epochs": "200"}.items():
        page.fill(f"[name={name}]", value)
    page.fill("[name=further]", '{"threads": 1}')
    assert page.inner_text("[data-cost]") == "42 images × 200 epochs: at most 8,400 image passes."
    page.click(".start form button")
    run = TrainingRun.objects.get()
    assert page.url == f"{live_server.url}/runs/{run.pk}/"

    with worker(tmp_path / "worker.log", "-Q", "gpu"):
        # The page moves by itself: nobody loads it again.
        page.wait_for_selector("#live-state :text('running')")
        page.locator("#live-charts polyline").nth(3).wait_for(state="attached")
        page.click("button:text-is('Stop')")
        page.click("button:text-is('Resume')")
        page.wait_for_selector("#live-state :text('running')")
        page.click("button:text-is('Stop')")
        page.wait_for_selector("button:text-is('Resume')")
        run.refresh_from_db()
        assert (run.state, run.attempt >= 1) == ("stopped", True)

        short = make_run(run.snapshot, name="short", settings={**run.config, "epochs": 1})
        page.goto(f"{live_server.url}/runs/{short.pk}/")
        page.wait_for_selector("h2:text('On the test faces')")
        page.click("button:text-is('Look at every face')")
        page.wait_for_selector(".notice:has-text('look at every face')")
        _wait_for_opinions(page, live_server.url, short)
        page.goto(f"{live_server.url}/runs/{short.pk}/doubts/")
        page.locator(".doubt-card").nth(1).click()
        assert page.inner_text("[data-chosen]") == "1 of 4 ticked"
        page.fill("[name=votes_per_face]", "2")
        page.click("button:text-is('Open a relabel round')")
        page.wait_for_selector("h2:text('Waiting for votes')")
    opened = RelabelRound.objects.get()
    assert (opened.votes_per_face, opened.opened_by, opened.faces.count()) == (2, trainer, 1)
    assert CampaignFace.objects.filter(campaign=campaign, round=2, places=2).count() == 1
    assert complaints == []


def _wait_for_opinions(page, site: str, run: TrainingRun) -> None:
    for _ in range(60):
        page.goto(f"{site}/runs/{run.pk}/")
        if page.locator("tr:has-text('4 faces.')").count():
            return
        page.wait_for_timeout(1000)
    raise AssertionError(page.inner_text("main"))


def test_the_admins_list_of_runs_is_sound(enter, live_server, trainer, complaints: list[str]) -> None:
    finish(make_run())
    page = enter(trainer)
    page.goto(live_server.url + reverse("admin:training_trainingrun_changelist"))
    assert serious(page) == []
    assert complaints == []
