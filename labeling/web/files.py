"""Files handed to a browser: cached for good, streamed, and in parts where asked."""

import re
from collections.abc import Callable, Iterator
from typing import IO, Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

BLOCK = 256 * 1024
FOREVER = "private, max-age=31536000, immutable"
"""For what is named by its content: the browser never asks again, and no shared cache keeps it."""
SIGNED_S = 15 * 60
"""So long an address that the storage signed can be begun with."""
_RANGE = re.compile(r"bytes=(\d{0,4000})-(\d{0,4000})$", re.ASCII)


class Part:
    """`length` bytes of an open file from where it stands, in blocks; closes the file with the response."""

    def __init__(self, file: IO[Any], length: int) -> None:
        self._file = file
        self._left = length

    def __iter__(self) -> Iterator[bytes]:
        while self._left and (block := self._file.read(min(BLOCK, self._left))):
            self._left -= len(block)
            yield block

    def close(self) -> None:
        self._file.close()


def open_stored(name: str) -> IO[Any]:
    """Open a file of the storage. Raises Http404 when it is gone."""
    try:
        return default_storage.open(name, "rb")
    except FileNotFoundError as gone:
        raise Http404(_("This file is no longer in the storage.")) from gone


def not_modified(request: HttpRequest, etag: str, cache: str = FOREVER) -> HttpResponseBase | None:
    """304 when the browser holds these very bytes already."""
    response = get_conditional_response(request, etag=etag)
    if response is not None and response.status_code == 304:
        response["Cache-Control"] = cache
        return response
    return None


def send(request: HttpRequest, *, name: str, filename: str, mime: str, key: str) -> HttpResponseBase:
    """Show an image that never changes under its key, to be kept for good by the browser.

    filename is all the browser learns of where the image came from.
    """
    etag = f'"{key}"'
    known = not_modified(request, etag)
    if known is not None:
        return known
    file = open_stored(name)
    response = StreamingHttpResponse(Part(file, size := _size(file)), content_type=mime)
    response["Content-Length"] = str(size)
    response["Content-Disposition"] = content_disposition_header(False, filename) or ""
    response["Cache-Control"] = FOREVER
    response["ETag"] = etag
    return response


def send_bytes(data: bytes, *, filename: str, mime: str, key: str) -> HttpResponseBase:
    """The same of an image that lies in no storage."""
    response = HttpResponse(data, content_type=mime)
    response["Content-Disposition"] = content_disposition_header(False, filename) or ""
    response["Cache-Control"] = FOREVER
    response["ETag"] = f'"{key}"'
    return response


def download(
    request: HttpRequest, *, name: str, filename: str, mime: str, size: int, sha256: str
) -> HttpResponseBase:
    """Send a file of the storage to be saved, as `save` does.

    Where the storage signs addresses of its own, the browser is sent there and the bytes pass us by.
    """
    if storage_signs():
        disposition = content_disposition_header(True, filename) or ""
        signed = {"ResponseContentDisposition": disposition, "ResponseContentType": mime}
        return HttpResponseRedirect(default_storage.url(name, parameters=signed, expire=SIGNED_S))  # type: ignore[call-arg]
    return save(request, lambda: open_stored(name), filename=filename, mime=mime, size=size, key=sha256)


def save(
    request: HttpRequest, opened: Callable[[], IO[Any]], *, filename: str, mime: str, size: int, key: str
) -> HttpResponseBase:
    """Send a file to be saved: whole, or the range asked for, so that a broken download goes on.

    key: what stands for these very bytes; with another one a download begins anew.
    """
    etag = f'"{key}"'
    asked = _range_asked(request, size, etag)
    if asked is not None and asked[0] >= asked[1]:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    start, end = asked or (0, size)
    file = opened()
    file.seek(start)
    response = StreamingHttpResponse(Part(file, end - start), status=206 if asked else 200, content_type=mime)
    if asked:
        response["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    response["Content-Length"] = str(end - start)
    response["Accept-Ranges"] = "bytes"
    response["Content-Disposition"] = content_disposition_header(True, filename) or ""
    response["Cache-Control"] = "private, no-cache"
    response["ETag"] = etag
    return response


def storage_signs() -> bool:
    default: Any = settings.STORAGES["default"]
    return str(default["BACKEND"]).endswith("S3Storage")


def _size(file: IO[Any]) -> int:
    size = file.seek(0, 2)
    file.seek(0)
    return size


def _range_asked(request: HttpRequest, size: int, etag: str) -> tuple[int, int] | None:
    """Start and end (exclusive) of the one range asked for; None for the whole file.

    Several ranges, an unknown unit, or an If-Range of other bytes get the whole file, as RFC 9110 allows.
    A range outside the file comes back empty.
    """
    match = _RANGE.match(request.headers.get("Range", "").replace(" ", ""))
    if match is None or request.headers.get("If-Range", etag) != etag:
        return None
    first, last = match.groups()
    if first:
        start, end = int(first), min(int(last) + 1, size) if last else size
        return None if last and int(last) < start else (start, end)
    return (max(0, size - int(last)), size) if last else None
