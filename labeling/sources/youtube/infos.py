"""Reading what yt-dlp's extract_info returns: which videos a page lists, and what is known of one."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from labeling.sayings import gettext_noop
from labeling.sources.base import LONGEST_LOCATOR, Note, Offer
from labeling.sources.rights import BASIS, OPEN
from labeling.sources.youtube import addresses, reasons
from labeling.sources.youtube.wanted import Wanted

Info = Mapping[str, Any]
_LISTS = ("playlist", "multi_video")
_OVER = (None, "not_live", "was_live")
_TABS = ("YoutubeTab", "YoutubePlaylist")
_UNTITLED = {"[Private video]": reasons.PRIVATE, "[Deleted video]": reasons.REMOVED}
_TOO_LONG = gettext_noop("It lasts {minutes:,} minutes; {most:,} are allowed (YOUTUBE_MAX_DURATION_S).")
_TOO_LARGE = gettext_noop("It has {bytes:,} bytes; {most:,} are allowed (MAX_MEDIA_BYTES).")
_NOT_OPEN = gettext_noop(
    "YouTube does not say that it is under a Creative Commons licence (it says “{licence}”), so it cannot be taken "
    "in as openly licensed."
)
_STANDARD = "Standard YouTube License"
_COMMONS = "creative commons"
_UNSAFE = re.compile(r"[^0-9A-Za-z_-]+")


def is_list(info: Info) -> bool:
    return info.get("_type") in _LISTS


def lists_in(info: Info) -> Iterator[str]:
    """Addresses of the lists that are entries of this one: the tabs of a channel."""
    for entry in info.get("entries") or ():
        if entry and entry.get("ie_key") in _TABS and entry.get("url"):
            yield str(entry["url"])


def offers(info: Info, wanted: Wanted) -> Iterator[Offer]:
    """The videos a list names, in its order, with why one cannot be taken where the list tells already."""
    for entry in info.get("entries") or ():
        if not entry or entry.get("ie_key") in _TABS:
            continue
        locator = locator_of(entry)
        if locator:
            yield Offer(locator, _UNTITLED.get(entry.get("title") or "", "") or why_not(entry, wanted))


def locator_of(info: Info) -> str:
    """YouTube's id of the video; of the stand-in, which has none, the page's address. Empty if there is neither."""
    video_id = str(info.get("id") or "")
    if addresses.watch_address(video_id) != video_id:
        return video_id
    return str(info.get("url") or info.get("webpage_url") or "")[:LONGEST_LOCATOR]


def why_not(info: Info, wanted: Wanted) -> str:
    """Why a video cannot be taken in, as far as it can be told before it is fetched; empty if it can."""
    if info.get("is_live") or info.get("live_status") not in _OVER:
        return reasons.LIVE
    duration = info.get("duration") or 0
    if duration > wanted.most_s:
        minutes, most = math.ceil(duration / 60), math.floor(wanted.most_s / 60)
        return _TOO_LONG.format(minutes=minutes, most=most)
    size = info.get("filesize") or info.get("filesize_approx") or 0
    if size > wanted.most_bytes:
        return _TOO_LARGE.format(bytes=int(size), most=wanted.most_bytes)
    return ""


def not_open(options: Mapping[str, Any], licence: str) -> str:
    """Why a source with these options does not take a video under this licence, as YouTube words it."""
    if options.get(BASIS) == OPEN and _COMMONS not in licence.lower():
        return _NOT_OPEN.format(licence=licence or _STANDARD)
    return ""


def note(info: Info) -> Note:
    return Note(
        licence=str(info.get("license") or "")[:200],
        author=str(info.get("uploader") or info.get("channel") or info.get("uploader_id") or "")[:200],
        page_url=str(info.get("webpage_url") or "")[:2000],
        title=str(info.get("title") or "")[:500],
        uploaded=_date(str(info.get("upload_date") or "")),
    )


def name(info: Info) -> str:
    title, video_id = str(info.get("title") or ""), str(info.get("id") or "")
    return f"{title} ({video_id})" if title else video_id


def part_name(info: Info) -> str:
    """A file's name for what is being fetched: another format or another length is another file."""
    facts = (info.get("id"), info.get("format_id"), info.get("filesize"), info.get("height"))
    return "youtube-" + _UNSAFE.sub("-", "-".join(str(fact or 0) for fact in facts))[:150]


def _date(compact: str) -> str:
    """2024-05-01 for 20240501."""
    found = re.fullmatch(r"(\d{4})(\d{2})(\d{2})", compact)
    return "-".join(found.groups()) if found else ""
