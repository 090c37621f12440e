"""Files sent in pieces: the tus protocol, https://tus.io/protocols/resumable-upload, version 1.0.0.

Core, creation, termination, expiration and checksum. Beside it our own: many small files in one request, and what of
theirs is on its way. Browsers come with their session and its CSRF token, programs with `Authorization: Token`.
Bodies are read in blocks and never held in memory.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.http import HttpRequest, RawPostDataException
from django.utils.http import http_date
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound, ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from labeling import uploads
from labeling.api.asking import asked
from labeling.api.parsing import StorableJSON
from labeling.api.permissions import those_who
from labeling.api.serializers.sources import BatchSourceSerializer, SourceSerializer
from labeling.models import Upload
from labeling.refusals import Refusal
from labeling.rules import may_manage
from labeling.sources import roots

VERSION = "1.0.0"
EXTENSIONS = "creation,termination,expiration,checksum"
PIECE = "application/offset+octet-stream"
SEVERAL = "application/vnd.vemo.files"
_ALGORITHMS: dict[str, Callable[[], Any]] = {
    "sha256": hashlib.sha256,
    "sha1": hashlib.sha1,
    "md5": hashlib.md5,
}
_STATUS: dict[type[Refusal], int] = {
    uploads.BadPath: 400,
    uploads.NotThere: 404,
    uploads.TooLong: 413,
    uploads.OverQuota: 413,
    uploads.Busy: 423,
    uploads.Mangled: 460,
    uploads.NoRoom: 507,
}
_INDEX_BYTES = 2 * 1024**2
_DRAINED = 32 * 1024**2
_BLOCK = 256 * 1024
_MOST = 2**63 - 1
_NO_INDEX = "The first line is JSON: [[path, bytes], …]."


class _Unread(BaseParser):
    """Leaves every body where it is: the verbs read it block by block."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        return {}


class _Uploading(APIView):
    permission_classes = [those_who(may_manage)]
    parser_classes = [_Unread]

    def handle_exception(self, exc: Exception) -> Response:
        """A refusal with the status the protocol has for it. What was sent beside it is read and dropped first.

        A server that hangs up on a body half sent takes its own answer down with the connection.
        """
        _drain(self.request)
        if not isinstance(exc, Refusal):
            return super().handle_exception(exc)
        error = {"error": str(exc), "code": type(exc).__name__.lower()}
        return Response(error, status=_STATUS.get(type(exc), status.HTTP_409_CONFLICT))

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer["Tus-Resumable"] = VERSION
        answer["Cache-Control"] = "no-store"
        return answer


def _speaks_tus(handler: Callable[..., Response]) -> Callable[..., Response]:
    @wraps(handler)
    def answered(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        if request.headers.get("Tus-Resumable") != VERSION:
            _drain(request)
            error = {"error": f"Tus-Resumable is {VERSION} here.", "code": "wrongversion"}
            return Response(
                error, status=status.HTTP_412_PRECONDITION_FAILED, headers={"Tus-Version": VERSION}
            )
        return handler(view, request, *args, **kwargs)

    return answered


@extend_schema(exclude=True)
class UploadsView(_Uploading):
    """Files that are no source yet, and announcing another."""

    def get(self, request: Request) -> Response:
        """Batches of theirs; with ?batch= its files, 5,000 at a time in the order of paths, on from ?after=."""
        if "batch" not in request.query_params:
            return Response({"batches": [_batch(one) for one in uploads.unfinished(by=request.user)]})
        batch = _uuid(request.query_params["batch"])
        files = uploads.files_of(by=request.user, batch=batch, after=request.query_params.get("after", ""))
        return Response({"files": [_file(one) for one in files]})

    @_speaks_tus
    def post(self, request: Request) -> Response:
        told = _metadata(request)
        path = told.get("relativePath") or told.get("filename") or ""
        batch = _uuid(told["batch"]) if "batch" in told else uuid4()
        upload = uploads.begin(
            by=request.user, batch=batch, path=path, length=_number(request, "Upload-Length")
        )
        upload = uploads.find(by=request.user, key=upload.key)
        headers = {"Location": _address(upload, request), **_state(upload)}
        return Response(_file(upload), status=status.HTTP_201_CREATED, headers=headers)

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        headers = {
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Max-Size": str(settings.MAX_RESUMABLE_BYTES),
            "Tus-Checksum-Algorithm": ",".join(_ALGORITHMS),
        }
        return Response(status=status.HTTP_204_NO_CONTENT, headers=headers)


@extend_schema(exclude=True)
class UploadView(_Uploading):
    """One file on its way."""

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        # For surroundings that let no other method through; the protocol asks for it.
        override = request.headers.get("X-HTTP-Method-Override", "").upper()
        if request.method == "POST" and override in ("PATCH", "DELETE"):
            request.method = override
        return super().dispatch(request, *args, **kwargs)

    @_speaks_tus
    def head(self, request: Request, key: str) -> Response:
        upload = uploads.find(by=request.user, key=_uuid(key))
        return Response(status=status.HTTP_200_OK, headers=_state(upload))

    @_speaks_tus
    def patch(self, request: Request, key: str) -> Response:
        if request.content_type != PIECE:
            raise UnsupportedMediaType(request.content_type or "")
        upload = uploads.append(
            by=request.user,
            key=_uuid(key),
            offset=_number(request, "Upload-Offset"),
            length=_number(request, "Content-Length"),
            read=request._request.read,
            check=_check(request),
        )
        return Response(status=status.HTTP_204_NO_CONTENT, headers=_state(upload))

    @_speaks_tus
    def delete(self, request: Request, key: str) -> Response:
        uploads.remove(by=request.user, key=_uuid(key))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        return UploadsView().options(request)


@extend_schema(exclude=True)
class SeveralView(_Uploading):
    """Many small files in one request: a line of JSON, [[path, bytes], …], then their bytes one after another."""

    def post(self, request: Request) -> Response:
        if request.content_type != SEVERAL:
            raise UnsupportedMediaType(request.content_type or "")
        batch = _uuid(_metadata(request).get("batch", ""))
        files = _index(request._request.readline(_INDEX_BYTES + 1))
        refused = uploads.receive_several(
            by=request.user, batch=batch, files=files, read=request._request.read
        )
        return Response({"refused": [{"path": path, "error": reason} for path, reason in refused]})


@extend_schema(exclude=True)
class BatchView(_Uploading):
    """Files sent together that are no source yet."""

    parser_classes = [StorableJSON]

    def post(self, request: Request, batch: str) -> Response:
        """Make them one source, when all have come: a file of its own kind, or a folder."""
        wanted = asked(BatchSourceSerializer, request)
        options = roots.allowed_options(wanted.pop("options", {}))
        source = uploads.become_source(by=request.user, batch=_uuid(batch), options=options, **wanted)
        return Response(SourceSerializer(source).data, status=status.HTTP_201_CREATED)

    def delete(self, request: Request, batch: str) -> Response:
        uploads.remove_batch(by=request.user, batch=_uuid(batch))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _drain(request: Any) -> None:
    """Read what is left of the body, up to a piece of it."""
    stream = getattr(request, "_request", request)
    left = _DRAINED
    try:
        while left > 0 and (block := stream.read(_BLOCK)):
            left -= len(block)
    except (OSError, RawPostDataException):
        # Whoever sent it has gone, or it was read as something else; there is nothing to drop.
        return


def _address(upload: Upload, request: Request) -> str:
    return reverse("api-upload", kwargs={"key": str(upload.key)}, request=request)


def _state(upload: Upload) -> dict[str, str]:
    expires = upload.touched_at + timedelta(days=settings.UPLOAD_KEEP_DAYS)
    told = {"relativePath": upload.path, "batch": str(upload.batch)}
    return {
        "Upload-Offset": str(upload.received),
        "Upload-Length": str(upload.bytes),
        "Upload-Expires": http_date(expires.timestamp()),
        "Upload-Metadata": ",".join(f"{key} {_encoded(value)}" for key, value in told.items()),
    }


def _file(upload: Upload) -> dict[str, Any]:
    return {
        "url": reverse("api-upload", kwargs={"key": str(upload.key)}),
        "batch": str(upload.batch),
        "path": upload.path,
        "bytes": upload.bytes,
        "received": upload.received,
    }


def _batch(one: uploads.Batch) -> dict[str, Any]:
    return {
        "batch": str(one.batch),
        "files": one.files,
        "finished": one.finished,
        "bytes": one.bytes,
        "received": one.received,
        "begun_at": one.begun_at.isoformat(),
    }


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _metadata(request: Request) -> dict[str, str]:
    """Upload-Metadata, decoded. Raises ParseError."""
    told = {}
    for pair in filter(
        None, (part.strip() for part in request.headers.get("Upload-Metadata", "").split(","))
    ):
        key, _space, value = pair.partition(" ")
        try:
            told[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError) as error:
            raise ParseError(f"Upload-Metadata: {key} is no UTF-8 in base64.") from error
    return told


def _number(request: Request, header: str) -> int:
    text = request.headers.get(header, "")
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= _MOST):
        raise ParseError(f"{header} is a whole number from 0 up.")
    return int(text)


def _check(request: Request) -> uploads.Check | None:
    """What Upload-Checksum says. Raises ParseError."""
    told = request.headers.get("Upload-Checksum")
    if told is None:
        return None
    name, _space, digest = told.partition(" ")
    if name not in _ALGORITHMS:
        raise ParseError(f"Upload-Checksum is of one of {', '.join(_ALGORITHMS)}.")
    try:
        return uploads.Check(_ALGORITHMS[name](), base64.b64decode(digest, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ParseError("Upload-Checksum is no base64.") from error


def _index(line: bytes) -> list[tuple[str, int]]:
    """The files a request of several announces. Raises ParseError."""
    try:
        files = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ParseError(_NO_INDEX) from error
    if not (isinstance(files, list) and all(map(_is_announced, files))):
        raise ParseError(_NO_INDEX)
    return [(path, size) for path, size in files]


def _is_announced(one: Any) -> bool:
    return isinstance(one, list) and [type(part) for part in one] == [str, int]


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound from error
