"""Asking a server for a file."""

import os
from pathlib import Path

import pytest

from labeling.fetching.fetcher import Fetched, Fetcher
from labeling.fetching.refusals import CannotFetch
from tests.labeling.fetching.servers import fetcher

BODY = os.urandom(100_000)


def fetched(url: str, to: Path, *, most: int = 10**6, one: Fetcher | None = None) -> Fetched:
    if one is not None:
        return one.fetch_file(url, to=to, most_bytes=lambda begin: most)
    with fetcher() as own:
        return own.fetch_file(url, to=to, most_bytes=lambda begin: most)


def refusal(url: str, to: Path, *, most: int = 10**6, **more: object) -> str:
    with fetcher(**more) as one, pytest.raises(CannotFetch) as reason:  # type: ignore[arg-type]
        fetched(url, to, most=most, one=one)
    return str(reason.value)
