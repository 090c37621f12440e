"""Whatever is written, nobody after us reads another host out of it than was checked."""

import ipaddress
from urllib.parse import urlsplit

import httpcore
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labeling.fetching.addresses import Rules, readings
from labeling.fetching.refusals import CannotFetch
from labeling.fetching.targets import parse

pytestmark = pytest.mark.once

PIECES = st.sampled_from(
    [
        "http", "https", "HTTP", ":", "//", "/", "\\", "@", "#", "?", "%", "%2e", "%00", ".", "..", "[", "]", "::1",
        "127.0.0.1", "0x7f", "0177", "2130706433", "localhost", "example.com", "80", ":80", ":0", "\t", "\n", " ",
        "。", "①", "ｅ", "℀", "ß", "\u00ad", "\u200b", "xn--", "-", "_", "a", "é", "&", ";", "=", "\x00", "٣", "ı",
    ]
)  # fmt: skip
ANYTHING = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=12).map("".join))


@given(ANYTHING)
@example("example.com\\@127.0.0.1/")
@example("a@b:80@[::1]:443/?#@c")
def test_an_address_is_refused_or_means_one_and_the_same_to_everybody(rest: str) -> None:
    for text in (rest, f"http://{rest}", f"https://{rest}"):
        try:
            target = parse(text)
        except CannotFetch:
            continue
        told = str(target)
        assert told.isascii()
        assert parse(told) == target
        read = urlsplit(told)
        other = httpcore.URL(told)
        assert (read.username, read.password) == (None, None)
        assert read.hostname == target.host
        assert other.host.decode().strip("[]") == target.host
        ports = {"http": 80, "https": 443}
        assert (read.port or ports[read.scheme]) == target.port == (other.port or ports[read.scheme])


@given(st.ip_addresses(v=4), st.sampled_from(["{}", "::ffff:{}", "64:ff9b::{}"]))
def test_an_address_packed_into_another_is_judged_as_itself(inner, spelling: str) -> None:  # type: ignore[no-untyped-def]
    outer = ipaddress.ip_address(spelling.format(inner))
    assert readings(outer) == (inner,)
    assert bool(Rules().why_not(outer, 443)) == bool(Rules().why_not(inner, 443))


@given(st.ip_addresses())
def test_nothing_that_python_calls_private_is_public_to_us(address) -> None:  # type: ignore[no-untyped-def]
    """Python keeps the registries' table too; ours may be stricter, never laxer."""
    if not address.is_global or address.is_multicast:
        assert Rules().why_not(address, 443) or readings(address) != (address,)
