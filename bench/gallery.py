"""How fast the gallery answers with many faces: `DATABASE_URL=postgres://… python -m bench.gallery [--faces 1000000]`.

Fills an empty PostgreSQL database by the database itself, then asks for the pages as a manager's browser does, through
the real views: the first page of each filter, pages deep in it, and the near-duplicates. Told are the times of a whole
answer (queries, template, middleware), how many queries it made, and whether PostgreSQL plans a sequential scan of the
faces, or of the campaigns' faces, for it. PGOPTIONS="-c random_page_cost=1.1" tells PostgreSQL of a fast disk.

The database stays as it was filled: --filled measures it again, --only a part of the lists.
"""

import argparse
import os
import random
import statistics
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCES = 20
FILTERS = {
    "nothing": "",
    "one source, the last": "source={last_source}",
    "one licence, on 10 %": "licence=cc-by-sa-4.0",
    "one licence, on 0.2 %": "licence=cc-by-nd-2.0",
    "a detector with 0.1 %": "detector=person",
    "on a track": "track=yes",
    "blurred": "quality=blurred",
    "tilted, 0.1 %": "quality=tilted",
    "nothing against them": "quality=good",
    "400 pixels or more": "min_size=400",
    "with others like it": "alike=yes",
    "left out": "left_out=out",
    "a campaign of half of them": "campaign={large}",
    "… labelled fear": "campaign={large}&label=fear",
    "… fear, blurred": "campaign={large}&label=fear&quality=blurred",
    "… agreement 50 % or less": "campaign={large}&max_agreement=50",
    "… a network says something else": "campaign={large}&opinion=differs",
    "… of one source": "campaign={large}&source={last_source}",
    "a campaign of 2 %, labelled sad": "campaign={small}&label=sad",
    "source, licence, good": "source={last_source}&licence=cc-by-4.0&quality=good",
    "labelled by experts, 5 %": "expert=*",
    "… fear, 0.2 %": "expert=fear",
    "… not labelled by experts": "expert=-",
    "… of one source, fear": "expert=fear&source={last_source}",
    "… fear, in a campaign of half of them": "expert=fear&campaign={large}",
}
KEPT_OUT = {
    "kept out of half the sources, 3 rules": ("sharp", ""),
    "… as they are turned away": ("sharp", "turned"),
    "… and 0.1 % by a rule": ("level", ""),
    "… of a campaign without faces": ("new", ""),
    "kept out of the first source and the last": ("ends", ""),
}
"""What is listed → the campaign, and for which reason."""
RULES = {
    "sharp": {"min_side": 40, "min_sharpness": 0.3, "max_yaw": 30},
    "level": {"max_roll": 30},
    "new": {"min_side": 30, "min_brightness": 0.2},
    "ends": {"min_side": 40, "min_sharpness": 0.3, "max_yaw": 30},
}
MEDIA = """
    INSERT INTO labeling_media (sha256, kind, mime, stored_as, bytes, width, height, duration_ms, fps,
                                original_name, licence, licence_code, licence_now, licence_refused, author, page_url,
                                given, fetched_at)
    SELECT lpad(n::text, 64, '0'), CASE WHEN n %% 5 = 0 THEN 'video' ELSE 'image' END, 'image/png', 'none', 1, 1920,
           1080, CASE WHEN n %% 5 = 0 THEN 60000 ELSE 0 END, 0, n || '.png', '',
           CASE WHEN dice < 0.5 THEN 'cc-by-4.0' WHEN dice < 0.6 THEN 'cc-by-sa-4.0'
                WHEN dice < 0.602 THEN 'cc-by-nd-2.0' WHEN dice < 0.8 THEN 'cc0-1.0' ELSE '' END,
           '', '', '', '', '{}', now()
    FROM (SELECT n, random() dice FROM generate_series(1, %(media)s) n) drawn
"""
ITEMS = """
    INSERT INTO labeling_item (source_id, locator, state, reason, media_id)
    SELECT %(first_source)s + (row_number() OVER (ORDER BY id) - 1) * %(sources)s / %(media)s, id::text, 'ingested', '',
           id
    FROM labeling_media
"""
TRACKS = """
    INSERT INTO labeling_track (media_id, detector, number, shot, first_ms, last_ms)
    SELECT id, 'yunet', 1, 1, 0, 60000 FROM labeling_media WHERE kind = 'video'
"""
FACES = """
    INSERT INTO labeling_face (media_id, detector, score, frame, time_ms, x, y, width, height, row, crop, crop_sha256,
                               crop_width, crop_height, given, track_id, left_out, sharpness, brightness, contrast,
                               outside, yaw, pitch, roll, fingerprint, found_at)
    SELECT media_id, CASE WHEN random() < 0.001 THEN 'person' WHEN random() < 0.4 THEN 'haar' ELSE 'yunet' END, 1, 0,
           CASE WHEN kind = 'video' THEN n * 200 ELSE 0 END, n * 10, 0, side, side, 0, 'none', repeat('0', 64),
           64, 64, '{}', track_id,
           CASE WHEN track_id IS NOT NULL AND random() < 0.5 THEN 'track'
                WHEN random() < 0.005 THEN 'person' ELSE '' END,
           0.2 + 0.3 * random(), 0.05 + 0.9 * random(), 0.05 + 0.3 * random(), 0.3 * random() ^ 4,
           60 * (random() - 0.5) * 2 * random(), 50 * (random() - 0.5) * 2 * random(),
           CASE WHEN random() < 0.001 THEN 80 ELSE 20 * random() END, 0, now()
    FROM (
        SELECT media.id media_id, media.kind, track.id track_id, n, (24 * exp(random() * 3))::int side
        FROM labeling_media media
        LEFT JOIN labeling_track track ON track.media_id = media.id
        CROSS JOIN generate_series(1, %(each)s) n
        OFFSET 0
    ) drawn
    ORDER BY media_id
"""
LIKENESS = """
    UPDATE labeling_face SET likeness = CASE WHEN id %% 50 < 4 THEN id - id %% 50 %% 2 ELSE id END
"""
CAMPAIGN = """
    INSERT INTO labeling_campaignface (campaign_id, face_id, state, round, wanted, votes, leases, places, priority,
                                       shuffle, kin, outcome, label, agreement, counts, settled_at)
    SELECT %(campaign)s, id, CASE WHEN dice < 0.7 THEN 'settled' ELSE 'open' END, 1, 10,
           CASE WHEN dice < 0.7 THEN 10 ELSE 3 END, 0, CASE WHEN dice < 0.7 THEN 0 ELSE 7 END, 0,
           floor(random() * 2147483648)::bigint, media_id,
           CASE WHEN dice < 0.6 THEN 'agreed' WHEN dice < 0.7 THEN 'no_consensus' ELSE '' END,
           CASE WHEN dice < 0.2 THEN 'happy' WHEN dice < 0.4 THEN 'neutral' WHEN dice < 0.5 THEN 'sad'
                WHEN dice < 0.57 THEN 'angry' WHEN dice < 0.6 THEN 'fear' ELSE '' END,
           CASE WHEN dice < 0.7 THEN 0.4 + 0.6 * random() END, '{"happy": 10}', CASE WHEN dice < 0.7 THEN now() END
    FROM (SELECT id, media_id, random() dice FROM labeling_face WHERE id %% %(every)s = 0 ORDER BY id) drawn
"""
RULED = """
    INSERT INTO labeling_campaignface (campaign_id, face_id, state, round, wanted, votes, leases, places, priority,
                                       shuffle, kin, outcome, label, counts)
    SELECT %(campaign)s, face.id, 'open', 1, 10, 0, 0, 10, 0, floor(random() * 2147483648)::bigint, face.media_id, '',
           '', '{}'
    FROM labeling_face face JOIN labeling_item item ON item.media_id = face.media_id
    WHERE item.source_id = ANY(%(asked)s) AND face.detector = 'yunet' AND face.left_out = '' AND {meets}
    ORDER BY face.id
"""
"""The faces of some sources that meet a rule."""
_SHARP = "least(width, height) >= 40 AND sharpness >= 0.3 AND abs(yaw) <= 30"
ASKED = {
    "sharp": (_SHARP, range(SOURCES // 2)),
    "level": ("abs(roll) <= 30", range(SOURCES // 2)),
    "ends": (_SHARP, (0, SOURCES - 1)),
}
"""Campaign → what its faces meet, and of which sources they are."""
LABELS = """
    INSERT INTO labeling_facelabel (face_id, "column", label, origin, given_at)
    SELECT id, 'expert', CASE WHEN random() < 0.04 THEN 'fear' WHEN random() < 0.5 THEN 'happy' ELSE 'neutral' END,
           'a set', now()
    FROM labeling_face WHERE id %% 20 = 0 ORDER BY id
"""
SUGGESTIONS = """
    INSERT INTO labeling_suggestion (campaign_face_id, origin, label, probabilities, doubt, made_at)
    SELECT id, 'run 1', CASE WHEN random() < 0.15 THEN 'surprise' ELSE label END, '{}', random(), now()
    FROM labeling_campaignface WHERE label <> ''
"""


@dataclass(frozen=True)
class Timed:
    name: str
    first: float
    """The first page, which counts the faces too."""
    p50: float
    p95: float
    """Milliseconds."""
    queries: int
    scans: str
    """The tables with a sequential scan."""


def set_up() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vemo.settings")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "platform"))
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def fill(faces: int) -> dict[str, int]:
    """Sources, media of four faces each, two campaigns, opinions. Returns the keys that FILTERS name."""
    from django.db import connection

    from labeling import asked_about, campaigns
    from labeling.models import Campaign, Face, Source

    if connection.vendor != "postgresql":
        raise SystemExit("DATABASE_URL must name a PostgreSQL database.")
    if Face.objects.exists():
        raise SystemExit("This database has faces already. Name an empty one.")
    sources = [
        Source.objects.create(name=f"album {n}", kind="folder", location="/none") for n in range(SOURCES)
    ]
    large, small = campaigns.create(name="large"), campaigns.create(name="small")
    values = {
        "media": faces // 4,
        "each": 4,
        "sources": SOURCES,
        "first_source": sources[0].pk,
        "last_source": sources[-1].pk,
        "large": large.pk,
        "small": small.pk,
        **{name: campaigns.create(name=name, quality_rule=rule).pk for name, rule in RULES.items()},
    }
    with connection.cursor() as cursor:
        for statement in (MEDIA, ITEMS, TRACKS, FACES, LIKENESS):
            cursor.execute(statement, values)
        for campaign, every in ((large, 2), (small, 50)):
            cursor.execute(CAMPAIGN, {"campaign": campaign.pk, "every": every})
        cursor.execute(SUGGESTIONS)
        cursor.execute(LABELS, values)
        for name, (meets, numbers) in ASKED.items():
            ruled = {"campaign": values[name], "asked": [sources[number].pk for number in numbers]}
            cursor.execute(RULED.replace("{meets}", meets), ruled)
        for campaign in Campaign.objects.all():
            asked_about.tell_again(campaign)
        cursor.execute("VACUUM ANALYZE")
    return values


def measure(values: dict[str, int], pages: int, only: str = "") -> Iterator[Timed]:
    """Each list's first page and pages at places drawn over all faces, timed after a first page that warms up.

    only: of the lists that have it in their names or addresses.
    """
    from django.conf import settings
    from django.db.models import Max
    from django.test import Client

    from labeling.models import Face
    from vemo.accounts.models import User

    settings.ALLOWED_HOSTS = ["testserver"]
    client = Client()
    client.force_login(User.objects.get_or_create(username="bench", defaults={"is_manager": True})[0])
    last = Face.objects.aggregate(Max("pk"))["pk__max"]
    dice = random.Random(7)
    places = [0, *sorted(dice.randrange(last) for _ in range(pages - 1))]
    lists = {}
    for name, query in FILTERS.items():
        base = f"/faces/?{query.format(**values)}"
        lists[name] = [f"{base}&after={place}" for place in places]
    lists["the page of near-duplicates"] = ["/faces/alike/"] * pages
    for name, (campaign, reason) in KEPT_OUT.items():
        base = f"/campaigns/{values[campaign]}/kept-out/?reason={reason}"
        lists[name] = [f"{base}&after={place}" for place in places]
        address = f"/api/v1/campaigns/{values[campaign]}/kept-out/?page_size=60"
        address += f"&reason={reason}" if reason else ""
        cursors = (b64encode(f"p={place}".encode()).decode() for place in reversed(places))
        lists[f"{name}, by API"] = [f"{address}&cursor={cursor}" for cursor in cursors]
    for name, addresses in lists.items():
        if only in name or only in addresses[0]:
            yield _timed(client, name, addresses)


def _timed(client: Any, name: str, addresses: list[str]) -> Timed:
    from django.core.cache import cache

    scans, queries = _looked_into(client, addresses[0])
    # What is remembered for a moment, a first page does not know.
    cache.clear()
    took = []
    for address in addresses:
        begun = time.perf_counter()
        answer = client.get(address)
        took.append(1000 * (time.perf_counter() - begun))
        if answer.status_code != 200:
            raise SystemExit(f"{address} answered {answer.status_code}.")
    return Timed(name, took[0], statistics.median(took), _p95(took), queries, scans)


def _p95(values: list[float]) -> float:
    return sorted(values)[max(0, round(0.95 * len(values)) - 1)]


def _looked_into(client: Any, address: str) -> tuple[str, int]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    scans = set()
    with connection.cursor() as cursor:
        for query in captured.captured_queries:
            if query["sql"].startswith(("SELECT", "WITH")):
                cursor.execute(f"EXPLAIN {query['sql']}")
                plan = "\n".join(line for (line,) in cursor.fetchall())
                scans |= {
                    table for table in ("face", "campaignface") if f"Seq Scan on labeling_{table} " in plan
                }
    return ", ".join(sorted(scans)) or "–", len(captured)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=int, default=1_000_000)
    parser.add_argument("--pages", type=int, default=20, help="pages asked for of each filter")
    parser.add_argument("--filled", action="store_true", help="the database was filled by this before")
    parser.add_argument("--only", default="", metavar="WORDS", help="the lists with these in name or address")
    asked = parser.parse_args()
    set_up()
    begun = time.monotonic()
    values = _there() if asked.filled else fill(asked.faces)
    print(f"Filled in {time.monotonic() - begun:.0f} s.\n", flush=True)
    print(
        "| filter | first page ms | p50 ms | p95 ms | queries | sequential scan |\n|---|---:|---:|---:|---:|---|",
        flush=True,
    )
    for row in measure(values, asked.pages, asked.only):
        print(
            f"| {row.name} | {row.first:.0f} | {row.p50:.0f} | {row.p95:.0f} | {row.queries} | {row.scans} |",
            flush=True,
        )


def _there() -> dict[str, int]:
    from labeling.models import Campaign, Source

    sources = Source.objects.order_by("pk").values_list("pk", flat=True)
    named = ("large", "small", *RULES)
    return {
        "first_source": sources[0],
        "last_source": sources[len(sources) - 1],
        **{name: Campaign.objects.get(name=name).pk for name in named},
    }


if __name__ == "__main__":
    main()
