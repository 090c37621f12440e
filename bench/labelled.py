"""What taking in costs from a bucket, and of a labelled set: `python -m bench.labelled bucket` or `… set`.

bucket: moto's server on loopback, a process of its own, holds --count small PNGs; they are listed and taken in, then
listed once more with nothing new. set: --count small JPEGs in a folder per class, with splits, become media, faces and
labels; then the same set once more. table: a CSV of --megabytes is read as a labelled set's table is.

Runs in the database of DATABASE_URL, which should be empty, else in SQLite in a folder that goes afterwards. Told are
seconds by the clock, seconds of CPU, and the peak memory, of this process; moto's is another.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

BUCKET = "bench-of-vemo"
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
SERVER = """
import sys, warnings
warnings.simplefilter("ignore")
from moto.server import ThreadedMotoServer
import logging
logging.getLogger("werkzeug").setLevel(logging.ERROR)
from moto.s3.models import s3_backends
from bench.labelled import BUCKET, picture
storage = s3_backends["123456789012"]["aws"]
storage.create_bucket(BUCKET, "us-east-1")
for n in range(int(sys.argv[1])):
    storage.put_object(BUCKET, f"photos/{n // 1000:04}/{n:06}.png", picture(n, ".png"))
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


def picture(n: int, extension: str, side: int = 64) -> bytes:
    """A small grey picture, each another."""
    noise = np.random.default_rng(n).integers(0, 255, (8, 8), dtype=np.uint8)
    return bytes(cv2.imencode(extension, cv2.resize(noise, (side, side)))[1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("bucket", "set", "table"))
    parser.add_argument("--count", type=int, help="Objects (20,000) or pictures (30,000).")
    parser.add_argument("--megabytes", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(VEMO_HOME=home, DJANGO_SETTINGS_MODULE="vemo.settings", LOG_LEVEL="WARNING")
        if asked.what == "table":
            _table(asked.megabytes)
        elif asked.what == "set":
            _set(Path(home), asked.count or 30_000)
        else:
            with _server(asked.count or 20_000) as port:
                _bucket(port)


@contextmanager
def _server(count: int) -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def _ready() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _bucket(port: int) -> None:
    profile = {"endpoint_url": f"http://127.0.0.1:{port}", "key": "key", "secret": "secret"}
    os.environ["S3_PROFILES"] = json.dumps({"bench": profile})
    _ready()
    from labeling.sources import places

    options = {"basis": "own"}
    begun = time.monotonic()
    with places.opened("s3", f"s3://{BUCKET}/photos", options, lambda **fields: None) as place:
        listed = sum(1 for _ in place.find())
    print(f"listed: {listed:,} objects in {time.monotonic() - begun:.1f} s")
    _taken_in(f"s3://{BUCKET}/photos", "s3", options)


def _set(home: Path, count: int) -> None:
    folder = home / "set"
    for n in range(count):
        split = "test" if n % 10 == 0 else "train"
        path = folder / split / CLASSES[n % len(CLASSES)] / f"{n:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(n, ".jpg"))
    _ready()
    _taken_in(str(folder), "labelled", {"basis": "own", "origin": "bench"})


def _taken_in(location: str, kind: str, options: dict[str, Any]) -> None:
    from labeling import work
    from labeling.models import Face, FaceLabel, Media
    from labeling.sources import ingest

    source = ingest.add(kind=kind, location=location, options=options, wake=False)
    stages: list[tuple[str, float]] = []
    begun = time.monotonic()

    def tell(done: int, total: int | None, message: str) -> None:
        if message.startswith("At ") and not stages:
            stages.append(("found", time.monotonic() - begun))

    ingest.ingest(source.pk, tell=tell, wake=False)
    source.refresh_from_db()
    all_s = time.monotonic() - begun
    assert (source.state, source.error) == ("done", ""), source.error
    found_s = stages[0][1]
    count = source.items.count()
    print(
        f"items written: {count:,} in {found_s:.1f} s; taken in: {all_s:.1f} s in all, {count / all_s:,.0f} a second"
    )
    print(
        f"media {Media.objects.count():,}, faces {Face.objects.count():,}, labels {FaceLabel.objects.count():,}"
    )
    begun = time.monotonic()
    work.restart(source, also_done=True, wake=False)
    ingest.ingest(source.pk, wake=False)
    print(f"looked at again, nothing new: {time.monotonic() - begun:.1f} s")
    _memory()


def _table(megabytes: int) -> None:
    import io

    import django

    django.setup()
    from labeling.sources.base import Reader
    from labeling.sources.labelled import table

    class Rows(io.RawIOBase):
        """So many megabytes of a table."""

        def __init__(self) -> None:
            self.left, self.row = megabytes * 1_000_000, 0

        def read(self, size: int = -1) -> bytes:
            if self.left <= 0:
                return b""
            lines = b"".join(
                b"some/folder/of/pictures/%09d.jpg,%s,train,an expert of ours\n"
                % (n, CLASSES[n % 7].encode())
                for n in range(self.row, self.row + 10_000)
            )
            begin = b"" if self.row else b"path,label,split,origin\n"
            self.row += 10_000
            self.left -= len(lines)
            return begin + lines

    begun = time.monotonic()
    with table.read(Reader(Rows(), broken=()), lambda: None) as rows:
        count = sum(rows.labels().values())
        print(f"{megabytes:,} MB, {count:,} rows: read in {time.monotonic() - begun:.1f} s")
    _memory()


def _memory() -> None:
    print(f"CPU of this process, all in all: {time.process_time():.1f} s")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
