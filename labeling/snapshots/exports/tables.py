"""Lines of a CSV, the same bytes whichever Python writes them."""

import csv
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa


def csv_text(rows: Iterable[Sequence[Any]]) -> bytes:
    r"""The rows as a CSV in UTF-8 that ends its lines with \n; a field with a line break of any kind is quoted.

    csv.writer before Python 3.13 quotes only the breaks that it ends lines with itself, so it is given both of them.
    """
    sink = _Sink()
    csv.writer(sink, lineterminator="\r\n").writerows(rows)
    return "".join(sink).encode()


def joined(texts: pa.StringArray | pa.BinaryArray) -> memoryview:
    """All of them one after another, which is how they lie in the memory."""
    _nulls, ends, content = texts.buffers()
    if not len(texts) or content is None:
        return memoryview(b"")
    first, last = np.frombuffer(ends, np.int32)[[texts.offset, texts.offset + len(texts)]].tolist()
    return memoryview(content)[first:last]


class _Sink(list[str]):
    def write(self, line: str) -> None:
        """Called once a row."""
        self.append(f"{line[:-2]}\n")
