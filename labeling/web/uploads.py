"""What a browser may send."""

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _

FORM_BYTES = 64 * 1024
"""What a form may hold besides its file."""


class CappedUpload(FileUploadHandler):
    """Turns a request away by the length it announces, before a byte of it is on the disk."""

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, str],  # noqa: N803 (Django's name)
        content_length: int,
        boundary: str,
        encoding: str | None = None,
    ) -> tuple[QueryDict, MultiValueDict[str, Any]] | None:
        if content_length > settings.MAX_UPLOAD_BYTES + FORM_BYTES:
            raise RequestDataTooBig(
                _(
                    "An upload may be {most} bytes long. Put a larger file on the server and name its path."
                ).format(most=settings.MAX_UPLOAD_BYTES)
            )
        return None

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None
