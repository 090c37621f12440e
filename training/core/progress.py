"""What a person at a terminal, or reading a log, sees of a training."""

import errno
import io
import os
import sys
from typing import TextIO

_COLUMNS = 80
"""Of a terminal that does not say."""


class Display:
    """On a terminal one line that is written over; elsewhere one line per epoch, none per step."""

    @classmethod
    def silent(cls) -> "Display":
        """For a process that another speaks for."""
        return cls(io.StringIO())

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self._live = self._out.isatty()
        self._drawn = 0

    def say(self, text: str) -> None:
        """A line that stays."""
        self._write(self._over(text) + "\n")
        self._drawn = 0

    def show(self, text: str) -> None:
        """A line that the next one replaces; nothing where there is no terminal."""
        if self._live:
            # A line that wraps would not be written over, but once more below.
            text = text[: self._columns() - 1]
            self._write(self._over(text))
            self._drawn = len(text)

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except OSError as error:
            if not self._live or error.errno != errno.EIO:
                raise
            # The terminal was closed. What is trained shall not be lost with it.
            self._out, self._live = io.StringIO(), False

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._out.fileno()).columns or _COLUMNS
        except OSError:
            return _COLUMNS

    def _over(self, text: str) -> str:
        return "\r" + text.ljust(self._drawn) if self._drawn else text


def spoken(seconds: float) -> str:
    """A duration for people: 42 s, 3 min 20 s, 5 h 12 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
