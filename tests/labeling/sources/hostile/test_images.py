"""Hostile images: what is each, and what is said of it."""

import struct
from pathlib import Path

import pytest

from tests.labeling.sources.hostile import images as made
from tests.labeling.sources.hostile.images import chunk, fixed, gif, saved, with_chunks
from tests.labeling.sources.hostile.rows import TAKEN, Cells, Row, file_row
from tests.labeling.sources.places import png

pytestmark = pytest.mark.once

LARGE = "larger than the 100,000,000 pixels allowed"
DAMAGED = "damaged or cut short"
TEXT = "The content is text, not an image or a video"
NEITHER = "The content is neither an image nor a video"
UNPACKED = "Decompressed data too large"
MANY = "It holds several pictures; only the first was looked at."
ZEROS = made.squeezed(200_000_000)
LONG_TEXTS = [chunk(b"zTXt", b"%d\x00\x00" % n + made.squeezed(1_000_000)) for n in range(100)]
HIDDEN = b"<?php system($_GET['c']); ?>"

IMAGES: list[Row] = [
    # decompression bombs
    file_row("PNG of 30,000 × 30,000 in 90 bytes", "a.png", lambda _: made.blank_png(30_000, 30_000, data=b""), LARGE),
    file_row("PNG of 2³¹-1 × 2³¹-1", "a.png", lambda _: made.blank_png(2**31 - 1, 2**31 - 1, data=b""), LARGE),
    file_row("PNG of 65,535 × 65,535, all there", "a.png", fixed(made.blank_png(65_535, 65_535, depth=1, colour=0)), LARGE),
    file_row("PNG one pixel high and 100 million wide", "a.png", lambda _: made.blank_png(100_000_000, 1), "more memory than there is"),
    file_row("PNG one pixel wide and 1 million high", "a.png", lambda _: made.blank_png(1, 1_000_000), TAKEN,
             "it is a picture; searched and shown scaled down"),
    file_row("RGBA PNG of 100 million pixels in 380 kB", "a.png", lambda _: made.blank_png(10_000, 10_000, colour=6), TAKEN,
             "as many as allowed; turned into RGB in bands", most_mb=900, seconds=300),
    file_row("TIFF of 16 million floats in 110 kB", "a.tif", lambda _: made.float_tiff(4000), TAKEN,
             "fewer than allowed; stretched in bands"),
    file_row("zTXt of 200 MB (CVE-2014-9601)", "a.png", fixed(with_chunks(chunk(b"zTXt", b"a\x00\x00" + ZEROS))), UNPACKED),
    file_row("iTXt of 200 MB", "a.png", fixed(with_chunks(chunk(b"iTXt", b"a\x00\x01\x00\x00\x00" + ZEROS))), UNPACKED),
    file_row("colour profile of 200 MB", "a.png", fixed(with_chunks(chunk(b"iCCP", b"a\x00\x00" + ZEROS))), UNPACKED),
    file_row("a hundred texts of 1 MB each", "a.png", fixed(with_chunks(*LONG_TEXTS)), "Too much memory used in text chunks"),
    file_row("GIF whose screen is 65,535 × 65,535", "a.gif", fixed(gif((65_535, 65_535), [(1, 1)])), LARGE),
    file_row("GIF whose frame is larger than its screen", "a.gif", fixed(gif((1, 1), [(65_535, 65_535)])), LARGE),
    file_row("GIF whose second frame is 65,535 × 65,535", "a.gif", fixed(gif((1, 1), [(1, 1), (65_535, 65_535)])), TAKEN, MANY),
    file_row("GIF of a million frames", "a.gif", lambda _: gif((1, 1), [(1, 1)] * 1_000_000), TAKEN, MANY),
    file_row("APNG that says 2³¹-1 frames", "a.png", fixed(made.animated_png(2**31 - 1)), TAKEN, MANY),
    file_row("APNG that says 0 frames", "a.png", fixed(made.animated_png(0)), TAKEN, "its one picture is there"),
    file_row("WebP canvas of 16,383 × 16,383", "a.webp", fixed(made.webp(16_383, 16_383)), LARGE),
    file_row("WebP canvas of 2²⁴ × 2²⁴", "a.webp", fixed(made.webp(2**24, 2**24)), LARGE),
    file_row("BMP of 2³¹-1 × 2³¹-1", "a.bmp", fixed(made.bmp(2**31 - 1, 2**31 - 1)), LARGE),
    file_row("BMP of negative sides", "a.bmp", fixed(made.bmp(-5, -(2**31))), LARGE),
    file_row("BMP packed by run lengths, with none", "a.bmp", fixed(made.bmp(9000, 9000, bits=8, packing=1)), DAMAGED),
    file_row("TIFF of 2³¹ × 2³¹", "a.tif", fixed(made.tiff(2**31, 2**31)), LARGE),
    file_row("PPM of 99,999 × 99,999", "a.ppm", fixed(b"P6 99999 99999 255\n" + bytes(100)), LARGE),
    file_row("JPEG 2000 of 2³²-1 × 2³²-1", "a.jp2", fixed(made.JP2), DAMAGED),
    # what takes long
    file_row("JPEG of 1,000 scans (two issues with JPEG)", "a.jpg", lambda _: made.many_scans(1000, 2000), "more than 100 scans"),
    file_row("JPEG that begins and goes on without end", "a.jpg", made.endless_header, "its header does not end"),
    file_row("PPM of 40 MB of numbers written out", "a.ppm", lambda _: b"P3 9000 9000 255\n" + b"1 " * 20_000_000,
             "A picture written as text may have 20,000,000 bytes"),
    file_row("PPM of one number of 10 MB", "a.ppm", lambda _: b"P3 " + b"1" * 10_000_000, "Token too long"),
    file_row("TIFF whose directory leads back to itself", "a.tif", fixed(made.tiff(8, 8, after=8)), TAKEN, MANY),
    file_row("TIFF of 30,000 directories", "a.tif", lambda _: made.many_pages(30_000), TAKEN, MANY),
    file_row("EXIF whose directories lead back to themselves", "a.jpg", fixed(made.exif_jpeg(made.EXIF_LOOP)), TAKEN,
             "only the orientation is read"),
    # lies
    file_row("JPEG that says 65,535 × 65,535", "a.jpg", fixed(made.lying_jpeg(65_535, 65_535)), LARGE),
    file_row("JPEG that says 0 × 0", "a.jpg", fixed(made.lying_jpeg(0, 0)), DAMAGED),
    file_row("JPEG that says 4,000 × 4,000 and holds 64 × 48", "a.jpg", fixed(made.lying_jpeg(4000, 4000)), TAKEN,
             "what is missing is grey, within the pixels allowed"),
    file_row("orientation 4,000", "a.jpg", fixed(made.exif_jpeg(made.EXIF_TURNED_4000)), TAKEN, "no turn is of that number"),
    file_row("EXIF of 65,535 entries, all missing", "a.jpg", fixed(made.exif_jpeg(made.EXIF_TOO_MANY)), TAKEN,
             "the picture is whole"),
    file_row("EXIF entries of 4 GB", "a.jpg", fixed(made.exif_jpeg(made.EXIF_HUGE_COUNT)), TAKEN, "the picture is whole"),
    file_row("PNG whose header's checksum is wrong", "a.png",
             fixed(made.SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0), 0)), DAMAGED),
    file_row("PNG whose text's checksum is wrong", "a.png", fixed(with_chunks(chunk(b"tEXt", b"a\x00b", 1))), DAMAGED),
    file_row("PNG whose chunk is 4 GB long", "a.png", fixed(made.SIGNATURE + b"\xff\xff\xff\xffIHDR" + bytes(50)), DAMAGED),
    file_row("PNG cut after its first half", "a.png", fixed(png(3)[:1000]), DAMAGED),
    file_row("WebP cut after 200 bytes", "a.webp", fixed(saved("WEBP")[:200]), DAMAGED),
    file_row("TIFF strip of 4 GB", "a.tif", fixed(made.tiff(9000, 9000, strip=2**32 - 1)), DAMAGED),
    file_row("TIFF of 65,535 samples a pixel", "a.tif", fixed(made.tiff(100, 100, samples=65_535)), DAMAGED),
    file_row("JPEG in four inks", "a.jpg", fixed(saved("JPEG", mode="CMYK")), TAKEN, "turned into RGB"),
    # two things in one
    file_row("JPEG with a zip behind it", "a.jpg", fixed(saved("JPEG") + b"PK\x03\x04" + bytes(200)), TAKEN,
             "read as a JPEG, sent as a JPEG; nobody opens the rest"),
    file_row("GIF with a JAR behind it (GIFAR)", "a.gif", fixed(gif((1, 1), [(1, 1)]) + b"PK\x03\x04META-INF"), TAKEN,
             "read as a GIF, sent as a GIF"),
    file_row("PNG that holds PHP", "a.php", fixed(with_chunks(chunk(b"tEXt", b"a\x00" + HIDDEN), end=HIDDEN)), TAKEN,
             "kept by its sha256 as .png; no name of the outside becomes a file's"),
    file_row("GIF that is JavaScript too", "a.js", fixed(b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)"), DAMAGED),
    # what other programs would act on
    file_row("SVG with an entity and a picture elsewhere", "a.jpg", made.svg, TEXT),
    file_row("MVG that runs a command (ImageTragick, CVE-2016-3714)", "a.jpg", made.mvg, TEXT),
    file_row("EPS that Ghostscript would run (CVE-2018-16509)", "a.jpg", made.eps, TEXT),
    file_row("XPM of 999,999 × 999,999", "a.jpg", made.xpm, TEXT),
    file_row("FITS whose table unpacks (CVE-2026-40192)", "a.jpg", fixed(made.FITS), TEXT),
    file_row("PSD of 300,000 × 300,000", "a.jpg", fixed(made.PSD), NEITHER),
    file_row("ICO of 65,535 pictures", "a.jpg", fixed(made.ICO), NEITHER),
    file_row("HEIC called .jpg", "a.jpg", fixed(made.HEIC), "Files of type image/heic are not read"),
    file_row("PDF called .jpg", "a.jpg", fixed(b"%PDF-1.7\n/Launch"), "Files of type application/pdf are not read"),
    file_row("program called .jpg", "a.jpg", fixed(b"\x7fELF\x02\x01\x01" + bytes(64) + b"\xff" * 64), NEITHER),
    file_row("one byte", "a.jpg", fixed(b"\xff"), TEXT),
    file_row("nothing but zeros", "a.jpg", fixed(bytes(5000)), "nothing but zero bytes"),
]  # fmt: skip


@pytest.mark.parametrize("row", IMAGES, ids=lambda row: row.what)
def test_hostile_image(row: Row, cells: Cells, tmp_path: Path) -> None:
    cells.hold(row, tmp_path)
