"""Files on their way from a browser: announced, received piece by piece, made a source, forgotten (ADR 27)."""

from labeling.upload_files import BadPath, Busy, NoRoom
from labeling.uploads.becoming import Batch, become_source, files_of, location_of, unfinished
from labeling.uploads.forgetting import remove, remove_batch, remove_forgotten
from labeling.uploads.receiving import Check, append, begin, find, receive_several
from labeling.uploads.refusals import (
    AlreadySource,
    Clash,
    Mangled,
    NotThere,
    OverQuota,
    TooLong,
    Unfinished,
    WrongOffset,
)

__all__ = [
    "AlreadySource", "BadPath", "Batch", "Busy", "Check", "Clash", "Mangled", "NoRoom", "NotThere", "OverQuota",
    "TooLong", "Unfinished", "WrongOffset",
    "append", "become_source", "begin", "files_of", "find", "location_of", "receive_several", "remove", "remove_batch",
    "remove_forgotten", "unfinished",
]  # fmt: skip
