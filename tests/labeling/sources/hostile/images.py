"""Makers of hostile images: bytes that claim to be a picture."""

import io
import struct
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from PIL import Image

from tests.labeling.sources.hostile.rows import Bait
from tests.labeling.sources.places import png

Make = Callable[[Bait], bytes]


def fixed(data: bytes) -> Make:
    return lambda bait: data


def saved(kind: str, size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


# ---- PNG -----------------------------------------------------------------------------------------------------
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, body: bytes, crc: int | None = None) -> bytes:
    sum_ = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", sum_)


def blank_png(
    width: int, height: int, *, depth: int = 8, colour: int = 2, data: bytes | None = None
) -> bytes:
    """All pixels 0; or what `data` holds, which may be too little."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    row = 1 + (width * channels * depth + 7) // 8
    body = squeezed(row * height) if data is None else zlib.compress(data)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def squeezed(zeros: int) -> bytes:
    packer, block = zlib.compressobj(9), bytes(1 << 20)
    parts = [packer.compress(block) for _ in range(zeros >> 20)]
    return b"".join([*parts, packer.compress(bytes(zeros & 0xFFFFF)), packer.flush()])


def with_chunks(*chunks: bytes, end: bytes = b"") -> bytes:
    """A good PNG with these chunks after its header."""
    good = png(7)
    at = len(SIGNATURE) + 25
    return good[:at] + b"".join(chunks) + good[at:] + end


def animated_png(frames: int) -> bytes:
    return with_chunks(chunk(b"acTL", struct.pack(">II", frames, 0)))


# ---- JPEG ----------------------------------------------------------------------------------------------------
def lying_jpeg(width: int, height: int) -> bytes:
    data = bytearray(saved("JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def blank_jpeg(side: int) -> bytes:
    return _saved_blank("L", side, "JPEG")


def many_scans(scans: int, side: int) -> bytes:
    """A progressive JPEG of one colour whose last, nearly empty scan comes again and again."""
    pixels = np.zeros((side, side), np.uint8)
    pixels[: side // 2] = 200
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", progressive=True, quality=50)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    tables = data.rfind(b"\xff\xc4", 0, last)
    scan = data[max(tables, 0) : -2]
    return data[:-2] + scan * scans + data[-2:]


def exif_jpeg(exif: bytes) -> bytes:
    good = saved("JPEG")
    body = b"Exif\x00\x00" + exif
    return good[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + good[2:]


def ifd(entries: Iterable[tuple[int, int, int, int]], after: int = 0) -> bytes:
    rows = [struct.pack("<HHII", *entry) for entry in entries]
    return struct.pack("<H", len(rows)) + b"".join(rows) + struct.pack("<I", after)


EXIF_LOOP = b"II*\x00\x08\x00\x00\x00" + ifd([(0x8769, 4, 1, 8), (0x8825, 4, 1, 8), (0xA005, 4, 1, 8)], 8)
EXIF_TURNED_4000 = b"II*\x00\x08\x00\x00\x00" + ifd([(0x0112, 3, 1, 4000)])
EXIF_TOO_MANY = b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", 65_535) + b"\x12\x01\x03\x00"
EXIF_HUGE_COUNT = b"II*\x00\x08\x00\x00\x00" + ifd([(0x010E, 2, 0xFFFF_FFFF, 8), (0x0112, 3, 0xFFFF_FFFF, 8)])


def endless_header(bait: Bait) -> bytes:
    """A JPEG's first bytes, and then ten megabytes of segments without a picture."""
    return b"\xff\xd8" + b"\xff\xfe\x00\x02" * 2_500_000


# ---- TIFF ----------------------------------------------------------------------------------------------------
def tiff(width: int, height: int, *, bits: int = 8, samples: int = 1, after: int = 0, **more: int) -> bytes:
    """One strip of a few bytes, whatever the size says."""
    entries = {
        256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, bits), 259: (3, 1, more.get("packing", 1)),
        262: (3, 1, 1), 273: (4, 1, 200), 277: (3, 1, samples), 278: (4, 1, height),
        279: (4, 1, more.get("strip", 100)),
    }  # fmt: skip
    if "format" in more:
        entries[339] = (3, 1, more["format"])
    head = b"II*\x00\x08\x00\x00\x00"
    body = head + ifd([(tag, *value) for tag, value in sorted(entries.items())], after)
    return body.ljust(200, b"\x00") + bytes(100)


def float_tiff(side: int) -> bytes:
    """32-bit floats, all zero, packed to little."""
    return _saved_blank("F", side, "TIFF", compression="tiff_adobe_deflate")


def _saved_blank(mode: str, side: int, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (side, side)).save(buffer, kind, **options)
    return buffer.getvalue()


def many_pages(pages: int) -> bytes:
    """Page directories of no picture, one behind the other."""
    first = tiff(8, 8, after=300)
    each = 2 + 12 + 4
    rest = b"".join(
        ifd([(256, 4, 1, 8)], 0 if n == pages - 1 else 300 + (n + 1) * each) for n in range(pages)
    )
    return first + rest


# ---- GIF -----------------------------------------------------------------------------------------------------
def gif(screen: tuple[int, int], frames: Iterable[tuple[int, int]]) -> bytes:
    """Each frame has the size said, and data for one pixel."""
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + b"\x00\x00\x00\xff\xff\xff"
    return head + b"".join(map(_gif_frame, frames)) + b";"


def _gif_frame(size: tuple[int, int]) -> bytes:
    return b"," + struct.pack("<HHHHB", 0, 0, *size, 0) + b"\x02\x02\x44\x01\x00"


# ---- the others ----------------------------------------------------------------------------------------------
def bmp(width: int, height: int, *, bits: int = 24, packing: int = 0) -> bytes:
    head = b"BM" + struct.pack(
        "<IIIIiiHHIIiiII", 1000, 0, 54, 40, width, height, 1, bits, packing, 0, 0, 0, 0, 0
    )
    return head + bytes(200)


def webp(width: int, height: int) -> bytes:
    """An extended header with that canvas, and a frame of nothing."""
    vp8x = b"VP8X" + struct.pack("<I", 10) + b"\x02\x00\x00\x00" + _three(width - 1) + _three(height - 1)
    body = b"WEBP" + vp8x + b"ANIM" + struct.pack("<I", 6) + bytes(6)
    frame = saved("WEBP")[12:]
    anmf = bytes(6) + _three(63) + _three(47) + _three(100) + b"\x00" + frame
    body += b"ANMF" + struct.pack("<I", len(anmf)) + anmf + b"\x00" * (len(anmf) & 1)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _three(value: int) -> bytes:
    return struct.pack("<I", value)[:3]


def svg(bait: Bait) -> bytes:
    return (
        f'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file://{bait.file}">]>'
        f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{bait.url}/svg.png"/><text>&x;</text></svg>'
    ).encode()


def mvg(bait: Bait) -> bytes:
    return (
        "push graphic-context\nviewbox 0 0 640 480\n"
        f"image over 0,0 0,0 'url({bait.url}/mvg.png|touch {bait.file})'\npop graphic-context\n"
    ).encode()


def eps(bait: Bait) -> bytes:
    return (
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n"
        f"mark /OutputFile (%pipe%cat {bait.file}) currentdevice putdeviceprops\n"
    ).encode()


def xpm(bait: Bait) -> bytes:
    return b'/* XPM */\nstatic char *a[] = {\n"999999 999999 99999999 8",\n'


ICO = (
    b"\x00\x00\x01\x00"
    + struct.pack("<H", 65_535)
    + b"\x00\x00\x00\x00\x01\x00\x20\x00"
    + struct.pack("<II", 40, 22)
)
PSD = b"8BPS\x00\x01" + bytes(6) + struct.pack(">HIIHH", 4, 300_000, 300_000, 8, 3) + bytes(200)
HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(200)
FITS = b"SIMPLE  =                    T".ljust(80) + b"XTENSION= 'BINTABLE'".ljust(2800)
JP2 = b"\x00\x00\x00\x0cjP  \r\n\x87\n" + b"\x00\x00\x00\x14ftypjp2 \x00\x00\x00\x00jp2 " + struct.pack(
    ">I4sI4sIIHBBBB", 45, b"jp2h", 22, b"ihdr", 0xFFFF_FFFF, 0xFFFF_FFFF, 3, 7, 7, 0, 0
)  # fmt: skip
