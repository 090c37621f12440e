"""Holding up who guesses passwords: so many wrong ones for a name from an address, then none for a while.

Counted in the database, so by all web processes together; by name and address, so that no stranger elsewhere locks a
person out. Only a hash of the two is kept: what is typed as a name may be a password.
"""

from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil
from typing import Any
from unicodedata import normalize

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import ngettext

from vemo.accounts.models import Guesses, User

_NETWORK = 64
"""Bits of an IPv6 address that tell one line from another: the rest its owner chooses freely."""


class PasswordBackend(ModelBackend):
    """Name and password, unless too many were wrong. A call without a request, from a command, is not counted."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **more: Any,
    ) -> User | None:
        if request is None or username is None or password is None:
            return super().authenticate(request, username, password, **more)
        key = _key(request, username)
        if not _count(key):
            raise PermissionDenied
        user = super().authenticate(request, username, password, **more)
        if user is not None:
            Guesses.objects.filter(key=key).delete()
        return user


def wait(request: HttpRequest, username: str) -> timedelta | None:
    """How long no password is looked at for this name from here; None: they are."""
    since = _since()
    row = Guesses.objects.filter(key=_key(request, username), last_at__gt=since).first()
    return row.last_at - since if row is not None and _is_locked(row) else None


def seconds(left: timedelta) -> int:
    """For Retry-After."""
    return ceil(left.total_seconds())


def told(left: timedelta) -> str:
    minutes = ceil(left.total_seconds() / 60)
    return ngettext(
        "Too many wrong passwords for this name from where you are. Try again in {minutes} minute.",
        "Too many wrong passwords for this name from where you are. Try again in {minutes} minutes.",
        minutes,
    ).format(minutes=minutes)


def _count(key: str) -> bool:
    """Count a guess before it is looked at: of many at once, no more than allowed pass. Returns whether it may."""
    if not settings.SIGNIN_ATTEMPTS:
        return True
    with transaction.atomic():
        Guesses.objects.filter(last_at__lte=_since()).delete()
        Guesses.objects.get_or_create(key=key)
        row = Guesses.objects.select_for_update().get(key=key)
        if _is_locked(row):
            return False
        row.count += 1
        row.last_at = timezone.now()
        row.save()
    return True


def _is_locked(row: Guesses) -> bool:
    most: int = settings.SIGNIN_ATTEMPTS
    return 0 < most <= row.count


def _since() -> datetime:
    """Guesses older than this count no more."""
    return timezone.now() - timedelta(minutes=settings.SIGNIN_LOCK_MINUTES)


def _key(request: HttpRequest, username: str) -> str:
    name = normalize("NFKC", username).casefold().strip()
    return salted_hmac("vemo.accounts.guessing", f"{_whence(request)} {name}", algorithm="sha256").hexdigest()


def _whence(request: HttpRequest) -> str:
    """Where it comes from: an IPv4 address or an IPv6 network."""
    direct: str = request.META.get("REMOTE_ADDR", "")
    proxies: int = settings.TRUSTED_PROXIES
    # Each proxy appends whom it heard; what stands before that is written by whoever asks.
    heard = request.headers.get("X-Forwarded-For", "").split(",")
    asking = heard[-proxies].strip() if 0 < proxies <= len(heard) else ""
    try:
        address = ip_address(asking or direct)
    except ValueError:
        return direct
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(IPv6Network((int(address), _NETWORK), strict=False))
    return str(getattr(address, "ipv4_mapped", address))
