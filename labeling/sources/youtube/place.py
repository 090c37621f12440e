"""The videos a page of YouTube shows, with whose they are."""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeling.fetching.addresses import Rules
from labeling.fetching.patience import nap
from labeling.models import Item
from labeling.sayings import gettext_noop
from labeling.sources.base import (
    Alive,
    BadContent,
    Beat,
    CannotRead,
    Content,
    Fetch,
    KnownContent,
    MostBytes,
    Offer,
    RemoteContent,
    Unusable,
)
from labeling.sources.rights import BASIS, OPEN
from labeling.sources.youtube import addresses, infos, reasons
from labeling.sources.youtube.addresses import Page
from labeling.sources.youtube.infos import Info
from labeling.sources.youtube.wanted import Wanted
from labeling.vision.sniff import HEADER_BYTES

if TYPE_CHECKING:
    from labeling.sources.youtube.holding import CannotHave, Session

_DEPTH = 2
_TURNED_AWAY = 3
_BLOCK = 1024 * 1024
_MEGABYTE = 10**6
_LONGEST_NAME = 300
_COMING = gettext_noop("At {name}: {megabytes:,} MB")
_COMING_OF = gettext_noop("At {name}: {megabytes:,} of {whole:,} MB")
_CANNOT_LIST = gettext_noop("YouTube does not list these videos. {reason}")
_STOPPED = gettext_noop(
    "YouTube turned us away {times:,} times in a row; the other videos wait. {reason} Then let the source go on."
)
_TOO_LARGE = gettext_noop("It is longer than the {most:,} bytes allowed (MAX_MEDIA_BYTES).")


class YouTubePlace:
    def __init__(
        self,
        page: Page,
        options: Mapping[str, Any],
        wanted: Wanted,
        *,
        rules: Rules,
        cookies: str | None,
        alive: Beat,
    ) -> None:
        self._page = page
        self._options = options
        self._wanted = wanted
        self._rules = rules
        self._cookies = cookies
        self._alive = alive
        self._opened: Session | None = None
        self._turned_away = 0

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    def find(self) -> Iterator[Offer]:
        if isinstance(self._page, addresses.Video):
            yield Offer(self._page.video_id)
            return
        url = addresses.listed_at(self._page, only_open=self._options.get(BASIS) == OPEN)
        yield from islice(self._listed(url, _DEPTH), self._wanted.most)

    def contents(self, locators: Sequence[str]) -> Iterable[Content]:
        for locator in locators:
            yield self._known(locator) or self._content(locator)

    @property
    def _session(self) -> "Session":
        if self._opened is None:
            # Half a second and 30 MB, which only a worker that fetches has to spend.
            from labeling.sources.youtube.holding import Session

            self._opened = Session(self._wanted, rules=self._rules, cookies=self._cookies, alive=self._alive)
        return self._opened

    def _listed(self, url: str, depth: int) -> Iterator[Offer]:
        from labeling.sources.youtube.holding import CannotHave

        try:
            info = self._session.info(url)
        except CannotHave as reason:
            raise CannotRead(_CANNOT_LIST.format(reason=reason)) from reason
        if not infos.is_list(info):
            yield Offer(infos.locator_of({**info, "url": info.get("webpage_url") or url}))
            return
        yield from infos.offers(info, self._wanted)
        if depth > 1:
            for inner in infos.lists_in(info):
                yield from self._listed(inner, depth - 1)

    def _known(self, locator: str) -> Content | None:
        """The video, if another source brought it in already: it is not fetched a second time."""
        there = Item.objects.filter(source__kind="youtube", locator=locator, media__isnull=False)
        item = there.select_related("media").order_by("pk").first()
        if item is None or item.media is None:
            return None
        if reason := infos.not_open(self._options, item.media.licence):
            return BadContent(locator, reason)
        return KnownContent(locator, item.media.pk)

    def _content(self, locator: str) -> Content:
        from labeling.sources.youtube.holding import CannotHave

        try:
            info = self._session.info(addresses.watch_address(locator))
        except CannotHave as refusal:
            return BadContent(locator, self._refused(refusal))
        self._turned_away = 0
        if infos.is_list(info) or not info.get("url"):
            return BadContent(locator, reasons.FORMAT)
        note = infos.note(info)
        if reason := infos.not_open(self._options, note.licence) or infos.why_not(info, self._wanted):
            return BadContent(locator, reason)
        return RemoteContent(locator, infos.name(info), self._fetch(info), note)

    def _refused(self, refusal: "CannotHave") -> str:
        """The reason. Raises CannotRead once it is clear that it is about us: asking on would make it worse."""
        self._turned_away = self._turned_away + 1 if refusal.reason.turned_away else 0
        if self._turned_away >= _TURNED_AWAY:
            raise CannotRead(_STOPPED.format(times=self._turned_away, reason=refusal)) from refusal
        return str(refusal)

    def _fetch(self, info: Info) -> Fetch:
        def fetch(part: Path, most_bytes: MostBytes, alive: Alive) -> tuple[str, int]:
            from labeling.sources.youtube.holding import CannotHave

            # Named by what it holds, so that the next worker goes on where a killed one was.
            whole = part.parent / infos.part_name(info)
            unfinished = whole.with_name(f"{whole.name}.part")
            watch = _Watch(infos.name(info), unfinished, most_bytes, self._wanted.most_bytes, self._alive)
            with _alone_at(unfinished, alive):
                try:
                    self._session.fetch(info, whole, watch.seen)
                    digest, size = _digest(whole, alive)
                    watch.check(whole, size)
                except (CannotHave, Unusable) as reason:
                    whole.unlink(missing_ok=True)
                    unfinished.unlink(missing_ok=True)
                    raise Unusable(str(reason)) from reason
                os.replace(whole, part)
                unfinished.unlink(missing_ok=True)
            return digest, size

        return fetch


class _Watch:
    """Holds what is being fetched to what is allowed of a file that begins so, and tells how far it is."""

    def __init__(self, name: str, path: Path, most_bytes: MostBytes, most: int, beat: Beat) -> None:
        self._name = name[:_LONGEST_NAME]
        self._beat = beat
        self._path = path
        self._most_bytes = most_bytes
        self._most = most
        self._begin_is_known = False

    def seen(self, progress: Mapping[str, Any]) -> None:
        """Called after each piece. Raises Unusable."""
        if progress.get("status") == "downloading":
            here, whole = progress.get("downloaded_bytes") or 0, progress.get("total_bytes") or 0
            self.check(self._path, max(here, whole))
            self._beat(message=self._told(here, whole))

    def _told(self, here: int, whole: int) -> str:
        if not whole:
            return _COMING.format(name=self._name, megabytes=here // _MEGABYTE)
        return _COMING_OF.format(name=self._name, megabytes=here // _MEGABYTE, whole=whole // _MEGABYTE)

    def check(self, path: Path, size: int) -> None:
        if not self._begin_is_known and path.is_file():
            with path.open("rb") as file:
                begin = file.read(HEADER_BYTES)
            if len(begin) == HEADER_BYTES or path != self._path:
                self._most = min(self._most, self._most_bytes(begin))
                self._begin_is_known = True
        if size > self._most:
            raise Unusable(_TOO_LARGE.format(most=self._most))


@contextmanager
def _alone_at(path: Path, alive: Alive) -> Iterator[None]:
    """Waits until no other worker writes to the file, and keeps others away from it within the block."""
    while True:
        with path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                nap(1, alive)
                continue
            # Who was there before us may have finished, and moved the file away.
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                yield
                return


def _digest(path: Path, alive: Alive) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
            alive()
    return digest.hexdigest(), size
