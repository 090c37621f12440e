import base64
import io
import re

import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from labeling import suggestions
from labeling.models import WorkState
from tests.factories import make_campaign, make_over, make_user, settle
from tests.training.making import epoch, faces_of, finish, make_run, make_snapshot, write_events
from training import predictions, runs
from training.core.heat_maps import SIDE, HeatMaps, write_heat_maps
from training.models import Prediction, RelabelRound, TrainingRun

pytestmark = pytest.mark.django_db


def url(name, run=None):
    return reverse(f"training:{name}", args=[run.pk] if run else [])


def form(snapshot, **fields):
    return {"snapshot": snapshot.pk, "network": "resnet18", "preset": "quick", **fields}


def text_of(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_the_list_takes_the_same_queries_for_one_run_and_for_three(
    client, trainer, django_assert_num_queries
):
    snapshot = make_snapshot()
    finish(make_run(snapshot), [(1, "happy", "happy")])
    with django_assert_num_queries(6):
        client.get(url("runs"))
    finish(make_run(snapshot), [(1, "happy", "happy")])
    make_run(snapshot)
    with django_assert_num_queries(6):
        page = client.get(url("runs"))
    assert page.content.decode().count('class="spark"') == 2


def test_an_empty_list_says_what_to_do_first(client, trainer):
    assert "Choose both, and press Start." in text_of(client.get(url("runs")))


@pytest.mark.parametrize("where", ["site", "admin"])
def test_start_leads_to_the_page_of_the_run(client, trainer, where):
    address = url("run_new") if where == "site" else reverse("admin:training_trainingrun_add")
    page = client.get(address)
    assert page.status_code == 200
    answer = client.post(address, form(make_snapshot(), epochs=4, further='{"rotation": 5}'))
    run = TrainingRun.objects.get()
    assert answer.url == url("run", run)
    assert (run.config["epochs"], run.config["rotation"], run.created_by) == (4, 5.0, trainer)
    assert not run.fast
    assert "Asked to be fast" not in text_of(client.get(url("run", run)))


def test_one_like_it_is_asked_for_by_the_same_form(client, trainer):
    settings = {"epochs": 4, "learning_rate": 0.01, "rotation": 5.0, "device": "cuda:1"}
    first = make_run(network="vgg19", settings=settings)
    assert f"{url('run_new')}?like={first.pk}" in client.get(url("run", first)).content.decode()
    asked = client.get(url("run_new"), {"like": first.pk}).context["form"]
    fields = {field.name: field.value() for field in asked if field.value() not in (None, "", False)}
    assert fields == {
        "snapshot": first.snapshot_id,
        "network": "vgg19",
        "preset": "quick",
        "epochs": 4,
        "learning_rate": 0.01,
        "further": '{"rotation": 5.0, "device": "cuda:1"}',
    }
    client.post(url("run_new"), fields)
    assert TrainingRun.objects.first().config == first.config
    client.post(url("run_new"), {**fields, "seed": 1})
    assert TrainingRun.objects.first().config == {**first.config, "seed": 1}


def test_what_the_machine_chose_for_a_fast_run_is_left_to_it_again(client, trainer):
    first = make_run(fast=True)
    TrainingRun.objects.update(config={**first.config, "bf16": True, "channels_last": True})
    asked = client.get(url("run_new"), {"like": first.pk}).context["form"]
    assert asked["fast"].value() is True
    assert asked["further"].value() in (None, "")


@pytest.mark.parametrize("asked", ["0", "x", "9" * 40, "²"])
def test_the_like_of_no_run_is_the_empty_form(client, trainer, asked):
    make_snapshot()
    page = client.get(url("run_new"), {"like": asked})
    assert page.status_code == 200
    assert page.context["form"]["network"].value() is None


def test_a_network_that_the_form_does_not_offer_is_not_repeated_as_another(client, trainer):
    run = make_run()
    TrainingRun.objects.update(network="torchvision:mnasnet0_5")
    assert "?like=" not in client.get(url("run", run)).content.decode()
    assert client.get(url("run_new"), {"like": run.pk}).context["form"]["network"].value() is None


@pytest.mark.parametrize("where", ["site", "admin"])
def test_a_run_can_be_asked_to_be_fast(client, trainer, where):
    address = url("run_new") if where == "site" else reverse("admin:training_trainingrun_add")
    snapshot = make_snapshot()
    assert "Computes in bfloat16" in text_of(client.get(address))
    client.post(address, form(snapshot, fast="on"))
    run = TrainingRun.objects.get()
    assert run.fast
    assert "Asked to be fast" in text_of(client.get(url("run", run)))


@pytest.mark.parametrize("where", ["site", "admin"])
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"further": '{"epoch": 3}'}, "nobody reads: epoch"),
        ({"further": "[1]"}, "not a JSON object"),
        ({"further": "{"}, "Enter a valid JSON"),
        ({"epochs": 3, "further": '{"epochs": 4}'}, "Given twice: epochs"),
        ({"fast": "on", "further": '{"bf16": true}'}, "Fast sets bf16"),
        ({"batch_size": 1}, "batch_size is 1"),
        ({"image_size": 4}, "image_size is 4"),
    ],
)
def test_a_wrong_setting_is_the_forms_error_and_makes_no_run(client, trainer, where, fields, said):
    address = url("run_new") if where == "site" else reverse("admin:training_trainingrun_add")
    answer = client.post(address, form(make_snapshot(), **fields))
    assert answer.status_code == 200
    assert said in text_of(answer)
    assert not TrainingRun.objects.exists()


def test_unfinished_snapshots_are_not_offered(client, trainer):
    snapshot = make_snapshot()
    snapshot.__class__.objects.filter(pk=snapshot.pk).update(state="waiting", digest="", ended_at=None)
    assert "There is nothing to learn from yet" in text_of(client.get(url("run_new")))


def test_a_running_run_shows_curves_log_and_stop(client, trainer):
    run = make_run()
    write_events(run, epoch(1, 0.4), epoch(2, 0.6))
    page = client.get(url("run", run))
    body = page.content.decode()
    assert body.count("<polyline") == 4
    assert "best: epoch 2" in body
    assert url("run_stop", run) in body
    assert url("run_resume", run) not in body
    assert "10 training images" in text_of(page)


def test_live_json_has_the_figures_and_the_moving_parts(client, trainer):
    run = make_run()
    write_events(run, epoch(1, 0.4))
    live = client.get(url("run_live", run)).json()
    assert (live["state"], live["over"], live["epoch"], live["epochs"]) == ("waiting", False, 1, 3)
    assert set(live["parts"]) == {"live-state", "live-status", "live-charts", "live-log"}


def test_a_run_that_was_taken_up_by_itself_says_when_and_why(client, trainer):
    run = make_run()
    assert "Taken up" not in text_of(client.get(url("run", run)))
    died = {
        "at": "2026-01-05T10:00:00+00:00",
        "epoch": 1,
        "why": "Its worker died; another one goes on with it.",
    }
    killed = "The training's process was killed by signal 9; it goes on from its last checkpoint."
    taken = {"at": timezone.now().isoformat(), "epoch": 2, "why": killed}
    TrainingRun.objects.filter(pk=run.pk).update(taken_up=[died, taken])
    page = text_of(client.get(url("run", run))).replace("&#x27;", "'")
    assert f"Taken up again by itself 2 times, last just now . {killed}" in page
    assert f"after 1 epoch: {died['why']}" in page
    assert f"after 2 epochs: {killed}" in page


def test_stop_and_resume_are_posts_that_come_back_to_the_page(client, trainer):
    run = make_run()
    assert client.get(url("run_stop", run)).status_code == 405
    assert client.post(url("run_stop", run)).url == url("run", run)
    run.refresh_from_db()
    assert run.state == WorkState.STOPPED
    client.post(url("run_resume", run))
    run.refresh_from_db()
    assert run.state == WorkState.WAITING
    again = client.post(url("run_resume", run), follow=True)
    assert "only what has stopped or failed can go on" in text_of(again)


def test_a_failed_run_says_why_and_offers_to_resume(client, trainer):
    run = make_run()
    make_over(run, WorkState.FAILED, error="The loss is not a number. Lower learning_rate.")
    body = client.get(url("run", run)).content.decode()
    assert "Lower learning_rate." in body
    assert url("run_resume", run) in body


def test_a_finished_run_shows_test_figures_matrix_and_mistakes(client, trainer):
    campaign = make_campaign(3)
    one, two, three = faces_of(campaign)
    judged = [(one.pk, "happy", "happy"), (two.pk, "sad", "happy"), (three.pk, "fear", "angry")]
    run = finish(make_run(make_snapshot(campaign)), judged)
    page = client.get(url("run", run))
    body = page.content.decode()
    assert "33.3 %" in text_of(page)
    assert "95 % interval" in body
    assert f"{url('run_mistakes', run)}?true=sad&amp;predicted=happy" in body
    assert reverse("labeling:crop", args=[two.pk]) in body
    assert reverse("labeling:crop", args=[one.pk]) not in body
    assert "2 of 3 test faces" in text_of(page)


def test_mistakes_can_be_narrowed_to_a_cell_and_deleted_faces_are_named(client, trainer):
    campaign = make_campaign(2)
    one, two = faces_of(campaign)
    run = finish(make_run(make_snapshot(campaign)), [(one.pk, "sad", "happy"), (two.pk, "fear", "happy")])
    page = client.get(url("run_mistakes", run), {"true": "sad", "predicted": "happy"})
    assert [judged.face for judged in page.context["faces"]] == [one]
    one.delete()
    page = client.get(url("run_mistakes", run), {"true": "sad", "predicted": "happy"})
    assert "This face was deleted." in text_of(page)
    everything = client.get(url("run_mistakes", run))
    assert everything.context["page"].paginator.count == 2


def test_where_the_network_looked_can_be_laid_over_its_mistakes(client, trainer):
    campaign = make_campaign(2)
    one, two = faces_of(campaign)
    run = finish(make_run(make_snapshot(campaign)), [(one.pk, "sad", "happy"), (two.pk, "fear", "happy")])
    for page in (client.get(url("run_mistakes", run)), client.get(url("run", run))):
        assert "Where it looked" not in text_of(page)
    heat = np.zeros((1, SIDE, SIDE), np.uint8)
    heat[0, :, 12:] = 255
    kept = HeatMaps((f"face-{one.pk}",), np.array([one.pk]), heat)
    write_heat_maps(runs.folder(run) / "heat-maps-test.parquet", kept)
    for page in (client.get(url("run_mistakes", run)), client.get(url("run", run))):
        assert "Where it looked" in text_of(page)
        (picture,) = re.findall(
            r'<img class="heat" src="data:image/png;base64,([^"]+)" alt="">', page.content.decode()
        )
        laid_over = np.array(Image.open(io.BytesIO(base64.b64decode(picture))))
        assert laid_over.shape == (SIDE, SIDE, 4)
        assert laid_over[:, :12, 3].max() == 0
        assert laid_over[:, 12:, 3].min() > 128


def test_a_diagonal_cell_shows_what_was_right(client, trainer):
    campaign = make_campaign(1)
    face = faces_of(campaign)[0]
    run = finish(make_run(make_snapshot(campaign)), [(face.pk, "sad", "sad")])
    page = client.get(url("run_mistakes", run), {"true": "sad", "predicted": "sad"})
    assert [judged.face for judged in page.context["faces"]] == [face]


def test_mistakes_take_the_same_queries_for_one_face_and_for_three(
    client, trainer, django_assert_num_queries
):
    campaign = make_campaign(4)
    faces = faces_of(campaign)
    run = make_run(make_snapshot(campaign))
    finish(run, [(faces[0].pk, "sad", "happy"), *((face.pk, "fear", "angry") for face in faces[1:])])
    for query in ({"true": "sad"}, {"true": "fear"}):
        with django_assert_num_queries(5):
            page = client.get(url("run_mistakes", run), query)
    assert len(page.context["faces"]) == 3


def test_a_run_without_result_has_no_mistakes_page_to_break(client, trainer):
    assert "tested when it is done" in text_of(client.get(url("run_mistakes", make_run())))


def test_predict_asks_for_every_face_of_the_chosen_campaign(client, trainer):
    run = finish(make_run())
    campaign = run.snapshot.campaign
    client.post(url("run_predict", run), {"campaign": campaign.pk})
    assert Prediction.objects.get().campaign == campaign


def test_predict_says_when_the_run_is_not_done(client, trainer):
    run = make_run()
    answer = client.post(url("run_predict", run), {"campaign": run.snapshot.campaign_id}, follow=True)
    assert "only a finished run can predict" in text_of(answer)
    assert not Prediction.objects.exists()


def doubting(faces=3):
    """A finished run whose network says sad of every face that the votes call happy."""
    campaign = make_campaign(faces)
    run = finish(make_run(make_snapshot(campaign)))
    chosen = list(campaign.campaign_faces.all())
    for face in chosen:
        settle(face, "happy")
    suggestions.store(
        origin=predictions.origin(run), rows=[(face.pk, {"happy": 0.2, "sad": 0.8}) for face in chosen]
    )
    make_over(Prediction.objects.create(run=run, campaign=campaign))
    return run, chosen


def test_the_doubts_page_shows_votes_and_network_side_by_side(client, trainer):
    run, chosen = doubting()
    page = client.get(url("run_doubts", run))
    body = page.content.decode()
    assert body.count('name="campaign_face"') == 3
    assert reverse("labeling:crop", args=[chosen[0].face_id]) in body
    assert "votes happy" in text_of(page)
    assert "network sad 80 %" in text_of(page)


def test_doubts_take_the_same_queries_for_one_face_and_for_three(client, trainer, django_assert_num_queries):
    for faces in (1, 3):
        run, _ = doubting(faces)
        with django_assert_num_queries(7):
            client.get(url("run_doubts", run))
    assert run.state == WorkState.DONE


def test_before_a_prediction_the_doubts_page_offers_one(client, trainer):
    run = finish(make_run())
    assert "has not looked at this campaign yet" in text_of(client.get(url("run_doubts", run)))


@pytest.mark.parametrize("role", ["annotator", "manager", "nobody"])
def test_the_admins_training_section_is_closed_to_others(client, role):
    user = make_user(role)
    type(user).objects.filter(pk=user.pk).update(is_staff=True)
    user.refresh_from_db()
    client.force_login(user)
    make_run()
    assert "Training runs" not in text_of(client.get(reverse("admin:index")))
    assert client.get(reverse("admin:training_trainingrun_changelist")).status_code == 403
    answer = client.post(reverse("admin:training_trainingrun_add"), form(make_snapshot()))
    assert answer.status_code == 403
    assert TrainingRun.objects.count() == 1


def test_trainers_stop_and_resume_from_the_admins_list(client, trainer):
    run = make_run()
    listed = reverse("admin:training_trainingrun_changelist")
    assert "0 of 3" in text_of(client.get(listed))
    client.post(listed, {"action": "stop", "_selected_action": [run.pk]})
    run.refresh_from_db()
    assert run.state == WorkState.STOPPED
    client.post(listed, {"action": "resume", "_selected_action": [run.pk]})
    run.refresh_from_db()
    assert run.state == WorkState.WAITING


def test_the_admins_list_takes_the_same_queries_for_one_run_and_for_three(
    client, trainer, django_assert_num_queries
):
    listed = reverse("admin:training_trainingrun_changelist")
    snapshot = make_snapshot()
    for count in (1, 2):
        for _ in range(count):
            finish(make_run(snapshot), [(1, "happy", "happy")])
        with django_assert_num_queries(10):
            page = client.get(listed)
    assert page.context["cl"].result_count == 3


@pytest.mark.parametrize("name", ["runs", "run_new", "relabel_rounds"])
def test_strangers_are_sent_to_sign_in(client, name):
    assert client.get(url(name)).status_code == 302


def test_the_admin_lists_the_relabel_rounds_with_their_time_zone(client, trainer):
    opened = RelabelRound.objects.create(
        run=finish(make_run()), campaign=make_campaign(1), votes_per_face=2, opened_by=trainer
    )
    listed = text_of(client.get(reverse("admin:training_relabelround_changelist")))
    assert f"{opened.opened_at:%Y-%m-%d %H:%M} UTC" in listed


@pytest.mark.parametrize("model", ["trainingrun", "relabelround"])
@pytest.mark.parametrize("key", ["start", "-1", "1_0", "٣"])
def test_the_admin_finds_nothing_at_what_is_no_key(client, trainer, model, key):
    assert client.get(f"/admin/training/{model}/{key}/change/").status_code == 404
