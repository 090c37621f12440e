"""A program that reads files for another: `python -I -S file_reader.py`. It needs nothing but Python itself.

It is asked by 8 bytes, a number, and so many bytes of paths parted by NUL; and answers with 8 and 32 bytes for each
path, its size and its sha256, then with the files, one after another. A size below 0 is an errno: there is no such
file, or it cannot be read. It ends when nobody can ask any more.
"""

import hashlib
import os
import struct
import sys

NUMBER = struct.Struct("<q")
ENTRY = struct.Struct("<q32s")
_USUAL = 64 * 1024
"""Bytes that most files have at most."""


def whole(path: bytes | str) -> bytes:
    """What is in a file. Python's own way asks the system for more than reading takes."""
    file = os.open(path, os.O_RDONLY)
    try:
        parts = [os.read(file, _USUAL)]
        while len(parts[-1]) == _USUAL:
            parts.append(os.read(file, _USUAL))
    finally:
        os.close(file)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def answer(paths: list[bytes]) -> bytes:
    sha256 = hashlib.sha256
    entries, files = [], []
    for path in paths:
        try:
            file = whole(path)
        except OSError as error:
            entries.append(ENTRY.pack(-(error.errno or 1), b""))
        else:
            entries.append(ENTRY.pack(len(file), sha256(file).digest()))
            files.append(file)
    return b"".join(entries + files)


def main() -> None:
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(head := asked.read(NUMBER.size)) == NUMBER.size:
        paths = asked.read(NUMBER.unpack(head)[0])
        answers.write(answer(paths.split(b"\0")))
        answers.flush()


if __name__ == "__main__":
    main()
