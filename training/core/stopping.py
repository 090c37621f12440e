"""Being asked to stop: by a signal, or by a parent that has died."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from training.core.refusals import Stopped


class Stopper:
    """Notes that somebody wants the training to end. The loop looks at it between steps, never inside one."""

    def __init__(self) -> None:
        self._reason = ""

    def ask(self, reason: str) -> None:
        self._reason = self._reason or reason

    @property
    def asked(self) -> bool:
        return bool(self._reason)

    def check(self) -> None:
        """Raises Stopped if anybody has asked."""
        if self._reason:
            raise Stopped(self._reason)

    @contextlib.contextmanager
    def watching_signals(self) -> Iterator[None]:
        """Meanwhile SIGTERM, SIGINT and, when its terminal goes, SIGHUP ask. In the main thread only."""
        before = {
            number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }
        if before[signal.SIGHUP] == signal.SIG_IGN:
            del before[signal.SIGHUP]  # started by nohup, to outlive the terminal
        for number in before:
            signal.signal(number, self._on_signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def watch_parent(self, pipe: int = 0) -> None:
        """The end of `pipe`, a file descriptor whose other end the parent holds, asks. The system closes that
        end however the parent dies, also by SIGKILL, which no parent could pass on.
        """
        threading.Thread(target=self._wait_for_end, args=(pipe,), daemon=True).start()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.ask(f"{signal.Signals(number).name} received")

    def _wait_for_end(self, pipe: int) -> None:
        while os.read(pipe, 4096):
            pass
        self.ask("the parent process is gone")
