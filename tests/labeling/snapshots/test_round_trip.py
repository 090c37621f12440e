"""Whatever a snapshot holds, every export gives back what its format can carry, read by others than who wrote it."""

import csv
import hashlib
import io
import json
import tarfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some
from PIL import Image

from labeling.cells import as_meant
from labeling.expressions import EIGHT, FERPLUS_ANSWERS, OTHER_ANSWERS
from labeling.snapshots import format as snapshots
from labeling.snapshots.exports import FORMATS, write
from labeling.snapshots.exports.format import Ballot, Given
from labeling.snapshots.exports.imagefolder import folder_names
from tests.factories import make_png

Faces = list[dict[str, Any]]
Read = Callable[[zipfile.ZipFile, Sequence[str], Faces], None]
FEW = settings(
    max_examples=12,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
WORDS = some.text(some.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
# What a spreadsheet takes for a formula is marked by an apostrophe: held to that by the attribution's own tests.
NAMES = WORDS.filter(lambda text: text[:1] not in ("=", "+", "-", "@", "\t", "\r"))
CLASSES = some.lists(WORDS.filter(bool), min_size=1, max_size=4, unique=True)
SPLITS = ("train", "validation", "test")
USAGE = dict(zip(SPLITS, ("Training", "PublicTest", "PrivateTest"), strict=True))


@some.composite
def faces_of(draw: some.DrawFn, classes: Sequence[str]) -> Faces:
    """1 to 12 faces on up to six media, each with an image, a box and votes of its own."""
    rows = {}
    for number in range(draw(some.integers(1, 12))):
        media = draw(some.integers(0, 5))
        box = [draw(some.integers(0, 4_000)) for _ in range(4)]
        time_ms = draw(some.sampled_from([0, 40, 2**31])) if media % 2 else 0
        sha256 = hashlib.sha256(bytes([media])).hexdigest()
        key = snapshots.face_key(media_sha256=sha256, detector="d", time_ms=time_ms, row=number, box=box)
        index = draw(some.integers(0, len(classes) - 1))
        votes = draw(some.lists(some.integers(0, 3), min_size=len(classes) + 2, max_size=len(classes) + 2))
        votes[index] += 4
        rows[key] = {
            "face_key": key,
            "face_id": number,
            "image": make_png(seed=number, size=draw(some.sampled_from([48, 5]))),
            "label": classes[index],
            "label_index": index,
            "votes": votes,
            "soft_label": [count / sum(votes[: len(classes)]) for count in votes[: len(classes)]],
            "agreement": draw(some.floats(0, 1, width=32)),
            "media_sha256": sha256,
            "media_kind": "video" if media % 2 else "image",
            "time_ms": time_ms,
            **dict(zip(("x", "y", "width", "height"), box, strict=True)),
            "detector": "d",
            "given_split": "",
        }
    # What is the media's is the same on all its faces.
    whose = {
        sha256: {"split": draw(some.sampled_from(SPLITS))}
        | {name: draw(NAMES) for name in ("licence", "author", "page_url", "source")}
        for sha256 in sorted({row["media_sha256"] for row in rows.values()})
    }
    return [row | whose[row["media_sha256"]] for _, row in sorted(rows.items())]


def ballots(batch: pa.RecordBatch) -> list[list[Ballot]]:
    """As many people as there are votes, each with one."""
    answers = (*CURRENT, *OTHER_ANSWERS)
    return [
        [
            (f"w{n}", answer)
            for n, answer in enumerate(
                answer for answer, count in zip(answers, votes, strict=True) for _ in range(count)
            )
        ]
        for votes in batch.column("votes").to_pylist()
    ]


CURRENT: list[str] = []
"""The classes that ballots() speaks of."""


def exported(format: str, classes: Sequence[str], faces: Faces, folder: Path) -> zipfile.ZipFile:
    CURRENT[:] = classes
    snapshots.write(folder / "s", faces, classes=classes, rule={"splits": "given"})
    assert snapshots.verify(folder / "s") == []
    write(FORMATS[format], Given(folder / "s", name="n", ballots=ballots), folder / "x.zip")
    return zipfile.ZipFile(folder / "x.zip")


def table(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    rows = csv.DictReader(io.StringIO(archive.read(name).decode(), newline=""))
    return [{column: as_meant(cell) for column, cell in row.items()} for row in rows]


def same(found: dict[str, Any], face: dict[str, Any], *left_out: str) -> None:
    wanted = {name: value for name, value in face.items() if name not in left_out}
    for name in ("soft_label", "agreement"):
        found[name], wanted[name] = pytest.approx(wanted[name], abs=1e-6), found[name]
    assert {name: found[name] for name in wanted} == wanted


def read_imagefolder(archive: zipfile.ZipFile, classes: Sequence[str], faces: Faces) -> None:
    pictures = {name: archive.read(name) for name in archive.namelist() if name.startswith(SPLITS)}
    folders = dict(zip(classes, folder_names(classes), strict=True))
    wanted = {
        f"{face['split']}/{folders[face['label']]}/{face['face_key']}.png": face["image"] for face in faces
    }
    assert pictures == wanted
    whose = {line.pop("file"): line for line in table(archive, "attribution.csv")}
    for name, face in zip(wanted, faces, strict=True):
        assert whose[name] == {field: face[field] for field in whose[name]}


def read_parquet(archive: zipfile.ZipFile, classes: Sequence[str], faces: Faces) -> None:
    rows = {
        row["face_key"]: {**row, "split": name.split("/")[1].split("-")[0]}
        for name in archive.namelist()
        if name.endswith(".parquet")
        for row in pq.read_table(io.BytesIO(archive.read(name))).to_pylist()
    }
    assert len(rows) == len(faces)
    for face in faces:
        row = rows[face["face_key"]]
        row |= {"image": row["image"]["bytes"], "label_index": row["label"], "label": classes[row["label"]]}
        same(row, face, "face_id")


def read_webdataset(archive: zipfile.ZipFile, classes: Sequence[str], faces: Faces) -> None:
    members = {}
    for name in archive.namelist():
        if name.endswith(".tar"):
            with tarfile.open(fileobj=io.BytesIO(archive.read(name))) as tar:
                split = name.rpartition("-")[0]
                members |= {(split, *one.name.split(".")): tar.extractfile(one).read() for one in tar}
    assert len(members) == 3 * len(faces)
    for face in faces:
        at = (face["split"], face["face_key"])
        assert members[(*at, "png")] == face["image"]
        assert members[(*at, "cls")] == str(face["label_index"]).encode()
        same(json.loads(members[(*at, "json")]), face, "image", "split", "face_id")
    assert json.loads(archive.read("classes.json"))["classes"] == list(classes)


def read_fer2013(archive: zipfile.ZipFile, classes: Sequence[str], faces: Faces) -> None:
    lines = table(archive, "fer2013.csv")
    assert [(line["emotion"], line["Usage"]) for line in lines] == [
        (str(face["label_index"]), USAGE[face["split"]]) for face in faces
    ]
    for line, face in zip(lines, faces, strict=True):
        pixels = np.array(line["pixels"].split(), int)
        assert (len(pixels), pixels.min() >= 0, pixels.max() <= 255) == (48 * 48, True, True)
        with Image.open(io.BytesIO(face["image"])) as image:
            if image.size == (48, 48):
                assert (pixels == np.asarray(image.convert("L")).reshape(-1)).all()


def read_ferplus(archive: zipfile.ZipFile, classes: Sequence[str], faces: Faces) -> None:
    said = dict(zip((*EIGHT, *OTHER_ANSWERS), range(10), strict=True))
    order = [said[answer] for answer in FERPLUS_ANSWERS.values()]
    rows = list(csv.reader(io.StringIO(archive.read("fer2013new.csv").decode())))[1:]
    wanted = [
        [USAGE[split], *(str(face["votes"][place]) for place in order)]
        for split in SPLITS
        for face in faces
        if face["split"] == split
    ]
    assert [[row[0], *row[2:]] for row in rows] == wanted


def read_coco(archive: zipfile.ZipFile, classes: Sequence[str], faces: Faces) -> None:
    found = {}
    for split in SPLITS:
        name = f"annotations/instances_{split}.json"
        if name not in archive.namelist():
            continue
        told = json.loads(archive.read(name))
        images = {image["id"]: image for image in told["images"]}
        names = {category["id"]: category["name"] for category in told["categories"]}
        assert list(names.values()) == list(classes)
        for one in told["annotations"]:
            image = images[one["image_id"]]
            found[one["face_key"]] = (
                split,
                names[one["category_id"]],
                one["bbox"],
                image["media_sha256"],
                image.get("time_ms", 0),
                image["author"],
                one["votes"],
            )
    assert found == {
        face["face_key"]: (
            face["split"],
            face["label"],
            [face[side] for side in ("x", "y", "width", "height")],
            face["media_sha256"],
            face["time_ms"],
            face["author"],
            face["votes"],
        )
        for face in faces
    }


def read_votes(archive: zipfile.ZipFile, classes: Sequence[str], faces: Faces) -> None:
    cast: dict[str, Counter[str]] = defaultdict(Counter)
    for line in table(archive, "votes.csv"):
        cast[line["task"]][line["label"]] += 1
    answers = (*classes, *OTHER_ANSWERS)
    for face in faces:
        assert [cast[face["face_key"]][answer] for answer in answers] == face["votes"]
    assert {line["task"]: (line["label"], line["split"]) for line in table(archive, "tasks.csv")} == {
        face["face_key"]: (face["label"], face["split"]) for face in faces
    }


def read_labelstudio(archive: zipfile.ZipFile, classes: Sequence[str], faces: Faces) -> None:
    tasks = {task["meta"]["face_key"]: task for task in json.loads(archive.read("tasks.json"))}
    assert len(tasks) == len(faces)
    answers = (*classes, *OTHER_ANSWERS)
    for face in faces:
        task = tasks[face["face_key"]]
        said = Counter(one["result"][0]["value"]["choices"][0] for one in task["annotations"])
        assert [said[answer] for answer in answers] == face["votes"]
        assert task["predictions"][0]["result"][0]["value"]["choices"] == [face["label"]]
        assert archive.read(task["data"]["image"].partition("?d=")[2]) == face["image"]


def read_attribution(archive: zipfile.ZipFile, classes: Sequence[str], faces: Faces) -> None:
    lines = {line["media_sha256"]: line for line in table(archive, "media.csv")}
    assert set(lines) == {face["media_sha256"] for face in faces}
    for face in faces:
        for name in ("author", "licence", "page_url", "source"):
            assert lines[face["media_sha256"]][name] == face[name]


READERS: dict[str, Read] = {
    "imagefolder": read_imagefolder,
    "parquet": read_parquet,
    "webdataset": read_webdataset,
    "fer2013": read_fer2013,
    "ferplus": read_ferplus,
    "coco": read_coco,
    "votes": read_votes,
    "labelstudio": read_labelstudio,
    "attribution": read_attribution,
}


def test_every_format_is_read_here() -> None:
    assert set(READERS) == set(FORMATS)


@pytest.mark.once
@pytest.mark.parametrize("format", list(FORMATS))
@given(data=some.data())
@FEW
def test_it_gives_back_what_it_can_carry(
    tmp_path_factory: pytest.TempPathFactory, format: str, data: some.DataObject
) -> None:
    classes = list(EIGHT) if format == "ferplus" else data.draw(CLASSES)
    faces = data.draw(faces_of(classes))
    with exported(format, classes, faces, tmp_path_factory.mktemp(format)) as archive:
        assert archive.testzip() is None
        READERS[format](archive, classes, faces)
        read_attribution(archive, classes, faces)
