"""How yt-dlp is held: what is switched off, where it may connect to, and that nothing else is started or written."""

import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import yt_dlp
from yt_dlp import globals as yt_dlp_globals
from yt_dlp.networking import Request

from labeling.fetching.addresses import Rules
from labeling.fetching.connecting import system_resolver
from labeling.fetching.patience import alone
from labeling.sources.youtube import addresses, holding
from labeling.sources.youtube.holding import CannotHave, Session
from labeling.sources.youtube.wanted import Wanted
from tests.labeling.fetching.servers import LOOPBACK, dripping, serving, speaking
from tests.labeling.sources.youtube_server import FakeTube

WATCH = f"{addresses.SITE}/watch?v=dQw4w9WgXcQ"
HOST = "films.test"


@contextmanager
def session(
    stand_in: str = "",
    rules: Rules = LOOPBACK,
    resolve: Callable[[str, int], Sequence[str]] = system_resolver,
    alive: Callable[[], None] = alone,
    cookies: str | None = None,
    **more: object,
) -> Iterator[Session]:
    wanted = Wanted(**{"stand_in": stand_in, "pause_s": 0.0, **more})  # type: ignore[arg-type]
    one = Session(wanted, rules=rules, resolve=resolve, alive=alive, cookies=cookies)
    try:
        yield one
    finally:
        one.close()


@pytest.fixture
def tube(tmp_path: Path) -> Iterator[FakeTube]:
    with serving(FakeTube(tmp_path)) as one:
        yield one


# ---- what is switched off ------------------------------------------------------------------------------------
def test_everything_that_is_not_needed_is_off() -> None:
    options = holding.options(Wanted())
    off = (
        "allow_unplayable_formats", "enable_file_urls", "geo_bypass", "nocheckcertificate", "legacyserverconnect",
        "prefer_insecure", "usenetrc", "cachedir", "writeinfojson", "writethumbnail", "writesubtitles",
        "writeautomaticsub", "getcomments", "mark_watched", "live_from_start", "ignoreerrors", "verbose",
    )  # fmt: skip
    assert {name: options[name] for name in off} == dict.fromkeys(off, False)
    none = (
        "cookiesfrombrowser",
        "netrc_cmd",
        "geo_verification_proxy",
        "cookiefile",
        "wait_for_video",
        "ratelimit",
    )
    assert {name: options[name] for name in none} == dict.fromkeys(none)
    assert options["postprocessors"] == options["remote_components"] == []
    assert options["js_runtimes"] == {}
    assert options["external_downloader"] == {"default": "native"}
    assert (options["fixup"], options["default_search"], options["proxy"]) == ("never", "error", "")
    assert options["allowed_extractors"] == [r"youtube(:[\w:]+)?"]


def test_only_youtubes_extractors_are_there() -> None:
    with session() as one:
        keys = set(one._ydl._ies)
        assert {"Youtube", "YoutubeTab", "YoutubePlaylist", "YoutubeSearchURL"} <= keys
        assert all(one._ydl._ies[key].IE_NAME.startswith("youtube") for key in keys)
        assert list(one._ydl._request_director.handlers) == ["Guarded"]


def test_no_plugins_and_no_configuration_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "yt_dlp_plugins" / "extractor" / "evil.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text("raise SystemExit('a plugin was loaded')")
    (tmp_path / "yt-dlp.conf").write_text("--exec 'touch evil'")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yt_dlp_globals.all_plugins_loaded.value = False
    yt_dlp_globals.plugin_dirs.value = ["default"]
    with session() as one:
        assert one._ydl.params["postprocessors"] == []
    assert yt_dlp_globals.plugin_dirs.value == []


def test_the_format_is_one_file_and_if_possible_without_sound() -> None:
    formats = [
        {"format_id": "v1080", "ext": "mp4", "height": 1080, "vcodec": "avc1", "acodec": "none", "protocol": "https"},
        {"format_id": "v720", "ext": "mp4", "height": 720, "vcodec": "avc1", "acodec": "none", "protocol": "https"},
        {"format_id": "v720av1", "ext": "mp4", "height": 720, "vcodec": "av01", "acodec": "none", "protocol": "https"},
        {"format_id": "v720m3u8", "ext": "mp4", "height": 720, "vcodec": "avc1", "acodec": "none",
         "protocol": "m3u8_native"},
        {"format_id": "w720", "ext": "webm", "height": 720, "vcodec": "vp9", "acodec": "none", "protocol": "https"},
        {"format_id": "both360", "ext": "mp4", "height": 360, "vcodec": "avc1", "acodec": "mp4a", "protocol": "https"},
        {"format_id": "sound", "ext": "m4a", "vcodec": "none", "acodec": "mp4a", "protocol": "https"},
    ]  # fmt: skip

    def chosen(height: int, *, without: str = "-") -> str:
        there = [
            {**one, "url": "https://x.googlevideo.com/"} for one in formats if without not in one["format_id"]
        ]
        info = {"id": "x", "title": "x", "extractor": "youtube", "formats": there}
        with session(height=height) as one:
            made = one._ydl.process_ie_result({"_type": "video", **info}, download=False)
            assert made.get("requested_formats") is None
            return str(made["format_id"])

    assert chosen(2160) == "v1080"
    assert chosen(720) == "v720"
    assert chosen(720, without="v720") == "w720"
    assert chosen(480) == "both360"
    with pytest.raises(CannotHave, match="no format that can be taken"), holding._told():
        chosen(144)


_started: list[str] = []
_is_watching = False


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _is_watching and event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork"):
        _started.append(f"{event} {arguments}")


def test_no_program_is_started_and_nothing_written_but_the_file(tube: FakeTube, tmp_path: Path) -> None:
    global _is_watching
    body = tube.add("one")
    folder = tmp_path / "parts"
    folder.mkdir()
    sys.addaudithook(_watch)
    _is_watching = True
    try:
        with session(tube.url) as one:
            one.fetch(one.info(tube.watch("one")), folder / "film", lambda progress: None)
    finally:
        _is_watching = False
    assert _started == []
    assert [path.name for path in folder.iterdir()] == ["film"]
    assert (folder / "film").read_bytes() == body


def test_cookies_go_to_the_server_and_not_back_to_any_file(tube: FakeTube) -> None:
    tube.add("one")
    text = "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t2147483647\tSID\tmine\n"
    with session(tube.url, cookies=text) as one:
        one.info(tube.watch("one"))
    assert tube.headers_seen[0]["Cookie"] == "SID=mine"


# ---- where it may connect to ---------------------------------------------------------------------------------
def refused(one: Session, url: str) -> str:
    with pytest.raises(CannotHave) as refusal, holding._told():
        one._ydl.urlopen(Request(url))
    return str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/", "https://youtube.com.evil.test/", "https://www.youtube.com@evil.test/",
        "https://169.254.169.254/latest/meta-data/", "https://127.0.0.1/", "https://[::1]/", "https://2130706433/",
        "https://storage.googleapis.com/x",
    ],
)  # fmt: skip
def test_no_other_host_is_even_looked_up(url: str) -> None:
    def nobody(host: str, port: int) -> Sequence[str]:
        raise AssertionError(host)

    with session(resolve=nobody) as one:
        assert "not one of the hosts this kind of source uses" in refused(one, url)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://www.youtube.com/x", "data:text/plain,x"])
def test_no_other_scheme_is_followed(url: str) -> None:
    with session() as one, pytest.raises(yt_dlp.networking.exceptions.RequestError):
        one._ydl.urlopen(Request(url))


def test_youtube_is_asked_by_https_only() -> None:
    with session() as one:
        assert "not https" in refused(one, "http://www.youtube.com/")


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "fd00::1", "100.64.0.1"]
)
def test_a_name_of_youtube_that_leads_to_a_private_address_is_refused(address: str) -> None:
    with session(rules=Rules(), resolve=lambda host, port: [address]) as one:
        assert "It is not fetched" in refused(one, "https://www.youtube.com/")


def test_a_name_with_a_public_and_a_private_address_is_refused() -> None:
    with session(rules=Rules(), resolve=lambda host, port: ["142.250.1.1", "10.0.0.1"]) as one:
        assert "private network (10.0.0.1)" in refused(one, "https://www.youtube.com/")


def test_what_was_checked_is_connected_to_and_the_next_connection_is_checked_again(tube: FakeTube) -> None:
    """The name is known to nobody but our resolver, which changes its answer as an attacker's would."""
    tube.add("one")
    answers, asked = [["127.0.0.1"], ["10.0.0.1"]], []

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers.pop(0)

    base = f"http://{HOST}:{tube.port}"
    with session(base, resolve=resolve) as one:
        info = one.info(f"{base}/watch/one.html")
        assert asked == [HOST]
        assert info["url"] == f"{base}/files/one.mp4"
        assert "private network (10.0.0.1)" in refused(one, str(info["url"]))
    assert "/files/one.mp4" not in tube.asked


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://evil.test/", "evil.test, which is not one of the hosts"),
        ("http://169.254.169.254/", "169.254.169.254, which is not one of the hosts"),
        ("http://www.youtube.com/", "not https"),
        ("http://localhost:1/", "localhost, which is not one of the hosts"),
    ],
)
def test_a_redirect_is_held_to_the_same(tube: FakeTube, location: str, said: str) -> None:
    tube.answers["/away"] = lambda far: far.say(302, Location=location)
    with session(tube.url) as one:
        assert said in refused(one, f"{tube.url}/away")


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x"])
def test_a_redirect_to_another_scheme_leads_nowhere(tube: FakeTube, location: str) -> None:
    tube.answers["/away"] = lambda far: far.say(302, Location=location)
    with session(tube.url) as one, pytest.raises(yt_dlp.networking.exceptions.RequestError):
        one._ydl.urlopen(Request(f"{tube.url}/away"))


def test_youtubes_extractors_ask_youtube_alone() -> None:
    asked = []

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with session(resolve=resolve) as one, pytest.raises(CannotHave) as refusal:
        one.info(WATCH)
    assert asked
    assert all(addresses.is_youtubes(host) for host in asked)
    assert "The host “www.youtube.com” is not known" in str(refusal.value)


def test_the_environments_proxies_are_not_used(tube: FakeTube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    tube.add("one")
    with session(tube.url) as one:
        assert one.info(tube.watch("one"))["ext"] == "mp4"


def test_through_a_proxy_only_the_same_hosts_are_asked(tube: FakeTube) -> None:
    """The stand-in plays the proxy, which is asked for whole addresses."""
    tube.add("one")
    tube.answers = {f"http://{HOST}{path}": answer for path, answer in tube.answers.items()}
    with session(f"http://{HOST}", rules=Rules(), proxy=tube.url) as one:
        assert one.info(f"http://{HOST}/watch/one.html")["url"] == f"http://{HOST}/files/one.mp4"
        assert list(tube.asked) == [f"http://{HOST}/watch/one.html"]
        assert "evil.test, which is not one of the hosts" in refused(one, "http://evil.test/")
        assert "evil.test, which is not one of the hosts" in refused(one, "https://evil.test/")
    assert sum(tube.asked.values()) == 1


# ---- for how long --------------------------------------------------------------------------------------------
def test_who_drips_is_not_waited_for_longer_than_allowed() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100000\r\n\r\n<html>"
    beats = []
    with speaking(lambda client: dripping(client, head, every_s=0.02, times=200)) as port:
        base = f"http://127.0.0.1:{port}"
        with (
            session(base, total_s=0.5, alive=lambda: beats.append(1)) as one,
            pytest.raises(CannotHave) as refusal,
        ):
            one.info(f"{base}/x")
    assert "FETCH_MAX_S" in str(refusal.value)
    assert len(beats) > 5


def test_requests_keep_their_distance_and_the_file_does_not(tube: FakeTube, tmp_path: Path) -> None:
    tube.add("one")
    naps = []
    with session(tube.url, pause_s=0.2, alive=lambda: naps.append(1)) as one:
        info = one.info(tube.watch("one"))
        before = len(naps)
        one.info(tube.watch("one"))
        assert len(naps) > before
        one.fetch(info, tmp_path / "film", lambda progress: None)
    assert (tmp_path / "film").is_file()


def test_the_rate_is_held(tube: FakeTube, tmp_path: Path) -> None:
    body = tube.add("one", padding=200_000)
    began = time.monotonic()
    with session(tube.url, bytes_per_s=200_000) as one:
        one.fetch(one.info(tube.watch("one")), tmp_path / "film", lambda progress: None)
    assert time.monotonic() - began > 0.7 * len(body) / 200_000
