"""Addresses of YouTube, info dicts as yt-dlp makes them, its errors, files of cookies: read without a network."""

from pathlib import Path

import pytest

from labeling.sources.base import CannotRead, Note, Offer
from labeling.sources.youtube import addresses, cookies, infos, reasons
from labeling.sources.youtube.addresses import Channel, Playlist, Search, StandIn, Video, parse
from labeling.sources.youtube.wanted import Wanted

SITE = "https://www.youtube.com"
ID = "dQw4w9WgXcQ"
COMMONS = "Creative Commons Attribution license (reuse allowed)"
LICENCE_OF_VIDEO = {
    "_type": "video", "id": ID, "title": "A smile", "uploader": "Ada", "channel": "Ada’s", "license": COMMONS,
    "upload_date": "20240501", "webpage_url": f"{SITE}/watch?v={ID}", "duration": 61, "live_status": "not_live",
    "is_live": False, "url": "https://r1.googlevideo.com/videoplayback?x=1", "format_id": "136", "ext": "mp4",
    "height": 720, "filesize": 1234567,
}  # fmt: skip


# ---- addresses -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "page"),
    [
        (f"{SITE}/watch?v={ID}&list=PLabcdef&t=5s", Video(ID)),
        (f"https://m.youtube.com/watch?app=desktop&v={ID}", Video(ID)),
        (f"https://youtu.be/{ID}?si=x", Video(ID)),
        (f"{SITE}/shorts/{ID}", Video(ID)),
        (f"{SITE}/live/{ID}", Video(ID)),
        (f"https://www.youtube-nocookie.com/embed/{ID}", Video(ID)),
        (f"{SITE}/playlist?list=PLwP_SiAcdui0KVebT0mU9Apz359a4ubsC", Playlist("PLwP_SiAcdui0KVebT0mU9Apz359a4ubsC")),
        (f"{SITE}/@ada", Channel("@ada")),
        (f"{SITE}/@ada/shorts", Channel("@ada", "shorts")),
        (f"{SITE}/@ada/about", Channel("@ada")),
        (f"{SITE}/channel/UCqj7Cz7revf5maW9g5pgNcg/streams", Channel("channel/UCqj7Cz7revf5maW9g5pgNcg", "streams")),
        (f"{SITE}/c/Ada", Channel("c/Ada")),
        (f"{SITE}/user/ada/videos", Channel("user/ada")),
        (f"{SITE}/results?search_query=a+smile&sp=x", Search("a smile")),
        (addresses.search_address("a & b"), Search("a & b")),
    ],
)  # fmt: skip
def test_a_page_is_known_by_its_address(address: str, page: object) -> None:
    assert addresses.fits(address)
    assert parse(address) == page


@pytest.mark.parametrize(
    "address",
    [
        f"{SITE}/", f"{SITE}/watch?v=short", f"{SITE}/watch", f"{SITE}/feed/subscriptions", f"{SITE}/playlist?list=WL",
        f"{SITE}/results?search_query=", f"https://youtube.com.evil.test/watch?v={ID}", f"https://evilyoutube.com/{ID}",
        f"https://vimeo.com/watch?v={ID}", f"https://youtu.be/{ID}/more", f"{SITE}/@", "http://127.0.0.1/watch.html",
    ],
)  # fmt: skip
def test_what_is_no_page_with_videos_is_refused(address: str) -> None:
    with pytest.raises(CannotRead, match="no page of YouTube with videos"):
        parse(address)


def test_the_stand_in_is_known_only_where_it_is_named() -> None:
    stand_in, page = "http://127.0.0.1:9999", "http://127.0.0.1:9999/one.html"
    assert parse(page, stand_in) == StandIn(page)
    assert addresses.fits(page, stand_in)
    assert not addresses.fits(page)
    assert not addresses.fits("http://127.0.0.1:99990/one.html", stand_in)


def test_where_the_videos_of_a_page_are_listed() -> None:
    def listed(page: addresses.Page) -> str:
        return addresses.listed_at(page, only_open=False)

    assert listed(Playlist("PLx")) == f"{SITE}/playlist?list=PLx"
    assert listed(Channel("@ada", "shorts")) == f"{SITE}/@ada/shorts"
    assert listed(Search("a b")) == f"{SITE}/results?search_query=a+b&sp=EgIQAQ%3D%3D"
    assert (
        addresses.listed_at(Search("a b"), only_open=True) == f"{SITE}/results?search_query=a+b&sp=EgQQATAB"
    )


@pytest.mark.parametrize(
    ("host", "its"),
    [
        ("www.youtube.com", True), ("youtu.be", True), ("rr3---sn-4g5e6nzs.googlevideo.com", True),
        ("i.ytimg.com", True), ("youtubei.googleapis.com", True), ("www.googleapis.com", False),
        ("storage.googleapis.com", False), ("youtube.com.evil.test", False), ("evilyoutube.com", False),
        ("notyoutu.be", False), ("", False), ("127.0.0.1", False),
    ],
)  # fmt: skip
def test_which_hosts_are_youtubes(host: str, its: bool) -> None:
    assert addresses.is_youtubes(host) is its


# ---- what yt-dlp knows ---------------------------------------------------------------------------------------
def test_what_is_kept_of_a_video() -> None:
    assert infos.note(LICENCE_OF_VIDEO) == Note(
        licence=COMMONS,
        author="Ada",
        page_url=f"{SITE}/watch?v={ID}",
        title="A smile",
        uploaded="2024-05-01",
    )
    assert infos.name(LICENCE_OF_VIDEO) == f"A smile ({ID})"
    assert infos.part_name(LICENCE_OF_VIDEO) == f"youtube-{ID}-136-1234567-720"


def test_of_a_video_of_which_little_is_known() -> None:
    assert infos.note({"id": ID, "title": None, "channel": "Bob"}) == Note(author="Bob")
    assert infos.name({"id": ID}) == ID
    assert infos.part_name({"id": "../../x", "format_id": "a/b"}) == "youtube--x-a-b-0-0"


def test_what_another_format_or_length_brings_is_another_file() -> None:
    names = [
        infos.part_name({**LICENCE_OF_VIDEO, **more}) for more in ({}, {"format_id": "137"}, {"filesize": 9})
    ]
    assert len(set(names)) == 3


def entry(video_id: str, **more: object) -> dict[str, object]:
    url = f"{SITE}/watch?v={video_id}"
    return {
        "_type": "url",
        "ie_key": "Youtube",
        "id": video_id,
        "url": url,
        "title": "t",
        "duration": 9,
        **more,
    }


def test_the_videos_of_a_list_with_what_the_list_says_against_one() -> None:
    info = {
        "_type": "playlist",
        "entries": [
            entry("aaaaaaaaaaa"),
            entry("bbbbbbbbbbb", title="[Private video]"),
            entry("ccccccccccc", title="[Deleted video]"),
            entry("ddddddddddd", live_status="is_upcoming"),
            entry("eeeeeeeeeee", live_status="was_live"),
            entry("fffffffffff", duration=3601.0),
            entry("ggggggggggg", duration=None),
            None,
            {"_type": "url", "ie_key": "YoutubeTab", "url": f"{SITE}/@ada/shorts", "title": "Shorts"},
        ],
    }
    assert infos.is_list(info)
    assert list(infos.offers(info, Wanted(most_s=3600))) == [
        Offer("aaaaaaaaaaa"),
        Offer("bbbbbbbbbbb", "It is private."),
        Offer("ccccccccccc", "It is gone: removed, or its account closed."),
        Offer("ddddddddddd", reasons.LIVE),
        Offer("eeeeeeeeeee"),
        Offer("fffffffffff", "It lasts 61 minutes; 60 are allowed (YOUTUBE_MAX_DURATION_S)."),
        Offer("ggggggggggg"),
    ]
    assert list(infos.lists_in(info)) == [f"{SITE}/@ada/shorts"]


def test_an_empty_list_offers_nothing() -> None:
    assert list(infos.offers({"_type": "playlist", "entries": None}, Wanted())) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, ""),
        ({"is_live": True}, "live stream"),
        ({"live_status": "post_live"}, "live stream"),
        ({"duration": 7200}, "120 minutes"),
        ({"filesize": 2_000_000}, "2,000,000 bytes; 1,999,999 are allowed"),
        ({"filesize": None, "filesize_approx": 2_000_000.5}, "MAX_MEDIA_BYTES"),
    ],
)
def test_what_is_not_fetched_is_known_before(more: dict[str, object], said: str) -> None:
    reason = infos.why_not({**LICENCE_OF_VIDEO, **more}, Wanted(most_s=3600, most_bytes=1_999_999))
    assert said in reason
    assert bool(reason) == bool(said)


def test_openly_licensed_is_what_youtube_calls_creative_commons() -> None:
    wanted = {"basis": "open"}
    assert infos.not_open(wanted, COMMONS) == ""
    assert "Standard YouTube License" in infos.not_open(wanted, "")
    assert "“CC BY 4.0”" in infos.not_open(wanted, "CC BY 4.0")
    for basis in ("own", "licensed"):
        assert infos.not_open({"basis": basis}, "") == ""


# ---- errors --------------------------------------------------------------------------------------------------
# As YouTube words them and yt-dlp (2026.10.26: extractor/youtube/_video.py, _tab.py, common.py, YoutubeDL.py) passes
# them on.
HINT = (
    "Use --cookies-from-browser or --cookies for the authentication. See  https://github.com/yt-dlp/yt-dlp/wiki/FAQ  "
    "for how to manually pass cookies. Also see  https://github.com/yt-dlp/yt-dlp/wiki/Extractors  for tips on "
    "effectively exporting YouTube cookies"
)
REPORT = (
    "; please report this issue on  https://github.com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate issue "
    "template. Confirm you are on the latest version using  yt-dlp -U"
)


@pytest.mark.parametrize(
    ("message", "begin"),
    [
        (f"Private video. Sign in if you've been granted access to this video. {HINT}", "It is private."),
        ("Video unavailable. This video is private", "It is private."),
        ("Video unavailable", "It is gone"),
        ("Video unavailable. This video has been removed by the uploader", "It is gone"),
        ("This video has been removed for violating YouTube's policy on hate speech.", "It is gone"),
        (
            "Video unavailable. This video is no longer available because the YouTube account associated with this "
            "video has been terminated.",
            "It is gone",
        ),
        ("This video isn't available anymore", "It is gone"),
        (
            f"Sign in to confirm your age. This video may be inappropriate for some users. {HINT}",
            "YouTube shows it only to people whose age",
        ),
        (f"Sign in to confirm you’re not a bot. {HINT}", "YouTube asks who we are"),
        (f"Sign in to confirm you're not a bot. {HINT}", "YouTube asks who we are"),
        ("Please stand by. YouTube is requiring a captcha challenge before playback", "YouTube asks who we are"),
        (f"Login details are needed to download this content. {HINT}", "YouTube asks who we are"),
        (f"This video is only available for registered users. {HINT}", "YouTube asks who we are"),
        (
            "This content isn't available, try again later. The current session has been rate-limited by YouTube for "
            "up to an hour. It is recommended to use `-t sleep` to add a delay between video requests",
            "YouTube asks for fewer requests",
        ),
        (
            "Unable to download API page: HTTP Error 429: Too Many Requests (caused by <HTTPError 429: Too Many "
            "Requests>)",
            "YouTube asks for fewer requests",
        ),
        (
            "Join this channel to get access to members-only content like this video, and other exclusive perks.",
            "It is for members",
        ),
        (
            "This video is available to this channel's members on level: Really Dig It! (or any higher level). Join "
            "this channel to get access to members-only content and other exclusive perks.",
            "It is for members",
        ),
        ("This video requires payment to watch.", "It is for members"),
        (
            "The uploader has not made this video available in your country\nThis video is available in Viet Nam.\n"
            "You might want to use a VPN or a proxy server (with --proxy) to workaround.",
            "YouTube does not show it in the country",
        ),
        (
            "Video unavailable. This video contains content from X, who has blocked it in your country on copyright "
            "grounds",
            "YouTube does not show it in the country",
        ),
        (
            "This video is not available from your location due to geo restriction",
            "YouTube does not show it in the country",
        ),
        ("This live event will begin in 3 hours.", "It is a live stream"),
        ("Premieres in 27 minutes", "It is a live stream"),
        ("This live stream recording is not available.", "It is a live stream"),
        ("This video is DRM protected", "It is protected against copying"),
        (
            "Requested format is not available. Use --list-formats for a list of available formats",
            "YouTube offers it in no format",
        ),
        ("No video formats found!" + REPORT, "YouTube offers it in no format"),
        ("YouTube said: The playlist does not exist.", "There is no such playlist"),
        ("Failed to resolve url (does the playlist exist?)", "There is no such playlist"),
        (
            "The channel/playlist does not exist and the URL redirected to youtube.com home page",
            "There is no such playlist",
        ),
        ("This channel does not have a shorts tab", "This channel has no videos in that tab"),
        ("Unable to recognize tab page" + REPORT, "YouTube’s page could not be understood"),
        ("Failed to extract any player response" + REPORT, "YouTube’s page could not be understood"),
        (
            "unable to download video data: HTTP Error 403: Forbidden",
            "YouTube does not hand out its file (status 403)",
        ),
        (
            "Unable to download API page: <urlopen error [Errno 111] Connection refused> (caused by "
            "TransportError('<urlopen error [Errno 111] Connection refused>'))",
            "The connection to YouTube failed",
        ),
        ("1048576 bytes read, 222 more expected", "The connection to YouTube failed"),
        ("Something nobody has seen yet", "YouTube says: Something nobody has seen yet"),
    ],
)  # fmt: skip
def test_an_error_becomes_a_reason(message: str, begin: str) -> None:
    for shown in (message, f"ERROR: [youtube] {ID}: {message}"):
        assert reasons.of(shown).text.startswith(begin)


def test_only_what_is_about_us_counts_as_being_turned_away() -> None:
    assert reasons.of("Sign in to confirm you’re not a bot.").turned_away
    assert reasons.of("HTTP Error 429: Too Many Requests").turned_away
    for message in ("Video unavailable", "Sign in to confirm your age", "HTTP Error 403: Forbidden"):
        assert not reasons.of(message).turned_away


def test_an_unknown_error_is_shown_at_bounded_length_without_advice_for_a_command_line() -> None:
    assert reasons.of(f"Members vote on it. {HINT}").text == "YouTube says: Members vote on it"
    long = reasons.of("x" * 5000).text
    assert len(long) < 400
    assert long.endswith("…")


# ---- cookies -------------------------------------------------------------------------------------------------
LINE = ".youtube.com\tTRUE\t/\tTRUE\t2147483647\tSID\tsecret-value"


def test_of_a_file_of_cookies_only_youtubes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "cookies.txt"
    other = LINE.replace(".youtube.com", ".bank.test")
    path.write_text(f"# Netscape HTTP Cookie File\n\n{other}\n{LINE}\n#HttpOnly_{LINE}\n")
    text = cookies.read(path)
    assert text.splitlines()[1:] == [LINE, f"#HttpOnly_{LINE}"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f'[{{"name": "SID", "value": "secret-value"}}]\n{LINE}', "line 1 has not seven columns"),
        (LINE + "\n" + LINE.replace("\t", " "), "line 2 has not seven columns"),
        (LINE.replace(".youtube.com", "evilyoutube.com"), "holds no cookie of YouTube"),
        ("", "holds no cookie of YouTube"),
        ("x" * 1_100_000, "longer than 1048576 bytes"),
    ],
)
def test_what_is_no_file_of_cookies_is_refused_without_showing_any_of_it(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "cookies.txt"
    path.write_text(content)
    with pytest.raises(CannotRead) as refusal:
        cookies.read(path)
    assert said in str(refusal.value).replace(",", "")
    assert "secret" not in str(refusal.value)


def test_a_file_of_cookies_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotRead, match=r"nothing\.txt"):
        cookies.read(tmp_path / "nothing.txt")
