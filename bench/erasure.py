"""Erase from a collection that was frozen again and again: `python -m bench.erasure [--faces N] [--snapshots N]`.

Makes a site of its own in a temporary folder (SQLite unless DATABASE_URL names an empty PostgreSQL database): a
campaign of settled faces, one to a media, in nine tenths of the snapshots, each with some other labels; the others hold
none of them.
Then one face, one author's and half of all are erased, each in a process of its own. After each, every file of the
storage is searched for the erased pictures, the storage is swept, a touched snapshot is verified, and the others are
compared with what they were. --json FILE writes {figure: {value, unit, aim, holds}}.
"""

import argparse
import hashlib
import json
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench.snapshots import Parts, freeze, measured, own_database, set_up

FACES, SNAPSHOTS, PEOPLE = 36_000, 50, 100
AIM_S, AIM_MB = 60.0, 600.0


def fill(name: str, first: int, faces: int) -> int:
    """A campaign of settled faces, each alone on a media of one of PEOPLE authors. Returns its key."""
    from labeling.expressions import SEVEN
    from labeling.models import Campaign, CampaignFace, Face, Media

    campaign = Campaign.objects.create(name=name)
    for start in range(first, first + faces, 2_000):
        numbers = range(start, min(start + 2_000, first + faces))
        media = Media.objects.bulk_create(_media(number, name) for number in numbers)
        made = Face.objects.bulk_create(
            _face(number, one) for number, one in zip(numbers, media, strict=True)
        )
        CampaignFace.objects.bulk_create(
            _settled(campaign, face, SEVEN[face.pk % 7], SEVEN[(face.pk + 1) % 7]) for face in made
        )
    return int(campaign.pk)


def _stored(folder: str, number: int, side: int) -> tuple[str, str, int]:
    """Name, sha256 and length of a PNG of noise in the storage."""
    import io

    import numpy as np
    from django.core.files.storage import default_storage
    from PIL import Image

    buffer = io.BytesIO()
    noise = np.random.default_rng((number, side)).integers(90, 160, (side, side), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "PNG", compress_level=1)
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    name = f"{folder}/{sha256[:2]}/{sha256}.png"
    path = Path(default_storage.path(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return name, sha256, len(buffer.getvalue())


def _media(number: int, by: str) -> Any:
    from labeling.models import Media

    name, sha256, size = _stored("media", number, 64)
    about = {
        "kind": "image",
        "mime": "image/png",
        "width": 64,
        "height": 64,
        "original_name": f"{number}.png",
    }
    return Media(
        sha256=sha256,
        stored_as=name,
        bytes=size,
        author=f"{by} {number % PEOPLE}",
        licence="CC0-1.0",
        **about,
    )


def _face(number: int, media: Any) -> Any:
    from labeling.models import Face

    name, sha256, _ = _stored("crops", number, 48)
    place = {"x": 8, "y": 8, "width": 48, "height": 48, "crop_width": 48, "crop_height": 48}
    return Face(media=media, detector="haar", score=1.0, crop=name, crop_sha256=sha256, **place)


def _settled(campaign: Any, face: Any, label: str, other: str) -> Any:
    from django.utils import timezone

    from labeling.models import CampaignFace

    return CampaignFace(
        campaign=campaign,
        face=face,
        state="settled",
        wanted=10,
        votes=10,
        places=0,
        shuffle=face.pk,
        outcome="agreed",
        label=label,
        agreement=0.8,
        counts={label: 8, other: 2},
        settled_at=timezone.now(),
    )


def again(snapshot: int, version: int) -> None:
    """One more version of a snapshot: one label in a hundred is another, its images shared."""
    from django.utils import timezone

    from labeling.models import Snapshot
    from labeling.snapshots import format as snapshots
    from labeling.snapshots import stored
    from labeling.storage_paths import local_path

    row = Snapshot.objects.get(pk=snapshot)
    base = local_path(row.folder)
    assert base is not None
    old = snapshots.read_manifest(base)
    with stored.making("bench") as made:
        rule = {**old.rule, "version": version}
        manifest = snapshots.write(made, _rows(base, version), classes=old.classes, rule=rule, base=base)
        stored.put_snapshot(made, manifest.digest, alive=lambda: None)
    Snapshot.objects.create(
        campaign=row.campaign,
        name=f"{row.name}.{version}",
        rule=rule,
        state="done",
        ended_at=timezone.now(),
        digest=manifest.digest,
        folder=stored.folder_of(manifest.digest),
        packs=list(manifest.packs),
        counts={**row.counts, "splits": manifest.splits},
    )


def _rows(folder: Path, version: int) -> Iterator[dict[str, Any]]:
    from labeling.snapshots import format as snapshots

    classes = snapshots.read_manifest(folder).classes
    names = [name for name in snapshots.COLUMNS if name != "image"]
    for batch in snapshots.iter_batches(folder, columns=[*names, "image_sha256"]):
        for row in batch.to_pylist():
            # No shard of two versions is the same.
            if int(row["face_key"][:8], 16) % 100 == version % 100:
                row["label_index"] = (row["label_index"] + 1) % len(classes)
                row["label"] = classes[row["label_index"]]
            yield {**row, "image": _not_again}


def _not_again() -> bytes:
    raise AssertionError("the version before holds all images")


def erase(_parts: Parts, scope: str, what: list[Any]) -> dict[str, Any]:
    from labeling import erasure
    from labeling.models import Erasure

    begun = time.process_time()
    row = erasure.demand(scope, what, reason="bench", wake=False)
    erasure.carry_out(row.pk)
    row.refresh_from_db()
    assert row.state == "done", row.error
    touched: dict[str, Any] = Erasure.objects.values_list("touched", flat=True).get(pk=row.pk)
    return {**touched, "cpu": time.process_time() - begun}


def preview(_parts: Parts, scope: str, what: list[Any]) -> None:
    from labeling import erasure

    erasure.preview(scope, what)


def pictures_of(faces: Any) -> set[bytes]:
    """What must not be found any more: the middle of each file, as a name would only tell of its beginning."""
    found = set()
    for face in faces.select_related("media"):
        for name in (face.crop, face.media.stored_as):
            found.add(_middle(name))
    return found


def _middle(name: str) -> bytes:
    from django.core.files.storage import default_storage

    content = Path(default_storage.path(name)).read_bytes()
    return content[len(content) // 2 :][:64]


def left(pictures: set[bytes]) -> int:
    """Files of the storage that hold a byte run of an erased picture."""
    from django.core.files.storage import default_storage

    root = Path(default_storage.path(""))
    return sum(_holds(path.read_bytes(), pictures) for path in root.rglob("*") if path.is_file())


def _holds(content: bytes, pictures: set[bytes]) -> bool:
    if len(pictures) <= 4:
        return any(picture in content for picture in pictures)
    # Too many to look for each: every PNG in the file, be it alone, in a pack or in a zip, is asked for its middle.
    starts = [match.start() for match in re.finditer(rb"\x89PNG", content)]
    if not starts:
        return False
    middles = (
        start + (end - start) // 2 for start, end in zip(starts, [*starts[1:], len(content)], strict=True)
    )
    return any(content[middle : middle + 64] in pictures for middle in middles)


def of_others(keys: list[int]) -> str:
    """A sha256 over every file of these snapshots."""
    from labeling.models import Snapshot
    from labeling.storage_paths import local_path

    digest = hashlib.sha256()
    for row in Snapshot.objects.filter(pk__in=keys).order_by("pk"):
        folder = local_path(row.folder)
        assert folder is not None
        packs = [folder.parent / "packs" / name for name in row.packs]
        for path in (*sorted(folder.iterdir()), *packs):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def bench(faces: int, snapshots: int) -> dict[str, dict[str, Any]]:
    from labeling import storage_sweep
    from labeling.models import Face, Media, Snapshot
    from labeling.snapshots import freezing

    begun = time.perf_counter()
    untouched = max(1, snapshots // 10)
    first = freeze(Parts(), fill("bench", 0, faces))
    second = freeze(Parts(), fill("others", faces, max(faces // 10, 20)))
    more = [(first, n) for n in range(1, snapshots - untouched)] + [(second, n) for n in range(1, untouched)]
    _in_parallel(more)
    others = list(Snapshot.objects.filter(campaign__name="others").values_list("pk", flat=True))
    before = of_others(others)
    print(f"{faces:,} faces in {snapshots} snapshots, made in {time.perf_counter() - begun:.0f} s\n")
    print(
        f"{'erased':<22}{'faces':>8}{'preview s':>11}{'seconds':>9}{'of CPU':>8}{'peak MB':>9}{'left in files':>15}"
    )
    ours = Face.objects.filter(campaign_faces__campaign__name="bench").order_by("pk")
    half = [f"bench {number}" for number in range(PEOPLE // 2)]
    figures: dict[str, dict[str, Any]] = {}
    for name, scope, of in (
        ("one face's media", "media", lambda: [ours.values_list("media", flat=True).first()]),
        ("one author", "author", lambda: [f"bench {PEOPLE - 1}"]),
        ("half of all", "author", lambda: half),
    ):
        what = of()
        media = Media.objects.filter(**{"pk__in" if scope == "media" else "author__in": what})
        pictures = pictures_of(Face.objects.filter(media__in=media))
        looked = measured(preview, scope, what)
        done = measured(erase, scope, what)
        seconds, peak, touched = done.seconds, done.peak, done.answer
        found = left(pictures)
        print(
            f"{name:<22}{touched['faces']:>8,}{looked.seconds:>11.2f}{seconds:>9.2f}{touched['cpu']:>8.2f}"
            f"{peak:>9.0f}{found:>15}",
            flush=True,
        )
        figures[f"{name}: seconds"] = _figure(seconds, "s", AIM_S)
        figures[f"{name}: peak"] = _figure(peak, "MB", AIM_MB)
        figures[f"{name}: files with a byte of it"] = _figure(found, "files", 0)
    figures["snapshots of others that changed"] = _figure(of_others(others) != before, "", 0)
    figures["files of nobody"] = _figure(len(list(storage_sweep.ownerless())), "files", 0)
    figures["files missing"] = _figure(len(list(storage_sweep.missing())), "files", 0)
    damaged = sum(bool(freezing.verify(snapshot=row)) for row in Snapshot.objects.order_by("pk")[:2])
    figures["damaged of two verified"] = _figure(damaged, "snapshots", 0)
    return figures


def _figure(value: float, unit: str, aim: float) -> dict[str, Any]:
    return {"value": float(value), "unit": unit, "aim": aim, "holds": value <= aim}


def _in_parallel(versions: list[tuple[int, int]]) -> None:
    from django.db import connections

    connections.close_all()
    with get_context("fork").Pool(2) as pool:
        pool.starmap(again, versions)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=int, default=FACES)
    parser.add_argument("--snapshots", type=int, default=SNAPSHOTS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="vemo-bench-"))
    try:
        with own_database():
            set_up(home)
            figures = bench(options.faces, options.snapshots)
    finally:
        shutil.rmtree(home)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    missed = [name for name, figure in figures.items() if not figure["holds"]]
    print("\n" + ("missed: " + ", ".join(missed) if missed else "every aim holds"))


if __name__ == "__main__":
    main()
