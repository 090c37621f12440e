"""Fetching against real servers on loopback, decent ones and the others."""

import gzip
import hashlib
import time
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from labeling.fetching.addresses import Rules, networks
from labeling.fetching.fetcher import Fetched
from labeling.fetching.refusals import CannotFetch
from tests.labeling.fetching.asking import BODY, fetched, refusal
from tests.labeling.fetching.servers import BRISK, Server, fetcher, serving, speaking

pytestmark = pytest.mark.once


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
