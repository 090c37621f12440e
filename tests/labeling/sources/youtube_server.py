"""A server on loopback that stands in for YouTube: pages with a video, a feed that lists them, files in ranges."""

import re
import time
from pathlib import Path

from tests.labeling.fetching.servers import Handler, Server
from tests.labeling.vision.films import write_film

FILE_BYTES = 300_000


class FakeTube(Server):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.names: list[str] = []
        self.bytes_sent = 0
        self.pause_s = 0.0
        """After each of the pieces a file is sent in."""
        self.answers["/feed.xml"] = self._feed

    def watch(self, name: str) -> str:
        return f"{self.url}/watch/{name}.html"

    @property
    def feed(self) -> str:
        return f"{self.url}/feed.xml"

    def add(self, name: str, *, frames: int = 5, padding: int = 0, src: str = "") -> bytes:
        """Put a video up, with a page that shows it. padding: bytes of an empty box behind the film."""
        path = write_film(self._folder / f"{name}.mp4", rate=5, count=frames)
        box = (8 + padding).to_bytes(4, "big") + b"free" + bytes(padding) if padding else b""
        body = path.read_bytes() + box
        self.names.append(name)
        film = f'<video src="{src or f"/files/{name}.mp4"}"></video>'
        page = f"<html><head><title>Film {name}</title></head>{film}</html>"
        self.answers[f"/watch/{name}.html"] = lambda far: far.say(
            200, page.encode(), Content_Type="text/html"
        )
        self.answers[f"/files/{name}.mp4"] = lambda far: self._file(far, body)
        return body

    def _feed(self, far: Handler) -> None:
        items = "".join(
            f"<item><title>Film {name}</title><link>{self.watch(name)}</link></item>" for name in self.names
        )
        feed = f'<?xml version="1.0"?><rss version="2.0"><channel><title>Films</title>{items}</channel></rss>'
        far.say(200, feed.encode(), Content_Type="application/rss+xml")

    def _file(self, far: Handler, body: bytes) -> None:
        begin, asked = 0, re.fullmatch(r"bytes=(\d+)-", far.headers.get("Range", ""))
        if asked:
            begin = int(asked[1])
        if begin >= len(body):
            far.say(416)
            return
        more = {"Content_Range": f"bytes {begin}-{len(body) - 1}/{len(body)}"} if asked else {}
        length = str(len(body) - begin)
        far.begin(206 if asked else 200, Content_Type="video/mp4", Content_Length=length, **more)
        for at in range(begin, len(body), 16_384):
            piece = body[at : at + 16_384]
            far.wfile.write(piece)
            self.bytes_sent += len(piece)
            time.sleep(self.pause_s)
