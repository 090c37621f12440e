"""Versions of one campaign that are frozen at the same time."""

from collections.abc import Callable
from typing import Any

import pytest

from labeling.models import Snapshot, WorkState
from labeling.snapshots import format as snapshots
from labeling.snapshots import freezing, stored
from tests.labeling.snapshots.making import frozen, make_settled

pytestmark = pytest.mark.django_db(transaction=True)
SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}


def faces_of(snapshot: Snapshot, *splits: str) -> set[str]:
    found = set()
    with stored.rows_of(snapshot.digest) as folder:
        for batch in snapshots.iter_batches(folder, ["face_key", "split"]):
            rows = zip(batch.column("face_key").to_pylist(), batch.column("split").to_pylist(), strict=True)
            found |= {key for key, split in rows if split in splits}
    return found


def meanwhile(monkeypatch: pytest.MonkeyPatch, step: str, deed: Callable[[], Any]) -> None:
    """Do the deed once, when a freezing has made this step."""
    usual, todo = getattr(freezing, step), [deed]

    def also(*args: Any, **named: Any) -> Any:
        made = usual(*args, **named)
        if todo:
            todo.pop()()
        return made

    monkeypatch.setattr(freezing, step, also)


@pytest.mark.parametrize("step", ["choose", "_store", "_carry"])
@pytest.mark.parametrize("first_done", [0, 1])
def test_what_one_tests_on_the_other_does_not_learn(step: str, first_done: int, monkeypatch) -> None:
    campaign = make_settled(faces=60)
    rows = [freezing.freeze(campaign=campaign, fractions=SHARES, seed=seed) for seed in (101, 202)]
    quick, slow = rows[first_done], rows[1 - first_done]
    meanwhile(monkeypatch, step, lambda: freezing.run_freeze(quick.pk))
    freezing.run_freeze(slow.pk)
    for row in rows:
        row.refresh_from_db()
        assert row.state == WorkState.DONE
        assert freezing.verify(snapshot=row) == []
    assert not faces_of(quick, "test") & faces_of(slow, "train", "validation")
    earlier = slow.counts["certificate"]["earlier"]
    assert earlier["versions"] == [quick.digest]
    assert earlier["tested_before"] > 0
    assert earlier["learnt_now"] == 0
    # What was stored of the first choice is gone.
    folders = {row.digest for row in rows}
    assert {each.name for each in stored.local_path("snapshots").iterdir() if len(each.name) == 64} == folders


def test_one_that_is_restarted_after_a_later_one_was_done_heeds_it() -> None:
    campaign = make_settled(faces=60)
    old = freezing.freeze(campaign=campaign, fractions=SHARES, seed=101)
    new = frozen(campaign, fractions=SHARES, seed=202)
    freezing.run_freeze(old.pk)
    old.refresh_from_db()
    assert not faces_of(new, "test") & faces_of(old, "train", "validation")
    newest = frozen(campaign, fractions=SHARES, seed=303)
    assert newest.counts["certificate"]["earlier"]["versions"] == [old.digest, new.digest]
