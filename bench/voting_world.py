"""Fills the database named by DATABASE_URL for bench.voting: faces, a campaign, annotators with open sessions.

`python -m bench.voting_world FACES ANNOTATORS [CAST [LEASE_S [CROPS]]]` prints {"campaign", "sessions"} as JSON. No
picture is stored, as voting reads none, unless CROPS drawn ones are asked for, which the faces share. CAST votes are
there from the start, as many on each face, by annotators of their own. On PostgreSQL the rows are made by the database
itself: a million faces and five million votes in minutes.

`check` instead prints how many counts of integrity are not zero. `sweep` returns expired leases every second, as the
site's clock does every minute, and prints how many there were.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bench.signed_in import session_of

CHUNK = 2_000
FACE = (100, 107, 200, 200)
"""Where the face is in a drawn still of 400 × 460: x, y, width, height."""


def set_up() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vemo.settings")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "platform"))
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def fill(faces: int, cast: int, lease_s: int = 600) -> int:
    """A campaign of ten votes a face, each held for so long. Returns its key."""
    from django.db import connection

    from labeling import campaigns
    from labeling.models import Media

    media = Media.objects.create(
        sha256="0" * 64, kind="image", mime="image/png", stored_as="none", bytes=1, width=1, height=1
    )
    campaign = campaigns.create(name="bench", lease_seconds=lease_s)
    if connection.vendor == "postgresql":
        _fill_by_sql(campaign.pk, media.pk, faces, cast)
    elif cast:
        raise SystemExit("Votes are cast beforehand on PostgreSQL only.")
    else:
        _fill_by_verbs(campaign, media, faces)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return int(campaign.pk)


def _fill_by_verbs(campaign: Any, media: Any, faces: int) -> None:
    from labeling import campaigns
    from labeling.models import Face

    box = {"detector": "bench", "score": 1.0, "y": 0, "width": 48, "height": 48}
    crop = {"crop": "none", "crop_sha256": "0" * 64, "crop_width": 48, "crop_height": 48}
    for first in range(0, faces, CHUNK):
        numbers = range(first, min(faces, first + CHUNK))
        Face.objects.bulk_create(Face(media=media, x=number, **box, **crop) for number in numbers)
    campaigns.add_faces(campaign=campaign, faces=Face.objects.all())


FACES = """
    INSERT INTO labeling_face (media_id, detector, score, frame, time_ms, x, y, width, height, row, crop, crop_sha256,
                               crop_width, crop_height, given, left_out, found_at)
    SELECT %(media)s, 'bench', 1, 0, 0, n, 0, 48, 48, 0, 'none', repeat('0', 64), 48, 48, '{}', '', now()
    FROM generate_series(1, %(faces)s) n
"""
IN_CAMPAIGN = """
    INSERT INTO labeling_campaignface (campaign_id, face_id, state, round, wanted, votes, leases, places, priority,
                                       shuffle, kin, outcome, label, counts)
    SELECT %(campaign)s, id, 'open', 1, 10, %(each)s, 0, 10 - %(each)s, 0,
           floor(random() * 2147483648)::bigint, 0, '', '', '{}'
    FROM labeling_face
"""
PEOPLE = """
    INSERT INTO accounts_user (password, is_superuser, username, first_name, last_name, email, is_staff, is_active,
                               date_joined, is_annotator, is_manager, is_trainer, language)
    SELECT '!', FALSE, 'before-' || n, '', '', '', FALSE, TRUE, now(), TRUE, FALSE, FALSE, ''
    FROM generate_series(1, %(each)s) n
    RETURNING id
"""
VOTES = """
    INSERT INTO labeling_vote (campaign_id, campaign_face_id, annotator_id, round, answer, second, client_key, took_ms,
                               cast_at)
    SELECT %(campaign)s, f.id, u.id, 1,
           (ARRAY['happy', 'happy', 'sad', 'neutral'])[1 + (f.id + u.id) %% 4], '', gen_random_uuid(), 900,
           now() - random() * interval '30 days'
    FROM labeling_campaignface f, accounts_user u WHERE u.username LIKE 'before-%%'
"""


def _fill_by_sql(campaign: int, media: int, faces: int, cast: int) -> None:
    from django.db import connection

    each, rest = divmod(cast, faces)
    if rest or each > 9:
        raise SystemExit("CAST must be the same number of votes on each face, at most 9.")
    values = {"campaign": campaign, "media": media, "faces": faces, "each": each}
    with connection.cursor() as cursor:
        for statement in (FACES, IN_CAMPAIGN, PEOPLE, VOTES):
            cursor.execute(statement, values)
        # They are through: nothing is left ahead of who has answered everything.
        cursor.execute(
            "INSERT INTO labeling_participation"
            ' (campaign_id, annotator_id, start, "cursor", wrapped, front, last_kin, attempts, joined_at)'
            " SELECT %(campaign)s, id, 0, 2147483648, TRUE, -1, 0, 0, now() FROM accounts_user"
            " WHERE username LIKE 'before-%%'",
            values,
        )
    connection.close()
    with connection.cursor() as cursor:
        # What autovacuum does in a quiet hour: a bulk load leaves the pages' visibility unknown.
        cursor.execute("VACUUM")


def draw(crops: int) -> None:
    """Store crops of so many drawn faces, as the search for faces cuts them, and hand them out to all faces in turn."""
    from django.db.models import F
    from django.db.models.functions import Mod

    from labeling.models import Face
    from labeling.sources.drawn import draw_still
    from labeling.sources.looking import store_crop
    from labeling.vision.crops import crop

    for number in range(crops):
        stored = store_crop(crop(draw_still(number), FACE))
        Face.objects.alias(turn=Mod(F("x"), crops)).filter(turn=number).update(
            crop=stored.name,
            crop_sha256=stored.sha256,
            crop_width=stored.width,
            crop_height=stored.height,
        )


def sign_in(annotators: int) -> list[str]:
    """As many new annotators; returns the key of each one's session."""
    from vemo.accounts.models import User

    keys = []
    for number in range(annotators):
        user = User(username=f"bench-{number}", is_annotator=True)
        user.set_unusable_password()
        user.save()
        keys.append(session_of(user))
    return keys


def check() -> int:
    """How many counts of integrity are not zero."""
    from labeling.models import Campaign
    from labeling.voting.integrity import check

    return sum(1 for campaign in Campaign.objects.all() for count in check(campaign).values() if count)


def sweep() -> None:
    """Return expired leases every second until killed, whatever becomes of the database meanwhile."""
    from django.db import Error, connection

    from labeling.voting.votes import return_expired_leases

    while True:
        try:
            print(return_expired_leases(), flush=True)
        except Error:
            connection.close()
        time.sleep(1)


def main(asked: list[str]) -> None:
    set_up()
    if asked[0] == "check":
        print(check())
    elif asked[0] == "sweep":
        sweep()
    else:
        usual = ["0", "600", "0"]
        faces, annotators, cast, lease_s, crops = (int(one) for one in [*asked, *usual[len(asked) - 2 :]])
        campaign = fill(faces, cast, lease_s)
        draw(crops)
        print(json.dumps({"campaign": campaign, "sessions": sign_in(annotators)}))


if __name__ == "__main__":
    main(sys.argv[1:])
