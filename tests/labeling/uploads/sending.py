"""The client's side of the tus protocol, against Django's test client."""

import base64
import json
from typing import Any
from uuid import UUID, uuid4

from django.test import Client

URL = "/api/v1/uploads/"
PIECE = "application/offset+octet-stream"
TUS = {"Tus-Resumable": "1.0.0"}


def encoded(**values: str) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items())


def announce(client: Client, path: str, length: object, batch: UUID | str | None = None, **more: str) -> Any:
    told = {"filename": path.rpartition("/")[2], "relativePath": path, "batch": str(batch or uuid4())}
    headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": encoded(**told), **more}
    return client.post(URL, headers=headers)


def piece(client: Client, url: str, offset: int, content: bytes, **more: str) -> Any:
    headers = {**TUS, "Upload-Offset": str(offset), **more}
    return client.patch(url, content, content_type=PIECE, headers=headers)


def ask(client: Client, url: str) -> int | None:
    """How much is there; None if there is no such upload."""
    answer = client.head(url, headers=TUS)
    return int(answer["Upload-Offset"]) if answer.status_code == 200 else None


def several(client: Client, batch: UUID, files: dict[str, bytes], cut: int = 0) -> Any:
    """cut: bytes missing at the end."""
    body = json.dumps([[path, len(content)] for path, content in files.items()]).encode() + b"\n"
    body += b"".join(files.values())
    return client.post(
        f"{URL}several/",
        body[: len(body) - cut],
        content_type="application/vnd.vemo.files",
        headers={"Upload-Metadata": encoded(batch=str(batch))},
    )
