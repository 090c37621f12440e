"""Frames are chosen by the time at which they are shown."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from labeling.vision import video
from tests.labeling.sources.hostile.images import blank_jpeg
from tests.labeling.sources.hostile.videos import JPEG, film_of, matroska
from tests.labeling.vision.films import number_in, numbered, turn, write_film, write_sound

RATES = [Fraction(10), Fraction(24), Fraction(25), Fraction(30_000, 1001), Fraction(30), Fraction(60)]


def by_definition(rate: Fraction, count: int) -> list[int]:
    """For k = 0, 1, 2 …: the first frame shown at or after k × 0.2 s."""
    times = [n / rate for n in range(count)]
    picked: list[int] = []
    k = 0
    while after := [n for n, at in enumerate(times) if at >= Fraction(k, 5)]:
        if after[0] not in picked:
            picked.append(after[0])
        k += 1
    return picked


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.avi"])
@pytest.mark.parametrize("rate", RATES, ids=lambda rate: f"{float(rate):.2f}")
def test_five_frames_a_second_are_the_ones_by_their_time(tmp_path: Path, rate: Fraction, name: str) -> None:
    count = int(rate * 3)
    path = write_film(tmp_path / name, rate=rate, count=count)
    frames = list(video.frames(path))
    assert [number_in(frame.image) for frame in frames] == by_definition(rate, count)
    assert [frame.index for frame in frames] == by_definition(rate, count)
    assert all(abs(frame.time_ms - 1000 * frame.index / rate) <= 1 for frame in frames)


def test_at_30_frames_a_second_it_is_every_sixth(tmp_path: Path) -> None:
    path = write_film(tmp_path / "film.mp4", rate=30, count=61)
    frames = list(video.frames(path))
    assert [frame.index for frame in frames] == [*range(0, 61, 6)]
    assert [frame.time_ms for frame in frames] == [*range(0, 2001, 200)]


def test_at_a_changing_rate_a_frame_is_given_once(tmp_path: Path) -> None:
    times = [0, 30, 190, 210, 900, 950, 1000, 1001, 1500]
    path = write_film(tmp_path / "film.mkv", rate=30, count=len(times), times=times)
    assert [frame.time_ms for frame in video.frames(path)] == [0, 210, 900, 1000, 1500]


@pytest.mark.parametrize(
    ("per_second", "indices"), [(1.0, [0, 10, 20]), (2.5, [0, 4, 8, 12, 16, 20, 24, 28])]
)
def test_other_rates_can_be_asked_for(tmp_path: Path, per_second: float, indices: list[int]) -> None:
    path = write_film(tmp_path / "film.avi", rate=10, count=30)
    assert [frame.index for frame in video.frames(path, per_second)] == indices


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_the_rotation_flag_is_honoured(tmp_path: Path, degrees: int) -> None:
    path = turn(write_film(tmp_path / "film.mp4", rate=10, count=2), degrees)
    upright = np.rot90(numbered(0), -degrees // 90)
    (frame,) = video.frames(path)
    assert frame.image.shape == upright.shape
    assert np.abs(frame.image.astype(int) - upright).mean() < 12
    told = video.probe(path)
    assert (told.height, told.width) == upright.shape[:2]


def test_a_video_says_what_it_is(tmp_path: Path) -> None:
    told = video.probe(write_film(tmp_path / "film.mp4", rate=Fraction(30_000, 1001), count=60))
    assert (told.width, told.height, told.mime, told.extension) == (160, 96, "video/mp4", "mp4")
    assert (told.duration_ms, round(told.fps, 2)) == (2002, 29.97)


def test_a_broken_tail_ends_the_frames_with_a_note(tmp_path: Path) -> None:
    whole = write_film(tmp_path / "whole.avi", rate=25, count=100, codec="mjpeg").read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole[: len(whole) // 2])
    reading = video.frames(cut)
    numbers = [number_in(frame.image) for frame in reading]
    assert numbers == [*range(0, 100, 5)][: len(numbers)]
    assert 5 <= len(numbers) <= 12
    assert "its pictures end at" in reading.problem


def test_a_whole_video_has_no_problem(tmp_path: Path) -> None:
    reading = video.frames(write_film(tmp_path / "film.mp4", rate=25, count=50))
    assert len(list(reading)) == 10
    assert (reading.problem, reading.decoded) == ("", 50)


def test_damage_in_the_middle_does_not_end_the_video(tmp_path: Path) -> None:
    path = write_film(tmp_path / "film.avi", rate=25, count=100, codec="mjpeg")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    assert [frame.index for frame in video.frames(path)][-1] >= 90


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "text"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "text"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00" + bytes(200), "damaged"),
        (b"\x1aE\xdf\xa3" + bytes(200), "damaged"),
        (b"\x89PNG\r\n\x1a\n", "image, not a video"),
    ],
)
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "film.mp4").write_bytes(content)
    with pytest.raises(video.BadVideo, match=said):
        video.frames(tmp_path / "film.mp4")


def test_a_file_with_sound_only_has_no_video_stream(tmp_path: Path) -> None:
    with pytest.raises(video.BadVideo, match="no video stream in this file; it holds only sound"):
        video.probe(write_sound(tmp_path / "talk.mp4"))


def test_a_video_of_huge_frames_is_refused_undecoded(tmp_path: Path) -> None:
    path = write_film(tmp_path / "film.mp4", rate=10, count=3)
    with pytest.raises(video.BadVideo, match="160 × 96 pixels, more than the 1,000 allowed"):
        video.probe(path, max_pixels=1000)


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.avi"])
def test_a_moment_of_a_video_is_the_frame_found_there(tmp_path: Path, name: str) -> None:
    path = write_film(tmp_path / name, rate=Fraction(30_000, 1001), count=120)
    for frame in video.frames(path, 2.0):
        assert number_in(video.frame_at(path, frame.time_ms)) == frame.index
    assert number_in(video.frame_at(path, 99_000)) == 119


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.avi"])
def test_a_film_is_stepped_through_frame_by_frame(tmp_path: Path, name: str) -> None:
    path = write_film(tmp_path / name, rate=Fraction(30_000, 1001), count=120)
    times = [frame.time_ms for frame in video.frames(path, 1000)]
    assert len(times) == 120
    for number in (0, 1, 2, 11, 12, 13, 60, 118, 119):
        at = times[number]
        assert video.moment(path, at) == at
        assert video.moment(path, at, step=-1) == times[max(0, number - 1)]
        assert video.moment(path, at, step=1) == times[min(119, number + 1)]
        assert video.index_at(path, at) == number
    # Between two frames the later one is shown; behind the end the last.
    assert [video.moment(path, times[5] + 1, step=step) for step in (-1, 0, 1)] == times[5:8]
    assert [video.moment(path, 10**9, step=step) for step in (-1, 0, 1)] == [
        times[118],
        times[119],
        times[119],
    ]


def test_a_film_of_long_pauses_is_stepped_through_too(tmp_path: Path) -> None:
    times = [0, 4_000, 44_000, 44_040, 300_000]
    path = write_film(tmp_path / "film.mkv", rate=25, count=5, times=times)
    assert [video.moment(path, at) for at in times] == times
    assert [video.moment(path, at, step=1) for at in times] == [*times[1:], 300_000]
    assert [video.moment(path, at, step=-1) for at in times] == [0, *times[:-1]]


def test_a_film_of_one_frame_has_one_moment(tmp_path: Path) -> None:
    path = write_film(tmp_path / "film.mp4", rate=25, count=1)
    assert [video.moment(path, at, step=step) for at in (0, 999) for step in (-1, 0, 1)] == [0] * 6


def test_what_is_too_far_from_a_key_frame_is_not_sought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_film(tmp_path / "film.mp4", rate=25, count=100)
    monkeypatch.setattr(video, "MOST_SOUGHT", 5)
    with pytest.raises(video.BadVideo, match="More than 5 frames"):
        video.moment(path, 3_900)
    with pytest.raises(video.BadVideo, match="More than 5 frames"):
        video.frame_at(path, 3_900, most=5)
    assert video.moment(path, 80) == 80


def test_what_is_no_film_has_no_moments(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"no film")
    with pytest.raises(video.BadVideo):
        video.moment(path, 0)


@pytest.mark.parametrize(
    ("packets", "times", "said", "looked_at"),
    [
        ([JPEG] * 12_000, [0] * 12_000, "more than 1,000 frames a second; the rest was not looked at", 1),
        ([JPEG, *[b"xyz"] * 12_000], None, "given up after 10,000 packets in a row without a picture", 1),
        ([JPEG, blank_jpeg(6100), JPEG, JPEG], None, "1 damaged places were left out", 2),
    ],
    ids=["all in one moment", "nothing to decode", "a frame that is too large"],
)
def test_what_a_film_cannot_be_read_for_is_told(
    tmp_path: Path, packets: list[bytes], times: list[int] | None, said: str, looked_at: int
) -> None:
    (tmp_path / "film.mkv").write_bytes(film_of(packets, times=times))
    reading = video.frames(tmp_path / "film.mkv")
    assert len(list(reading)) == looked_at
    assert said in reading.problem


@pytest.mark.parametrize("seconds", [-5.0, 1e300, float("nan"), float("inf")])
def test_a_length_that_cannot_be_is_none(tmp_path: Path, seconds: float) -> None:
    (tmp_path / "film.mkv").write_bytes(matroska(duration=seconds))
    assert video.probe(tmp_path / "film.mkv").duration_ms == 0
