"""COCO: where the faces are in the whole pictures, and what they show.

The pictures themselves are not in it: each image is named by the sha256 of its media, and says where it came from. Of
a video every frame with a face is an image, with `time_ms`, its time.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from labeling.sayings import gettext_noop
from labeling.snapshots.exports.format import Given, compact
from labeling.snapshots.exports.tree import Tree

_IMAGES = ["media_sha256", "media_kind", "time_ms", "licence", "author", "page_url"]
_FACES = [
    "face_key", "media_sha256", "time_ms", "x", "y", "width", "height", "label_index", "label_origin", "votes",
    "agreement", "detector", "track",
]  # fmt: skip
_NOT_KNOWN = gettext_noop(
    "The size of {pictures:,} pictures is not known any more: their width and height are 0."
)


def write(given: Given, tree: Tree) -> str:
    """annotations/instances_SPLIT.json. Categories are numbered from 1, in the order of the classes."""
    done = unknown = 0
    for split in given.splits:
        pictures = _Pictures(given, split)
        with tree.open(f"annotations/instances_{split}.json", 1_500 * given.faces) as file:
            file.write(b'{"info":' + compact(_info(given)))
            file.write(b',"categories":' + compact(_categories(given)) + b',"images":[')
            for text in pictures.lines():
                file.write(text)
                given.progress(done)
            file.write(b'],"licenses":' + compact(pictures.licences()) + b',"annotations":[')
            for rows, text in _annotations(given, split, pictures):
                file.write(text)
                done += rows
                given.progress(done)
            file.write(b"]}\n")
        unknown += pictures.unknown
    return _NOT_KNOWN.format(pictures=unknown) if unknown else ""


def _info(given: Given) -> dict[str, Any]:
    told = {"description": given.name, "version": given.manifest.digest, "date_created": given.frozen_on}
    return {**told, "url": "", "contributor": "", "year": int(given.frozen_on[:4] or 0)}


def _categories(given: Given) -> list[dict[str, Any]]:
    return [
        {"id": number, "name": name, "supercategory": "face"}
        for number, name in enumerate(given.classes, start=1)
    ]


class _Pictures:
    """The images of a split, numbered from 1 as their first face comes by."""

    def __init__(self, given: Given, split: str) -> None:
        self._given, self._split = given, split
        self._numbers: dict[bytes, int] = {}
        self._licences: dict[str, int] = {}
        self.unknown = 0

    def number(self, media_sha256: str, time_ms: int) -> int:
        return self._numbers[_key(media_sha256, time_ms)]

    def licences(self) -> list[dict[str, Any]]:
        """Complete once the lines are read. As they were found."""
        return [{"id": number, "name": name, "url": ""} for name, number in self._licences.items()]

    def lines(self) -> Iterator[bytes]:
        first = True
        parts = map(self._new, self._given.batches(_IMAGES, self._split))
        for new, facts in self._given.with_facts(parts, _media_of):
            known = {one["media_sha256"]: one for one in facts.to_pylist()}
            texts = [compact(self._image(face, known[face["media_sha256"]])) for face in new]
            if texts:
                yield (b"\n" if first else b",\n") + b",\n".join(texts)
                first = False

    def _new(self, batch: pa.RecordBatch) -> list[dict[str, Any]]:
        new = []
        for face in batch.to_pylist():
            key = _key(face["media_sha256"], face["time_ms"])
            if key not in self._numbers:
                self._numbers[key] = len(self._numbers) + 1
                new.append(face)
        return new

    def _image(self, face: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
        media, time_ms, ending = face["media_sha256"], face["time_ms"], facts["ending"]
        self.unknown += not facts["width"]
        image = {
            "id": self.number(media, time_ms),
            "file_name": f"{media}{ending}",
            "width": facts["width"],
            "height": facts["height"],
            "license": self._licences.setdefault(face["licence"], len(self._licences) + 1),
            "coco_url": face["page_url"],
            "date_captured": "",
            "author": face["author"],
            "title": facts["title"],
            "media_sha256": media,
        }
        if face["media_kind"] == "video":
            image |= {"file_name": f"{media}{ending}#t={time_ms / 1000:.3f}", "time_ms": time_ms}
        return image


def _media_of(faces: Sequence[dict[str, Any]]) -> list[str]:
    return sorted({face["media_sha256"] for face in faces})


def _annotations(given: Given, split: str, pictures: _Pictures) -> Iterator[tuple[int, bytes]]:
    """How many, and their text. `votes` are in the classes' order."""
    number = 0
    for batch in given.batches(_FACES, split):
        texts = []
        for face in batch.to_pylist():
            number += 1
            box = [face["x"], face["y"], face["width"], face["height"]]
            told = {key: face[key] for key in ("face_key", "label_origin", "votes", "detector", "track")}
            texts.append(
                compact(
                    {
                        "id": number,
                        "image_id": pictures.number(face["media_sha256"], face["time_ms"]),
                        "category_id": face["label_index"] + 1,
                        "bbox": box,
                        "area": box[2] * box[3],
                        "iscrowd": 0,
                        "segmentation": [],
                        "agreement": round(face["agreement"], 6),
                        **told,
                    }
                )
            )
        begin = b"\n" if number == batch.num_rows else b",\n"
        yield batch.num_rows, begin + b",\n".join(texts)


def _key(media_sha256: str, time_ms: int) -> bytes:
    """Half the room of the texts: a million of these are kept."""
    return bytes.fromhex(media_sha256)[:16] + time_ms.to_bytes(8, "little", signed=True)
