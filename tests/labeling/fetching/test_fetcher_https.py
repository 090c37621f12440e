"""Fetching by HTTPS: whose the certificate is."""

import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.labeling.fetching.asking import BODY, fetched, refusal
from tests.labeling.fetching.servers import BRISK, Server, fetcher, serving

pytestmark = pytest.mark.once


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
