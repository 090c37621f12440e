"""What comes without an end, too much or too slowly is not waited for."""

import gzip
import hashlib
import socket
import time
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.labeling.fetching.asking import BODY, fetched, refusal
from tests.labeling.fetching.servers import BRISK, Server, dripping, fetcher, speaking

pytestmark = pytest.mark.once


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
    ids=[
        "damaged",
        "of another kind",
        "cut short",
    ],  # gzip writes the time: each process would have its own name
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
