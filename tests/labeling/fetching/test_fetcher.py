"""Fetching against real servers on loopback, decent ones and the others."""

import gzip
import hashlib
import os
import socket
import ssl
import subprocess
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from labeling.fetching.addresses import Rules, networks
from labeling.fetching.fetcher import Fetched, Fetcher
from labeling.fetching.refusals import CannotFetch
from tests.labeling.fetching.servers import BRISK, Server, dripping, fetcher, serving, speaking

pytestmark = pytest.mark.once
BODY = os.urandom(100_000)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as one:
        one.answers["/file"] = lambda far: far.say(200, BODY)
        yield one


def fetched(url: str, to: Path, *, most: int = 10**6, one: Fetcher | None = None) -> Fetched:
    if one is not None:
        return one.fetch_file(url, to=to, most_bytes=lambda begin: most)
    with fetcher() as own:
        return own.fetch_file(url, to=to, most_bytes=lambda begin: most)


def refusal(url: str, to: Path, *, most: int = 10**6, **more: object) -> str:
    with fetcher(**more) as one, pytest.raises(CannotFetch) as reason:  # type: ignore[arg-type]
        fetched(url, to, most=most, one=one)
    return str(reason.value)


# ---- what goes well ------------------------------------------------------------------------------------------
def test_a_file_is_written_down_with_its_sha256(server: Server, tmp_path: Path) -> None:
    got = fetched(f"{server.url}/file?size=o", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == BODY
    assert got == Fetched(f"{server.url}/file?size=o", hashlib.sha256(BODY).hexdigest(), len(BODY))


def test_it_asks_plainly_and_says_who_it_is(server: Server, tmp_path: Path) -> None:
    with fetcher(user_agent="VEMO (mail@example.org)") as one:
        fetched(f"{server.url}/file", tmp_path / "got", one=one)
    assert server.headers_seen == [
        {
            "Host": f"127.0.0.1:{server.port}",
            "User-Agent": "VEMO (mail@example.org)",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        }
    ]


def test_proxies_of_the_environment_are_not_asked(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert fetched(f"{server.url}/file", tmp_path / "got").bytes == len(BODY)


def test_redirects_are_followed_and_told(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = lambda far: far.say(302, Location="/b?x=1")
    server.answers["/b"] = lambda far: far.say(308, Location=f"{server.url}/file")
    assert fetched(f"{server.url}/a", tmp_path / "got").url == f"{server.url}/file"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_what_comes_packed_though_nobody_asked_is_unpacked(
    server: Server, tmp_path: Path, encoding: str
) -> None:
    packed = gzip.compress(BODY) if encoding == "gzip" else zlib.compress(BODY)
    server.answers["/packed"] = lambda far: far.say(200, packed, Content_Encoding=encoding)
    assert fetched(f"{server.url}/packed", tmp_path / "got").sha256 == hashlib.sha256(BODY).hexdigest()


def test_the_first_bytes_decide_how_long_it_may_be(server: Server, tmp_path: Path) -> None:
    seen = []

    def most_bytes(begin: bytes) -> int:
        seen.append(begin)
        return len(BODY)

    with fetcher() as one:
        one.fetch_file(f"{server.url}/file", to=tmp_path / "got", most_bytes=most_bytes)
        assert one.fetch_bytes(f"{server.url}/file", most=len(BODY)) == BODY
    assert seen == [BODY[:1024]]


# ---- led astray ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://10.0.0.7/", "leads to a private network (10.0.0.7)"),
        ("//169.254.169.254/latest/meta-data/", "only machines of one network see"),
        ("http://[::1]/", "leads to this machine itself"),
        ("http://2130706433/", "sends us on to an address that cannot be used. The host “2130706433”"),
        ("http://a@127.0.0.1/", "“@” before the host"),
        ("file:///etc/passwd", "begins with neither http:// nor https://"),
        ("gopher://127.0.0.1:6379/_INFO", "begins with neither http:// nor https://"),
        ("http://[::1", "is no name of a host"),
        ("/a\x01b", "a space, a control character"),
        ("", "without saying where to"),
    ],
)
def test_a_redirect_is_held_to_the_same_rules(
    server: Server, tmp_path: Path, location: str, reason: str
) -> None:
    server.answers["/on"] = lambda far: far.say(302, Location=location)
    assert reason in refusal(f"{server.url}/on", tmp_path / "got")
    assert server.asked == {"/on": 1}


def test_redirects_come_to_an_end(server: Server, tmp_path: Path) -> None:
    server.answers["/self"] = lambda far: far.say(301, Location="/self")
    server.answers["/ping"] = lambda far: far.say(302, Location="/pong")
    server.answers["/pong"] = lambda far: far.say(302, Location="/ping")
    server.answers["/far"] = lambda far: far.say(302, Location=f"/far?{far.path}x")
    assert "in a circle" in refusal(f"{server.url}/self", tmp_path / "got")
    assert "in a circle" in refusal(f"{server.url}/ping", tmp_path / "got")
    server.asked.clear()
    assert "more than 5 times" in refusal(f"{server.url}/far", tmp_path / "got")
    assert server.asked.total() == 6


def test_a_name_that_changes_its_address_after_the_check_gains_nothing(tmp_path: Path) -> None:
    """DNS rebinding. 127.0.0.2 stands for the internet, 127.0.0.1 for what must not be reached."""
    rules = Rules(allowed=networks(["127.0.0.2"]))
    with serving(Server("127.0.0.2")) as internet, serving(Server("127.0.0.1", internet.port)) as inside:
        for server in (internet, inside):
            server.answers["/file"] = lambda far: far.say(200, BODY)
        answers = iter([["127.0.0.2"], *[["127.0.0.1"]] * 20])
        lookups = []

        def rebinding(host: str, port: int) -> Sequence[str]:
            lookups.append(host)
            return next(answers)

        url = f"http://rebind.example.com:{internet.port}/file"
        with fetcher(rules, resolve=rebinding) as one:
            fetched(url, tmp_path / "got", one=one)
        assert (internet.asked, inside.asked, lookups) == ({"/file": 1}, {}, ["rebind.example.com"])
        assert internet.headers_seen[0]["Host"] == f"rebind.example.com:{internet.port}"
        with fetcher(rules, resolve=rebinding) as one, pytest.raises(CannotFetch, match="machine itself"):
            fetched(url, tmp_path / "got", one=one)
        assert inside.asked == {}


def test_only_hosts_of_the_kind_are_asked_even_after_a_redirect(server: Server, tmp_path: Path) -> None:
    server.answers["/on"] = lambda far: far.say(302, Location=f"http://localhost:{server.port}/file")
    with fetcher() as one, pytest.raises(CannotFetch, match="leads to localhost, which is not one"):
        one.fetch_bytes(f"{server.url}/on", most=10**6, hosts=lambda host: host == "127.0.0.1")
    assert server.asked == {"/on": 1}


# ---- limits --------------------------------------------------------------------------------------------------
def test_a_declared_length_beyond_the_limit_is_not_waited_for(server: Server, tmp_path: Path) -> None:
    def huge(far) -> None:
        far.begin(Content_Length=str(10**12))
        far.wfile.write(b"x" * 2000)
        time.sleep(1)

    server.answers["/huge"] = huge
    began = time.monotonic()
    assert refusal(f"{server.url}/huge", tmp_path / "got") == (
        "It is longer than the 1,000,000 bytes allowed."
    )
    assert time.monotonic() - began < 0.9


def test_a_file_without_an_end_is_counted(server: Server, tmp_path: Path) -> None:
    def endless(far) -> None:
        far.begin()
        while True:
            far.wfile.write(b"x" * 65536)

    server.answers["/endless"] = endless
    assert "longer than the 1,000,000 bytes" in refusal(f"{server.url}/endless", tmp_path / "got")
    assert (tmp_path / "got").stat().st_size <= 10**6


def test_a_bomb_is_unpacked_no_further_than_allowed(server: Server, tmp_path: Path) -> None:
    pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(pack.compress(bytes(10**7)) for _ in range(30)) + pack.flush()
    server.answers["/bomb"] = lambda far: far.say(200, bomb, Content_Encoding="gzip")
    assert len(bomb) < 10**6
    assert "longer than the 3,000,000 bytes" in refusal(
        f"{server.url}/bomb", tmp_path / "got", most=3 * 10**6
    )
    assert (tmp_path / "got").stat().st_size <= 3 * 10**6


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (b"\x1f\x8b not gzip at all" * 10, "gzip", "cannot be unpacked"),
        (b"?" * 100, "br", "in a way that was not asked for (br)"),
        (gzip.compress(b"x" * 10**5)[:50], "gzip", "ends too early"),
    ],
)
def test_what_is_packed_badly_is_refused(
    server: Server, tmp_path: Path, body: bytes, encoding: str, reason: str
) -> None:
    server.answers["/bad"] = lambda far: far.say(200, body, Content_Encoding=encoding)
    assert reason in refusal(f"{server.url}/bad", tmp_path / "got")


def test_who_drips_is_not_waited_for(tmp_path: Path) -> None:
    limits = replace(BRISK, pace_s=0.3, least_bytes_per_s=1000.0)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 2000
    with speaking(lambda client: dripping(client, head, every_s=0.01)) as port:
        reason = refusal(f"http://127.0.0.1:{port}/", tmp_path / "got", limits=limits)
    assert reason == "The server sends less than 1,000 bytes a second."


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_all_together_has_an_end_however_it_is_drawn_out(tmp_path: Path, head: bytes) -> None:
    """A byte now and then keeps each read alive; the whole is over all the same."""
    limits = replace(BRISK, total_s=1.0, pace_s=60.0)
    began = time.monotonic()
    with speaking(lambda client: dripping(client, head, every_s=0.05)) as port:
        reason = refusal(f"http://127.0.0.1:{port}/", tmp_path / "got", limits=limits)
    assert "longer than the 1 seconds allowed (FETCH_MAX_S)" in reason
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("begin", "drip"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"x"),
    ],
)
def test_an_answer_has_to_come_forward(tmp_path: Path, begin: bytes, drip: bytes) -> None:
    """A head that never ends, one that is always only announced, and a remark on a chunk that never ends."""
    limits = replace(BRISK, answer_s=1.0, tries=2)

    def talk(client: socket.socket) -> None:
        client.sendall(begin)
        for _ in range(100):
            client.sendall(drip)
            time.sleep(0.02)

    with speaking(talk) as port:
        reason = refusal(f"http://127.0.0.1:{port}/", tmp_path / "got", limits=limits)
    assert reason == "For 1 seconds nothing came of the server’s answer. It was tried 2 times."


def test_a_slow_body_is_no_late_answer(tmp_path: Path) -> None:
    limits = replace(BRISK, answer_s=0.3)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2050\r\n\r\n" + b"x" * 2000
    with speaking(lambda client: dripping(client, head, every_s=0.02, times=50)) as port, fetcher() as one:
        assert fetched(f"http://127.0.0.1:{port}/", tmp_path / "got", one=one).bytes == 2050
    with (
        speaking(lambda client: dripping(client, head, every_s=0.02, times=50)) as port,
        fetcher(limits=limits) as one,
    ):
        assert fetched(f"http://127.0.0.1:{port}/", tmp_path / "got", one=one).bytes == 2050


def test_what_comes_behind_the_end_of_what_is_packed_is_not_collected(server: Server, tmp_path: Path) -> None:
    sent = []

    def endless(far) -> None:
        far.begin(Content_Encoding="gzip")
        far.wfile.write(gzip.compress(BODY))
        while True:
            far.wfile.write(b"x" * 65536)
            sent.append(65536)

    server.answers["/behind"] = endless
    assert fetched(f"{server.url}/behind", tmp_path / "got").sha256 == hashlib.sha256(BODY).hexdigest()
    assert sum(sent) < 10**8


def test_what_unpacks_to_nothing_without_an_end_is_refused(server: Server, tmp_path: Path) -> None:
    empty = b"\x00\x00\x00\xff\xff"  # a stored block of no bytes (RFC 1951, 3.2.4)

    def endless(far) -> None:
        far.begin(Content_Encoding="deflate")
        far.wfile.write(zlib.compress(b"")[:2])
        while True:
            far.wfile.write(empty * 10_000)

    server.answers["/nothing"] = endless
    assert "unpacks to much less than it is" in refusal(f"{server.url}/nothing", tmp_path / "got")


def test_who_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    limits = replace(BRISK, silence_s=0.2, tries=2)
    with speaking(lambda client: time.sleep(0.6)) as port:
        reason = refusal(f"http://127.0.0.1:{port}/", tmp_path / "got", limits=limits)
    assert "The server was silent for too long." in reason
    assert reason.endswith("It was tried 2 times.")


# ---- what is broken ------------------------------------------------------------------------------------------
def test_what_breaks_off_is_tried_again_and_whole_in_the_end(server: Server, tmp_path: Path) -> None:
    def breaking(far) -> None:
        if server.asked["/breaks"] < 3:
            far.begin(Content_Length=str(len(BODY)))
            far.wfile.write(BODY[:50_000])
        else:
            far.say(200, BODY)

    server.answers["/breaks"] = breaking
    assert fetched(f"{server.url}/breaks", tmp_path / "got").sha256 == hashlib.sha256(BODY).hexdigest()
    assert server.asked == {"/breaks": 3}


def test_what_always_breaks_off_is_refused(server: Server, tmp_path: Path) -> None:
    def breaking(far) -> None:
        far.begin(Content_Length="5000")
        far.wfile.write(b"x" * 2000)

    server.answers["/breaks"] = breaking
    reason = refusal(f"{server.url}/breaks", tmp_path / "got")
    assert reason.startswith("The connection broke off")
    assert reason.endswith("It was tried 4 times.")


def test_more_than_was_declared_is_not_read(server: Server, tmp_path: Path) -> None:
    server.answers["/lies"] = lambda far: far.say(200, BODY, Content_Length="1500")
    assert fetched(f"{server.url}/lies", tmp_path / "got").sha256 == hashlib.sha256(BODY[:1500]).hexdigest()


@pytest.mark.parametrize(
    "talk",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: minus\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nabcdefg",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 5000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"",
    ],
)
def test_who_does_not_speak_http_is_refused(tmp_path: Path, talk: bytes) -> None:
    with speaking(lambda client: client.sendall(talk)) as port:
        assert "broke off" in refusal(f"http://127.0.0.1:{port}/", tmp_path / "got")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (404, "The server has nothing at this address (status 404)."),
        (403, "The server does not let us in (status 403)."),
        (204, "The server answers with status 204."),
        (206, "The server answers with status 206."),
        (418, "The server answers with status 418."),
    ],
)
def test_other_answers_are_told(server: Server, tmp_path: Path, status: int, reason: str) -> None:
    server.answers["/other"] = lambda far: far.say(status, b"")
    assert refusal(f"{server.url}/other", tmp_path / "got") == reason
    assert server.asked == {"/other": 1}


# ---- patience ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_who_is_busy_is_asked_again(server: Server, tmp_path: Path, status: int) -> None:
    server.answers["/busy"] = lambda far: far.say(200 if server.asked["/busy"] == 3 else status, BODY)
    assert fetched(f"{server.url}/busy", tmp_path / "got").bytes == len(BODY)


def test_who_asks_for_a_pause_gets_it(server: Server, tmp_path: Path) -> None:
    server.answers["/busy"] = lambda far: (
        far.say(200, BODY) if server.asked["/busy"] == 2 else far.say(429, Retry_After="1")
    )
    beats = []
    began = time.monotonic()
    with fetcher() as one:
        one.fetch_bytes(f"{server.url}/busy", most=10**6, alive=lambda: beats.append(1))
    assert time.monotonic() - began >= 1
    assert beats


def test_who_asks_for_hours_is_left_alone(server: Server, tmp_path: Path) -> None:
    server.answers["/busy"] = lambda far: far.say(429, Retry_After="7200")
    assert refusal(f"{server.url}/busy", tmp_path / "got") == (
        "The server is busy or broken (status 429). "
        "The server asks to be left alone for 7,200 seconds; try again then."
    )
    assert server.asked == {"/busy": 1}


def test_requests_to_one_host_keep_their_distance(server: Server, tmp_path: Path) -> None:
    with fetcher(limits=replace(BRISK, per_second=10)) as one:
        began = time.monotonic()
        for _ in range(4):
            fetched(f"{server.url}/file", tmp_path / "got", one=one)
    assert time.monotonic() - began >= 0.3


def test_who_gives_up_meanwhile_is_heard(server: Server, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def alive() -> None:
        raise Stop

    with fetcher() as one, pytest.raises(Stop):
        one.fetch_file(f"{server.url}/file", to=tmp_path / "got", most_bytes=lambda begin: 10**6, alive=alive)


# ---- https ---------------------------------------------------------------------------------------------------
@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Server]:
    """An https server whose certificate, for far.example.com, nobody knows."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", "/CN=far.example.com"),
            *("-addext", "subjectAltName=DNS:far.example.com"),
            *("-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server = Server()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server):
        server.answers["/file"] = lambda far: far.say(200, BODY)
        yield server


def to_loopback(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def test_a_certificate_nobody_vouches_for_is_refused(secured: Server, tmp_path: Path) -> None:
    reason = refusal(f"https://far.example.com:{secured.port}/file", tmp_path / "got", resolve=to_loopback)
    assert reason.startswith("The connection is not safe (self-signed certificate")
    assert secured.asked == {}


def test_the_certificate_is_held_against_the_name_not_the_number(secured: Server, tmp_path: Path) -> None:
    trust = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    with fetcher(resolve=to_loopback, trust=trust) as one:
        assert fetched(f"https://far.example.com:{secured.port}/file", tmp_path / "got", one=one).bytes
    other = f"https://near.example.com:{secured.port}/file"
    reason = refusal(other, tmp_path / "got", resolve=to_loopback, trust=trust)
    assert reason.startswith("The connection is not safe (Hostname mismatch")


def test_from_https_nobody_is_sent_on_to_http(secured: Server, tmp_path: Path) -> None:
    trust = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    secured.answers["/down"] = lambda far: far.say(302, Location="http://far.example.com/file")
    url = f"https://far.example.com:{secured.port}/down"
    assert "from https to http" in refusal(url, tmp_path / "got", resolve=to_loopback, trust=trust)


def test_a_host_nobody_answers_for_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    reason = refusal(f"http://127.0.0.1:{port}/", tmp_path / "got", limits=replace(BRISK, tries=1))
    assert reason.startswith("No connection to “127.0.0.1” came about")
