"""What yt-dlp and YouTube say when a video cannot be had, in words that help a manager."""

import re
from dataclasses import dataclass

from labeling.sayings import gettext_noop

_COOKIES = gettext_noop(
    "YouTube asks who we are (“confirm you’re not a bot”, or to sign in). Name a file of cookies of somebody who is "
    "signed in there, or try again later from another network."
)
_AGE = gettext_noop(
    "YouTube shows it only to people whose age it knows. Name a file of cookies of such an account."
)
_MEMBERS = gettext_noop("It is for members of its channel or for paying customers only.")
PRIVATE = gettext_noop("It is private.")
REMOVED = gettext_noop("It is gone: removed, or its account closed.")
_GEO = gettext_noop("YouTube does not show it in the country this server asks from.")
LIVE = gettext_noop("It is a live stream or has not begun yet. Try it again once it is over.")
FORMAT = gettext_noop(
    "YouTube offers it in no format that can be taken: of the height allowed, in one file, with pictures. Allow a "
    "greater height, or have an operator set YOUTUBE_JS_RUNTIME."
)
_DRM = gettext_noop("It is protected against copying (DRM).")
_BUSY = gettext_noop("YouTube asks for fewer requests from here. Try again in an hour or later.")
_NO_LIST = gettext_noop("There is no such playlist or channel, or it is private.")
_NO_TAB = gettext_noop("This channel has no videos in that tab.")
_DENIED = gettext_noop("YouTube does not hand out its file (status {status:,}). Try again later.")
_UNREADABLE = gettext_noop(
    "YouTube’s page could not be understood. yt-dlp may be older than the page; have an operator upgrade it."
)
_NETWORK = gettext_noop("The connection to YouTube failed ({error}).")
_OTHER = gettext_noop("YouTube says: {said}")
_LONGEST = 300


@dataclass(frozen=True)
class Reason:
    text: str
    turned_away: bool = False
    """It is about who asks and not about the video: the next one will hardly fare better."""


_TABLE: tuple[tuple[str, Reason], ...] = (
    (r"not a bot|captcha challenge", Reason(_COOKIES, turned_away=True)),
    (
        r"rate-limited by YouTube|isn.t available, try again later|HTTP Error 429|Too Many Requests",
        Reason(_BUSY, turned_away=True),
    ),
    (r"confirm your age|age-restricted|inappropriate for some users", Reason(_AGE)),
    (
        r"members[- ]only|Join this channel|available to this channel.s members|requires payment"
        r"|Music Premium members|only available to .*Premium",
        Reason(_MEMBERS),
    ),
    (r"playlist does not exist|does the playlist exist|channel/playlist does not exist", Reason(_NO_LIST)),
    (r"This channel does not (have a|exist)", Reason(_NO_TAB)),
    (r"private video|video is private|playlist is private", Reason(PRIVATE)),
    (
        r"available in your (country|location)|blocked it in your country|geo.?restrict|from your location",
        Reason(_GEO),
    ),
    (r"live event (will begin|has ended)|Premieres in|live stream recording is not available", Reason(LIVE)),
    (r"DRM", Reason(_DRM)),
    (
        r"Requested format is not available|No video formats found|Only images are available",
        Reason(FORMAT),
    ),
    (
        r"video (is unavailable|unavailable|has been removed|is no longer available|isn.t available)"
        r"|removed (by|for)|no longer available|account .*(terminated|closed)|has been terminated"
        r"|doesn.t exist|has been deleted",
        Reason(REMOVED),
    ),
    (r"sign in|registered users|account cookies|Login details are needed", Reason(_COOKIES)),
    (
        r"please report this issue on|Failed to extract|Unable to extract|Unable to recognize tab page",
        Reason(_UNREADABLE),
    ),
    (
        r"Unable to download (API page|webpage|video data)|timed out|Connection (refused|reset)|urlopen error"
        r"|Name or service not known|bytes read, .* more expected",
        Reason(_NETWORK),
    ),
)
_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), reason) for pattern, reason in _TABLE)
_STATUS = re.compile(r"HTTP Error (\d{3})")
_HEAD = re.compile(r"^(ERROR: )?(\[[\w:+.-]+\] )?([\w-]{11}: )?")


def of(message: str) -> Reason:
    """The reason that yt-dlp's error message stands for."""
    said = _HEAD.sub("", " ".join(message.split()))
    for pattern, reason in _PATTERNS:
        if pattern.search(said):
            if status := _STATUS.search(said) if reason.text is _NETWORK else None:
                return Reason(_DENIED.format(status=int(status[1])))
            return Reason(reason.text.format(error=_short(said))) if reason.text is _NETWORK else reason
    if status := _STATUS.search(said):
        return Reason(_DENIED.format(status=int(status[1])))
    return Reason(_OTHER.format(said=_short(said)))


def _short(said: str) -> str:
    said = said.partition("; please report")[0].partition(". Use --cookies")[0]
    return said if len(said) <= _LONGEST else said[: _LONGEST - 1] + "…"
