"""manage.py watch [SOURCE]: which sources are looked at again and when; begin and end watching one."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from labeling.models import Source
from labeling.sayings import told
from labeling.sources import watching


class Command(BaseCommand):
    help = (
        "Without arguments: the sources that are watched. With a source's number: begin or end watching it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", nargs="?", type=int, help="Its number, as in its page's address.")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--every", type=int, metavar="MINUTES", help="Look again that often.")
        how.add_argument("--stop", action="store_true", help="Look only when somebody asks.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["source"] is None:
            if options["every"] or options["stop"]:
                raise CommandError("Say which source: manage.py watch 7 --every 15.")
            for watched in Source.objects.filter(watch_minutes__isnull=False).order_by("pk"):
                self._tell(watched)
            return
        source = Source.objects.filter(pk=options["source"]).first()
        if source is None:
            raise CommandError(f"There is no source {options['source']}.")
        try:
            if options["stop"]:
                watching.unwatch(source=source)
            elif options["every"] is not None:
                watching.watch(source=source, minutes=options["every"])
        except watching.CannotWatch as refusal:
            raise CommandError(str(refusal)) from refusal
        self._tell(source)

    def _tell(self, source: Source) -> None:
        name = f"Source {source.pk} “{source.name}”"
        if source.watch_minutes is None:
            self.stdout.write(f"{name}: not watched.")
            return
        at = watching.next_look(source)
        then = f"next look {timezone.localtime(at):%Y-%m-%d %H:%M:%S %Z}" if at else f"now {source.state}"
        failed = f"; the last failed: {told(source.error)}" if source.state == "failed" else ""
        self.stdout.write(f"{name}: every {source.watch_minutes} minutes, {then}{failed}")
