"""The list of runs is narrowed and sorted by its address."""

import pytest
from django.urls import reverse

from labeling.models import WorkState
from tests.factories import make_over
from tests.training.making import make_run, make_snapshot
from training.models import Evaluation
from training.web.run_list import RUNS_PER_PAGE

pytestmark = pytest.mark.django_db


@pytest.fixture
def listed(client, trainer):
    """Asks for the list and returns the names of its runs, in order."""

    def ask(**query):
        page = client.get(reverse("training:runs"), query)
        assert page.status_code == 200
        return [row["run"].name for row in page.context["rows"]]

    return ask


@pytest.fixture
def three():
    one, other = make_snapshot(), make_snapshot()
    runs = [
        make_run(one, name="Alpha"),
        make_run(one, name="beta", network="vgg19"),
        make_run(other, name="alphabet"),
    ]
    make_over(runs[0], validation_accuracy=0.7)
    make_over(runs[1], WorkState.FAILED, validation_accuracy=0.8)
    Evaluation.objects.create(run=runs[0], split="test", images=9, accuracy=0.9, macro_f1=0.9, figures={})
    Evaluation.objects.create(
        run=runs[0], split="validation", images=9, accuracy=0.1, macro_f1=0.1, figures={}
    )
    Evaluation.objects.create(run=runs[2], split="test", images=9, accuracy=0.5, macro_f1=0.5, figures={})
    for run in (runs[0], runs[2]):
        run.evaluations.update(figures={"accuracy_interval": [0.1, 0.9]})
    return runs


def test_it_is_narrowed_by_name_snapshot_network_and_state(listed, three):
    assert listed() == ["alphabet", "beta", "Alpha"]
    assert listed(q="ALPHA") == ["alphabet", "Alpha"]
    assert listed(snapshot=three[0].snapshot_id) == ["beta", "Alpha"]
    assert listed(snapshot=three[0].snapshot_id, q="alpha") == ["Alpha"]
    assert listed(network="vgg19") == ["beta"]
    assert listed(state="failed") == ["beta"]
    assert listed(state="failed", network="resnet18") == []


def test_it_is_sorted_by_accuracy_runs_without_one_last(listed, three):
    assert listed(sort="validation") == ["beta", "Alpha", "alphabet"]
    assert listed(sort="test") == ["Alpha", "alphabet", "beta"]
    assert listed(sort="") == ["alphabet", "beta", "Alpha"]


@pytest.mark.parametrize(
    "query", [{"snapshot": "10" * 20}, {"snapshot": "x"}, {"network": "none"}, {"sort": "x"}, {"q": "\0"}]
)
def test_what_cannot_be_understood_narrows_nothing(listed, three, query):
    assert listed(**query) == ["alphabet", "beta", "Alpha"]


def test_pages_keep_what_was_asked_for(client, listed):
    snapshot = make_snapshot()
    for number in range(RUNS_PER_PAGE + 1):
        make_run(snapshot, name=f"run {number}")
    make_run(snapshot, name="other")
    page = client.get(reverse("training:runs"), {"q": "run"})
    assert page.context["page"].paginator.count == RUNS_PER_PAGE + 1
    assert "?q=run&amp;page=2" in page.content.decode()
    assert len(listed(q="run", page=2)) == 1


def test_nothing_found_is_said_apart_from_nothing_there(client, listed, three):
    body = client.get(reverse("training:runs"), {"q": "gamma"}).content.decode()
    assert "No run is like that" in body
    assert "No run yet" not in body
