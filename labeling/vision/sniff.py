"""What a file is, told by its first bytes; its name is only somebody's opinion."""

from dataclasses import dataclass

from labeling.sayings import gettext_noop

HEADER_BYTES = 1024
"""As many first bytes as `sniff` wants to see."""
_SOUND = gettext_noop("This is sound ({extension}) without a picture; faces cannot be found in it.")
_ARCHIVE = gettext_noop("This is an archive ({extension}) inside the source. Unpack it, or add it by itself.")
_OTHER_TYPE = gettext_noop("Files of type {mime} are not read. Convert it to JPEG, PNG or MP4.")


@dataclass(frozen=True)
class Sniffed:
    kind: str
    """image, video, sound, archive or other."""
    mime: str
    extension: str
    format: str
    """The name by which Pillow (images) or FFmpeg (videos) opens it; no other reader is let near the file."""


_STARTS: tuple[tuple[bytes, Sniffed], ...] = (
    (b"\xff\xd8\xff", Sniffed("image", "image/jpeg", "jpg", "JPEG")),
    (b"\x89PNG\r\n\x1a\n", Sniffed("image", "image/png", "png", "PNG")),
    (b"GIF87a", Sniffed("image", "image/gif", "gif", "GIF")),
    (b"GIF89a", Sniffed("image", "image/gif", "gif", "GIF")),
    (b"II*\x00", Sniffed("image", "image/tiff", "tif", "TIFF")),
    (b"MM\x00*", Sniffed("image", "image/tiff", "tif", "TIFF")),
    (b"\x00\x00\x00\x0cjP  ", Sniffed("image", "image/jp2", "jp2", "JPEG2000")),
    (b"\x1aE\xdf\xa3", Sniffed("video", "video/x-matroska", "mkv", "matroska")),
    (b"FLV\x01", Sniffed("video", "video/x-flv", "flv", "flv")),
    (b"OggS", Sniffed("video", "video/ogg", "ogv", "ogg")),
    (b"\x00\x00\x01\xba", Sniffed("video", "video/mpeg", "mpg", "mpeg")),
    (b"\x00\x00\x01\xb3", Sniffed("video", "video/mpeg", "m2v", "mpegvideo")),
    (b"0&\xb2u\x8ef\xcf\x11", Sniffed("video", "video/x-ms-asf", "wmv", "asf")),
    (b"ID3", Sniffed("sound", "audio/mpeg", "mp3", "")),
    (b"\xff\xfb", Sniffed("sound", "audio/mpeg", "mp3", "")),
    (b"\xff\xf1", Sniffed("sound", "audio/aac", "aac", "")),
    (b"fLaC", Sniffed("sound", "audio/flac", "flac", "")),
    (b"PK\x03\x04", Sniffed("archive", "application/zip", "zip", "")),
    (b"PK\x05\x06", Sniffed("archive", "application/zip", "zip", "")),
    (b"\x1f\x8b", Sniffed("archive", "application/gzip", "gz", "")),
    (b"7z\xbc\xaf\x27\x1c", Sniffed("archive", "application/x-7z-compressed", "7z", "")),
    (b"Rar!\x1a\x07", Sniffed("archive", "application/vnd.rar", "rar", "")),
    (b"%PDF-", Sniffed("other", "application/pdf", "pdf", "")),
)
_RIFF = {
    b"WEBP": Sniffed("image", "image/webp", "webp", "WEBP"),
    b"AVI ": Sniffed("video", "video/x-msvideo", "avi", "avi"),
    b"WAVE": Sniffed("sound", "audio/wav", "wav", ""),
}
_BRANDS = {
    b"avif": Sniffed("image", "image/avif", "avif", "AVIF"),
    b"heic": Sniffed("other", "image/heic", "heic", ""),
    b"heix": Sniffed("other", "image/heic", "heic", ""),
    b"mif1": Sniffed("other", "image/heif", "heif", ""),
    b"M4A ": Sniffed("sound", "audio/mp4", "m4a", ""),
    b"qt  ": Sniffed("video", "video/quicktime", "mov", "mov"),
}
_MP4 = Sniffed("video", "video/mp4", "mp4", "mov")
_QUICKTIME_ATOMS = (b"moov", b"mdat", b"wide", b"free", b"skip")


def sniff(header: bytes) -> Sniffed | None:
    """What begins with these bytes; None if it is nothing we know."""
    for start, found in _STARTS:
        if header.startswith(start):
            return found
    if header[:4] == b"RIFF":
        return _RIFF.get(header[8:12])
    if header[4:8] == b"ftyp":
        return _BRANDS.get(header[8:12], _MP4)
    if header[4:8] in _QUICKTIME_ATOMS:
        return _BRANDS[b"qt  "]
    return _by_structure(header)


def _by_structure(header: bytes) -> Sniffed | None:
    """Formats whose first bytes alone are too short to be sure of."""
    if header[:2] == b"BM" and header[6:10] == b"\x00\x00\x00\x00":
        return Sniffed("image", "image/bmp", "bmp", "BMP")
    if header[:1] == b"P" and header[1:2] in b"123456" and header[2:3].isspace():
        return Sniffed("image", "image/x-portable-anymap", "ppm", "PPM")
    if header[:1] == b"G" and header[188:189] == b"G" and header[376:377] == b"G":
        return Sniffed("video", "video/mp2t", "ts", "mpegts")
    return None


def why_not(found: Sniffed | None, header: bytes) -> str:
    """Why such a file is not taken, for people; empty if it may be an image or a video."""
    if found is not None and found.kind in ("image", "video"):
        return ""
    if not header:
        return gettext_noop("The file is empty (0 bytes).")
    if found is None:
        return _looks_like(header)
    return {
        "sound": _SOUND.format(extension=found.extension),
        "archive": _ARCHIVE.format(extension=found.extension),
    }.get(found.kind, _OTHER_TYPE.format(mime=found.mime))


def _looks_like(header: bytes) -> str:
    text = header.strip(b"\x00")
    if not text:
        return gettext_noop(
            "The file begins with nothing but zero bytes; it is neither an image nor a video."
        )
    try:
        text[:512].decode()
    except UnicodeDecodeError as error:
        if error.start < len(text[:512]) - 4:
            return gettext_noop("The content is neither an image nor a video that can be read.")
    return gettext_noop("The content is text, not an image or a video, whatever its name says.")
