"""A file of cookies, by which YouTube knows who asks. Read, never written; no message repeats any of it."""

from pathlib import Path

from labeling.sayings import gettext_noop
from labeling.sources.base import CannotRead

MOST_BYTES = 1024**2
_FIELDS = 7
_HTTP_ONLY = "#HttpOnly_"
_CANNOT_OPEN = gettext_noop("The file of cookies “{path}” cannot be read ({error}).")
_NOT_COOKIES = gettext_noop(
    "“{path}” is no file of cookies in Netscape’s format: line {line:,} has not seven columns with tabs between "
    "them. Browsers’ extensions export such a cookies.txt."
)
_EMPTY = gettext_noop("The file of cookies “{path}” holds no cookie of YouTube.")
_TOO_LONG = gettext_noop("The file of cookies “{path}” is longer than {most:,} bytes.")


def read(path: Path) -> str:
    """The file's text, found to be in Netscape's format, without the cookies of other sites. Raises CannotRead."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "UTF-8"
        raise CannotRead(_CANNOT_OPEN.format(path=path, error=reason)) from None
    if len(data) > MOST_BYTES:
        raise CannotRead(_TOO_LONG.format(path=path, most=MOST_BYTES))
    kept = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.removeprefix(_HTTP_ONLY)
        if not entry.strip() or entry.startswith("#"):
            continue
        columns = entry.split("\t")
        if len(columns) != _FIELDS:
            raise CannotRead(_NOT_COOKIES.format(path=path, line=number))
        if _is_youtubes(columns[0]):
            kept.append(line)
    if not kept:
        raise CannotRead(_EMPTY.format(path=path))
    return "\n".join(["# Netscape HTTP Cookie File", *kept, ""])


def _is_youtubes(domain: str) -> bool:
    return domain.lstrip(".") == "youtube.com" or domain.endswith(".youtube.com")
