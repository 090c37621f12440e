"""YouTube, by the address of a video, a playlist, a channel or a search, through yt-dlp (docs/adr/0025-*.md)."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings

from labeling.fetching.addresses import Rules
from labeling.sayings import gettext_noop
from labeling.sources.base import Beat, CannotRead
from labeling.sources.rights import BASIS
from labeling.sources.youtube import addresses, cookies
from labeling.sources.youtube.place import YouTubePlace
from labeling.sources.youtube.wanted import DEFAULT_HEIGHT, GREATEST_HEIGHT, LEAST_HEIGHT, Wanted

_BAD_MOST = gettext_noop("The option most is a whole number from 1, not {value}.")
_BAD_HEIGHT = gettext_noop(
    "The option height is a whole number from {least:,} to {most:,} pixels, not {value}."
)
_NO_RUNTIME = gettext_noop("YOUTUBE_JS_RUNTIME names {path}, and there is no program there.")


class YouTube:
    option_names = frozenset({BASIS, "most", "height", "cookies"})

    def fits(self, address: str) -> bool:
        return addresses.fits(address, settings.YOUTUBE_STAND_IN)

    @contextmanager
    def open(self, address: str, options: Mapping[str, Any], alive: Beat) -> Iterator[YouTubePlace]:
        page = addresses.parse(address, settings.YOUTUBE_STAND_IN)
        wanted = _wanted(options)
        jar = cookies.read(Path(options["cookies"])) if options.get("cookies") else None
        rules = Rules(allowed=settings.FETCH_ALLOW_ADDRESSES, refused=settings.FETCH_REFUSE_ADDRESSES)
        place = YouTubePlace(page, options, wanted, rules=rules, cookies=jar, alive=alive)
        try:
            yield place
        finally:
            place.close()


def _wanted(options: Mapping[str, Any]) -> Wanted:
    most, height = options.get("most"), options.get("height", DEFAULT_HEIGHT)
    if most is not None and (type(most) is not int or most < 1):
        raise CannotRead(_BAD_MOST.format(value=repr(most)))
    if type(height) is not int or not LEAST_HEIGHT <= height <= GREATEST_HEIGHT:
        raise CannotRead(_BAD_HEIGHT.format(least=LEAST_HEIGHT, most=GREATEST_HEIGHT, value=repr(height)))
    runtime: str = settings.YOUTUBE_JS_RUNTIME
    if runtime and not os.access(runtime, os.X_OK):
        raise CannotRead(_NO_RUNTIME.format(path=runtime))
    return Wanted(
        height=height,
        most=most,
        most_bytes=settings.MAX_MEDIA_BYTES,
        most_s=settings.YOUTUBE_MAX_DURATION_S,
        total_s=settings.FETCH_MAX_S,
        bytes_per_s=settings.YOUTUBE_BYTES_PER_S,
        pause_s=settings.YOUTUBE_PAUSE_S,
        proxy=settings.YOUTUBE_PROXY,
        js_runtime=runtime,
        stand_in=settings.YOUTUBE_STAND_IN,
    )
