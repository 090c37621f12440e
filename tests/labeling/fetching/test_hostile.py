"""Addresses that mean to lead the site into its own network, each against the real fetcher.

Spellings after the collections of PayloadsAllTheThings ("Server Side Request Forgery"), Orange Tsai ("A New Era of
SSRF", Black Hat 2017), the IANA special-purpose registries, and our own.
"""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from labeling.fetching.addresses import BadNetwork, Rules, networks, own_addresses
from labeling.fetching.fetcher import Fetcher
from labeling.fetching.refusals import CannotFetch
from tests.labeling.fetching.servers import BRISK

pytestmark = pytest.mark.once

MACHINE = "leads to this machine itself"
PRIVATE = "leads to a private network"
LOCAL = "only machines of one network see"
SPECIAL = "leads to no place of the public internet"
SPELLING = "in an unusual spelling"
NO_HOST = "is no name of a host"
USERINFO = "“@” before the host"
CHARACTER = "a space, a control character or a backslash"
SCHEME = "begins with neither http:// nor https://"
PORT = "is no port"
CLOSED_PORT = "is not fetched from"

# What a name server under somebody else's control may answer.
NAMES = {
    "localhost": ["127.0.0.1"],
    "ip6-localhost": ["::1"],
    "localtest.me": ["127.0.0.1"],
    "127.0.0.1.nip.io": ["127.0.0.1"],
    "169.254.169.254.nip.io": ["169.254.169.254"],
    "metadata.google.internal": ["169.254.169.254"],
    "spoofed.example.com": ["10.0.0.7"],
    "both.example.com": ["93.184.215.14", "127.0.0.1"],
    "both6.example.com": ["2606:4700::1111", "fd00::1"],
    "mapped.example.com": ["::ffff:10.0.0.7"],
    "nat64.example.com": ["64:ff9b::a9fe:a9fe"],
    "zone.example.com": ["fe80::1%lo"],
    "public.example.com": ["93.184.215.14"],
    "redis": ["172.18.0.3"],
}

HOSTILE = [
    # plain
    ("http://127.0.0.1/", MACHINE),
    ("http://127.0.0.1:{port}/", MACHINE),
    ("https://127.0.0.1:{port}/", MACHINE),
    ("http://127.127.127.127/", MACHINE),
    ("http://0.0.0.0:{port}/", MACHINE),
    ("http://10.0.0.7/", PRIVATE),
    ("http://172.16.0.1/", PRIVATE),
    ("http://172.31.255.255/", PRIVATE),
    ("http://192.168.1.1/", PRIVATE),
    ("http://100.64.0.1/", PRIVATE),
    ("http://100.100.100.200/latest/meta-data/", PRIVATE),
    ("http://169.254.169.254/latest/meta-data/iam/security-credentials/", LOCAL),
    ("http://169.254.170.2/v2/credentials", LOCAL),
    ("http://168.63.129.16/metadata", LOCAL),
    ("http://192.0.0.192/opc/v1/", LOCAL),
    ("http://198.18.0.1/", SPECIAL),
    ("http://192.0.2.1/", SPECIAL),
    ("http://224.0.0.1/", SPECIAL),
    ("http://240.0.0.1/", SPECIAL),
    ("http://255.255.255.255/", SPECIAL),
    # IPv4 in other spellings
    ("http://2130706433/", SPELLING),
    ("http://017700000001/", SPELLING),
    ("http://0x7f000001/", SPELLING),
    ("http://0x7F.0x0.0x0.0x1/", SPELLING),
    ("http://0177.0.0.1/", SPELLING),
    ("http://0177.0000.00.01/", SPELLING),
    ("http://127.1/", SPELLING),
    ("http://127.0.1/", SPELLING),
    ("http://0/", SPELLING),
    ("http://0x/", SPELLING),
    ("http://127.0.0.0x1/", SPELLING),
    ("http://o177.0.0.1/", SPELLING),
    ("http://127.0.0.1.1/", SPELLING),
    ("http://2852039166/latest/meta-data/", SPELLING),
    ("http://425.510.425.510/", SPELLING),
    ("http://4294967296/", SPELLING),
    ("http://00000000127.0.0.1/", SPELLING),
    ("http://127.0.0.1./", MACHINE),
    ("http://127.0.0.1../", NO_HOST),
    ("http://１２７.０.０.１/", MACHINE),
    ("http://127。0。0。1/", MACHINE),
    ("http://①②⑦.⓪.⓪.①/", MACHINE),
    ("http://๑๒๗.๐.๐.๑/", "is not known"),
    ("http://%31%32%37.0.0.1/", NO_HOST),
    ("http://127%2e0%2e0%2e1/", NO_HOST),
    # IPv6
    ("http://[::1]:{port}/", MACHINE),
    ("http://[::]:{port}/", MACHINE),
    ("http://[0:0:0:0:0:0:0:1]/", MACHINE),
    ("http://[0000::1]/", MACHINE),
    ("http://[::ffff:127.0.0.1]:{port}/", MACHINE),
    ("http://[::ffff:7f00:1]:{port}/", MACHINE),
    ("http://[0:0:0:0:0:ffff:10.0.0.7]/", PRIVATE),
    ("http://[::127.0.0.1]/", SPECIAL),
    ("http://[::ffff:0:127.0.0.1]/", SPECIAL),
    ("http://[64:ff9b::127.0.0.1]/", MACHINE),
    ("http://[64:ff9b::a9fe:a9fe]/", LOCAL),
    ("http://[64:ff9b:1::a9fe:a9fe]/", PRIVATE),
    ("http://[2002:7f00:1::]/", SPECIAL),
    ("http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", SPECIAL),
    ("http://[2606:4700::5efe:10.0.0.7]/", PRIVATE),
    ("http://[fe80::5efe:8.8.8.8]/", LOCAL),
    ("http://[fd00:ec2::254]/latest/meta-data/", PRIVATE),
    ("http://[fe80::1]/", LOCAL),
    ("http://[fe80::1%25eth0]/", NO_HOST),
    ("http://[::1%lo]/", NO_HOST),
    ("http://[fec0::1]/", PRIVATE),
    ("http://[ff02::1]/", SPECIAL),
    ("http://[100::1]/", SPECIAL),
    ("http://[2001:db8::1]/", SPECIAL),
    ("http://[::1", NO_HOST),
    ("http://[v1.x]/", NO_HOST),
    ("http://::1/", NO_HOST),
    # names
    ("http://localhost:{port}/", MACHINE),
    ("http://LOCALHOST:{port}/", MACHINE),
    ("http://localhost.:{port}/", MACHINE),
    ("http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/", MACHINE),
    ("http://loc\u00adalhost:{port}/", MACHINE),
    ("http://ip6-localhost/", MACHINE),
    ("http://localtest.me/", MACHINE),
    ("http://127.0.0.1.nip.io/", MACHINE),
    ("http://169.254.169.254.nip.io/", LOCAL),
    ("http://metadata.google.internal/computeMetadata/v1/", LOCAL),
    ("http://spoofed.example.com/", PRIVATE),
    ("http://both.example.com/", MACHINE),
    ("http://both6.example.com/", PRIVATE),
    ("http://mapped.example.com/", PRIVATE),
    ("http://nat64.example.com/", LOCAL),
    ("http://zone.example.com/", LOCAL),
    ("http://redis:6379/", PRIVATE),
    ("http://public.example.com:22/", CLOSED_PORT),
    ("http://public.example.com:6379/", CLOSED_PORT),
    ("http://nowhere.example.com/", "is not known"),
    # who reads which host
    ("http://public.example.com@127.0.0.1:{port}/", USERINFO),
    ("http://127.0.0.1:{port}@public.example.com/", USERINFO),
    ("http://user:word@public.example.com/", USERINFO),
    ("http://public.example.com\\@127.0.0.1:{port}/", CHARACTER),
    ("http://127.1.1.1:80\\@127.2.2.2:80/", CHARACTER),
    ("http://127.1.1.1:80:\\@@127.2.2.2:80/", CHARACTER),
    ("http:\\\\127.0.0.1:{port}\\", CHARACTER),
    ("http://1.1.1.1 &@127.0.0.1# @10.0.0.7/", CHARACTER),
    ("http://127.0.0.1#@public.example.com/", MACHINE),
    ("http://127.0.0.1?@public.example.com/", MACHINE),
    ("http://public.example.com\t.127.0.0.1/", CHARACTER),
    ("http://public.example.com\r\nHost: localhost/", CHARACTER),
    ("http://public.example.com\x00.localhost/", CHARACTER),
    ("http://public.example.com\u2028.localhost/", CHARACTER),
    ("http://exa℀mple.com/", NO_HOST),
    ("http://public.example.com／@127.0.0.1/", USERINFO),
    ("http://a..b/", NO_HOST),
    ("http:///127.0.0.1/", NO_HOST),
    ("http://:{port}/", NO_HOST),
    ("http://public.example.com:80:80/", PORT),
    ("http://public.example.com:+80/", PORT),
    ("http://public.example.com:８０/", PORT),
    ("http://public.example.com:0/", PORT),
    ("http://public.example.com:65616/", PORT),
    ("http://localhost:00011211aaaa/", PORT),
    ("http://" + "a" * 2000 + "/", "characters; 2,000 are allowed"),
    ("http://" + "a" * 64 + ".example.com/", NO_HOST),
    # other schemes
    ("file:///etc/passwd", SCHEME),
    ("file://127.0.0.1/etc/passwd", SCHEME),
    ("gopher://127.0.0.1:6379/_INFO", SCHEME),
    ("dict://127.0.0.1:6379/INFO", SCHEME),
    ("ftp://127.0.0.1/", SCHEME),
    ("ldap://127.0.0.1/", SCHEME),
    ("jar:http://127.0.0.1!/", SCHEME),
    ("netdoc:///etc/passwd", SCHEME),
    ("data:image/png;base64,AAAA", SCHEME),
    ("javascript:alert(1)", SCHEME),
    ("0://evil.example.com:80;http://public.example.com:80/", SCHEME),
    ("url:http://127.0.0.1/", SCHEME),
    ("//127.0.0.1/", SCHEME),
    ("http:127.0.0.1", SCHEME),
    ("http:/127.0.0.1", SCHEME),
    ("/etc/passwd", SCHEME),
    ("", SCHEME),
]  # fmt: skip


def resolve(host: str, port: int) -> Sequence[str]:
    if host not in NAMES:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return NAMES[host]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody on this machine, in both families where there are two, whom nobody may reach."""
    both = socket.has_dualstack_ipv6()
    family, address = (socket.AF_INET6, "::") if both else (socket.AF_INET, "")
    with socket.create_server((address, 0), family=family, dualstack_ipv6=both) as one:
        one.setblocking(False)
        yield one


@pytest.mark.parametrize(("url", "reason"), HOSTILE)
def test_a_hostile_address_is_refused_with_its_reason_and_nobody_is_called(
    listener: socket.socket, tmp_path: Path, url: str, reason: str
) -> None:
    url = url.replace("{port}", str(listener.getsockname()[1]))
    with Fetcher(Rules(), BRISK, resolve=resolve) as fetcher, pytest.raises(CannotFetch) as refusal:
        fetcher.fetch_file(url, to=tmp_path / "got", most_bytes=lambda begin: 1000)
    assert reason in str(refusal.value)
    assert not (tmp_path / "got").exists()
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "１２７.０.０.１"])
def test_without_the_rules_the_listener_would_have_been_reached(
    listener: socket.socket, tmp_path: Path, host: str
) -> None:
    """Else the test above could not fail."""
    url = f"http://{host}:{listener.getsockname()[1]}/"
    limits = replace(BRISK, silence_s=0.1, tries=1)
    with (
        Fetcher(Rules(allowed=networks(["127.0.0.0/8"])), limits, resolve=resolve) as fetcher,
        pytest.raises(CannotFetch, match="silent"),
    ):
        fetcher.fetch_bytes(url, most=1000)
    listener.accept()[0].close()


def test_this_machine_is_closed_at_its_public_address_too() -> None:
    public = networks(["93.184.215.14"])[0].network_address
    rules = Rules(own=lambda: frozenset({public}))
    assert MACHINE in rules.why_not(public, 443)
    assert Rules().why_not(public, 443) == ""
    assert networks(["127.0.0.1"])[0].network_address in own_addresses()


def test_an_operator_opens_and_closes_networks() -> None:
    rules = Rules(allowed=networks(["10.1.0.0/16", " 127.0.0.1 ", ""]), refused=networks(["10.1.9.0/24"]))
    inside, closed, beside, public = (
        networks([text])[0].network_address for text in ("10.1.2.3", "10.1.9.1", "10.2.0.1", "93.184.215.14")
    )
    assert rules.why_not(inside, 9000) == ""
    assert "FETCH_REFUSE_ADDRESSES" in rules.why_not(closed, 80)
    assert PRIVATE in rules.why_not(beside, 80)
    assert rules.why_not(public, 443) == ""
    assert CLOSED_PORT in rules.why_not(public, 25)
    with pytest.raises(BadNetwork, match="Write networks as"):
        networks(["10.1.0.0/33"])
