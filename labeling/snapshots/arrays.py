"""Columns of Arrow tables as NumPy arrays."""

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Whole: TypeAlias = NDArray[np.int64]
Narrow: TypeAlias = NDArray[np.integer[Any]]
"""Whole numbers in as few bytes as all of them need."""
Which: TypeAlias = NDArray[np.bool_]

_SPARSE = 16
"""Numbers that lie further apart than that, on the average, are sorted to be counted."""


def narrow(numbers: Narrow) -> Narrow:
    """The same numbers in as few bytes as they need."""
    if not numbers.size:
        return numbers.astype(np.int8)
    least, most = int(numbers.min()), int(numbers.max())
    for kind in (np.int8, np.int16, np.int32):
        limits = np.iinfo(kind)
        if limits.min <= least and most <= limits.max:
            return numbers.astype(kind, copy=False)
    return numbers


def numbered(values: Narrow) -> tuple[Narrow, Whole]:
    """The distinct ones of numbers of at least 0 in their order, and of each number its place there."""
    size = int(values.max()) + 1 if values.size else 0
    if size > _SPARSE * max(1, values.size):
        names, places = np.unique(values, return_inverse=True)
        return names, places
    there = np.zeros(size, np.bool_)
    there[values] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[values]


def combined(column: Any) -> pa.Array:
    """The column in one piece."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def coded(column: Any) -> tuple[list[str], Whole]:
    """Distinct texts, and of each row which; no text is the empty one."""
    texts = combined(column).fill_null("").dictionary_encode()
    return texts.dictionary.to_pylist(), texts.indices.to_numpy().astype(np.int64)


def whole_numbers(rows: pa.Table, name: str, none: int = 0) -> Whole:
    """none: what stands for no number."""
    return np.asarray(rows.column(name).fill_null(none).to_numpy(), np.int64)


def booleans(values: Any) -> Which:
    return np.asarray(values.to_numpy(zero_copy_only=False), np.bool_)
