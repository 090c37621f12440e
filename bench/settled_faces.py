"""A site full of settled faces for benchmarks of snapshots, made by the hundred thousand."""

import hashlib
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import bulk

SIDES = (48, 128)
_CHUNK = 20_000
_PICTURES = 499
_END = 12
"""Bytes of a PNG's last chunk."""


def fill(faces: int, side: int) -> int:
    """A campaign of settled faces, two to a media, each with a crop of its own in the storage. Returns its key.

    Every face has ten votes, a perceptual hash and no near-duplicate; every media a licence, an author and a source.
    """
    from labeling.models import Campaign, CampaignFace, Face, Item, Media, Source

    campaign = Campaign.objects.create(name="bench")
    source = Source.objects.create(name="Drawn faces", kind="folder", location="/drawn")
    pictures = list(_pictures(side))
    for first in range(0, faces, _CHUNK):
        numbers = range(first, min(first + _CHUNK, faces))
        media = range(first // 2, numbers[-1] // 2 + 1)
        bulk.insert(Media, _media(media))
        bulk.insert(Item, _items(media, source.pk))
        crops = [_stored(number, pictures) for number in numbers]
        bulk.insert(Face, _faces(numbers, side, crops))
        bulk.insert(CampaignFace, _settled(numbers, campaign.pk))
    bulk.end(Campaign, Source, Media, Item, Face, CampaignFace)
    return int(campaign.pk)


def _pictures(side: int) -> Iterator[bytes]:
    """Some PNGs of grey noise, as a FER2013 CSV's pictures are kept when it is imported."""
    import numpy as np

    from labeling.vision.crops import grey_png

    draw = np.random.default_rng(side)
    for _number in range(_PICTURES):
        pixels = draw.integers(90, 160, (side, side), dtype=np.uint8)
        yield grey_png(pixels.tobytes(), side, side)


def _stored(number: int, pictures: list[bytes]) -> tuple[str, str]:
    """Write a crop like no other: one of the pictures, with a note of its number. Returns its name and sha256."""
    from django.conf import settings

    picture = pictures[number % len(pictures)]
    note = b"tEXtface\0%d" % number
    chunk = struct.pack(">I", len(note) - 4) + note + struct.pack(">I", zlib.crc32(note))
    png = picture[:-_END] + chunk + picture[-_END:]
    sha256 = hashlib.sha256(png).hexdigest()
    name = f"crops/{sha256[:2]}/{sha256}.png"
    path = Path(settings.STORAGES["default"]["OPTIONS"]["location"]) / name
    try:
        path.write_bytes(png)
    except FileNotFoundError:
        path.parent.mkdir(parents=True)
        path.write_bytes(png)
    return name, sha256


def _media(numbers: range) -> dict[str, list[Any]]:
    sha256s = [hashlib.sha256(f"media {number}".encode()).hexdigest() for number in numbers]
    return {
        "id": [number + 1 for number in numbers],
        "sha256": sha256s,
        "kind": ["image"] * len(numbers),
        "mime": ["image/jpeg"] * len(numbers),
        "stored_as": [f"media/{sha256[:2]}/{sha256}.jpg" for sha256 in sha256s],
        "bytes": [100_000] * len(numbers),
        "width": [1_024] * len(numbers),
        "height": [768] * len(numbers),
        "original_name": [f"{number}.jpg" for number in numbers],
        "licence": ["CC-BY-4.0"] * len(numbers),
        "licence_code": ["cc-by"] * len(numbers),
        "author": [f"Author {number % 9_973}" for number in numbers],
        "page_url": [f"https://pictures.example/photos/{number}" for number in numbers],
    }


def _items(media: range, source: int) -> dict[str, list[Any]]:
    return {
        "id": [number + 1 for number in media],
        "source_id": [source] * len(media),
        "locator": [f"{number}.jpg" for number in media],
        "state": ["ingested"] * len(media),
        "media_id": [number + 1 for number in media],
    }


def _faces(numbers: range, side: int, crops: list[tuple[str, str]]) -> dict[str, list[Any]]:
    draw = random.Random(numbers[0])
    return {
        "id": [number + 1 for number in numbers],
        "media_id": [number // 2 + 1 for number in numbers],
        "detector": ["haar"] * len(numbers),
        "score": [1.0] * len(numbers),
        "x": [200 * (number % 2) for number in numbers],
        "y": [0] * len(numbers),
        "width": [side] * len(numbers),
        "height": [side] * len(numbers),
        "crop": [name for name, _sha256 in crops],
        "crop_sha256": [sha256 for _name, sha256 in crops],
        "crop_width": [side] * len(numbers),
        "crop_height": [side] * len(numbers),
        "fingerprint": [draw.getrandbits(63) * draw.choice((1, -1)) for _number in numbers],
        "likeness": [number + 1 for number in numbers],
    }


def _settled(numbers: range, campaign: int) -> dict[str, list[Any]]:
    from django.utils import timezone

    from labeling.expressions import SEVEN

    pairs = [(SEVEN[number % 7], SEVEN[(number // 7 + 1) % 7]) for number in numbers]
    for_label = [6 + number % 4 for number in numbers]
    now = timezone.now()
    return {
        "id": [number + 1 for number in numbers],
        "campaign_id": [campaign] * len(numbers),
        "face_id": [number + 1 for number in numbers],
        "state": ["settled"] * len(numbers),
        "wanted": [10] * len(numbers),
        "votes": [10] * len(numbers),
        "places": [0] * len(numbers),
        "shuffle": [number * 2_654_435_761 % 2**32 for number in numbers],
        "outcome": ["agreed"] * len(numbers),
        "label": [label for label, _other in pairs],
        "agreement": [
            count / 10 if label != other else 1.0
            for count, (label, other) in zip(for_label, pairs, strict=True)
        ],
        "counts": [
            {label: count, other: 10 - count} if label != other else {label: 10}
            for count, (label, other) in zip(for_label, pairs, strict=True)
        ],
        "settled_at": [now] * len(numbers),
    }
