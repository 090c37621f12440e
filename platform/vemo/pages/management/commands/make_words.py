"""Bring the words to translate up to the sources."""

from argparse import ArgumentParser
from typing import Any

from babel import Locale, UnknownLocaleError
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from vemo import words


class Command(BaseCommand):
    help = "Bring every language's words up to the sources; name a new language to begin one."
    # Words are also made where nothing is set up yet.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("language", nargs="?", help="A language to begin with, as in fr or pt_BR.")

    def handle(self, *args: Any, language: str | None, **options: Any) -> None:
        (locale,) = settings.LOCALE_PATHS
        files = set(locale.glob("*/LC_MESSAGES/django.po"))
        if language:
            try:
                Locale.parse(language)
            except (UnknownLocaleError, ValueError):
                raise CommandError(f"{language} is no language. Write it as in fr or pt_BR.") from None
            files.add(locale / language / "LC_MESSAGES" / "django.po")
        found = words.find(words.sources())
        for po in sorted(files):
            missing = words.untranslated(words.refresh(po, found))
            self.stdout.write(
                f"{po.parents[1].name}: {len(found):,} messages, {len(missing):,} to translate."
            )
