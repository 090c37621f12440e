"""Places to ingest from, good and bad, written as the tests need them."""

import io
import stat
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from django.core.files.storage import default_storage
from PIL import Image

from labeling import work
from labeling.models import Item, Source
from labeling.sources import ingest


def png(seed: int = 0, size: tuple[int, int] = (32, 24)) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def bomb(side: int) -> bytes:
    """A PNG of a few hundred bytes that claims side × side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def kept(name: str) -> bytes:
    with default_storage.open(name) as file:
        return file.read()


def write(root: Path, files: dict[str, bytes | str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def zipped(path: Path, files: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def link_member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def taken_in(location: Path, **fields: object) -> Source:
    """A source of that place, ingested to its end."""
    source = ingest.add(location=location, **fields)  # type: ignore[arg-type]
    ingest.ingest(source.pk)
    source.refresh_from_db()
    assert (source.state, source.error) == ("done", "")
    return source


def again(source: Source) -> None:
    work.restart(source, also_done=True)
    ingest.ingest(source.pk)
    source.refresh_from_db()


def states(source: Source) -> dict[str, str]:
    return dict(source.items.order_by("locator").values_list("locator", "state"))


def reasons(source: Source) -> dict[str, str]:
    refused = source.items.filter(state=Item.State.REFUSED)
    return dict(refused.order_by("locator").values_list("locator", "reason"))


def fer_row(emotion: int | str, seed: int, usage: str = "Training") -> str:
    values = np.random.default_rng(seed).integers(0, 256, 2304)
    return f"{emotion},{' '.join(map(str, values))},{usage}"


def fer_csv(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    return path


FERPLUS_HEAD = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
