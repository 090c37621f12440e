"""yt-dlp as a library, with everything off that is not needed: one video's file, and nothing else, comes of it."""

import functools
import io
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yt_dlp
from yt_dlp import globals as yt_dlp_globals
from yt_dlp.networking.exceptions import HTTPError
from yt_dlp.utils import YoutubeDLError

from labeling.fetching.addresses import Rules
from labeling.fetching.connecting import Deadline, GuardedBackend, Resolver, system_resolver
from labeling.fetching.patience import Turns, nap
from labeling.fetching.refusals import TookTooLong
from labeling.sources.base import Alive
from labeling.sources.youtube import addresses, reasons
from labeling.sources.youtube.reasons import Reason
from labeling.sources.youtube.transport import Forbidden, Guard, GuardedRH
from labeling.sources.youtube.wanted import Wanted

logger = logging.getLogger(__name__)
_YOUTUBES_EXTRACTORS = r"youtube(:[\w:]+)?"
_OUR_DISK = re.compile(r"unable to (open for writing|write data)")
_DIRECT = "[protocol~='^https?$']"
"""One file at one address: no manifests, whose pieces would have to be put together by another program."""


class CannotHave(Exception):
    """yt-dlp did not bring it; says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


def options(wanted: Wanted, *, cookies: str | None = None) -> dict[str, Any]:
    """The options of yt-dlp's YoutubeDL (its class's text says what each does)."""
    height = f"[height<=?{wanted.height}]{_DIRECT}"
    extractors = [_YOUTUBES_EXTRACTORS, *(["generic", "html5"] if wanted.stand_in else [])]
    return {
        # What is taken: the pictures without the sound where YouTube has them so, never two files to be merged.
        "format": f"bestvideo{height}[ext=mp4]/bestvideo{height}/best{height}",
        "format_sort": ["res", "vcodec:h264"],
        "allowed_extractors": extractors,
        "extractor_args": {"youtube": {"skip": ["hls", "dash", "translated_subs"]}},
        "noplaylist": True,
        "extract_flat": "in_playlist",
        "lazy_playlist": True,
        "playlist_items": f"1:{wanted.most}" if wanted.most else None,
        "check_formats": False,
        "allow_unplayable_formats": False,
        "wait_for_video": None,
        "live_from_start": False,
        "default_search": "error",
        # No other program is started, no code is loaded that is not installed with us.
        "postprocessors": [],
        "fixup": "never",
        "external_downloader": {"default": "native"},
        "js_runtimes": {"deno": {"path": wanted.js_runtime}} if wanted.js_runtime else {},
        "remote_components": [],
        "cookiesfrombrowser": None,
        "usenetrc": False,
        "netrc_cmd": None,
        # Nothing is written but the file.
        "cachedir": False,
        "writeinfojson": False,
        "writethumbnail": False,
        "writesubtitles": False,
        "writeautomaticsub": False,
        "getcomments": False,
        "updatetime": False,
        "continuedl": True,
        "nopart": False,
        "cookiefile": io.StringIO(cookies) if cookies else None,
        "mark_watched": False,
        # How it asks.
        "enable_file_urls": False,
        "geo_bypass": False,
        "nocheckcertificate": False,
        "legacyserverconnect": False,
        "prefer_insecure": False,
        "proxy": wanted.proxy,
        "geo_verification_proxy": None,
        "socket_timeout": 20,
        "retries": 3,
        "file_access_retries": 0,
        "extractor_retries": 2,
        "ratelimit": wanted.bytes_per_s or None,
        # What it says goes to our log.
        "logger": _Log(),
        "quiet": True,
        "noprogress": True,
        "color": "never",
        "verbose": False,
        "ignoreerrors": False,
    }


class _Log:
    """yt-dlp's own words, for who looks for the cause. Its errors come to people as reasons."""

    def debug(self, message: str) -> None:
        logger.debug("%s", message)

    def warning(self, message: str) -> None:
        logger.info("%s", message)

    def error(self, message: str) -> None:
        logger.info("%s", message)


class _Held(yt_dlp.YoutubeDL):  # type: ignore[misc]
    """Sends all requests through our one handler, and takes its time between them."""

    def __init__(self, params: dict[str, Any], guard: Guard, pause_s: float) -> None:
        # It would look for plugins in the home folder and beside every installed package.
        yt_dlp_globals.plugin_dirs.value = []
        yt_dlp_globals.all_plugins_loaded.value = True
        self._guard = guard
        self._turns = Turns(1 / pause_s) if pause_s > 0 else None
        self.is_fetching = False
        self._answers: list[Any] = []
        super().__init__(params)

    def urlopen(self, req: Any) -> Any:
        self._guard.go_on()
        if self._turns is not None and not self.is_fetching:
            self._turns.wait("", self._guard.alive)
        try:
            answer = super().urlopen(req)
        except HTTPError as error:
            self._answers.append(error.response)
            raise
        self._answers.append(answer)
        return answer

    def hang_up(self) -> None:
        """Close the connections of whatever was not read to its end."""
        while self._answers:
            self._answers.pop().close()

    @functools.cached_property
    def _request_director(self) -> Any:
        return self.build_request_director([functools.partial(GuardedRH, guard=self._guard)])


class Session:
    """yt-dlp, ready for one source."""

    def __init__(
        self,
        wanted: Wanted,
        *,
        rules: Rules,
        cookies: str | None = None,
        alive: Alive,
        resolve: Resolver = system_resolver,
    ) -> None:
        self._alive = alive
        self._deadline = Deadline(wanted.total_s)
        stand_in = urlsplit(wanted.stand_in)
        guard = Guard(
            backend=GuardedBackend(rules, resolve, self._deadline),
            deadline=self._deadline,
            hosts=lambda host: addresses.is_youtubes(host) or host == (stand_in.hostname or None),
            plain=frozenset({(stand_in.hostname, stand_in.port)} if stand_in.hostname else ()),
            proxy=wanted.proxy,
            alive=alive,
        )
        self._ydl = _Held(options(wanted, cookies=cookies), guard, wanted.pause_s)

    def close(self) -> None:
        self._ydl.hang_up()
        self._ydl.close()

    def info(self, url: str) -> Mapping[str, Any]:
        """What yt-dlp knows of the page at the address: a video, or a playlist with its entries. Raises CannotHave."""
        self._deadline.begin()
        with _told():
            try:
                return dict(self._ydl.extract_info(url, download=False) or {})
            finally:
                self._ydl.hang_up()

    def fetch(self, info: Mapping[str, Any], to: Path, seen: Callable[[Mapping[str, Any]], None]) -> None:
        """Write the file that `info` chose to the path; what is at its name with .part behind it is gone on with.

        seen: told how far it is (yt-dlp's progress_hooks), and may raise to give up. Raises CannotHave.
        """
        self._deadline.begin()
        ydl = self._ydl
        with _told():
            nap(max(0.0, float(info.get("available_at") or 0) - time.time()), self._alive)
            ydl.is_fetching = True
            ydl.add_progress_hook(seen)
            try:
                success, _ = ydl.dl(str(to), dict(info))
            finally:
                ydl._progress_hooks.remove(seen)
                ydl.is_fetching = False
                ydl.hang_up()
        if not success:
            raise CannotHave(reasons.of("Unable to download video data"))


@contextmanager
def _told() -> Iterator[None]:
    """What yt-dlp raises, as CannotHave; what is raised by those it calls goes through."""
    try:
        yield
    except (YoutubeDLError, TookTooLong) as error:
        if _OUR_DISK.search(str(error)):
            raise OSError(str(error)) from error
        refusals = [one for one in _causes(error) if isinstance(one, Forbidden | TookTooLong)]
        reason = Reason(str(refusals[0])) if refusals else reasons.of(str(error))
        raise CannotHave(reason) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it; yt-dlp keeps some of that in attributes of its own."""
    waiting, been = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in been:
            continue
        been.add(id(one))
        yield one
        info = getattr(one, "exc_info", None) or (None, None)
        others = (one.__cause__, one.__context__, getattr(one, "cause", None), info[1])
        waiting += [other for other in others if isinstance(other, BaseException)]
