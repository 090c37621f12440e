"""What a page of YouTube shows: a video, a playlist, a channel's videos, or what a search finds."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from labeling.sayings import gettext_noop
from labeling.sources.base import CannotRead

SITE = "https://www.youtube.com"
_PAGES = ("www.youtube.com", "youtube.com", "m.youtube.com", "music.youtube.com")
_SHORT = ("youtu.be", "www.youtu.be")
_EMBEDDED = ("www.youtube-nocookie.com", "youtube-nocookie.com")
HOSTS = ("youtube.com", "youtu.be", "youtube-nocookie.com", "googlevideo.com", "ytimg.com")
"""With all hosts below them: where YouTube's pages and files are."""
_ONE_HOST = ("youtubei.googleapis.com",)
_ID = re.compile(r"[0-9A-Za-z_-]{11}")
_LIST = re.compile(r"(?:PL|UU|LL|FL|OL|RD|EC)[0-9A-Za-z_-]{2,100}")
_CHANNEL_ID = re.compile(r"UC[0-9A-Za-z_-]{22}")
_TABS = ("videos", "shorts", "streams")
_VIDEOS, _OPEN_VIDEOS = "EgIQAQ==", "EgQQATAB"
"""YouTube's filters of a search: videos only; videos under Creative Commons only."""
_NOT_YOUTUBE = gettext_noop(
    "“{address}” is no page of YouTube with videos. Copy the address of a video, a playlist, a channel or a search "
    "from the browser."
)


@dataclass(frozen=True)
class Video:
    video_id: str


@dataclass(frozen=True)
class Playlist:
    list_id: str


@dataclass(frozen=True)
class Channel:
    path: str
    """@handle, channel/UC…, c/name or user/name."""
    tab: str = "videos"


@dataclass(frozen=True)
class Search:
    words: str


@dataclass(frozen=True)
class StandIn:
    """A page of the server that stands in for YouTube."""

    url: str


Page = Video | Playlist | Channel | Search | StandIn


def fits(address: str, stand_in: str = "") -> bool:
    host = urlsplit(address).hostname or ""
    return host in (*_PAGES, *_SHORT, *_EMBEDDED) or _is_below(address, stand_in)


def is_youtubes(host: str) -> bool:
    """Whether a host is YouTube's, to be asked by whoever follows its pages."""
    return host in _ONE_HOST or any(host == one or host.endswith(f".{one}") for one in HOSTS)


def parse(address: str, stand_in: str = "") -> Page:
    """What the page shows. Raises CannotRead."""
    if _is_below(address, stand_in):
        return StandIn(address)
    parts = urlsplit(address)
    host, steps = parts.hostname or "", [step for step in parts.path.split("/") if step]
    asked = {name: values[0].strip() for name, values in parse_qs(parts.query).items()}
    page = _short(steps) if host in _SHORT else _page(steps, asked) if fits(address) else None
    if page is None:
        raise CannotRead(_NOT_YOUTUBE.format(address=address))
    return page


def _short(steps: list[str]) -> Page | None:
    return Video(steps[0]) if len(steps) == 1 and _ID.fullmatch(steps[0]) else None


def _page(steps: list[str], asked: dict[str, str]) -> Page | None:
    match steps:
        case ["watch"] if _ID.fullmatch(asked.get("v", "")):
            return Video(asked["v"])
        case ["shorts" | "live" | "embed" | "v", video] if _ID.fullmatch(video):
            return Video(video)
        case ["playlist"] if _LIST.fullmatch(asked.get("list", "")):
            return Playlist(asked["list"])
        case ["results" | "search"] if words := asked.get("search_query") or asked.get("q", ""):
            return Search(words)
        case ["channel", channel, *rest] if _CHANNEL_ID.fullmatch(channel):
            return Channel(f"channel/{channel}", _tab(rest))
        case ["c" | "user" as kind, name, *rest]:
            return Channel(f"{kind}/{name}", _tab(rest))
        case [handle, *rest] if handle.startswith("@") and len(handle) > 1:
            return Channel(handle, _tab(rest))
    return None


def _tab(rest: list[str]) -> str:
    return rest[0] if rest and rest[0] in _TABS else "videos"


def _is_below(address: str, stand_in: str) -> bool:
    return bool(stand_in) and address.startswith(stand_in.rstrip("/") + "/")


def search_address(words: str) -> str:
    return f"{SITE}/results?" + urlencode({"search_query": words})


def watch_address(locator: str) -> str:
    """Of a video, by its id; an address of the stand-in is itself one."""
    return f"{SITE}/watch?v={locator}" if _ID.fullmatch(locator) else locator


def listed_at(page: Page, *, only_open: bool) -> str:
    """The address at which the videos of a page are listed; of a search with YouTube's own filter by licence."""
    match page:
        case Video(video_id):
            return watch_address(video_id)
        case Playlist(list_id):
            return f"{SITE}/playlist?list={list_id}"
        case Channel(path, tab):
            return f"{SITE}/{quote(path, safe='/@%')}/{tab}"
        case Search(words):
            wanted = {"search_query": words, "sp": _OPEN_VIDEOS if only_open else _VIDEOS}
            return f"{SITE}/results?" + urlencode(wanted)
        case StandIn(url):
            return url
