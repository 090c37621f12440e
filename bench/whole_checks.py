"""What bench.whole took in, beside what it froze and wrote: counted anew, from the files alone where that can be."""

import csv
import hashlib
import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

USAGES = ("Training", "PublicTest", "PrivateTest")
SPLITS = ("train", "validation", "test")


class Row(NamedTuple):
    """One line of the CSV. pixels: the sha256 of its text."""

    emotion: str
    pixels: bytes
    usage: str


def _rows(file: io.TextIOBase) -> Iterator[Row]:
    assert file.readline().strip() == "emotion,pixels,Usage"
    for line in file:
        emotion, pixels, usage = line.rstrip("\r\n").split(",")
        yield Row(emotion, hashlib.sha256(pixels.encode()).digest(), usage)


def _taken_in(tables: Path) -> list[Row]:
    with (tables / "fer2013.csv").open() as file:
        return list(_rows(file))


def csv_again(tables: Path, export: Path, snapshot: Any) -> tuple[Counter[str], Counter[str]]:
    """The lines of the exported CSV against those taken in: how many differ in what; and Usage from → to.

    A snapshot's faces are in order of face_key; each is known by the row it came from.
    """
    before, places = _taken_in(tables), _places(snapshot)
    found: Counter[str] = Counter(
        dict.fromkeys(("lines", "pixels", "emotion", "lines_missing", "in_place"), 0)
    )
    usages: Counter[str] = Counter()
    seen = set()
    with zipfile.ZipFile(export) as archive, archive.open("fer2013.csv") as raw:
        for number, (row, place) in enumerate(zip(_rows(io.TextIOWrapper(raw)), places, strict=True), 1):
            own = before[place - 1]
            seen.add(place)
            found["lines"] += 1
            found["pixels"] += row.pixels != own.pixels
            found["emotion"] += row.emotion != own.emotion
            found["in_place"] += number == place
            if row.usage != own.usage:
                usages[f"{own.usage} → {row.usage}"] += 1
    found["lines_missing"] = len(before) - len(seen)
    return found, usages


def votes_again(tables: Path, export: Path, snapshot: Any) -> tuple[int, int]:
    """In how many rows the exported counts of votes are not those taken in, and how many rows had not ten votes."""
    with (tables / "fer2013new.csv").open(newline="") as file:
        heading, *theirs = csv.reader(file)
    columns = heading[2:]
    by_split: dict[str, list[int]] = {split: [] for split in SPLITS}
    for place, split in zip(_places(snapshot), _column(snapshot, "split"), strict=True):
        by_split[split].append(place)
    # FER+'s table goes through the splits in their order.
    places = [place for split in SPLITS for place in by_split[split]]
    with zipfile.ZipFile(export) as archive, archive.open("fer2013new.csv") as raw:
        ours = [[row[name] for name in columns] for row in csv.DictReader(io.TextIOWrapper(raw))]
    differ = sum(row != theirs[place - 1][2:] for row, place in zip(ours, places, strict=True))
    return differ, sum(sum(map(int, row[2:])) != 10 for row in theirs)


def repeats_in(tables: Path) -> dict[str, int]:
    """Rows of PublicTest and PrivateTest whose pixels are also those of a row of Training."""
    rows = _taken_in(tables)
    learnt = {row.pixels for row in rows if row.usage == "Training"}
    return {
        split: sum(row.usage == usage and row.pixels in learnt for row in rows)
        for split, usage in zip(SPLITS[1:], USAGES[1:], strict=True)
    }


def straddling(snapshot: Any) -> dict[str, int]:
    """How many pictures, and how many groups of near-duplicates, stand in two splits of what is frozen."""
    from labeling.models import Face

    likeness = dict(Face.objects.values_list("pk", "likeness"))
    splits = _column(snapshot, "split")
    kinds = {
        "pictures": _column(snapshot, "image_sha256"),
        "near-duplicates": [likeness[pk] for pk in _column(snapshot, "face_id")],
    }
    found = {}
    for what, names in kinds.items():
        held: dict[Any, set[str]] = {}
        for name, split in zip(names, splits, strict=True):
            held.setdefault(name, set()).add(split)
        found[what] = sum(len(each) > 1 for each in held.values())
    return found


def certificate(snapshot: Any) -> list[str]:
    """As its page says it."""
    from labeling.snapshot_words import certificate_lines

    splits = {name: sum(counts.values()) for name, counts in snapshot.counts["splits"].items()}
    faces = ", ".join(f"{name} {count:,}" for name, count in splits.items())
    lines = [f"{line.term}: {line.text}" for line in certificate_lines(snapshot.counts["certificate"])]
    return [
        f"Faces: {faces}; left out {snapshot.counts['left_out'] or 'none'}",
        *lines,
        f"Notes: {snapshot.message}",
    ]


def _places(snapshot: Any) -> list[int]:
    """Of each frozen face, in their order, the row of the table it came from."""
    from labeling.models import Face

    rows = dict(Face.objects.values_list("pk", "row"))
    return [rows[pk] for pk in _column(snapshot, "face_id")]


def _column(snapshot: Any, name: str) -> list[Any]:
    from labeling.snapshots import format as snapshots
    from labeling.snapshots.freezing import local_folder

    return list(snapshots.read_table(local_folder(snapshot), columns=[name]).column(name).to_pylist())
