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


class FileReader:
    """Reads into one room, which grows to the largest answer: none is made for each file."""

    def __init__(self) -> None:
        self._room = bytearray(32 * _USUAL)

    def answer(self, paths: list[bytes]) -> tuple[bytes, memoryview]:
        """The entries, and the files; these hold until the next answer."""
        sha256, open_, close = hashlib.sha256, os.open, os.close
        entries = []
        room = memoryview(self._room)
        at = 0
        for path in paths:
            end = at
            try:
                file = open_(path, os.O_RDONLY)
                try:
                    while True:
                        if len(room) - end < _USUAL:
                            room = self._grown(room)
                        size = os.readv(file, [room[end : end + _USUAL]])
                        end += size
                        if size < _USUAL:
                            break
                finally:
                    close(file)
            except OSError as error:
                entries.append(ENTRY.pack(-(error.errno or 1), b""))
            else:
                entries.append(ENTRY.pack(end - at, sha256(room[at:end]).digest()))
                at = end
        return b"".join(entries), room[:at]

    def _grown(self, room: memoryview) -> memoryview:
        self._room = bytearray(2 * len(room))
        self._room[: len(room)] = room
        return memoryview(self._room)


def main() -> None:
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    reader = FileReader()
    while len(head := asked.read(NUMBER.size)) == NUMBER.size:
        paths = asked.read(NUMBER.unpack(head)[0])
        for part in reader.answer(paths.split(b"\0")):
            answers.write(part)
        answers.flush()


if __name__ == "__main__":
    main()
