"""Who votes, and in which campaign: one statement a request, where session, user and campaign would be three.

A process remembers what it once read: that this session's data, signed, is of that user, whose password hash it was
made for. The statement then asks whether all of that still holds: the session is there with the very same data and
has not ended, the user has the very same password hash. So a sign-out, a changed password or a withdrawn role counts
at once, and nothing is ever answered from memory alone. What is not as plain as that (another way of keeping sessions,
of signing in, an older secret key) is left to Django.
"""

import json
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from labeling.models import Campaign
from labeling.voting.prepared import Statement

REMEMBERED = 10_000


def _columns(model: Any, *wanted: str) -> tuple[str, ...]:
    """In the order in which the model has them, as from_db wants them."""
    return tuple(field.attname for field in model._meta.concrete_fields if field.attname in wanted)


User = get_user_model()
USER_COLUMNS = _columns(User, "id", "password", "is_active", "is_superuser", "is_annotator")
CAMPAIGN_COLUMNS = _columns(
    Campaign,
    "id",
    "state",
    "expressions",
    "votes_per_face",
    "rule",
    "minimum_agreement",
    "lease_seconds",
    "mixed_allowed",
    "undo_minutes",
    "order",
)
SESSION = "SELECT session_data FROM django_session WHERE session_key = %(session)s AND expire_date > %(now)s"
PASSWORD = f"SELECT password FROM {User._meta.db_table} WHERE id = %(user)s"
STILL = f"""
    SELECT {", ".join(f"u.{name}" for name in USER_COLUMNS)}, {", ".join(f'c."{name}"' for name in CAMPAIGN_COLUMNS)}
    FROM django_session s, {User._meta.db_table} u, labeling_campaign c
    WHERE s.session_key = %(session)s AND s.session_data = %(data)s AND s.expire_date > %(now)s
      AND u.id = %(user)s AND u.password = %(password)s AND c.id = %(campaign)s
"""
_session = Statement("session", SESSION)
_password = Statement("password", PASSWORD)
_still = Statement("voter", STILL)


@dataclass(frozen=True)
class _Known:
    """What a session was found to be."""

    data: str
    user: int
    password: str


_known: OrderedDict[str, _Known] = OrderedDict()


def voter(request: HttpRequest, campaign_pk: int) -> tuple[Any, Campaign | None]:
    """The request's user, and the campaign: None if there is none, or nobody is signed in."""
    found = _at_once(request, campaign_pk)
    if found is not None:
        return found
    if not request.user.is_authenticated:
        return request.user, None
    return request.user, Campaign.objects.filter(pk=campaign_pk).first()


def _at_once(request: HttpRequest, campaign_pk: int) -> tuple[Any, Campaign] | None:
    key, now = request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""), timezone.now()
    known = _known.get(key) or _read(key, now)
    if known is None:
        return None
    asked = {"session": key, "data": known.data, "user": known.user, "password": known.password}
    row = _still.row({**asked, "campaign": campaign_pk, "now": now})
    if row is None:
        _known.pop(key, None)
        return None
    user = User.from_db(None, USER_COLUMNS, row[: len(USER_COLUMNS)])
    values = dict(zip(CAMPAIGN_COLUMNS, row[len(USER_COLUMNS) :], strict=True))
    values["expressions"] = _parsed(values["expressions"])
    return user, Campaign.from_db(None, CAMPAIGN_COLUMNS, tuple(values.values()))


@lru_cache(maxsize=1_000)
def _parsed(expressions: str) -> Any:
    return json.loads(expressions)


def _read(key: str, now: datetime) -> _Known | None:
    """What this session is, by itself and remembered from now on; None if Django must say."""
    if not key or SessionStore.__module__ != settings.SESSION_ENGINE:
        return None
    row = _session.row({"session": key, "now": now})
    said = SessionStore().decode(row[0]) if row is not None else {}
    if row is None or said.get(BACKEND_SESSION_KEY) != settings.PASSWORD_BACKEND:
        return None
    user = int(said[SESSION_KEY])
    password = next(iter(_password.row({"user": user}) or [""]))
    made_for = User(password=password).get_session_auth_hash()
    if not constant_time_compare(said.get(HASH_SESSION_KEY, ""), made_for):
        return None
    _known[key] = _Known(row[0], user, password)
    while len(_known) > REMEMBERED:
        _known.popitem(last=False)
    return _known[key]
