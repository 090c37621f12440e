"""What the kinds that fetch share: a fetcher as the settings want it, and items fetched through it."""

from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from django.conf import settings

from labeling.fetching.addresses import Rules
from labeling.fetching.fetcher import Fetched, Fetcher, Hosts, Limits
from labeling.fetching.refusals import CannotFetch
from labeling.sources.base import Alive, Fetch, MostBytes, Unusable


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


def file_name(url: str) -> str:
    """The last part of the address' path, readable; the host where there is no path."""
    parts = urlsplit(url)
    return unquote(PurePosixPath(parts.path).name).replace("\x00", "") or parts.netloc
