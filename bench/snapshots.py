"""Freeze, verify and export a campaign of drawn faces: `python -m bench.snapshots [--quick] [--faces N]`.

Makes a site of its own in a temporary folder (SQLite unless DATABASE_URL names an empty PostgreSQL database), fills it
with settled faces, and does each stage in a process of its own, so that each has its own peak of memory. The crops are
also packed by `tar` and hashed by `sha256sum`, once before and once after the stages: freezing and each export should
be at least half as fast as that, and a second version with one label in a hundred changed take a tenth of the first's
time and room. --json FILE writes {figure: {value, unit, aim, holds}}.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

QUICK, FULL = 20_000, 100_000
AIM_MB = 600.0
AIM_SHARE, AIM_SECOND = 0.5, 0.1
"""Of the speed of tar and sha256sum; of the first version's time and room."""
EXPORTS = ("imagefolder", "fer2013", "parquet")


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
    pixels = np.random.default_rng(number).integers(90, 160, (48, 48), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
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


def tar_and_hash(storage: Path) -> None:
    """What the machine needs for the bytes alone."""
    archive = storage / "reference.tar"
    for command in (["tar", "-cf", str(archive), "-C", str(storage), "crops"], ["sha256sum", str(archive)]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    archive.unlink()


def change(campaign: int, share: float) -> None:
    """Another label for so many of the faces."""
    from labeling.models import CampaignFace

    rows = CampaignFace.objects.filter(campaign=campaign)
    pks = list(rows.order_by("shuffle").values_list("pk", flat=True)[: int(rows.count() * share)])
    for start in range(0, len(pks), 5_000):
        rows.filter(pk__in=pks[start : start + 5_000]).update(label="angry", counts={"angry": 10})


def bench(faces: int) -> dict[str, dict[str, Any]]:
    from django.core.files.storage import default_storage

    from labeling.models import Snapshot

    begun = time.perf_counter()
    campaign = fill(faces)
    print(f"{faces:,} settled faces made in {time.perf_counter() - begun:.0f} s\n")
    print(f"{'stage':<34}{'seconds':>9}{'faces/s':>10}{'peak MB':>9}{'grown MB':>10}")
    storage = Path(default_storage.path(""))
    measured(tar_and_hash, storage)  # once for the disk's cache
    before = _line("  tar and sha256sum of the crops", faces, measured(tar_and_hash, storage))[0]
    found = {"freeze": _line("freeze", faces, measured(freeze, campaign))}
    first = Snapshot.objects.get()
    _line("verify", faces, measured(verify, first.pk))
    change(campaign, 0.01)
    found["second"] = _line("freeze again, 1 % changed", faces, measured(freeze, campaign))
    second = Snapshot.objects.exclude(pk=first.pk).get()
    for format in EXPORTS:
        found[format] = _line(f"export {format}", faces, measured(export, first.pk, format))
    after = _line("  tar and sha256sum of the crops", faces, measured(tar_and_hash, storage))[0]
    return _figures(found, (before + after) / 2, first, second)


def _figures(found: dict[str, Any], reference: float, first: Any, second: Any) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {}
    for name in ("freeze", *EXPORTS):
        share = reference / found[name][0]
        figures[f"{name}: share of tar's speed"] = _figure(share, "", AIM_SHARE, share >= AIM_SHARE)
    for name, (_, peak, *_rest) in found.items():
        figures[f"{name}: peak"] = _figure(peak, "MB", AIM_MB, peak <= AIM_MB)
    shares = {
        "time": found["second"][0] / found["freeze"][0],
        "room": second.counts["added_bytes"] / first.counts["added_bytes"],
    }
    for name, share in shares.items():
        figures[f"second version: share of the first's {name}"] = _figure(
            share, "", AIM_SECOND, share <= AIM_SECOND
        )
    print()
    for name, figure in figures.items():
        print(f"{name:<46}{figure['value']:>9.2f} {figure['unit']:<3} (aim {figure['aim']:g})")
    return figures


def _figure(value: float, unit: str, aim: float, holds: bool) -> dict[str, Any]:
    return {"value": round(value, 3), "unit": unit, "aim": aim, "holds": holds}


def _line(name: str, faces: int, found: tuple[float, float, float, Any]) -> tuple[float, float, float, Any]:
    seconds, peak, before, _ = found
    print(f"{name:<34}{seconds:>9.2f}{faces / seconds:>10,.0f}{peak:>9.0f}{peak - before:>10.0f}", flush=True)
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
