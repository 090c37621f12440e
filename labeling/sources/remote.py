"""What the kinds that fetch share: a fetcher as the settings want it, and items fetched through it."""

from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from django.conf import settings

from labeling.fetching.addresses import Rules
from labeling.fetching.fetcher import Fetcher, Hosts, Limits
from labeling.fetching.refusals import CannotFetch
from labeling.sources.base import Alive, Fetch, MostBytes, Unusable


def fetcher() -> Fetcher:
    rules = Rules(allowed=settings.FETCH_ALLOW_ADDRESSES, refused=settings.FETCH_REFUSE_ADDRESSES)
    limits = Limits(total_s=settings.FETCH_MAX_S, per_second=settings.FETCH_PER_SECOND)
    return Fetcher(rules, limits, user_agent=settings.FETCH_USER_AGENT)


def fetch_from(one: Fetcher, url: str, hosts: Hosts | None = None) -> Fetch:
    """How an item is fetched from the address, whose failures are the item's and not the source's."""

    def fetch(part: Path, most_bytes: MostBytes, alive: Alive) -> tuple[str, int]:
        try:
            got = one.fetch_file(url, to=part, most_bytes=most_bytes, alive=alive, hosts=hosts)
        except CannotFetch as reason:
            raise Unusable(str(reason)) from reason
        return got.sha256, got.bytes

    return fetch


def file_name(url: str) -> str:
    """The last part of the address' path, readable; the host where there is no path."""
    parts = urlsplit(url)
    return unquote(PurePosixPath(parts.path).name).replace("\x00", "") or parts.netloc
