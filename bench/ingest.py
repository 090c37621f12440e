"""Videos and photos from file to faces: `python -m bench.ingest [--quick] [--data FOLDER] [--hours N] [--json FILE]`.

Makes a film of 1080p out of photos (those of --data, else drawn ones), one every two seconds under a moving camera,
and takes it in on a site of its own: ingest, search by the cascade, crops, tracks, quality, likeness, database.
Beside it, in the same run, a bare OpenCV loop decodes and searches the very same frames on one core with the same
settings and keeps nothing; it runs before and after, and the mean counts. The aim: the site searches 0.9 of its
frames in the same CPU time, and keeps all cores busy. --hours N: also a film of that length (640 × 360), whose memory
is looked at twice a second: its peak in each tenth of the time, and in the second half against the first; with --long
nothing but that. Each process has its own peak of memory.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import django
import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
AIM_SHARE = 0.9
AIM_GROWTH = 1.1
"""Peak memory in a long film's second half over that in its first."""
PER_SECOND = 5
RATE = 25
STILL_S = 2


def pictures(data: Path | None, count: int, size: tuple[int, int]) -> list[np.ndarray]:
    """(height, width, 3) RGB, scaled to fill the size."""
    from labeling.sources import drawn
    from labeling.vision import images

    if data is None:
        found = [np.hstack([drawn.draw_still(n), drawn.draw_still(n + 1)]) for n in range(count)]
    else:
        files = sorted(path for path in data.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        found = [images.read(path).pixels for path in files[:count]]
    return [_filled(one, size) for one in found]


def _filled(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scaled and cut to a little more than the size, so that a camera can move over it."""
    wide, high = round(size[0] * 1.05), round(size[1] * 1.05)
    scale = max(wide / pixels.shape[1], high / pixels.shape[0])
    grown = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top, left = (grown.shape[0] - high) // 2, (grown.shape[1] - wide) // 2
    return grown[top : top + high, left : left + wide]


def film(path: Path, stills: list[np.ndarray], seconds: float, size: tuple[int, int]) -> None:
    """H.264, one picture after the other for STILL_S each, round and round."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "20"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for n in range(round(seconds * RATE)):
            still = stills[n // (STILL_S * RATE) % len(stills)]
            along = n % (STILL_S * RATE) / (STILL_S * RATE)
            top = round(along * (still.shape[0] - size[1]))
            left = round(along * (still.shape[1] - size[0]))
            part = np.ascontiguousarray(still[top : top + size[1], left : left + size[0]])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(part, format="rgb24")))
        container.mux(stream.encode(None))


def lengthen(short: Path, long: Path, seconds: float) -> None:
    """The same film over and over, without coding it anew."""
    with av.open(str(long), "w") as target:
        offset, ends = Fraction(0), Fraction(0)
        stream = None
        while offset < seconds:
            with av.open(str(short)) as source:
                given = source.streams.video[0]
                stream = stream or target.add_stream_from_template(given)
                for packet in source.demux(given):
                    if packet.dts is None:
                        continue
                    shift = round(offset / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    ends = max(ends, (packet.pts + (packet.duration or 1)) * packet.time_base)
                    packet.stream = stream
                    target.mux(packet)
            offset = ends


def bare(path: Path) -> dict[str, float]:
    """What OpenCV alone needs on one core: decode, and search the frames that the site searches."""
    from labeling.vision import detectors

    cv2.setNumThreads(1)
    search = detectors.make("haar")
    begun, frames, faces, wanted = time.process_time(), 0, 0, 0.0
    reading = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    n = 0
    while reading.grab():
        if n / RATE >= wanted:
            done, picture = reading.retrieve()
            assert done
            faces += len(search.find(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)))
            frames += 1
            wanted = (n * PER_SECOND // RATE + 1) / PER_SECOND
        n += 1
    return {"frames": frames, "faces": faces, "cpu_s": time.process_time() - begun}


def site(path: Path) -> dict[str, float]:
    """The whole way, in this process."""
    from django.core.management import call_command

    from labeling.models import Face, Scan, Track

    begun, cpu = time.monotonic(), time.process_time()
    quiet: Any = {"stdout": io.StringIO(), "stderr": io.StringIO(), "in_process": True}
    call_command("ingest", str(path), **quiet)
    taken = time.monotonic()
    call_command("detect", "1", **quiet)
    ends = time.monotonic()
    return {
        "frames": sum(Scan.objects.values_list("frames", flat=True)),
        "faces": Face.objects.count(),
        "tracks": Track.objects.count(),
        "ingest_s": taken - begun,
        "search_s": ends - taken,
        "cpu_s": time.process_time() - cpu,
    }


def apart(what: str, path: Path, home: Path) -> dict[str, float]:
    """Do it in a process of its own; its figures, with memory in MB by halves of its time."""
    code = f"from bench.ingest import apart_inside; apart_inside({what!r}, {str(path)!r})"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
        "DJANGO_SETTINGS_MODULE": "vemo.settings",
        "VEMO_HOME": str(home),
        "DATABASE_URL": f"sqlite:///{home}/bench.sqlite3",
        "STORAGE_URL": f"file://{home}/storage",
        "LOG_LEVEL": "ERROR",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    memory: list[float] = []
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(psutil.Process(process.pid), memory, over))
    watch.start()
    said, _ = process.communicate()
    over.set()
    watch.join()
    if process.returncode:
        raise SystemExit(f"{what} failed.")
    return {
        **json.loads(said.splitlines()[-1]),
        "peak_mb": max(memory, default=0),
        **{f"tenth_{n}_mb": peak for n, peak in enumerate(_tenths(memory), 1)},
    }


def _tenths(memory: list[float]) -> list[float]:
    """The peak in each tenth of the time."""
    edges = [round(n * len(memory) / 10) for n in range(11)]
    return [max(memory[a : max(b, a + 1)], default=0) for a, b in pairwise(edges)]


def _watch(process: psutil.Process, memory: list[float], over: threading.Event) -> None:
    while not over.wait(0.5):
        try:
            memory.append(process.memory_info().rss / 1e6)
        except psutil.NoSuchProcess:
            return


def apart_inside(what: str, path: str) -> None:
    """What runs in that process."""
    from django.core.management import call_command

    django.setup()
    if what == "site":
        call_command("migrate", verbosity=0)
    print(json.dumps({"site": site, "bare": bare}[what](Path(path))))


def measure(path: Path, work: Path, name: str) -> Iterator[tuple[str, float, str, float | None]]:
    cores = len(os.sched_getaffinity(0))
    alone = [apart("bare", path, _home(work)) for _ in range(1)]
    ours = apart("site", path, _home(work))
    alone.append(apart("bare", path, _home(work)))
    bare_rate = sum(one["frames"] for one in alone) / sum(one["cpu_s"] for one in alone)
    if any(one["frames"] != ours["frames"] for one in alone):
        raise SystemExit(f"Not the same frames: {[one['frames'] for one in alone]} and {ours['frames']}.")
    rate = ours["frames"] / ours["search_s"]
    yield f"{name}: frames searched", ours["frames"], "frames", None
    yield f"{name}: faces found", ours["faces"], "faces", None
    yield f"{name}: tracks", ours["tracks"], "tracks", None
    yield f"{name}: taking the file in", ours["ingest_s"], "s", None
    yield f"{name}: bare loop, one core", bare_rate, "frames/s of CPU", None
    yield f"{name}: the site's search, {cores} cores", rate, "frames/s", None
    # Per second of CPU, so that what else the machine does counts for neither.
    share = ours["frames"] / ours["cpu_s"] / bare_rate
    yield f"{name}: the site's frames for each of the loop's, per CPU", share, "share", AIM_SHARE
    used = ours["cpu_s"] / (ours["ingest_s"] + ours["search_s"])
    yield f"{name}: cores used", used, "cores", AIM_SHARE * cores
    yield f"{name}: peak memory", ours["peak_mb"], "MB", None


def measure_long(path: Path, work: Path, hours: float) -> Iterator[tuple[str, float, str, float | None]]:
    ours = apart("site", path, _home(work))
    yield f"{hours:g} h: frames searched", ours["frames"], "frames", None
    yield f"{hours:g} h: faces found", ours["faces"], "faces", None
    yield f"{hours:g} h: search", ours["search_s"], "s", None
    peaks = [ours[f"tenth_{n}_mb"] for n in range(1, 11)]
    for n, peak in enumerate(peaks, 1):
        yield f"{hours:g} h: peak memory, tenth {n} of the time", peak, "MB", None
    # The first tenth is the start; before it there is nothing to compare with.
    yield f"{hours:g} h: growth of the peak", max(peaks[5:]) / max(peaks[1:5]), "times", AIM_GROWTH


def _home(work: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=work))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="A film of 10 seconds.")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="Photos to make the film of.")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--hours", type=float, default=0.0, help="A long film, too, for its memory.")
    parser.add_argument("--long", action="store_true", help="With --hours: only the long film.")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    # The drawing of media lies among the kinds of sources, and those know the database.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vemo.settings")
    django.setup()
    seconds = 10.0 if asked.quick else 60 * asked.minutes
    figures: dict[str, Any] = {}

    def note(rows: Iterator[tuple[str, float, str, float | None]]) -> None:
        for name, value, unit, aim in rows:
            holds = None if aim is None else (value <= aim if unit == "times" else value >= aim)
            figures[name] = {"value": round(value, 3), "unit": unit, "aim": aim, "holds": holds}
            verdict = "" if holds is None else f"   aim {aim:g}: {'holds' if holds else 'missed'}"
            print(f"{name:<44}{value:>12,.2f} {unit}{verdict}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        print(f"Load average {os.getloadavg()[0]:.1f}", flush=True)
        stills = pictures(asked.data, 30, (1920, 1080))
        if not (asked.long and asked.hours):
            film(work / "film.mp4", stills, seconds, (1920, 1080))
            note(measure(work / "film.mp4", work, "1080p"))
        if asked.hours:
            small = [cv2.resize(one, (672, 378), interpolation=cv2.INTER_AREA) for one in stills]
            film(work / "short.mp4", small, 120, (640, 360))
            lengthen(work / "short.mp4", work / "long.mp4", 3600 * asked.hours)
            note(measure_long(work / "long.mp4", work, asked.hours))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1))
    return 0 if all(figure["holds"] is not False for figure in figures.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
