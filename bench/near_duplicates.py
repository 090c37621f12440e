"""Near-duplicates among many hashes: `python -m bench.near_duplicates [--quick]`, or with `--images FILE.npz`.

Without --images: a million random 64-bit hashes with planted groups, each member within six bits of its group's
first. Everything found is checked by comparing outright, and two thousand hashes are compared with all others.
With --images: pictures with splits (an .npz with `images`, (n, height, width) grey, and `usage`, 0 for training, 1
and 2 for two tests: FER2013). Tells how many pictures of the tests are in training too, at each radius; --sheet
FILE.png draws some of the pairs that differ in 0, 2 … 10 bits, a row each, for the eye to judge. (Half of a picture's
bits are set: two pictures never differ in an odd number.) With --copies N too: N copies of each picture, each cut a
little otherwise, for the hashes of real faces in great number.
--json FILE writes {figure: {value, unit, aim, holds}}.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from labeling.vision import duplicates, neighbours
from labeling.vision.fingerprint import Hashes, alike, details, distances, phash

QUICK, FULL = 100_000, 1_000_000
AIM_S, AIM_MB = 60.0, 2000.0
PLANTED = 0.05
"""Share of the hashes that lie in planted groups of 2 to 10."""
COMPARED_WITH_ALL = 2_000
TESTS = {1: "PublicTest", 2: "PrivateTest"}
CHANGED = 3_000
CHANGES: dict[str, Callable[[Any], Any]] = {
    "JPEG of quality 30": lambda picture: cv2.imdecode(cv2.imencode(".jpg", picture, [1, 30])[1], 0),
    "70 % of the contrast, brighter": lambda picture: (picture * 0.7 + 40).astype(np.uint8),
    "half the size": lambda picture: cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "blurred (sigma 1)": lambda picture: cv2.GaussianBlur(picture, (0, 0), 1),
    "moved by a pixel": lambda picture: np.roll(picture, 1, axis=1),
    "cut by 3 % on all sides": lambda picture: _cut(picture, 0.03),
    "mirrored": lambda picture: picture[:, ::-1],
}


def _cut(picture: Any, share: float) -> Any:
    (height, width), (x, y) = picture.shape, (share * side for side in picture.shape[::-1])
    patch = (round(width - 2 * x), round(height - 2 * y))
    return cv2.getRectSubPix(picture, patch, ((width - 1) / 2, (height - 1) / 2))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} hashes instead of {FULL:,}.")
    parser.add_argument("--images", type=Path, metavar="FILE.npz")
    parser.add_argument(
        "--copies", type=int, metavar="N", help="Group N copies of each picture, cut a little otherwise."
    )
    parser.add_argument("--sheet", type=Path, metavar="FILE.png")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    print(f"load average at the start {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    if asked.images and asked.copies:
        figures = crowded(asked.images, asked.copies)
    elif asked.images:
        figures = splits(asked.images, asked.sheet)
    else:
        figures = planted(QUICK if asked.quick else FULL)
    for name, figure in figures.items():
        aim = (
            ""
            if figure["aim"] is None
            else f"  (aim {figure['aim']:,}: {'holds' if figure['holds'] else 'MISSED'})"
        )
        print(f"{name:<56} {figure['value']:>12,} {figure['unit']}{aim}")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n")


def planted(count: int) -> dict[str, Any]:
    shuffled = np.random.default_rng(2026)
    hashes, firsts = _with_groups(count, shuffled)
    begun = time.perf_counter()
    groups = duplicates.groups(hashes, radius=6)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    missed = int((groups != groups[firsts]).sum())
    missed += _missed_by_comparing(hashes, groups, shuffled.choice(count, COMPARED_WITH_ALL, replace=False))
    begun = time.perf_counter()
    hundredth = count // 100
    grown = duplicates.grow(hashes[hundredth:], groups[hundredth:], hashes[:hundredth], radius=6)
    again = time.perf_counter() - begun
    return {
        "hashes": _figure(count, "hashes"),
        "groups of two or more": _figure(int((np.unique(groups, return_counts=True)[1] > 1).sum()), "groups"),
        "members missed": _figure(missed, "hashes", 0),
        "members that no link explains": _figure(_unlinked(hashes, groups), "hashes", 0),
        "time": _figure(round(seconds, 2), "s", AIM_S),
        "peak memory of the process": _figure(round(peak), "MB", AIM_MB),
        "time to add a hundredth to the rest": _figure(round(again, 2), "s"),
        "groups merged or named anew by it": _figure(len(grown.merged), "groups"),
    }


def _with_groups(count: int, shuffled: np.random.Generator) -> tuple[Hashes, neighbours.Indices]:
    """Hashes in random order, and for each the place of its group's first (its own if it is in none)."""
    hashes = shuffled.integers(0, 2**64, count, dtype=np.uint64)
    firsts = np.arange(count)
    order, at, end = shuffled.permutation(count), 0, int(PLANTED * count)
    while at < end:
        members = order[at : at + int(shuffled.integers(2, 11))]
        firsts[members] = members[0]
        for member in members[1:]:
            places = shuffled.choice(64, int(shuffled.integers(0, 7)), replace=False)
            hashes[member] = hashes[members[0]] ^ np.bitwise_or.reduce(
                np.left_shift(np.uint64(1), places.astype(np.uint64)), initial=np.uint64(0)
            )
        at += len(members)
    return hashes, firsts


def _missed_by_comparing(hashes: Hashes, groups: neighbours.Indices, some: neighbours.Indices) -> int:
    return sum(
        int((groups[np.bitwise_count(hashes ^ hashes[one]) <= 6] != groups[one]).any()) for one in some
    )


def _unlinked(hashes: Hashes, groups: neighbours.Indices) -> int:
    """Members that steps of at most six bits do not reach from their group's first, seen by comparing."""
    order = np.argsort(groups, kind="stable")
    _, begins, counts = np.unique(groups[order], return_index=True, return_counts=True)
    lost = 0
    for begin, count in zip(begins[counts > 1], counts[counts > 1], strict=True):
        members = hashes[order[begin : begin + count]]
        near = np.bitwise_count(members[:, None] ^ members[None, :]) <= 6
        reached = near[0]
        for _ in range(count):
            reached = near[reached].any(axis=0)
        lost += int((~reached).sum())
    return lost


def splits(path: Path, sheet: Path | None) -> dict[str, Any]:
    with np.load(path) as file:
        images, usage = file["images"], file["usage"]
    begun = time.perf_counter()
    hashes = phash(images)
    figures = {"pictures": _figure(len(images), "pictures"), "time to hash": _seconds(begun)}
    training = usage == 0
    for number, name in TESTS.items():
        exact = _in(images[usage == number], images[training])
        figures[f"{name}: identical to one of Training"] = _figure(exact, "pictures")
    for radius in range(0, neighbours.MAX_RADIUS + 1, 2):
        begun = time.perf_counter()
        groups = duplicates.groups(hashes, radius=radius)
        figures[f"radius {radius}: time"] = _seconds(begun)
        _, counts = np.unique(groups, return_counts=True)
        figures[f"radius {radius}: groups of two or more"] = _figure(int((counts > 1).sum()), "groups")
        figures[f"radius {radius}: largest group"] = _figure(int(counts.max()), "pictures")
        for number, name in TESTS.items():
            near = np.concatenate(
                [
                    pairs.left
                    for pairs in neighbours.near_to(hashes[usage == number], hashes[training], radius)
                ]
            )
            figures[f"radius {radius}: {name} near one of Training"] = _figure(
                len(np.unique(near)), "pictures"
            )
            linked = np.isin(groups[usage == number], groups[training])
            figures[f"radius {radius}: {name} linked to Training"] = _figure(int(linked.sum()), "pictures")
    figures |= _confirmed(images, usage, hashes)
    some = images[:: max(1, len(images) // CHANGED)]
    for name, change in CHANGES.items():
        bits = distances(phash(some), phash([change(picture) for picture in some]))
        for radius in (4, duplicates.RADIUS):
            share = round(100 * float((bits <= radius).mean()), 1)
            figures[f"{name}: within {radius} bits of itself"] = _figure(share, "%")
    if sheet:
        cv2.imwrite(str(sheet), _sheet(images, hashes))
        print(f"{sheet}: pairs of different pictures that differ in 0 (top) to {neighbours.MAX_RADIUS} bits")
    return figures


def _confirmed(images: Any, usage: Any, hashes: Hashes) -> dict[str, Any]:
    """The same where pairs are near-duplicates only if their details are alike too."""
    shown = details(images)
    figures: dict[str, Any] = {}
    for radius in (duplicates.RADIUS, 8, neighbours.MAX_RADIUS):
        begun = time.perf_counter()
        groups = duplicates.groups(hashes, radius=radius, confirm=lambda i, j: alike(shown[i], shown[j]))
        figures[f"radius {radius}, confirmed: time"] = _seconds(begun)
        _, counts = np.unique(groups, return_counts=True)
        figures[f"radius {radius}, confirmed: groups of two or more"] = _figure(
            int((counts > 1).sum()), "groups"
        )
        figures[f"radius {radius}, confirmed: largest group"] = _figure(int(counts.max()), "pictures")
        for number, name in TESTS.items():
            linked = np.isin(groups[usage == number], groups[usage == 0])
            figures[f"radius {radius}, confirmed: {name} linked to Training"] = _figure(
                int(linked.sum()), "pictures"
            )
    return figures


def _in(some: Any, others: Any) -> int:
    known = {picture.tobytes() for picture in others}
    return sum(picture.tobytes() in known for picture in some)


def _sheet(images: Any, hashes: Hashes, across: int = 16) -> Any:
    """Pairs one above the other, chosen by chance among those of different pixels."""
    _, whole = np.unique(images.reshape(len(images), -1), axis=0, return_index=True)
    found = list(neighbours.near(hashes[whole], neighbours.MAX_RADIUS))
    left, right, bits = (
        np.concatenate([getattr(pairs, name) for pairs in found]) for name in ("left", "right", "distances")
    )
    shuffled, side = np.random.default_rng(0), 2 * images.shape[1]
    high, wide = 2 * side + 12, side + 6
    rows = range(0, neighbours.MAX_RADIUS + 1, 2)
    sheet = np.full((len(rows) * high, across * wide), 255, np.uint8)
    shown = details(images[whole])
    sure = alike(shown[left], shown[right])
    for row, distance in enumerate(rows):
        there = np.flatnonzero(bits == distance)
        count = int(sure[there].sum())
        print(
            f"pairs of different pictures that differ in {distance:>2} bits: {len(there):,}, alike {count:,}"
        )
        for column, pair in enumerate(shuffled.permutation(there)[:across]):
            for below, one in enumerate((whole[left[pair]], whole[right[pair]])):
                y, x = row * high + below * side, column * wide
                sheet[y : y + side, x : x + side] = cv2.resize(images[one], (side, side))
    return sheet


def crowded(path: Path, copies: int) -> dict[str, Any]:
    """Many pictures whose hashes lie as those of faces do: closer together than random ones."""
    with np.load(path) as file:
        images = file["images"]
    shuffled = np.random.default_rng(2026)
    hashes = phash(_jittered(picture, shuffled) for _ in range(copies) for picture in images)
    figures = {"hashes": _figure(len(hashes), "hashes")}
    for radius in (4, duplicates.RADIUS, 8):
        begun = time.perf_counter()
        _, counts = np.unique(duplicates.groups(hashes, radius=radius), return_counts=True)
        figures[f"radius {radius}: time"] = _seconds(begun)
        figures[f"radius {radius}: largest group"] = _figure(int(counts.max()), "hashes")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures | {"peak memory of the process": _figure(round(peak), "MB", AIM_MB)}


def _jittered(picture: Any, shuffled: np.random.Generator) -> Any:
    """Up to 15 % larger or smaller, moved by up to a tenth."""
    scale, (x, y) = 1 + shuffled.uniform(-0.15, 0.15), shuffled.uniform(-0.1, 0.1, 2)
    height, width = picture.shape
    there = np.array([[scale, 0, x * width], [0, scale, y * height]])
    return cv2.warpAffine(picture, there, (width, height), borderMode=cv2.BORDER_REPLICATE)


def _seconds(begun: float) -> dict[str, Any]:
    return _figure(round(time.perf_counter() - begun, 2), "s")


def _figure(value: float, unit: str, aim: float | None = None) -> dict[str, Any]:
    return {"value": value, "unit": unit, "aim": aim, "holds": None if aim is None else value <= aim}


if __name__ == "__main__":
    main()
