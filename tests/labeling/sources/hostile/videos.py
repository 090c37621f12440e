"""Makers of hostile videos: small real films, taken apart and put together wrongly."""

import io
import struct
import tempfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

from tests.labeling.sources.hostile.images import saved
from tests.labeling.sources.hostile.rows import Bait

Make = Callable[[Bait], bytes]
SIZE = (64, 48)


@cache
def film(kind: str = "mp4", codec: str = "mpeg4", count: int = 20, **options: str) -> bytes:
    with tempfile.NamedTemporaryFile() as file:
        _write_film(file.name, kind, codec, count, options)
        return Path(file.name).read_bytes()


def _write_film(name: str, kind: str, codec: str, count: int, options: dict[str, str]) -> None:
    with av.open(name, "w", format=kind, options=options) as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for n in range(count):
            pixels = np.full((SIZE[1], SIZE[0], 3), 10 * n % 255, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def film_of(pictures: Sequence[bytes], kind: str = "matroska", times: Sequence[int] | None = None) -> bytes:
    """A film whose packets are these JPEGs, or what calls itself one. times: in milliseconds."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind) as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p"
        stream.time_base = Fraction(1, 1000)
        for n, picture in enumerate(pictures):
            packet = av.Packet(picture)
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = 100 * n if times is None else times[n]
            packet.is_keyframe = True
            container.mux(packet)
    return buffer.getvalue()


JPEG = saved("JPEG", SIZE)
MJPEG = "mjpeg"


# ---- MP4 -----------------------------------------------------------------------------------------------------
def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


FTYP = box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2mp41")
_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def movie(
    *,
    duration: int = 1000,
    scale: int = 1000,
    size: tuple[int, int] = SIZE,
    codec: bytes = b"jpeg",
    picture: bytes = JPEG,
    samples: int = 1,
    sample_size: int | None = None,
    times: Sequence[tuple[int, int]] = ((1, 1000),),
    chunks: Sequence[tuple[int, int, int]] = ((1, 1, 1),),
    edits: bytes = b"",
    matrix: bytes = _MATRIX,
    where: bytes = full(b"url ", flags=1),
    tracks: int = 1,
    extra: bytes = b"",
) -> bytes:
    """A movie of one picture, its tables saying what they like. extra: boxes at the end of its moov."""
    at = len(FTYP) + 8
    entry = box(
        codec, bytes(6), struct.pack(">H", 1), bytes(16), struct.pack(">HH", *size),
        struct.pack(">II", 72 << 16, 72 << 16), bytes(4), struct.pack(">H", 1), bytes(32), struct.pack(">Hh", 24, -1),
    )  # fmt: skip
    stbl = box(
        b"stbl",
        full(b"stsd", struct.pack(">I", 1), entry),
        full(b"stts", struct.pack(">I", len(times)), *(struct.pack(">II", *row) for row in times)),
        full(b"stsc", struct.pack(">I", len(chunks)), *(struct.pack(">III", *row) for row in chunks)),
        full(b"stsz", struct.pack(">II", len(picture) if sample_size is None else sample_size, samples)),
        full(b"stco", struct.pack(">II", 1, at)),
    )
    minf = box(b"minf", full(b"vmhd", bytes(8), flags=1),
               box(b"dinf", full(b"dref", struct.pack(">I", 1), where)), stbl)  # fmt: skip
    mdhd = full(
        b"mdhd", struct.pack(">QQIQ", 0, 0, scale, duration), struct.pack(">HH", 0x55C4, 0), version=1
    )
    hdlr = full(b"hdlr", bytes(4), b"vide", bytes(12), b"v\x00")
    tkhd = full(
        b"tkhd", struct.pack(">QQIIQ", 0, 0, 1, 0, duration), bytes(8), struct.pack(">HHHH", 0, 0, 0, 0), matrix,
        struct.pack(">II", size[0] << 16, size[1] << 16), version=1, flags=3,
    )  # fmt: skip
    trak = box(b"trak", tkhd, edits, box(b"mdia", mdhd, hdlr, minf))
    mvhd = full(b"mvhd", struct.pack(">QQIQ", 0, 0, scale, duration), struct.pack(">IH", 0x10000, 0x100), bytes(10),
                _MATRIX, bytes(24), struct.pack(">I", 2), version=1)  # fmt: skip
    return FTYP + box(b"mdat", picture) + box(b"moov", mvhd, trak * tracks, extra)


def edit_list(*entries: tuple[int, int, int]) -> bytes:
    """(duration, media time, rate) each."""
    rows = [struct.pack(">QqI", *entry) for entry in entries]
    return box(b"edts", full(b"elst", struct.pack(">I", len(rows)), *rows, version=1))


def elsewhere(bait: Bait) -> bytes:
    """A movie whose pictures lie in another file, says its data reference."""
    path = str(bait.file).encode()
    alias = (
        b"\x00" * 4
        + struct.pack(">HH", 150 + len(path), 2)
        + bytes(142)
        + struct.pack(">HH", 2, len(path))
        + path
    )
    return movie(where=full(b"alis", alias))


def referring(bait: Bait) -> bytes:
    """A movie that is a reference to others."""
    urls = [f"file://{bait.file}".encode(), f"{bait.url}/movie.mov".encode()]
    refs = [
        box(b"rmda", full(b"rdrf", b"url ", struct.pack(">I", len(url) + 1), url, b"\x00")) for url in urls
    ]
    return box(b"ftyp", b"qt  ", bytes(4), b"qt  ") + box(b"moov", box(b"rmra", *refs))


def nested(depth: int) -> bytes:
    """Each box holds all that come after it."""
    return FTYP + b"".join(struct.pack(">I4s", 8 * (depth - n), b"moov") for n in range(depth))


# ---- Matroska ------------------------------------------------------------------------------------------------
def element(number: int, body: bytes, size: int | None = None) -> bytes:
    head = number.to_bytes((number.bit_length() + 7) // 8, "big")
    length = len(body) if size is None else size
    return head + (length | 1 << 56).to_bytes(8, "big") + body


EBML = element(0x1A45DFA3, element(0x4282, b"matroska"))


def matroska(*, duration: float = 1000.0, size: tuple[int, int] = SIZE, blocks: Sequence[bytes] = (JPEG,),
             default_ns: int = 100_000_000, before: bytes = b"", step: int = 1, tracks: int = 1) -> bytes:  # fmt: skip
    info = element(
        0x1549A966,
        element(0x2AD7B1, struct.pack(">I", 1_000_000)) + element(0x4489, struct.pack(">d", duration)),
    )
    track = b"".join(
        element(
            0xAE,
            element(0xD7, struct.pack(">H", n + 1)) + element(0x73C5, struct.pack(">H", n + 1)) + element(0x83, b"\x01")
            + element(0x86, b"V_MJPEG") + element(0x23E383, struct.pack(">Q", default_ns))
            + element(0xE0, element(0xB0, struct.pack(">I", size[0])) + element(0xBA, struct.pack(">I", size[1]))),
        )
        for n in range(tracks)
    )  # fmt: skip
    return EBML + element(0x18538067, before + info + element(0x1654AE6B, track) + _clusters(blocks, step))


def _clusters(blocks: Sequence[bytes], step: int) -> bytes:
    parts = []
    for start in range(0, len(blocks), 1000):
        inner = element(0xE7, struct.pack(">Q", start * step))
        for n, block in enumerate(blocks[start : start + 1000]):
            inner += element(0xA3, b"\x81" + struct.pack(">h", n * step % 32_000) + b"\x80" + block)
        parts.append(element(0x1F43B675, inner))
    return b"".join(parts)


SEEK_HEAD_TO_ITSELF = element(
    0x114D9B74, element(0x4DBB, element(0x53AB, b"\x11\x4d\x9b\x74") + element(0x53AC, bytes(8)))
)


# ---- AVI -----------------------------------------------------------------------------------------------------
def with_subtitles(text: bytes) -> bytes:
    """An AVI with a stream of subtitles of the kind XSUB/GAB2, whose text is a playlist."""
    gab2 = b"GAB2\x00" + struct.pack("<HI", 2, 0) + struct.pack("<HI", 4, len(text)) + text
    strh = b"txts" + bytes(16) + struct.pack("<IIIIIiI", 1, 1, 0, 1, len(gab2), -1, 0) + bytes(8)
    strl = _list(b"strl", _part(b"strh", strh) + _part(b"strf", b""))
    data = film("avi", MJPEG)
    header_size = struct.unpack_from("<I", data, 16)[0]
    end = 20 + header_size
    moved = bytearray(data[:end] + strl + data[end:])
    struct.pack_into("<I", moved, 16, header_size + len(strl))
    streams = data.index(b"avih") + 8 + 24
    struct.pack_into("<I", moved, streams, 2)
    movi = bytes(moved).index(b"movi")
    packet = _part(b"01tx", gab2)
    moved[movi + 4 : movi + 4] = packet
    struct.pack_into("<I", moved, movi - 4, struct.unpack_from("<I", moved, movi - 4)[0] + len(packet))
    struct.pack_into("<I", moved, 4, len(moved) - 8)
    return bytes(moved)


def _part(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) & 1)


def _list(kind: bytes, body: bytes) -> bytes:
    return _part(b"LIST", kind + body)


def patched(data: bytes, mark: bytes, offset: int, value: bytes) -> bytes:
    at = data.index(mark) + offset
    return data[:at] + value + data[at + len(value) :]


# ---- playlists -----------------------------------------------------------------------------------------------
def hls(bait: Bait) -> bytes:
    return (
        "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\n"
        f"concat:{bait.url}/header.m3u8|file://{bait.file}\n#EXTINF:10.0,\n{bait.url}/part.ts\n#EXT-X-ENDLIST\n"
    ).encode()


def concat(bait: Bait) -> bytes:
    return f"ffconcat version 1.0\nfile 'file://{bait.file}'\nfile '{bait.url}/a.mp4'\n".encode()


def dash(bait: Bait) -> bytes:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
        f'<Representation id="1"><BaseURL>{bait.url}/dash.mp4</BaseURL></Representation>'
        f"<Representation id='2'><BaseURL>file://{bait.file}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    ).encode()


def sdp(bait: Bait) -> bytes:
    return b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"


def asx(bait: Bait) -> bytes:
    return f'<asx version="3.0"><entry><ref href="{bait.url}/asx.wmv"/></entry></asx>'.encode()


def subtitled_playlist(bait: Bait) -> bytes:
    return with_subtitles(hls(bait))


def transport(packets: int, kind: int = 0x1FFF) -> bytes:
    """MPEG-TS packets of no programme."""
    head = b"G" + struct.pack(">H", kind) + b"\x10"
    return (head + b"\xff" * 184) * packets


HEADER_ONLY = b"\x00\x00\x01\xb3\xff\xff\xff\x13\xff\xff\xe0\x18"
