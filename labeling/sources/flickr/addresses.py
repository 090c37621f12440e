"""Which photos a page of Flickr shows: a photo, an album, a group, a person, or a search."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from labeling.sayings import gettext_noop
from labeling.sources.base import CannotRead

SITE = "https://www.flickr.com"
_HOSTS = ("www.flickr.com", "flickr.com", "m.flickr.com")
_SEARCH = (
    "text", "tags", "tag_mode", "license", "min_taken_date", "max_taken_date", "min_upload_date", "max_upload_date",
    "bbox", "user_id", "group_id", "media", "sort", "content_type", "safe_search", "lat", "lon", "radius", "has_geo",
)  # fmt: skip
_SHOWING = ("advanced", "view_all", "dimension_search_mode", "orientation", "color_codes", "styles")
"""What the site's own search page adds, and what the API has no counterpart for."""
LICENCES = (
    "CC0", "Public Domain Mark", "CC BY", "CC BY-SA", "CC BY-ND", "CC BY-NC", "CC BY-NC-SA", "CC BY-NC-ND",
    "No known copyright restrictions", "United States Government Work",
)  # fmt: skip
"""By which a search may name licences, of whatever version; Flickr's own numbers do as well."""
_NSID = re.compile(r"\d+@N\d+")
_NOT_FLICKR = gettext_noop(
    "“{address}” is no page of Flickr with photos. Copy the address of a photo, an album, a group, a person’s "
    "photos or a search from the browser."
)
_UNKNOWN = gettext_noop("Flickr’s search by “{name}” is not understood here. There are: {known}.")
_EMPTY = gettext_noop(
    "This search asks for everything on Flickr. Name a text, tags, a place, a group or a person."
)
_BAD_LICENCE = gettext_noop(
    "license is Flickr’s numbers of licences, or their names, with commas between them, not “{value}”. "
    "Names are: {known}."
)
_BAD_BBOX = gettext_noop(
    "bbox is the least longitude, the least latitude, the greatest longitude and the greatest latitude in degrees, "
    "with commas between them; not “{value}”."
)


@dataclass(frozen=True)
class Photo:
    photo_id: str


@dataclass(frozen=True)
class Album:
    photoset_id: str
    user: str


@dataclass(frozen=True)
class Group:
    group: str


@dataclass(frozen=True)
class Person:
    user: str


@dataclass(frozen=True)
class Search:
    wanted: Mapping[str, str] = field(default_factory=dict)
    """Arguments of flickr.photos.search."""


Page = Photo | Album | Group | Person | Search


def fits(address: str) -> bool:
    return (urlsplit(address).hostname or "") in _HOSTS


def parse(address: str) -> Page:
    """What the page shows. Raises CannotRead."""
    parts = urlsplit(address)
    steps = [step for step in parts.path.split("/") if step]
    if not fits(address):
        raise CannotRead(_NOT_FLICKR.format(address=address))
    match steps:
        case ["photos", user, "albums" | "sets", album, *_] if album.isdigit():
            return Album(album, user)
        case ["photos", _, photo, *_] if photo.isascii() and photo.isdigit():
            return Photo(photo)
        case ["photos", user] if user != "tags":
            return Person(user)
        case ["photos", "tags", tag]:
            return Search({"tags": tag})
        case ["people", user, *_]:
            return Person(user)
        case ["groups", group] | ["groups", group, "pool", *_]:
            return Group(group)
        case ["search", *_]:
            return _search(dict(parse_qsl(parts.query)))
    raise CannotRead(_NOT_FLICKR.format(address=address))


def search_address(wanted: Mapping[str, str]) -> str:
    """The address of a search; what is empty is left out."""
    return f"{SITE}/search/?" + urlencode({name: value for name, value in wanted.items() if value})


def page_of(owner: str, photo_id: str) -> str:
    return f"{SITE}/photos/{quote(owner, safe='@')}/{photo_id}/"


def is_nsid(user: str) -> bool:
    """Whether this is one of Flickr's own ids of people and groups, and not a name in an address."""
    return _NSID.fullmatch(user) is not None


def _search(given: dict[str, str]) -> Search:
    wanted = {name: value.strip() for name, value in given.items() if name not in _SHOWING and value.strip()}
    for name in wanted:
        if name not in _SEARCH:
            raise CannotRead(_UNKNOWN.format(name=name, known=", ".join(_SEARCH)))
    if not set(wanted) - {"license", "media", "sort", "content_type", "safe_search", "tag_mode", "radius"}:
        raise CannotRead(_EMPTY)
    licences = [one for one in wanted.get("license", "").split(",") if one]
    if not all((one.isascii() and one.isdigit()) or one in LICENCES for one in licences):
        raise CannotRead(_BAD_LICENCE.format(value=wanted["license"], known=", ".join(LICENCES)))
    if "bbox" in wanted and not is_box(wanted["bbox"]):
        raise CannotRead(_BAD_BBOX.format(value=wanted["bbox"]))
    return Search(wanted)


def is_box(text: str) -> bool:
    """Whether these are the edges of a place, as Flickr's searches name them."""
    try:
        west, south, east, north = (float(edge) for edge in text.split(","))
    except ValueError:
        return False
    return -180 <= west < east <= 180 and -90 <= south < north <= 90
