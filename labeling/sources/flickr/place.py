"""The photos and videos a page of Flickr shows, with whose they are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from labeling.fetching.fetcher import Fetcher
from labeling.sayings import gettext_noop
from labeling.sources import remote
from labeling.sources.base import (
    Alive,
    BadContent,
    CannotRead,
    Content,
    Fetch,
    MostBytes,
    Note,
    Offer,
    RemoteContent,
    Unusable,
)
from labeling.sources.flickr import addresses
from labeling.sources.flickr.addresses import Album, Group, Page, Person, Search
from labeling.sources.flickr.api import PER_PAGE, PER_PAGE_BY_PLACE, RESERVED, Api, FlickrSays
from labeling.sources.rights import BASIS, OPEN

LISTED_BY_SEARCH = 4000
"""Of a search Flickr lists no more, whatever page one asks for."""
_SIZES = tuple(f"url_{size}" for size in ("o", "6k", "5k", "4k", "3k", "k", "h", "l", "c", "z", "m"))
"""From the original, where its owner allows it, to the smallest that still shows a face."""
_EXTRAS = ",".join(("license", "owner_name", "path_alias", "media", *_SIZES))
_PLAYER = "Video Player"
_PLACEHOLDER = "photo_unavailable"
_PHOTO_HOSTS = ("staticflickr.com", "flickr.com")
_TOO_MANY = gettext_noop(
    "This search finds {photos:,} photos, and Flickr lists only the first {most:,} of any search. Narrow it, by "
    "dates for instance, or say how many are wanted at most."
)
_CANNOT_LIST = gettext_noop("Flickr does not list these photos. {reason}")


@dataclass(frozen=True)
class _Known:
    """What is known of one photo or video."""

    name: str
    url: str
    """Of its largest size; empty where that has to be asked for."""
    note: Note


class FlickrPlace:
    def __init__(self, page: Page, options: Mapping[str, Any], *, api: Api, fetcher: Fetcher) -> None:
        self._page = page
        self._only_open = options.get(BASIS) == OPEN
        self._most: int | None = options.get("most")
        self._api = api
        self._fetcher = fetcher
        self._known: dict[str, _Known] = {}
        self._licences: dict[str, str] = {}

    def find(self) -> Iterator[Offer]:
        if isinstance(self._page, addresses.Photo):
            yield Offer(self._page.photo_id)
            return
        try:
            for photo_id, known in islice(self._listed(self._page), self._most):
                self._known[photo_id] = known
                yield Offer(photo_id)
        except FlickrSays as reason:
            raise CannotRead(_CANNOT_LIST.format(reason=reason)) from reason

    def contents(self, locators: Sequence[str]) -> Iterable[Content]:
        for locator in locators:
            try:
                known = self._known.get(locator) or self._looked_up(locator)
            except FlickrSays as reason:
                yield BadContent(locator, str(reason))
            else:
                yield RemoteContent(locator, known.name, self._fetch(locator, known.url), known.note)

    def _listed(self, page: Album | Group | Person | Search) -> Iterator[tuple[str, _Known]]:
        method, key, arguments = self._asked(page)
        for part in self._api.pages(method, key, extras=_EXTRAS, **arguments):
            self._check_listable(page, int(part["total"]))
            for photo in part["photo"]:
                yield str(photo["id"]), self._of_list({**photo, "album_owner": part.get("owner", "")})

    def _asked(self, page: Album | Group | Person | Search) -> tuple[str, str, dict[str, str | int]]:
        """The method that lists the page, what its answer is under, its arguments."""
        match page:
            case Album(photoset_id, user):
                wanted = {"photoset_id": photoset_id, "user_id": self._user(user)}
                return "photosets.getPhotos", "photoset", {**wanted, "per_page": PER_PAGE}
            case Group(group):
                wanted = {"group_id": self._group(group)}
                return "groups.pools.getPhotos", "photos", {**wanted, "per_page": PER_PAGE}
            case Person(user):
                wanted = {"user_id": self._user(user)}
                return "people.getPublicPhotos", "photos", {**wanted, "per_page": PER_PAGE}
            case Search(asked):
                wanted = dict(asked)
                if numbers := self._wanted_licences(asked.get("license", "")):
                    wanted["license"] = ",".join(numbers)
                by_place = "bbox" in wanted or "lat" in wanted
                return (
                    "photos.search",
                    "photos",
                    {**wanted, "per_page": PER_PAGE_BY_PLACE if by_place else PER_PAGE},
                )

    def _check_listable(self, page: Page, total: int) -> None:
        wanted = total if self._most is None else min(total, self._most)
        if isinstance(page, Search) and wanted > LISTED_BY_SEARCH:
            raise CannotRead(_TOO_MANY.format(photos=total, most=LISTED_BY_SEARCH))

    def _user(self, user: str) -> str:
        if addresses.is_nsid(user):
            return user
        found = self._api.call("urls.lookupUser", url=f"{addresses.SITE}/photos/{user}/")
        return str(found["user"]["id"])

    def _group(self, group: str) -> str:
        if addresses.is_nsid(group):
            return group
        found = self._api.call("urls.lookupGroup", url=f"{addresses.SITE}/groups/{group}/")
        return str(found["group"]["id"])

    def _wanted_licences(self, asked: str) -> list[str]:
        """The numbers of the licences a search asks for, by number or by name; if by none, of those it may take in."""
        if not asked and not self._only_open:
            return []
        self._licences = self._licences or self._api.licences()
        if not asked:
            return [number for number, name in self._licences.items() if name != RESERVED]
        return [
            number
            for one in asked.split(",")
            for number, name in self._licences.items()
            if one in (number, name) or name.startswith(f"{one} ")
        ]

    def _licence(self, number: str) -> str:
        self._licences = self._licences or self._api.licences()
        return self._licences.get(number, "")

    def _of_list(self, photo: Mapping[str, Any]) -> _Known:
        owner = photo.get("owner") or photo["album_owner"]
        video = photo.get("media") == "video"
        url = "" if video else next((photo[size] for size in _SIZES if photo.get(size)), "")
        title, photo_id = str(photo.get("title") or ""), str(photo["id"])
        note = Note(
            licence=self._licence(str(photo["license"])),
            author=str(photo.get("ownername") or owner)[:200],
            page_url=addresses.page_of(photo.get("pathalias") or owner, photo_id),
            title=title,
            url=url,
        )
        return _Known(_name(title, photo_id), url, note)

    def _looked_up(self, photo_id: str) -> _Known:
        """Of a photo named alone, or no longer among those listed. Raises FlickrSays."""
        photo = self._api.call("photos.getInfo", photo_id=photo_id)["photo"]
        owner = photo["owner"]
        title = str(photo.get("title", {}).get("_content", ""))
        note = Note(
            licence=self._licence(str(photo["license"])),
            author=str(owner.get("realname") or owner.get("username") or owner["nsid"])[:200],
            page_url=addresses.page_of(owner.get("path_alias") or owner["nsid"], photo_id),
            title=title,
        )
        return _Known(_name(title, photo_id), "", note)

    def _largest(self, photo_id: str) -> str:
        """Where the largest file of the photo or video is. Raises FlickrSays."""
        sizes = self._api.call("photos.getSizes", photo_id=photo_id)["sizes"]["size"]
        videos = [size for size in sizes if size.get("media") == "video" and size["label"] != _PLAYER]
        largest = max(videos or sizes, key=lambda size: int(size["width"] or 0) * int(size["height"] or 0))
        return str(largest["source"])

    def _fetch(self, photo_id: str, url: str) -> Fetch:
        def fetch(part: Path, most_bytes: MostBytes, alive: Alive) -> tuple[str, int]:
            try:
                at = url or self._largest(photo_id)
            except FlickrSays as reason:
                raise Unusable(str(reason)) from reason
            got = remote.fetched(self._fetcher, at, part, most_bytes, alive, self._is_flickrs)
            if _PLACEHOLDER in got.url:
                raise Unusable(
                    gettext_noop("Flickr shows a placeholder instead: the photo is gone or private.")
                )
            return got.sha256, got.bytes

        return fetch

    def _is_flickrs(self, host: str) -> bool:
        return host == self._api.host or any(host == one or host.endswith(f".{one}") for one in _PHOTO_HOSTS)


def _name(title: str, photo_id: str) -> str:
    return f"{title} ({photo_id})" if title else photo_id
