"""FER2013 with the votes of FER+ all the way: `python -m bench.whole DATA [--quick] [--json FILE]`.

DATA is a folder with fer2013/ and ferplus/ (bench.fer2013). On a site of its own in a temporary folder (SQLite unless
DATABASE_URL names an empty PostgreSQL database): take both tables in, cast the votes of FER+ again, freeze with the
official splits, verify, freeze two versions by other rules, compare, write every format; each in a process of its own.
Then bench.whole_checks holds what came out to what went in. --quick takes every 24th row, and what shows the same
picture. --json FILE writes {figure: {value, unit, aim, holds}}.
"""

import argparse
import csv
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench import fer2013
from bench.snapshots import Parts, measured, set_up

EVERY = 24
PEOPLE = 10
COLUMN = "fer2013"
"""FER2013's own classes, beside the votes."""
OFFICIAL, AGREED, APART = (
    "official splits",
    "FER+ majority, drawn splits",
    "official splits, near-duplicates kept together",
)
PUBLISHED = {"validation": 280, "test": 288}
"""Rows of PublicTest and PrivateTest that show a picture of Training."""
AIM_MB = 600.0
_DIFFERENT = ("pixels", "emotion", "lines_missing", "votes")


def write_tables(data: Path, to: Path, quick: bool) -> int:
    """fer2013.csv as Kaggle shipped it, and fer2013new.csv, of the chosen rows. Returns how many."""
    images, emotions, usage, _votes = fer2013.load(data)
    with (data / "ferplus" / "fer2013new.csv").open(newline="") as file:
        heading, *theirs = csv.reader(file)
    chosen = _sample(images) if quick else np.arange(len(images))
    names = ("Training", "PublicTest", "PrivateTest")
    with (to / "fer2013.csv").open("w") as table, (to / "fer2013new.csv").open("w", newline="") as votes:
        table.write("emotion,pixels,Usage\n")
        writer = csv.writer(votes)
        writer.writerow(heading)
        for row in chosen.tolist():
            table.write(f"{emotions[row]},{' '.join(map(str, images[row].ravel()))},{names[usage[row]]}\n")
            writer.writerow(theirs[row])
    return len(chosen)


def _sample(images: Any) -> Any:
    pictures = images.reshape(len(images), -1)
    _, picture = np.unique(pictures, axis=0, return_inverse=True)
    return np.flatnonzero(np.isin(picture, picture[::EVERY]))


def take_in(folder: Path) -> int:
    from labeling.models import Source
    from labeling.sources import ingest

    source = ingest.add(
        location=str(folder / "fer2013.csv"),
        options={"ferplus": str(folder / "fer2013new.csv")},
        name="FER2013",
        licence="research use",
        wake=False,
    )
    ingest.ingest(source.pk, wake=False)
    source = Source.objects.get(pk=source.pk)
    assert source.state == "done", source.error
    return int(source.pk)


def ask() -> int:
    """A campaign of all faces, with FER+'s expressions. Returns its key."""
    from labeling import campaigns
    from labeling.expressions import EIGHT
    from labeling.models import Face

    campaign = campaigns.create(name="FER+", expressions=EIGHT, votes_per_face=PEOPLE, gold_share=0.0)
    campaigns.add_faces(campaign=campaign, faces=Face.objects.all())
    return int(campaign.pk)


def vote(campaign: int) -> int:
    from labeling.management.annotators import annotators_of
    from labeling.models import Campaign
    from labeling.voting import simulate

    return simulate.replay(
        campaign=Campaign.objects.get(pk=campaign),
        annotators=annotators_of(str(PEOPLE)),
        pass_uneven_on=True,
    )


def label() -> int:
    """FER2013's own classes as a column of labels."""
    from labeling import labels
    from labeling.models import Face

    rows = Face.objects.order_by("pk").values_list("pk", "given__label")
    wanted = [labels.Wanted(pk, name, "FER2013") for pk, name in rows]
    for start in range(0, len(wanted), 2_000):
        assert not any(labels.give(wanted[start : start + 2_000], column=COLUMN))
    return len(wanted)


RULES: dict[str, dict[str, Any]] = {
    OFFICIAL: {"labels": [COLUMN], "splits": "given"},
    AGREED: {"labels": ["votes"], "votes_at_least": PEOPLE, "agreement_at_least": 0.7},
    APART: {"labels": [COLUMN], "splits": "given", "together": ["media", "alike"]},
}


def freeze(campaign: int, name: str) -> int:
    from labeling.models import Campaign, Snapshot
    from labeling.snapshots import freezing

    row = freezing.freeze(campaign=Campaign.objects.get(pk=campaign), name=name, wake=False, **RULES[name])
    freezing.run_freeze(row.pk)
    row = Snapshot.objects.get(pk=row.pk)
    assert row.state == "done", row.error
    return int(row.pk)


def verify(snapshot: int) -> None:
    from labeling.models import Verification
    from labeling.snapshots import verification

    row = verification.verify_later(snapshot=_snapshot(snapshot), wake=False)
    verification.run_verification(row.pk)
    row = Verification.objects.get(pk=row.pk)
    assert (row.state, row.problems) == ("done", []), (row.error, row.problems)


def compare(old: int, new: int) -> dict[str, Any]:
    from labeling.snapshots import comparing

    found = comparing.compare(_snapshot(old), _snapshot(new))
    return {
        "both": found.both,
        **{kind: found.count(kind) for kind in ("added", "removed", "label", "split")},
    }


def export(snapshot: int, format: str) -> str:
    """Returns the path of the file."""
    from django.core.files.storage import default_storage

    from labeling.models import Export
    from labeling.snapshots import exporting

    row = exporting.export(snapshot=_snapshot(snapshot), format=format, wake=False)
    exporting.run_export(row.pk)
    row = Export.objects.get(pk=row.pk)
    assert row.state == "done", row.error
    return str(default_storage.path(row.stored_as))


def _snapshot(pk: int) -> Any:
    from labeling.models import Snapshot

    return Snapshot.objects.get(pk=pk)


class Stages:
    """Does one after another, prints what each took, and keeps the figures."""

    def __init__(self) -> None:
        self.figures: dict[str, dict[str, Any]] = {}
        print(
            f"{'stage':<60}{'seconds':>9}{'CPU s':>8}{'peak MB':>9}{'grown MB':>10}{'MB':>8}{'load':>7}",
            flush=True,
        )

    def do(self, name: str, stage: Callable[..., Any], *arguments: Any) -> Any:
        took = measured(_alone, stage, *arguments)
        seconds, cpu, peak, answer = took.seconds, took.processor, took.peak, took.answer
        size = Path(answer).stat().st_size / 1e6 if isinstance(answer, str) else None
        print(
            f"{name:<60}{seconds:>9.2f}{cpu:>8.2f}{peak:>9.0f}{peak - took.before:>10.0f}"
            f"{'' if size is None else f'{size:.1f}':>8}{took.load:>7.1f}",
            flush=True,
        )
        for what, value, unit in (("seconds", seconds, "s"), ("CPU", cpu, "s"), ("size", size, "MB")):
            if value is not None:
                self.note(f"{name}: {what}", value, unit)
        self.note(f"{name}: load before", took.load)
        self.hold(f"{name}: peak", peak, AIM_MB, peak <= AIM_MB, "MB")
        return answer

    def note(self, name: str, value: float, unit: str = "") -> None:
        self.figures[name] = {"value": round(value, 3), "unit": unit, "aim": None, "holds": True}

    def hold(self, name: str, value: float, aim: float, holds: bool, unit: str = "") -> None:
        self.figures[name] = {"value": round(value, 3), "unit": unit, "aim": aim, "holds": bool(holds)}


def _alone(_parts: Parts, stage: Callable[..., Any], *arguments: Any) -> Any:
    return stage(*arguments)


def bench(tables: Path, rows: int, *, quick: bool) -> dict[str, dict[str, Any]]:
    stages = Stages()
    stages.do("take both tables in, find near-duplicates", take_in, tables)
    campaign = stages.do("a campaign of all faces", ask)
    cast = stages.do("cast FER+'s votes, one by one", vote, campaign)
    stages.do("FER2013's classes as labels", label)
    frozen = {name: stages.do(f"freeze: {name}", freeze, campaign, name) for name in RULES}
    for name, pk in frozen.items():
        stages.do(f"verify: {name}", verify, pk)
    official, agreed, apart = frozen.values()
    changes = {
        other: stages.do(f"compare with {other}", compare, official, frozen[other])
        for other in (AGREED, APART)
    }
    files = {format: stages.do(f"export {format}", export, official, format) for format in _formats()}
    print(f"\n{rows:,} rows, {cast:,} votes")
    stages.note("rows", rows)
    stages.note("votes cast", cast)
    for other, counts in changes.items():
        print(f"from the official to {other}: " + ", ".join(f"{kind} {n:,}" for kind, n in counts.items()))
        for kind, n in counts.items():
            stages.note(f"{other}: {kind}", n)
    _check(stages, tables, files, {OFFICIAL: official, AGREED: agreed, APART: apart}, quick=quick)
    return stages.figures


def _formats() -> list[str]:
    from labeling.snapshots.exporting import FORMATS

    return list(FORMATS)


def _check(
    stages: Stages, tables: Path, files: dict[str, str], frozen: dict[str, int], *, quick: bool
) -> None:
    from bench import whole_checks

    lines, usages = whole_checks.csv_again(tables, Path(files["fer2013"]), _snapshot(frozen[OFFICIAL]))
    lines["votes"], uneven = whole_checks.votes_again(
        tables, Path(files["ferplus"]), _snapshot(frozen[OFFICIAL])
    )
    print("\nthe CSV taken in and the one written, row by row: " + _told(lines))
    print("Usage that differs: " + (_told(usages) or "none"))
    for what in _DIFFERENT:
        aim = uneven if what == "votes" else 0
        stages.hold(f"written again: {what} that differ", lines[what], aim, lines[what] == aim)
    for name, pk in frozen.items():
        for line in whole_checks.certificate(_snapshot(pk)):
            print(f"{name}: {line}")
    _check_repeats(stages, tables, frozen, quick=quick)


def _check_repeats(stages: Stages, tables: Path, frozen: dict[str, int], *, quick: bool) -> None:
    from bench import whole_checks

    counted = whole_checks.repeats_in(tables)
    proof = _snapshot(frozen[OFFICIAL]).counts["certificate"]["repeats"]["as_given"]
    print("rows that show a picture of Training, counted in the table: " + _told(counted))
    for split, wanted in counted.items():
        found = proof[split]["same_media"]
        aim = wanted if quick else max(wanted, PUBLISHED[split])
        stages.hold(f"certificate: {split} rows that repeat train", found, aim, found == aim)
        stages.note(f"certificate: {split} rows that repeat or nearly repeat train", proof[split]["alike"])
    for name, pk in frozen.items():
        for what, found in whole_checks.straddling(_snapshot(pk)).items():
            print(f"{name}: {what} in two splits: {found:,}")
            if what == "pictures" or name != OFFICIAL:
                stages.hold(f"{name}: {what} in two splits", found, 0, not found)
            else:
                stages.note(f"{name}: {what} in two splits", found)


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{what} {count:,}" for what, count in counts.items())


def _missed(figures: dict[str, dict[str, Any]]) -> Iterator[str]:
    return (name for name, figure in figures.items() if not figure["holds"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--quick", action="store_true", help=f"Every {EVERY}th row instead of all.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="vemo-bench-"))
    try:
        tables = home / "tables"
        tables.mkdir()
        set_up(home)
        # In a process of its own: all pictures at once would count as memory of every stage.
        rows = measured(_alone, write_tables, options.data, tables, options.quick).answer
        begun = time.perf_counter()
        figures = bench(tables, rows, quick=options.quick)
        print(f"\nall in {time.perf_counter() - begun:,.0f} s")
        if options.json:
            options.json.write_text(json.dumps(figures, indent=1) + "\n")
        missed = list(_missed(figures))
        print("missed: " + ", ".join(missed) if missed else "every aim holds", flush=True)
    finally:
        # So many files take their time.
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
