"""What a server sends as an answer's body: unpacked within bounds, its pace watched, its end made sure of."""

import time
import zlib
from collections.abc import Callable, Iterable, Iterator

import httpcore

from labeling.fetching.refusals import CannotFetch, Passing
from labeling.sayings import gettext_noop

HEADER_BYTES = 1024
"""So many first bytes are shown to who decides how long the whole may be."""
_PIECE = 256 * 1024
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_TOO_LONG = gettext_noop("It is longer than the {most:,} bytes allowed.")
_TOO_SLOW = gettext_noop("The server sends less than {least:,} bytes a second.")
_PACKED = gettext_noop("The server packs it in a way that was not asked for ({encoding}).")
_CANNOT_UNPACK = gettext_noop("What the server sends cannot be unpacked ({error}).")
_NOTHING_IN_IT = gettext_noop("What the server sends unpacks to much less than it is.")
_CUT_OFF = gettext_noop("What the server sends ends too early.")

MostBytes = Callable[[bytes], int]
"""How long a file may be that begins with these bytes. May raise if it is not wanted at all."""


def header(response: httpcore.Response, name: bytes) -> str:
    """The first header of that name; empty if there is none."""
    values = (value for key, value in response.headers if key.lower() == name)
    return next(values, b"").decode("latin-1").strip()


def blocks(
    response: httpcore.Response,
    sent: Iterator[bytes],
    most_bytes: MostBytes,
    *,
    least_bytes_per_s: float,
    pace_s: float,
    alive: Callable[[], None],
) -> Iterator[bytes]:
    """The body, unpacked, piece by piece. Raises CannotFetch, and what most_bytes raises.

    sent: what comes of it. Its first bytes tell how long it may be; it is held to that by what is declared and by what
    comes. alive is called with each piece that comes.
    """
    chunks = _in_pace(sent, least_bytes_per_s, pace_s, alive)
    pieces = _unpacked(header(response, b"content-encoding"), chunks)
    begin = b""
    for piece in pieces:
        begin += piece
        if len(begin) >= HEADER_BYTES:
            break
    most = most_bytes(begin[:HEADER_BYTES])
    declared = header(response, b"content-length")
    if declared.isascii() and declared.isdigit() and int(declared) > most:
        raise CannotFetch(_TOO_LONG.format(most=most))
    size = 0
    for piece in _all(begin, pieces):
        size += len(piece)
        if size > most:
            raise CannotFetch(_TOO_LONG.format(most=most))
        yield piece


def _all(begin: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    if begin:
        yield begin
    yield from rest


def _in_pace(
    sent: Iterator[bytes], least_bytes_per_s: float, pace_s: float, alive: Callable[[], None]
) -> Iterator[bytes]:
    began, got = time.monotonic(), 0
    for chunk in sent:
        alive()
        got += len(chunk)
        if (seconds := time.monotonic() - began) >= pace_s:
            if got < least_bytes_per_s * seconds:
                raise CannotFetch(_TOO_SLOW.format(least=round(least_bytes_per_s)))
            began, got = time.monotonic(), 0
        yield chunk


def _unpacked(encoding: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """We ask for nothing packed; who sends gzip or deflate all the same is understood, in pieces of bounded size."""
    encoding = encoding.lower()
    if encoding in ("", "identity"):
        yield from chunks
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise CannotFetch(_PACKED.format(encoding=encoding[:40]))
    unpack = zlib.decompressobj(_GZIP_OR_ZLIB)
    packed, unpacked = 0, 0
    for chunk in chunks:
        packed += len(chunk)
        while chunk and not unpack.eof:
            try:
                piece = unpack.decompress(chunk, _PIECE)
            except zlib.error as error:
                raise CannotFetch(_CANNOT_UNPACK.format(error=error)) from error
            unpacked += len(piece)
            yield piece
            chunk = unpack.unconsumed_tail
        if unpack.eof:
            # What comes behind the end belongs to nothing, and zlib would collect it.
            return
        if packed > 2 * unpacked + _PIECE:
            raise CannotFetch(_NOTHING_IN_IT)
    raise Passing(_CUT_OFF)
