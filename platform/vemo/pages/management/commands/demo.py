"""manage.py demo: the whole loop, then the site."""

import signal
import subprocess
import sys
import time
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from vemo.demo import people
from vemo.demo.stages import Demo, DemoStopped, prepare
from vemo.demo.workers import workers


class Command(BaseCommand):
    help = "Run the whole loop on drawn media (or your own), then serve the site."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--data", type=_existing, help="a folder, zip, picture, video or FER2013 CSV of yours"
        )
        parser.add_argument("--rows", type=_rows, metavar="A:B", help="rows of a FER2013 CSV, from 1")
        parser.add_argument("--ferplus", default="", metavar="CSV", help="FER+'s votes for a FER2013 CSV")
        parser.add_argument("--no-serve", action="store_true", help="end after the loop")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        begun = time.monotonic()
        prepare()
        demo = Demo(self.stdout, data=options["data"], rows=options["rows"], ferplus=options["ferplus"])
        log = settings.VEMO_HOME / "demo" / "workers.log"
        # An interrupt from a terminal and an order to end are answered alike: workers first, then this.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with workers(log):
            try:
                demo.run()
            except DemoStopped as reason:
                if options["no_serve"]:
                    raise CommandError(str(reason)) from reason
                self.stdout.write(f"\nThe loop ends here: {reason}\n")
            self.stdout.write(f"\nThe loop took {time.monotonic() - begun:.0f} s. Workers wrote to {log}.\n")
            if not options["no_serve"]:
                self._serve(options["port"])

    def _serve(self, port: int) -> None:
        bind = f"127.0.0.1:{port}"
        arguments = [
            "vemo.wsgi",
            "--bind",
            bind,
            "--workers",
            "2",
            "--threads",
            "8",
            "--log-level",
            "warning",
        ]
        path = f"{settings.BASE_DIR / 'platform'}"
        command = [sys.executable, "-m", "gunicorn", "--pythonpath", path, *arguments]
        with subprocess.Popen(command, cwd=settings.BASE_DIR) as server:
            self.stdout.write(f"\nVEMO is at http://{bind}/  (Ctrl-C ends it)\n\n")
            for name in people.ROLES:
                self.stdout.write(f"  {name:<10} password {people.PASSWORD}\n")
            self.stdout.write(
                "\nThese accounts are for this machine only. The annotator's campaign is “Your turn”.\n"
            )
            self.stdout.flush()
            try:
                server.wait()
            except KeyboardInterrupt:
                self.stdout.write("\nEnding …\n")
            finally:
                server.terminate()
        if server.returncode not in (0, -signal.SIGTERM, -signal.SIGINT):
            raise CommandError(f"The server ended. Is port {port} taken? Name another: make demo PORT=8001")


def _existing(text: str) -> Path:
    if not Path(text).exists():
        raise ArgumentTypeError(f"There is nothing at “{text}”.")
    return Path(text)


def _rows(text: str) -> tuple[int, int]:
    first, _, last = text.partition(":")
    if not (first.isdigit() and last.isdigit() and 0 < int(first) <= int(last)):
        raise ArgumentTypeError("rows are written A:B, from 1, both included")
    return int(first), int(last)
