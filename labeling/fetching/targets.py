"""Reading a web address strictly, so that nobody after us can read another host out of it.

Where browsers and libraries guess (backslashes, userinfo, numbers in strange spellings), this refuses. Spellings after
the WHATWG's URL standard, hosts after UTS 46.
"""

import ipaddress
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, urljoin

import idna

from labeling.fetching.addresses import Address
from labeling.fetching.refusals import CannotFetch
from labeling.sayings import gettext_noop

LONGEST = 2000
"""Characters."""
PORTS = {"http": 80, "https": 443}
_LONG = gettext_noop("The address has {characters:,} characters; {most:,} are allowed.")
_SCHEME = gettext_noop("The address begins with neither http:// nor https://.")
_CHARACTER = gettext_noop(
    "The address holds a space, a control character or a backslash. Write a space as %20."
)
_USERINFO = gettext_noop("The address holds a user name or a password (“@” before the host). Leave it out.")
_HOST = gettext_noop("“{host}” is no name of a host.")
_PORT = gettext_noop("“{port}” is no port; it is a number from 1 to 65535.")
_SPELLING = gettext_noop("The host “{host}” is a number in an unusual spelling. Write it as 192.0.2.1.")
_REDIRECT = gettext_noop("The server sends us on to an address that cannot be used. {reason}")

_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)(?:#.*)?", re.DOTALL)
_BAD_CHARACTER = re.compile(r"[\x00-\x20\x7f-\xa0\\\s]")
_IPV6 = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::(.*))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SAFE = "%/:?@!$&'()*+,;=-._~[]"


@dataclass(frozen=True)
class Target:
    """An http or https address, taken apart."""

    scheme: str
    host: str
    """Lower-case ASCII without a dot at its end; an IPv6 address without brackets."""
    port: int
    path: str
    """Percent-encoded, with the query; begins with a slash."""

    @property
    def address(self) -> Address | None:
        """The IP address the host is, if it is not a name."""
        return address_of(self.host)

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def parse(url: str) -> Target:
    """The address, taken apart. Raises CannotFetch."""
    url = url.strip(" \t\r\n")
    if len(url) > LONGEST:
        raise CannotFetch(_LONG.format(characters=len(url), most=LONGEST))
    if _BAD_CHARACTER.search(url):
        raise CannotFetch(_CHARACTER)
    found = _PARTS.fullmatch(url)
    if found is None or found[1].lower() not in PORTS:
        raise CannotFetch(_SCHEME)
    scheme, authority, path = found[1].lower(), found[2], found[3]
    if "@" in authority:
        raise CannotFetch(_USERINFO)
    host, port = _host_and_port(authority)
    path = quote(path, safe=_SAFE)
    return Target(
        scheme, host, PORTS[scheme] if port is None else port, path if path.startswith("/") else f"/{path}"
    )


def redirected(target: Target, location: str) -> Target:
    """Where a redirect leads. Raises CannotFetch."""
    try:
        return parse(urljoin(str(target), location))
    except CannotFetch as reason:
        raise CannotFetch(_REDIRECT.format(reason=reason)) from reason
    except ValueError as error:
        raise CannotFetch(_REDIRECT.format(reason=_HOST.format(host=location[:100]))) from error


def address_of(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _host_and_port(authority: str) -> tuple[str, int | None]:
    if authority.startswith("["):
        found = _IPV6.fullmatch(authority)
        if found is None:
            raise CannotFetch(_HOST.format(host=authority))
        try:
            return str(IPv6Address(found[1])), _port(found[2])
        except ValueError:
            raise CannotFetch(_HOST.format(host=authority)) from None
    host, colon, port = authority.partition(":")
    return _host(host), _port(port if colon else None)


def _port(text: str | None) -> int | None:
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise CannotFetch(_PORT.format(port=text[:20]))
    return int(text)


def _host(text: str) -> str:
    """The host as it is looked up: mapped to lower-case ASCII, full-width and circled characters too."""
    bad = CannotFetch(_HOST.format(host=text[:100]))
    try:
        mapped = idna.uts46_remap(text, std3_rules=False, transitional=False).removesuffix(".")
        labels = [_label(label) for label in mapped.split(".")]
    except (idna.IDNAError, UnicodeError):
        raise bad from None
    host = ".".join(labels)
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise bad
    if _NUMBER.fullmatch(labels[-1]):
        # What ends in a number is taken for an IPv4 address, by inet_aton in many more spellings than this one.
        try:
            return str(IPv4Address(host))
        except ValueError:
            raise CannotFetch(_SPELLING.format(host=text[:100])) from None
    return host


def _label(text: str) -> str:
    return text if text.isascii() else idna.alabel(text).decode("ascii")
