"""The files of a run are downloaded to the byte, and nothing else of its folder is."""

import pytest
from django.urls import reverse

from tests.training.making import finish, make_run, make_snapshot
from training import deleting, runs

pytestmark = pytest.mark.django_db
WEIGHTS = bytes(range(256)) * 4000


@pytest.fixture
def run(trainer):
    made = finish(make_run(make_snapshot(), name="Größter Lauf"), [(1, "sad", "sad")])
    (runs.folder(made) / "best.safetensors").write_bytes(WEIGHTS)
    return made


def address(run, name="best.safetensors"):
    return reverse("training:run_file", args=[run.pk, name])


def test_the_page_names_the_files_that_are_there(client, run):
    body = client.get(reverse("training:run", args=[run.pk])).content.decode()
    for name in ("best.safetensors", "result.json", "metrics.jsonl", "predictions-test.parquet"):
        assert address(run, name) in body
    assert address(run, "MODEL_CARD.md") not in body
    deleting.delete_weights(run=run)
    assert address(run) not in client.get(reverse("training:run", args=[run.pk])).content.decode()
    assert client.get(address(run)).status_code == 404


def test_weights_come_whole_and_go_on_where_they_were_cut(client, run):
    whole = client.get(address(run))
    assert whole.getvalue() == WEIGHTS
    assert f'filename="groter-lauf-{run.pk}-best.safetensors"' in whole["Content-Disposition"]
    rest = client.get(address(run), headers={"Range": "bytes=1000000-", "If-Range": whole["ETag"]})
    assert rest.status_code == 206
    assert rest.getvalue() == WEIGHTS[1_000_000:]


def test_other_weights_are_sent_from_their_beginning(client, run):
    cut = client.get(address(run))
    assert cut.getvalue() == WEIGHTS
    (runs.folder(run) / "best.safetensors").write_bytes(WEIGHTS[::-1])
    whole = client.get(address(run), headers={"Range": "bytes=1000000-", "If-Range": cut["ETag"]})
    assert whole.status_code == 200
    assert whole.getvalue() == WEIGHTS[::-1]


@pytest.mark.parametrize("name", ["last.pt", "lock", "log.txt", "..", "nothing"])
def test_what_is_not_named_is_not_sent(client, run, name):
    (runs.folder(run) / "last.pt").write_bytes(b"checkpoint")
    (runs.folder(run) / "log.txt").write_text("log")
    assert client.get(address(run, name)).status_code == 404
