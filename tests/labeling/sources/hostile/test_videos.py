"""Hostile videos: what is each, and what is said of it."""

import struct
from pathlib import Path

import pytest

from tests.labeling.sources.hostile import videos as made
from tests.labeling.sources.hostile.images import blank_jpeg, fixed, gif, lying_jpeg
from tests.labeling.sources.hostile.rows import TAKEN, Cells, Row, file_row
from tests.labeling.sources.hostile.videos import (
    EBML,
    JPEG,
    MJPEG,
    edit_list,
    element,
    film,
    film_of,
    matroska,
    movie,
    patched,
)

pytestmark = pytest.mark.once

DAMAGED = "The video is damaged or cut short"
NO_PICTURE = "The video holds no picture that can be decoded"
NOT_SHOWN = "There is no video stream in this file"
TEXT = "The content is text, not an image or a video"
SAID = "what it says of its length is not believed"
SIZED = "the picture's own size counts"
LOST = "what is there is searched; the search says that the tail is lost"
OURS = "only the file itself is opened"
JUNK = [b"xyz"] * 100_000

VIDEOS: list[Row] = [
    # cut and lying
    file_row("MP4 cut in the middle, its moov at the end", "a.mp4", lambda _: film()[:1031], DAMAGED),
    file_row("MP4 cut in the middle, its moov in front", "a.mp4", lambda _: film(count=200, movflags="faststart")[:-8000],
             TAKEN, LOST),
    file_row("MP4 of a type and nothing else", "a.mp4", lambda _: film()[:30], DAMAGED),
    file_row("lasts 2⁶³-1 units", "a.mp4", fixed(movie(duration=2**63 - 1)), TAKEN, SAID),
    file_row("lasts -1", "a.mp4", fixed(movie(duration=2**64 - 1)), TAKEN, SAID),
    file_row("lasts 10³⁰⁰ s", "a.mkv", fixed(matroska(duration=1e300)), TAKEN, SAID),
    file_row("lasts minus 5 ms", "a.mkv", fixed(matroska(duration=-5.0)), TAKEN, SAID),
    file_row("lasts no number of seconds", "a.mkv", fixed(matroska(duration=float("nan"))), TAKEN, SAID),
    file_row("units of no length", "a.mp4", fixed(movie(scale=0)), TAKEN, SAID),
    file_row("frames of no length", "a.mp4", fixed(movie(times=((1, 0),))), TAKEN, "there is one picture"),
    file_row("2 billion frames a second", "a.mp4", fixed(movie(scale=2**31 - 1, times=((1, 1),))), TAKEN, "there is one picture"),
    file_row("a frame after 35 years", "a.mkv", fixed(film_of([JPEG] * 3, times=[0, 100, 2**40])), TAKEN,
             "frames are counted, not the time between"),
    file_row("20,000 frames in one moment", "a.mkv", lambda _: film_of([JPEG] * 20_000, times=[0] * 20_000), TAKEN,
             "no more than 1,000 a second are looked at"),
    # size
    file_row("MP4 that says 65,535 × 65,535 and shows 64 × 48", "a.mp4", fixed(movie(size=(65_535, 65_535))), TAKEN, SIZED),
    file_row("Matroska that says 2³¹ × 2³¹ and shows 64 × 48", "a.mkv", fixed(matroska(size=(2**31, 2**31))), TAKEN, SIZED),
    file_row("frames of 16,384 × 16,384, cut", "a.mkv", fixed(film_of([lying_jpeg(16_384, 16_384)])), NO_PICTURE),
    file_row("frames of 7,000 × 7,000, whole", "a.mkv", lambda _: film_of([blank_jpeg(7000)] * 3), "more than the 36,000,000 allowed"),
    file_row("the fourth frame is 7,000 × 7,000", "a.mkv", lambda _: film_of([JPEG] * 3 + [blank_jpeg(7000)] * 20), TAKEN,
             "later frames over the limit are left out, and the search says so"),
    file_row("AVI that says 16,384 × 16,384", "a.avi", lambda _: patched(film("avi", MJPEG), b"strf", 12, struct.pack("<ii", 16_384, 16_384)),
             TAKEN, SIZED),
    # tables that lie
    file_row("2³² - 1 samples of one byte", "a.mp4", fixed(movie(samples=2**32 - 1, sample_size=1, chunks=((1, 2**32 - 1, 1),))), NO_PICTURE),
    file_row("170 million samples of one byte", "a.mp4",
             fixed(movie(samples=170_000_000, sample_size=1, chunks=((1, 170_000_000, 1),), times=((170_000_000, 1),))), NO_PICTURE),
    file_row("2³² - 1 samples without a table", "a.mp4", fixed(movie(samples=2**32 - 1, sample_size=0)), DAMAGED),
    file_row("100,000 chunks of 2³² - 1 samples", "a.mp4", fixed(movie(chunks=((1, 2**32 - 1, 1),) * 100_000)), DAMAGED),
    file_row("100,000 times of 2³² - 1 frames", "a.mp4", fixed(movie(times=((2**32 - 1, 1),) * 100_000)), TAKEN, "there is one picture"),
    file_row("edit list that begins after 146 million years", "a.mp4", fixed(movie(edits=edit_list((2**62, -1, 0x10000)))), NO_PICTURE),
    file_row("edit list that begins before the film", "a.mp4", fixed(movie(edits=edit_list((1000, -5, 0x10000)))), TAKEN, "there is one picture"),
    file_row("edit list that stands still", "a.mp4", fixed(movie(edits=edit_list((1000, 0, 0)))), TAKEN, "there is one picture"),
    file_row("edit list of 5,000 repetitions", "a.mp4", fixed(movie(edits=edit_list(*[(1, 0, 0x10000)] * 5000))), TAKEN,
             "each is a frame of its own time, at most 1,000 a second"),
    file_row("turned by a matrix of -2³¹", "a.mp4", fixed(movie(matrix=struct.pack(">9i", *[-(2**31)] * 9))), TAKEN, "turned by quarters only"),
    file_row("turned by a matrix of zeros", "a.mp4", fixed(movie(matrix=bytes(36))), TAKEN, "turned by quarters only"),
    file_row("1,001 tracks", "a.mp4", fixed(movie(tracks=1001)), DAMAGED),
    file_row("moov in moov in moov, 100,000 deep", "a.mp4", fixed(made.nested(100_000)), DAMAGED),
    file_row("Matroska whose index leads back to itself", "a.mkv", fixed(matroska(before=made.SEEK_HEAD_TO_ITSELF * 1000)), TAKEN, "read from front to back"),
    file_row("Matroska segment of 2⁵⁵ bytes, empty", "a.mkv", fixed(EBML + element(0x18538067, b"", 2**55)), DAMAGED),
    file_row("Matroska of a million voids", "a.mkv", lambda _: EBML + element(0x18538067, element(0xEC, b"") * 1_000_000), DAMAGED),
    file_row("AVI whose chunk has 4 GB", "a.avi", lambda _: patched(film("avi", MJPEG), b"00dc", 4, b"\xff\xff\xff\xff"), TAKEN, "found again by its index"),
    file_row("AVI of no rate", "a.avi", lambda _: patched(film("avi", MJPEG), b"strh", 28, bytes(8)), TAKEN, SAID),
    # many packets
    file_row("100,000 empty packets", "a.mkv", lambda _: matroska(blocks=[b""] * 100_000), NO_PICTURE),
    file_row("100,000 packets of nothing that decodes", "a.mkv", lambda _: matroska(blocks=JUNK), NO_PICTURE),
    file_row("a picture, and 100,000 packets of nothing", "a.mkv", lambda _: matroska(blocks=[JPEG, *JUNK]), TAKEN,
             "given up after 10,000 in a row, and the search says so"),
    file_row("100,000 packets of no programme", "a.ts", lambda _: made.transport(100_000), DAMAGED),
    file_row("100,000 packets of an unknown programme", "a.ts", lambda _: made.transport(100_000, 0x4100), DAMAGED),
    file_row("MPEG-2 of 100,000 headers", "a.m2v", lambda _: made.HEADER_ONLY * 100_000, NO_PICTURE),
    file_row("MPEG-2 header and 10 MB of zeros", "a.m2v", lambda _: b"\x00\x00\x01\xb3" + bytes(10_000_000), NO_PICTURE),
    # codecs
    file_row("a codec nobody knows", "a.mp4", fixed(movie(codec=b"\x00\x00\x00\x01")), "cannot be decoded here"),
    file_row("encrypted (cenc)", "a.mp4", fixed(movie(codec=b"encv")), "cannot be decoded here"),
    file_row("H.264 that is none", "a.mp4", fixed(movie(codec=b"avc1")), NO_PICTURE),
    file_row("Ogg of zeros", "a.ogv", fixed(b"OggS" + bytes(500)), DAMAGED),
    file_row("WMV of zeros", "a.wmv", fixed(b"0&\xb2u\x8ef\xcf\x11" + bytes(500)), DAMAGED),
    file_row("GIF called .mp4", "a.mp4", fixed(gif((1, 1), [(1, 1)])), TAKEN, "it is a picture, and taken as one"),
    # what would make FFmpeg open something else
    file_row("HLS playlist of a file and an address, called .mp4", "a.mp4", made.hls, TEXT),
    file_row("HLS playlist in the subtitles of an AVI (GAB2)", "a.avi", made.subtitled_playlist, TAKEN, OURS),
    file_row("ffconcat script, called .mp4", "a.mp4", made.concat, TEXT),
    file_row("DASH manifest, called .mp4", "a.mp4", made.dash, TEXT),
    file_row("SDP, called .mp4", "a.mp4", made.sdp, TEXT),
    file_row("ASX playlist, called .wmv", "a.wmv", made.asx, TEXT),
    file_row("QuickTime whose pictures lie in another file", "a.mov", made.elsewhere, NO_PICTURE),
    file_row("QuickTime that refers to other movies", "a.mov", made.referring, NOT_SHOWN),
]  # fmt: skip


@pytest.mark.parametrize("row", VIDEOS, ids=lambda row: row.what)
def test_hostile_video(row: Row, cells: Cells, tmp_path: Path) -> None:
    cells.hold(row, tmp_path)
