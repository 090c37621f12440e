"""Freeze, verify and export a campaign of drawn faces: `python -m bench.snapshots [--quick] [--faces N]`.

Makes a site of its own in a temporary folder (SQLite unless DATABASE_URL names an empty PostgreSQL database), fills it
with settled faces, and does each stage in a process of its own, so that each has its own peak of memory. Beside each
stands what the machine needs for the bytes alone: reading every crop and writing one file, and hashing the folder.
--json FILE writes {figure: {value, unit, aim, holds}}.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

QUICK, FULL = 20_000, 100_000
AIM_FACES_PER_S = {"freeze": 1_000, "verify": 2_000, "imagefolder": 2_000, "fer2013": 500}
AIM_MB = 400.0


def set_up(home: Path) -> None:
    os.environ |= {"VEMO_HOME": str(home), "STORAGE_URL": f"file://{home / 'storage'}", "LOG_LEVEL": "ERROR"}
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vemo.settings")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "platform"))
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def fill(faces: int) -> int:
    """A campaign of settled faces, two to a media, each with a 48×48 crop in the storage. Returns its key."""
    from labeling.expressions import SEVEN
    from labeling.models import Campaign, CampaignFace, Face

    campaign = Campaign.objects.create(name="bench")
    numbers = iter(range(faces))
    while chunk := list(islice(numbers, 2_000)):
        media = _media(sorted({number // 2 for number in chunk}))
        made = Face.objects.bulk_create(_face(number, media[number // 2]) for number in chunk)
        CampaignFace.objects.bulk_create(
            _settled(campaign, face, SEVEN[number % 7], SEVEN[(number + 1) % 7])
            for number, face in zip(chunk, made, strict=True)
        )
    return int(campaign.pk)


def _media(numbers: Iterable[int]) -> dict[int, Any]:
    from labeling.models import Media

    rows = [
        Media(
            sha256=hashlib.sha256(f"media {number}".encode()).hexdigest(),
            kind="image",
            mime="image/png",
            stored_as=f"media/{number}.png",
            bytes=1,
            width=96,
            height=48,
            original_name=f"{number}.png",
            licence="CC0-1.0",
            author="VEMO",
        )
        for number in numbers
    ]
    return dict(zip(numbers, Media.objects.bulk_create(rows), strict=True))


def _face(number: int, media: Any) -> Any:
    import io

    import numpy as np
    from django.core.files.storage import default_storage
    from PIL import Image

    from labeling.models import Face

    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(90, 160, (48, 48), dtype=np.uint8)).save(
        buffer, "PNG"
    )
    name = f"crops/{number % 256:02x}/{number}.png"
    path = Path(default_storage.path(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return Face(
        media=media,
        detector="haar",
        score=1.0,
        x=48 * (number % 2),
        y=0,
        width=48,
        height=48,
        crop=name,
        crop_sha256=hashlib.sha256(buffer.getvalue()).hexdigest(),
        crop_width=48,
        crop_height=48,
    )


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


def measured(stage: Callable[..., Any], *arguments: Any) -> tuple[float, float, float, Any]:
    """Seconds, peak MB of the process, MB it had before, what the stage returned."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def run() -> None:
        before = _peak_mb()
        begun = time.perf_counter()
        answer = stage(*arguments)
        theirs.send((time.perf_counter() - begun, _peak_mb(), before, answer))

    from django.db import connections

    connections.close_all()
    child = context.Process(target=run)
    child.start()
    theirs.close()
    found: tuple[float, float, float, Any] = ours.recv()
    child.join()
    return found


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def freeze(campaign: int) -> int:
    from labeling.models import Campaign
    from labeling.snapshots import freezing

    row = freezing.freeze(campaign=Campaign.objects.get(pk=campaign), wake=False)
    freezing.run_freeze(row.pk)
    row.refresh_from_db()
    assert row.state == "done", row.error
    return int(row.pk)


def verify(snapshot: int) -> None:
    from labeling.models import Snapshot
    from labeling.snapshots import freezing

    assert freezing.verify(snapshot=Snapshot.objects.get(pk=snapshot)) == []


def export(snapshot: int, format: str) -> None:
    from labeling.models import Snapshot
    from labeling.snapshots import exporting

    row = exporting.export(snapshot=Snapshot.objects.get(pk=snapshot), format=format, wake=False)
    exporting.run_export(row.pk)
    row.refresh_from_db()
    assert row.state == "done", row.error


def copy_crops(storage: Path) -> None:
    with (storage / "reference.bin").open("wb") as target:
        for crop in sorted((storage / "crops").rglob("*.png")):
            target.write(crop.read_bytes())


def hash_folder(folder: Path) -> None:
    for file in folder.iterdir():
        with file.open("rb") as content:
            hashlib.file_digest(content, "sha256")


def bench(faces: int) -> dict[str, dict[str, Any]]:
    from django.core.files.storage import default_storage

    begun = time.perf_counter()
    campaign = fill(faces)
    print(f"{faces:,} settled faces made in {time.perf_counter() - begun:.0f} s\n")
    print(f"{'stage':<34}{'seconds':>9}{'faces/s':>10}{'peak MB':>9}{'grown MB':>10}")
    storage = Path(default_storage.path(""))
    figures: dict[str, dict[str, Any]] = {}
    _line("  reading crops, writing one file", faces, measured(copy_crops, storage))
    found = _line("freeze", faces, measured(freeze, campaign), figures)
    snapshot = found[-1]
    (folder,) = (storage / "snapshots").iterdir()
    _line("  sha256 of its files", faces, measured(hash_folder, folder))
    _line("verify", faces, measured(verify, snapshot), figures)
    for format in ("imagefolder", "fer2013"):
        _line(format, faces, measured(export, snapshot, format), figures)
    return figures


def _line(
    name: str,
    faces: int,
    found: tuple[float, float, float, Any],
    figures: dict[str, dict[str, Any]] | None = None,
) -> tuple[float, float, float, Any]:
    seconds, peak, before, _ = found
    print(f"{name:<34}{seconds:>9.2f}{faces / seconds:>10,.0f}{peak:>9.0f}{peak - before:>10.0f}")
    if figures is not None:
        speed, aim = faces / seconds, AIM_FACES_PER_S[name]
        figures[f"{name} speed"] = {"value": speed, "unit": "faces/s", "aim": aim, "holds": speed >= aim}
        figures[f"{name} peak"] = {"value": peak, "unit": "MB", "aim": AIM_MB, "holds": peak <= AIM_MB}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} faces instead of {FULL:,}")
    parser.add_argument("--faces", type=int)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="vemo-bench-"))
    try:
        set_up(home)
        figures = bench(options.faces or (QUICK if options.quick else FULL))
    finally:
        shutil.rmtree(home)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    missed = [name for name, figure in figures.items() if not figure["holds"]]
    print("\n" + ("missed: " + ", ".join(missed) if missed else "every aim holds"))


if __name__ == "__main__":
    main()
