"""What trainings keep of erased faces goes; which models have seen them is told."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.conf import settings

from labeling import work
from labeling.models import Snapshot
from labeling.snapshots import format as snapshots
from labeling.snapshots.stored import local_folder
from tests.factories import make_user
from tests.labeling.erasure.erasing import erase
from tests.labeling.snapshots.making import frozen, make_settled
from training import runs
from training.models import Prediction, TrainingRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def snapshot() -> Snapshot:
    return frozen(make_settled(12))


@pytest.fixture
def run(snapshot: Snapshot) -> TrainingRun:
    """With the opinions of all its faces in its folder, and the decoded images beside it."""
    run = runs.start(snapshot=snapshot, network="resnet18", preset="quick", created_by=make_user("trainer"))
    home = runs.folder(run)
    home.mkdir(parents=True)
    keys = snapshots.read_table(local_folder(snapshot), columns=["face_key"]).column("face_key")
    pq.write_table(pa.table({"key": keys, "face_id": range(len(keys))}), home / "predictions-test.parquet")
    shutil.copy(home / "predictions-test.parquet", home / "heat-maps-test.parquet")
    arrays = Path(settings.RUNS_ROOT) / "decoded-images"
    arrays.mkdir()
    (arrays / f"images-{snapshot.digest}-12-grey-48.npy").write_bytes(b"pictures")
    (arrays / f".images-{snapshot.digest}-12-grey-48.npy.7.part").write_bytes(b"pictures")
    (arrays / f"images-{'0' * 64}-12-grey-48.npy").write_bytes(b"others")
    return run


def test_the_models_are_named_and_their_opinions_go(run: TrainingRun) -> None:
    face = run.snapshot.campaign.campaign_faces.first().face
    row = erase("face", [face.pk])
    assert row.touched["runs"] == [{"name": run.name, "url": f"/runs/{run.pk}/"}]
    for kept in ("predictions-test.parquet", "heat-maps-test.parquet"):
        assert pq.read_table(runs.folder(run) / kept).num_rows == 11
    assert sorted(path.name for path in (Path(settings.RUNS_ROOT) / "decoded-images").iterdir()) == [
        f"images-{'0' * 64}-12-grey-48.npy"
    ]


def test_a_training_on_them_is_stopped_and_can_be_resumed(run: TrainingRun) -> None:
    job = work.claim(TrainingRun, run.pk)
    (runs.folder(run) / runs.LOCK).touch()
    erase("face", [run.snapshot.campaign.campaign_faces.first().face_id])
    with pytest.raises(work.StopAsked):
        job.beat(force=True)


def test_crops_that_a_prediction_left_go(run: TrainingRun) -> None:
    campaign = run.snapshot.campaign
    prediction = Prediction.objects.create(run=run, campaign=campaign)
    home = runs.folder(run) / f"prediction-{prediction.pk}"
    home.mkdir()
    for name in ("faces.parquet", "faces.part", "opinions.parquet"):
        (home / name).write_bytes(b"crops")
    job = work.claim(Prediction, prediction.pk)
    erase("face", [campaign.campaign_faces.first().face_id])
    assert list(home.iterdir()) == []
    prediction.refresh_from_db()
    assert prediction.state == "waiting"
    with pytest.raises(work.ClaimLost):
        job.beat(force=True)


def test_runs_on_other_snapshots_are_left_alone(run: TrainingRun) -> None:
    before = (runs.folder(run) / "predictions-test.parquet").read_bytes()
    other = make_settled(12)
    row = erase("face", [other.campaign_faces.first().face_id])
    assert row.touched["runs"] == []
    assert (runs.folder(run) / "predictions-test.parquet").read_bytes() == before
