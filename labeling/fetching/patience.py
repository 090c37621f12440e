"""Waiting as a good guest does: so many requests a second to a host, and a pause before trying again."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from labeling.fetching.refusals import CannotFetch, Passing
from labeling.sayings import gettext_noop

T = TypeVar("T")
Alive = Callable[[], None]
"""Called often while nothing else happens; may raise to give up."""
_NAP_S = 1.0
_GIVEN_UP = gettext_noop("{reason} It was tried {times:,} times.")
_COME_BACK = gettext_noop(
    "{reason} The server asks to be left alone for {seconds:,} seconds; try again then."
)


def alone() -> None:
    """For whom nobody waits."""


def nap(seconds: float, alive: Alive) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _NAP_S))
        alive()


class Turns:
    """Requests to one host come at least so far apart; hosts do not wait for each other."""

    def __init__(self, per_second: float) -> None:
        self._apart = 1 / per_second
        self._next: dict[str, float] = {}

    def wait(self, host: str, alive: Alive) -> None:
        now = time.monotonic()
        at = max(now, self._next.get(host, now))
        self._next[host] = at + self._apart
        nap(at - now, alive)


def patiently(
    attempt: Callable[[], T], *, tries: int, first_pause_s: float, longest_pause_s: float, alive: Alive
) -> T:
    """Try until it goes well, with pauses that double, or as long as the other side asks for. Raises CannotFetch."""
    for tried in range(1, tries + 1):
        try:
            return attempt()
        except Passing as reason:
            asked = reason.after_s
            if asked is not None and asked > longest_pause_s:
                raise CannotFetch(
                    _COME_BACK.format(reason=reason, seconds=round(asked)), status=reason.status
                ) from reason
            if tried == tries:
                raise CannotFetch(
                    _GIVEN_UP.format(reason=reason, times=tries), status=reason.status
                ) from reason
            # At random within limits, so that those turned away together do not come back together.
            pause = first_pause_s * 2 ** (tried - 1) * random.uniform(0.75, 1.25)
            nap(min(longest_pause_s, max(pause, asked or 0)), alive)
    raise AssertionError("tries is at least 1")


def retry_after(value: str) -> float | None:
    """Seconds from now that a Retry-After header names, as a number or as a date (RFC 9110, 10.2.3)."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
