"""A command and the terminal it was started at."""

import contextlib
import fcntl
import io
import os
import pty
import shutil
import signal
import struct
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from training.core.__main__ import main
from training.core.progress import Display
from training.core.refusals import Stopped
from training.core.stopping import Stopper


@pytest.fixture
def narrow() -> Iterator[tuple[int, TextIO]]:
    """Both ends of a terminal of 30 columns: what is shown is read from the first."""
    shown, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    out = os.fdopen(terminal, "w")
    yield shown, out
    with contextlib.suppress(OSError):  # what a closed terminal did not take
        out.close()


@pytest.fixture
def usual_signals() -> Iterator[None]:
    """The handlers of a command at a terminal, also where nohup or a script's `&` began the tests, which then ignore
    these signals; afterwards as they were.
    """
    before = {
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_line_that_is_written_over_does_not_wrap(narrow: tuple[int, TextIO]) -> None:
    shown, out = narrow
    display = Display(out)
    display.show("Epoch 100/300  step 1000/2000  loss 2.3417")
    display.show("short")
    out.close()
    seen = b""
    with contextlib.suppress(OSError):  # how a terminal without a writer ends
        while more := os.read(shown, 1000):
            seen += more
    os.close(shown)
    assert seen.decode() == "Epoch 100/300  step 1000/2000" + "\r" + "short".ljust(29)


def test_a_terminal_that_was_closed_takes_no_training_with_it(narrow: tuple[int, TextIO]) -> None:
    shown, out = narrow
    display = Display(out)
    os.close(shown)
    with pytest.raises(OSError, match="Input/output error"):
        os.write(out.fileno(), b"so much for what would end the training")
    for _ in range(2):
        display.say("nobody reads this")
        display.show("nor this")


@pytest.mark.usefixtures("usual_signals")
def test_a_closed_terminal_asks_to_stop_unless_that_is_not_to_matter() -> None:
    stopper = Stopper()
    before = signal.getsignal(signal.SIGINT)
    with stopper.watching_signals():
        os.kill(os.getpid(), signal.SIGHUP)
        with pytest.raises(Stopped, match="SIGHUP received"):
            stopper.check()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)] == [before, signal.SIG_DFL]
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    another = Stopper()
    with another.watching_signals():
        os.kill(os.getpid(), signal.SIGHUP)
        another.check()


@pytest.mark.usefixtures("usual_signals")
def test_an_interrupted_command_ends_in_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = tmp_path / "config.json"
    os.mkfifo(waiting)
    over = threading.Event()

    def interrupt() -> None:
        # Opens once the command reads, which then waits for more. A signal just before it waits interrupts nothing.
        with waiting.open("w"):
            while True:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                if over.wait(5):
                    return

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        assert main(["card", str(tmp_path)]) == 130
    finally:
        over.set()
        thread.join()
    assert capsys.readouterr().err == "Interrupted.\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_letters_that_a_terminal_does_not_have_end_nothing(
    snapshot: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    run = tmp_path / "顔"
    shutil.copytree(finished, run)
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding=encoding))
    assert main(["train", str(snapshot), str(run)]) == 0
    assert b"\\u9854 is finished; nothing to do." in shown.getvalue()


def test_images_without_a_pixel_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["networks", "--image-size", "0"]) == 2
    assert "--image-size is a number of pixels above 0" in capsys.readouterr().err
