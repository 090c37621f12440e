"""What differs between two versions, whatever they hold."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.snapshots import diff
from labeling.snapshots import format as snapshots

CLASSES = ("angry", "happy", "sad")
PNG = b"\x89PNG\r\n\x1a\n"
Face = tuple[str, str, int, str]
"""label, split, votes, whose word"""

FACES = st.dictionaries(
    st.integers(0, 30),
    st.tuples(
        st.sampled_from(CLASSES),
        st.sampled_from(snapshots.SPLITS),
        st.integers(0, 5),
        st.sampled_from(["votes", "expert"]),
    ),
    max_size=25,
)


def made(folder: Path, faces: dict[int, Face]) -> Path:
    rows = [row_of(number, *face) for number, face in faces.items()]
    snapshots.write(
        folder,
        sorted(rows, key=lambda row: row["face_key"]),
        classes=CLASSES,
        rule={"made": json.dumps(sorted(faces))},
    )
    return folder


def row_of(number: int, label: str, split: str, votes: int, origin: str) -> dict[str, Any]:
    media = hashlib.sha256(str(number).encode()).hexdigest()
    index = CLASSES.index(label)
    return {
        "face_key": media,
        "face_id": number,
        "image": PNG + bytes([number]),
        "label": label,
        "label_index": index,
        "label_origin": origin,
        "votes": [votes, 0, 0, 0, 0],
        "soft_label": [float(each == index) for each in range(3)],
        "split": split,
        "agreement": 1.0,
        "media_sha256": media,
        "media_kind": "image",
        **dict.fromkeys(("time_ms", "x", "y", "width", "height"), 0),
        **dict.fromkeys(("detector", "licence", "author", "page_url", "source", "given_split"), ""),
    }


def transposed(table: diff.Table) -> diff.Table:
    turned: diff.Table = {}
    for old, row in table.items():
        for new, count in row.items():
            turned.setdefault(new, {})[old] = count
    return turned


@settings(max_examples=60)
@given(old=FACES, new=FACES, rows=st.sampled_from([3, 16_384]))
def test_it_says_what_leads_from_one_to_the_other_and_mirrored_back(
    tmp_path_factory: pytest.TempPathFactory, old: dict[int, Face], new: dict[int, Face], rows: int
) -> None:
    place = tmp_path_factory.mktemp("diff")
    one, other = made(place / "old", old), made(place / "new", new)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diff, "_ROWS", rows)
        there, back = diff.difference(one, other), diff.difference(other, one)
        listed = list(diff.changes(one, other))
    # What it says of each class leads from the older's counts to the newer's.
    flips = Counter({name: sum(row.values()) for name, row in transposed(there.labels).items()})
    flips.subtract({name: sum(row.values()) for name, row in there.labels.items()})
    assert there.old == Counter(face[0] for face in old.values())
    assert there.new == Counter(face[0] for face in new.values())
    for name in CLASSES:
        assert there.old[name] + there.added[name] - there.removed[name] + flips[name] == there.new[name]
    # Mirrored it is the way back.
    assert (back.added, back.removed) == (there.removed, there.added)
    for table in ("labels", "splits", "origins"):
        assert getattr(back, table) == transposed(getattr(there, table))
    assert (back.votes["gained"], back.votes["lost_faces"]) == (
        there.votes["lost"],
        there.votes["gained_faces"],
    )
    assert diff.Difference.of(json.loads(json.dumps(there.to_json()))).to_json() == there.to_json()
    # Face by face it is what a plain comparison finds.
    expected = {number for number in {*old, *new} if old.get(number) != new.get(number)}
    assert {change.row["face_id"] for change in listed} == expected
    assert [change.face_key for change in listed] == sorted(change.face_key for change in listed)
    for kind in diff.KINDS:
        assert sum(kind in change.kinds for change in listed) == there.count(kind)


def test_a_page_goes_on_beyond_a_face_and_keeps_to_what_is_wanted(tmp_path: Path) -> None:
    before: dict[int, Face] = dict.fromkeys(range(20), ("happy", "train", 1, "votes"))
    after = {number: ("sad" if number % 2 else "angry", "train", 1, "votes") for number in range(20)}
    one, other = made(tmp_path / "old", before), made(tmp_path / "new", after)
    to_sad = diff.Wanted((diff.LABEL,), before="happy", after="sad")
    whole = list(diff.changes(one, other, to_sad))
    assert {change.row["face_id"] % 2 for change in whole} == {1}
    assert list(diff.changes(one, other, to_sad, beyond=whole[3].face_key)) == whole[4:]
    assert list(diff.changes(one, other, diff.Wanted((diff.SPLIT, diff.ADDED)))) == []


def test_erased_rows_are_only_counted(tmp_path: Path) -> None:
    faces: dict[int, Face] = dict.fromkeys(range(6), ("happy", "train", 1, "votes"))
    one, other = made(tmp_path / "old", faces), made(tmp_path / "new", faces)
    key = row_of(3, "happy", "train", 1, "votes")["face_key"]
    (tmp_path / "erased").mkdir()
    manifest = snapshots.rewritten(one, {key}, tmp_path / "erased", lambda: None)
    assert manifest is not None
    (tmp_path / "erased" / snapshots.MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    found = diff.difference(tmp_path / "erased", other)
    assert (found.erased, found.both, found.added) == ({"old": 1, "new": 0}, 5, {"happy": 1})
