"""A server killed half-way, a line that is cut, two who send at once: no byte is lost, and none comes twice."""

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rest_framework.authtoken.models import Token

from labeling.models import Upload
from tests.factories import make_user
from tests.labeling.uploads.server import Sender, Server, serving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
MB = 1024**2
PIECE_BYTES = 16 * MB


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "server.log") as running:
        yield running


@pytest.fixture
def sender(server: Server) -> Sender:
    return Sender(server, Token.objects.create(user=make_user("manager")).key)


def stored(settings) -> bytes:
    upload = Upload.objects.get()
    return (settings.UPLOAD_ROOT / str(upload.batch) / upload.path).read_bytes()


def wait_until_more_than(sender: Sender, url: str, there: int) -> int:
    for _ in range(600):
        if (now := sender.offset(url)) > there:
            return now
        time.sleep(0.05)
    raise AssertionError(f"Nothing came after byte {there}.")


def test_a_server_killed_in_three_pieces_of_200_mb(server: Server, sender: Sender, settings) -> None:
    content = os.urandom(200 * MB)
    url = sender.announce("film.bin", len(content))
    kills = [24 * MB, 90 * MB, 175 * MB]
    at = 0
    while at < len(content):
        piece = content[at : at + PIECE_BYTES]
        if kills and at + len(piece) > kills[0]:
            half = sender.begin_piece(url, at, len(piece))
            half.send(piece[: kills.pop(0) - at])
            wait_until_more_than(sender, url, at)
            server.kill()
            half.close()
            server.start()
        else:
            assert sender.piece(url, at, piece).status == 204
        before, at = at, sender.offset(url)
        assert before < at <= before + len(piece)
    assert kills == []
    assert hashlib.sha256(stored(settings)).digest() == hashlib.sha256(content).digest()
    assert Upload.objects.get().received == len(content)


def test_a_line_cut_in_the_middle_keeps_what_came(sender: Sender, settings) -> None:
    content = os.urandom(8 * MB)
    url = sender.announce("a", len(content))
    half = sender.begin_piece(url, 0, len(content))
    half.send(content[: 5 * MB])
    half.sock.close()
    half.close()
    at = wait_until_more_than(sender, url, 5 * MB - 1)
    assert at == 5 * MB
    # The request that was cut has let go of the file, or is about to.
    for _ in range(100):
        if (answer := sender.piece(url, at, content[at:])).status != 423:
            break
        time.sleep(0.05)
    assert answer.status == 204
    assert stored(settings) == content


def test_of_two_requests_at_once_one_is_told_to_wait(sender: Sender, settings) -> None:
    """Whichever process each of them meets."""
    content = os.urandom(4 * MB)
    url = sender.announce("a", len(content))
    first = sender.begin_piece(url, 0, len(content))
    first.send(content[: 2 * MB])
    wait_until_more_than(sender, url, 0)
    for _ in range(6):
        assert sender.piece(url, 2 * MB, content[2 * MB :]).status == 423
    first.send(content[2 * MB :])
    assert first.getresponse().status == 204
    first.close()
    assert stored(settings) == content


def test_who_is_refused_hears_why_though_all_was_sent(sender: Sender) -> None:
    url = sender.announce("a", 20 * MB)
    answer = sender.piece(url, 5, os.urandom(16 * MB))
    assert answer.status == 409
