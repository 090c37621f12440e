"""The sha256 of many things: as bytes, as hex digits, as texts of Arrow."""

import hashlib
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Digits: TypeAlias = NDArray[np.bytes_]
"""(n,) 64 hex digits each."""
Raw: TypeAlias = NDArray[np.void]
"""(n,) 32 bytes each."""
RAW = np.dtype("V32")


def hex_digits(values: pa.StringArray) -> Digits:
    """Texts of 64 hex digits; others, and none, become such as are equal to no other."""
    _, ends, data = values.buffers()
    if len(values) and data is not None and not values.null_count:
        at = np.frombuffer(ends, np.int32)[values.offset : values.offset + len(values) + 1]
        if (np.diff(at) == 64).all():
            return np.frombuffer(data, "S64", len(values), int(at[0]))
    return np.array([(text or "").encode() for text in values.to_pylist()], "S64")


def raw_bytes(digits: Digits) -> Raw:
    """Of 64 hex digits each. Raises ValueError for others."""
    return np.frombuffer(bytes.fromhex(np.ascontiguousarray(digits).tobytes().decode()), RAW)


def digits_of(raw: Raw) -> Digits:
    return np.frombuffer(np.ascontiguousarray(raw).tobytes().hex().encode(), "S64")


def texts_of(data: bytes, digits: int = 64) -> pa.StringArray:
    """The hex digits of the bytes, so many in each text."""
    text = data.hex().encode()
    ends = np.arange(0, len(text) + 1, digits, dtype=np.int32)
    return pa.StringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(text))


def sha256s(values: pa.BinaryArray) -> Raw:
    """Of each value."""
    _, ends, data = values.buffers()
    if not len(values):
        return np.empty(0, RAW)
    at = np.frombuffer(ends, np.int32)[values.offset : values.offset + len(values) + 1].tolist()
    view, sha256 = memoryview(data or b""), hashlib.sha256
    return np.frombuffer(b"".join([sha256(view[start:end]).digest() for start, end in pairwise(at)]), RAW)


def leading_words(raw: Raw) -> NDArray[np.uint64]:
    """(n,) the first 64 bits of keys of 32 bytes."""
    words = np.ascontiguousarray(raw).view(">u8").reshape(len(raw), 4)
    return words[:, 0].astype(np.uint64)


def leading_bits(keys: Digits) -> NDArray[np.uint64]:
    """The first 64 bits of keys of hex digits."""
    if not len(keys):
        return np.empty(0, np.uint64)
    first = np.ascontiguousarray(np.ascontiguousarray(keys).view("S16").reshape(len(keys), 4)[:, 0])
    return np.frombuffer(bytes.fromhex(first.tobytes().decode()), ">u8").astype(np.uint64)
