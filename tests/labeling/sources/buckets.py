"""A storage that speaks S3 on loopback: moto's server, with somebody before it who fails when told to."""

import http.client
import logging
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3

from labeling.fetching.buckets import Profile
from tests.labeling.fetching.servers import Handler, Server, serving

BUCKET = "faces-of-vemo"


class _Guard(Handler):
    server: "Storage"

    def do_GET(self) -> None:  # noqa: N802 (the library's name)
        path = self.path.partition("?")[0]
        self.server.asked[path] += 1
        self.server.headers_seen.append(dict(self.headers.items()))
        faults = self.server.faults[path]
        if faults:
            faults.pop(0)(self)
            return
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        far = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=20)
        far.request(self.command, self.path, body=sent or None, headers=dict(self.headers.items()))
        answer = far.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        far.close()

    do_PUT = do_DELETE = do_POST = do_GET  # noqa: N815


class Storage(Server):
    def __init__(self, behind: int) -> None:
        super().__init__()
        self.RequestHandlerClass = _Guard
        self.behind = behind
        self.faults: dict[str, list[Any]] = defaultdict(list)
        """By path: what is answered instead, once each."""
        self.client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{behind}",
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )

    def put(self, files: dict[str, bytes | str], bucket: str = BUCKET) -> None:
        for key, body in files.items():
            self.client.put_object(Bucket=bucket, Key=key, Body=body)

    def profile(self, **fields: Any) -> Profile:
        return Profile(
            **{"name": "lab", "endpoint_url": self.url, "key": "key", "secret": "secret", **fields}
        )


def says(status: int, code: str, **headers: str) -> Any:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    return lambda far: far.say(status, body, Content_Type="application/xml", **headers)


def _forget(port: int) -> None:
    """What earlier servers of this process held, which moto keeps."""
    far = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    far.request("POST", "/moto-api/reset")
    far.getresponse().read()
    far.close()


@contextmanager
def a_storage() -> Iterator[Storage]:
    with warnings.catch_warnings():
        # It warns that it lacks what other services than S3 need.
        warnings.simplefilter("ignore")
        from moto.server import ThreadedMotoServer
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    _forget(moto.get_host_and_port()[1])
    try:
        with serving(Storage(moto.get_host_and_port()[1])) as storage:
            storage.client.create_bucket(Bucket=BUCKET)
            yield storage
            storage.client.close()
    finally:
        moto.stop()
