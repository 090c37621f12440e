"""Label Studio: a task per face with an annotation per vote, the pictures, and the project's labelling interface."""

from collections.abc import Iterator, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

import pyarrow as pa

from labeling.expressions import OTHER_ANSWERS
from labeling.snapshots.exports import votes
from labeling.snapshots.exports.format import BALLOT_COLUMNS, Ballot, Given, compact
from labeling.snapshots.exports.tree import Tree

TASKS, INTERFACE, PICTURES = "tasks.json", "label_config.xml", "images"
FROM, TO = "expression", "image"
LOCAL = "/data/local-files/?d="
"""How Label Studio names a file of its local storage: the path follows, below its document root."""
_FACE = ["face_key", "label", "label_origin", "split", "agreement", *BALLOT_COLUMNS]


def write(given: Given, tree: Tree) -> str:
    """tasks.json names pictures as a local storage of Label Studio does, with the unpacked folder as document root.

    What the snapshot says stands as a prediction. `worker` of an annotation is a pseudonym; Label Studio itself passes
    it over, and gives all annotations to who imports.
    """
    done = missing = 0
    tree.add(INTERFACE, _interface([*given.classes, *OTHER_ANSWERS]).encode())
    for batch in given.batches(["face_key", "image", "image_sha256"]):
        names = [f"{PICTURES}/{key}.png" for key in batch.column("face_key").to_pylist()]
        tree.add_many(names, batch.column("image").to_pylist(), batch.column("image_sha256").to_pylist())
        given.progress(done)
    with tree.open(TASKS, 4_000 * given.faces) as file:
        file.write(b"[")
        for batch in given.batches(_FACE):
            cast = given.ballots(batch)
            missing += sum(ballots is None for ballots in cast)
            texts = b",\n".join(_tasks(given, batch, cast, done))
            file.write((b"\n" if not done else b",\n") + texts)
            done += batch.num_rows
            given.progress(done)
        file.write(b"\n]\n")
    return votes.left_out(missing)


def _tasks(
    given: Given, batch: pa.RecordBatch, cast: Sequence[Sequence[Ballot] | None], done: int
) -> Iterator[bytes]:
    for number, (face, ballots) in enumerate(zip(batch.to_pylist(), cast, strict=True), start=done + 1):
        task = {
            "id": number,
            "data": {"image": f"{LOCAL}{PICTURES}/{face['face_key']}.png"},
            "meta": {key: face[key] for key in ("face_key", "split", "label_origin")},
            "annotations": [
                {"result": [_choice(answer)], "worker": worker, "was_cancelled": False}
                for worker, answer in ballots or ()
            ],
            "predictions": [
                {
                    "model_version": f"VEMO {given.manifest.digest[:12]}",
                    "score": round(face["agreement"], 6),
                    "result": [_choice(face["label"])],
                }
            ],
        }
        yield compact(task)


def _choice(answer: str) -> dict[str, Any]:
    return {"from_name": FROM, "to_name": TO, "type": "choices", "value": {"choices": [answer]}}


def _interface(answers: Sequence[str]) -> str:
    choices = "\n".join(f"    <Choice value={quoteattr(answer)}/>" for answer in answers)
    return (
        f'<View>\n  <Image name="{TO}" value="${TO}"/>\n'
        f'  <Choices name="{FROM}" toName="{TO}" choice="single" required="true">\n{choices}\n  </Choices>\n</View>\n'
    )
