"""Every vote by itself: task, worker, label. Workers are pseudonyms."""

from labeling.cells import harmless
from labeling.sayings import gettext_noop
from labeling.snapshots.exports.format import BALLOT_COLUMNS, Given
from labeling.snapshots.exports.tables import csv_text
from labeling.snapshots.exports.tree import Tree

VOTES, TASKS = "votes.csv", "tasks.csv"
_LEFT_OUT = gettext_noop(
    "Of {faces:,} faces the votes have changed since this was frozen: theirs are not in it. Freeze anew to have them."
)
_ONE_LEFT_OUT = gettext_noop(
    "Of 1 face the votes have changed since this was frozen: they are not in it. Freeze anew to have them."
)


def write(given: Given, tree: Tree) -> str:
    """votes.csv, and tasks.csv: what was made of them. Of a face either all its votes are there, as frozen, or none."""
    done = missing = 0
    with tree.open(VOTES, 2_500 * given.faces) as file:
        file.write(csv_text([("task", "worker", "label")]))
        for batch in given.batches(["face_key", *BALLOT_COLUMNS]):
            lines: list[tuple[str, str, str]] = []
            cast = given.ballots(batch)
            for key, ballots in zip(batch.column("face_key").to_pylist(), cast, strict=True):
                missing += ballots is None
                lines += [(key, worker, harmless(answer)) for worker, answer in ballots or ()]
            file.write(csv_text(lines))
            done += batch.num_rows
            given.progress(done)
    with tree.open(TASKS, 500 * given.faces) as file:
        columns = ["face_key", "label", "label_origin", "split", "agreement"]
        file.write(csv_text([("task", *columns[1:])]))
        for batch in given.batches(columns):
            shares = [f"{share:.6f}" for share in batch.column("agreement").to_pylist()]
            keys, labels, origins, splits = (batch.column(name).to_pylist() for name in columns[:-1])
            texts = (map(harmless, labels), map(harmless, origins))
            file.write(csv_text(zip(keys, *texts, splits, shares, strict=True)))
            given.progress(done)
    return left_out(missing)


def left_out(faces: int) -> str:
    """A sentence on faces whose votes are not those that were frozen; empty if there are none."""
    if not faces:
        return ""
    return _ONE_LEFT_OUT if faces == 1 else _LEFT_OUT.format(faces=faces)
