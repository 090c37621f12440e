"""What the kinds that fetch share: a fetcher as the settings want it, and items fetched through it."""

import json
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings

from labeling.fetching.addresses import Rules
from labeling.fetching.fetcher import Fetched, Fetcher, Hosts, Limits
from labeling.fetching.refusals import CannotFetch, Passing
from labeling.sayings import gettext_noop
from labeling.sources.base import Alive, Fetch, MostBytes, Unusable

_MOST_BYTES = 16 * 1024**2
_NOT_JSON = gettext_noop("The server answers with something that is no JSON.")


def fetcher() -> Fetcher:
    rules = Rules(allowed=settings.FETCH_ALLOW_ADDRESSES, refused=settings.FETCH_REFUSE_ADDRESSES)
    limits = Limits(total_s=settings.FETCH_MAX_S, per_second=settings.FETCH_PER_SECOND)
    return Fetcher(rules, limits, user_agent=settings.FETCH_USER_AGENT)


def fetched(
    one: Fetcher, url: str, part: Path, most_bytes: MostBytes, alive: Alive, hosts: Hosts | None = None
) -> Fetched:
    """Fetch an item from the address; what goes wrong is the item's fault and not the source's. Raises Unusable."""
    try:
        return one.fetch_file(url, to=part, most_bytes=most_bytes, alive=alive, hosts=hosts)
    except CannotFetch as reason:
        raise Unusable(str(reason)) from reason


def fetch_from(one: Fetcher, url: str) -> Fetch:
    def fetch(part: Path, most_bytes: MostBytes, alive: Alive) -> tuple[str, int]:
        got = fetched(one, url, part, most_bytes, alive)
        return got.sha256, got.bytes

    return fetch


def asked(one: Fetcher, url: str, alive: Alive) -> dict[str, Any]:
    """What an interface answers in JSON; only its own host is asked. Raises CannotFetch."""
    own = urlsplit(url).hostname
    data = one.fetch_bytes(url, most=_MOST_BYTES, alive=alive, hosts=lambda host: host == own)
    try:
        answer = json.loads(data)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Passing(_NOT_JSON)
    return answer


def file_name(url: str) -> str:
    """The last part of the address' path, readable; the host where there is no path."""
    parts = urlsplit(url)
    return unquote(PurePosixPath(parts.path).name).replace("\x00", "") or parts.netloc
