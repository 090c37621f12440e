"""The scans of a JPEG, counted without decoding them (ITU-T T.81, annex B)."""

import io
import mmap
import re
from typing import BinaryIO

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""What begins a segment; in coded data only fill, stuffed zeros and restarts follow an FF."""
_SCAN, _END = 0xDA, 0xD9


def more_than(most: int, file: BinaryIO) -> bool:
    """Whether the picture has more than so many scans. What lies behind its end does not count."""
    if isinstance(file, io.BytesIO):
        return _count(file.getbuffer(), most) > most
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _count(data, most) > most


def _count(data: "mmap.mmap | memoryview", most: int) -> int:
    """So many scans, or one more than the most."""
    at, count = 2, 0
    while count <= most and (found := _MARKER.search(data, at)):
        start = found.start()
        kind = data[start + 1]
        if kind == _END:
            break
        count += kind == _SCAN
        at = start + 2 + max(2, int.from_bytes(data[start + 2 : start + 4], "big"))
    return count
