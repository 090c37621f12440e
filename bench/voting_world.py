"""Fills the database named by DATABASE_URL for bench.voting: faces, a campaign, annotators with open sessions.

`python -m bench.voting_world FACES ANNOTATORS` prints {"campaign", "sessions"} as JSON. No picture is stored:
voting reads none.
"""

import json
import os
import sys
from pathlib import Path

CHUNK = 2_000


def set_up() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vemo.settings")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "platform"))
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def fill(faces: int) -> int:
    """A campaign of ten votes a face. Returns its key."""
    from django.db import connection

    from labeling import campaigns
    from labeling.models import Face, Media

    media = Media.objects.create(
        sha256="0" * 64, kind="image", mime="image/png", stored_as="none", bytes=1, width=1, height=1
    )
    box = {"detector": "bench", "score": 1.0, "y": 0, "width": 48, "height": 48}
    crop = {"crop": "none", "crop_sha256": "0" * 64, "crop_width": 48, "crop_height": 48}
    for first in range(0, faces, CHUNK):
        numbers = range(first, min(faces, first + CHUNK))
        Face.objects.bulk_create(Face(media=media, x=number, **box, **crop) for number in numbers)
    campaign = campaigns.create(name="bench")
    campaigns.add_faces(campaign=campaign, faces=Face.objects.all())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return int(campaign.pk)


def sign_in(annotators: int) -> list[str]:
    """As many new annotators; returns the key of each one's session."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from vemo.accounts.models import User

    keys = []
    for number in range(annotators):
        user = User(username=f"bench-{number}", is_annotator=True)
        user.set_unusable_password()
        user.save()
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.create()
        keys.append(str(session.session_key))
    return keys


def check() -> int:
    """How many counts of integrity are not zero."""
    from labeling.models import Campaign
    from labeling.voting.integrity import check

    return sum(1 for campaign in Campaign.objects.all() for count in check(campaign).values() if count)


if __name__ == "__main__":
    set_up()
    if sys.argv[1] == "check":
        print(check())
    else:
        print(json.dumps({"campaign": fill(int(sys.argv[1])), "sessions": sign_in(int(sys.argv[2]))}))
