"""manifest.json: what a snapshot is, in one page."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FORMAT = "vemo-snapshot/3"
BEFORE = "vemo-snapshot/2"
"""Without an order, and its rows did not carry their sha256; read all the same."""
CONTENT = "vemo-snapshot/2"
"""What the digest is made of; the folder may change its ways without that."""
MANIFEST = "manifest.json"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def gettext_noop(sentence: str) -> str:
    """Marks a sentence for the translators and returns it as it is: nobody here knows other languages."""
    return sentence


_NO_MANIFEST = gettext_noop("{folder} has no {manifest}: it is no snapshot, or its freezing never ended.")
_NOT_JSON = gettext_noop("{path} is not JSON: {error}.")
_OTHER_FORMAT = gettext_noop(
    "{path} is not of the format {format}. If another version of VEMO froze it, freeze the campaign again."
)
_BAD_FIELD = gettext_noop("{path} lacks or misspells a field: {error}.")
SENTENCES = (_NO_MANIFEST, _NOT_JSON, _OTHER_FORMAT, _BAD_FIELD)


class NotASnapshot(ValueError):
    """The folder holds no snapshot this version can read; the text says why."""


@dataclass(frozen=True)
class Shard:
    """One Parquet file of the folder."""

    name: str
    rows: int
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        # The name is joined to a folder: a manifest from elsewhere must not name a file outside it.
        if not _PLAIN_NAME.fullmatch(self.name) or self.name == MANIFEST:
            raise ValueError(f"a shard cannot be called {self.name!r}")


@dataclass(frozen=True)
class Manifest:
    """What manifest.json says.

    splits: split → class → faces that are there. left_out: reason → faces that stayed out. certificate: what was found
    out about the splits. notes: for people. packs: names of the files the images lie in, in the order in which rows
    number them. erased: rows whose face is gone. order: the file that says which rows of the shards make the snapshot
    (see order.py); None: all of them, one shard after another. None of these is part of the digest.
    """

    classes: tuple[str, ...]
    rule: dict[str, Any]
    splits: dict[str, dict[str, int]]
    left_out: dict[str, int]
    rows: int
    digest: str
    shards: tuple[Shard, ...]
    packs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    certificate: dict[str, Any] = field(default_factory=dict)
    erased: int = 0
    order: Shard | None = None
    format: str = FORMAT

    @property
    def files(self) -> tuple[Shard, ...]:
        """All that lie in the folder beside the manifest."""
        return (*self.shards, self.order) if self.order else self.shards

    def __post_init__(self) -> None:
        for name in self.packs:
            if not _PLAIN_NAME.fullmatch(name):
                raise ValueError(f"a pack cannot be called {name!r}")

    def to_json(self) -> str:
        """The text of the file: the same for the same manifest, with a checksum over all else that stands in it."""
        body: dict[str, Any] = {
            "format": self.format,
            "classes": list(self.classes),
            "rule": self.rule,
            "splits": self.splits,
            "left_out": self.left_out,
            "notes": list(self.notes),
            "certificate": self.certificate,
            "packs": list(self.packs),
            "erased": self.erased,
            "rows": self.rows,
            "digest": self.digest,
            "shards": [vars(shard) for shard in self.shards],
        }
        if self.format != BEFORE:
            body["order"] = vars(self.order) if self.order else None
        checksum = hashlib.sha256(_text(body).encode()).hexdigest()
        return _text({**body, "checksum": checksum})


def _text(body: dict[str, Any]) -> str:
    return json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """What manifest.json says; `verify` tells whether it is true. Raises NotASnapshot."""
    path = folder / MANIFEST
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotASnapshot(_NO_MANIFEST.format(folder=folder, manifest=MANIFEST)) from error
    except ValueError as error:
        raise NotASnapshot(_NOT_JSON.format(path=path, error=error)) from error
    if not isinstance(body, dict) or body.get("format") not in (FORMAT, BEFORE):
        raise NotASnapshot(_OTHER_FORMAT.format(path=path, format=FORMAT))
    try:
        return _manifest(body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotASnapshot(_BAD_FIELD.format(path=path, error=repr(error))) from error


def _manifest(body: dict[str, Any]) -> Manifest:
    return Manifest(
        classes=tuple(map(_is_text, body["classes"])),
        rule=dict(body["rule"].items()),
        splits={split: _counts(counts) for split, counts in body["splits"].items()},
        left_out=_counts(body["left_out"]),
        packs=tuple(map(_is_text, body["packs"])),
        notes=tuple(map(_is_text, body["notes"])),
        certificate=dict(body["certificate"].items()),
        erased=int(body["erased"]),
        rows=int(body["rows"]),
        digest=_is_text(body["digest"]),
        shards=tuple(Shard(**shard) for shard in body["shards"]),
        order=Shard(**body["order"]) if body["format"] != BEFORE and body["order"] is not None else None,
        format=body["format"],
    )


def _counts(counts: dict[str, Any]) -> dict[str, int]:
    return {name: int(count) for name, count in counts.items()}


def _is_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value
