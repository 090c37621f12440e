"""One line on the terminal that says how far the work is."""

import shutil
import sys
import time
from typing import TextIO


class ProgressLine:
    """Rewritten in place on a terminal; elsewhere silent but for its end, so that logs stay short."""

    EVERY_S = 0.1

    def __init__(self, label: str, out: TextIO | None = None) -> None:
        self._label = label
        self._out = out or sys.stderr
        self._moves = self._out.isatty()
        self._begun = self._drawn = time.monotonic()

    def __call__(self, done: int, total: int | None, message: str) -> None:
        now = time.monotonic()
        if self._moves and now - self._drawn >= self.EVERY_S:
            self._drawn = now
            self._draw(self._line(done, total, message))

    def end(self, message: str) -> None:
        line = f"{self._label}: {message} ({time.monotonic() - self._begun:.1f} s)"
        if self._moves:
            self._draw(line)
        self._out.write("\n" if self._moves else f"{line}\n")

    def _line(self, done: int, total: int | None, message: str) -> str:
        if not total:
            return f"{self._label}: {message}"
        filled = 20 * done // total
        return f"{self._label} [{'█' * filled}{'·' * (20 - filled)}] {done:,} of {total:,}  {message}"

    def _draw(self, line: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._out.write(f"\r\x1b[2K{line[:width]}")
        self._out.flush()
