"""The second detector's model is fetched once, and only the very file that was expected is kept."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from labeling.fetching.addresses import networks
from tests.labeling.fetching.servers import Server, serving

CONTENT = b"a model" * 1_000


@pytest.fixture
def zoo() -> Iterator[Server]:
    with serving(Server()) as server:
        server.answers["/model.onnx"] = lambda far: far.say(200, CONTENT)
        yield server


@pytest.fixture
def target(settings, tmp_path: Path) -> Path:
    settings.YUNET_FETCHED = tmp_path / "models" / "yunet.onnx"
    settings.FETCH_ALLOW_ADDRESSES = networks(["127.0.0.1"])
    return settings.YUNET_FETCHED


def fetch(zoo: Server, content: bytes = CONTENT, path: str = "/model.onnx") -> str:
    out = StringIO()
    sha256 = hashlib.sha256(content).hexdigest()
    call_command("fetch_yunet", "--url", f"{zoo.url}{path}", "--sha256", sha256, stdout=out)
    return out.getvalue()


def test_it_is_fetched_once_and_again_when_it_was_spoilt(zoo: Server, target: Path) -> None:
    assert "Restart the site" in fetch(zoo)
    assert target.read_bytes() == CONTENT
    assert "is there already" in fetch(zoo)
    assert zoo.asked["/model.onnx"] == 1
    target.write_bytes(CONTENT[:-1])
    fetch(zoo)
    assert (target.read_bytes(), zoo.asked["/model.onnx"]) == (CONTENT, 2)
    assert list(target.parent.iterdir()) == [target]


def test_another_file_is_not_kept(zoo: Server, target: Path) -> None:
    with pytest.raises(CommandError, match=r"another file than expected .* by hand, or set YUNET_MODEL"):
        fetch(zoo, b"what was expected")
    assert list(target.parent.iterdir()) == []


def test_where_nothing_can_be_fetched_it_says_what_to_do(zoo: Server, target: Path) -> None:
    with pytest.raises(CommandError, match=r"could not be fetched: .* copy the file to"):
        fetch(zoo, path="/gone.onnx")
    assert list(target.parent.iterdir()) == []


def test_the_site_takes_what_was_fetched_unless_another_is_named(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    model = tmp_path / "models" / "face_detection_yunet_2023mar.onnx"
    ask = [sys.executable, "-c", "from vemo import settings; print(settings.YUNET_MODEL)"]
    base = {**os.environ, "VEMO_HOME": str(tmp_path), "PYTHONPATH": f"{root / 'platform'}:{root}"}
    base.pop("YUNET_MODEL", None)

    def said(**more: str) -> str:
        done = subprocess.run(ask, env={**base, **more}, capture_output=True, text=True, check=True, cwd=root)
        return done.stdout.strip()

    assert said() == ""
    model.parent.mkdir()
    model.write_bytes(CONTENT)
    assert said() == str(model)
    assert said(YUNET_MODEL="/elsewhere.onnx") == "/elsewhere.onnx"
