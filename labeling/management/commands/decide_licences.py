"""manage.py decide_licences: which licence of media counts, where their page or their sources say another."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling import licence_checks, whose
from labeling.models import Media
from labeling.refusals import Refusal
from labeling.rules import may_manage


class Command(BaseCommand):
    help = (
        "List the media whose page names another licence than the one that counts, and those whose sources say "
        "different things; or decide on some. Each decision is kept, with whoever is named by --by. "
        "Exit status: 0 all decided, 1 some could not be."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--take", nargs="+", type=int, metavar="MEDIA", help="What their page names counts from now on."
        )
        what.add_argument("--keep", nargs="+", type=int, metavar="MEDIA", help="What counted stays.")
        what.add_argument(
            "--right", nargs="+", metavar="MEDIA=KEY", help="Which of what sources say is right, by its key."
        )
        parser.add_argument("--by", default="", metavar="USERNAME", help="The manager who has decided.")
        parser.add_argument("--limit", type=int, default=100, help="Media listed at most, 100 if left out.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["limit"] < 1:
            raise CommandError("--limit is a number above 0.")
        by = self._person(options["by"])
        if options["right"]:
            pairs = [_pair(text) for text in options["right"]]
            self._each(pairs, lambda media, key: whose.decide(media=media, key=key, by=by))
        elif numbers := options["take"] or options["keep"]:
            take = bool(options["take"])
            self._each(
                [(number, "") for number in numbers],
                lambda media, _: licence_checks.decide(media=media, seen=media.licence_now, take=take, by=by),
            )
        else:
            self._list(options["limit"])

    def _person(self, username: str) -> Any:
        if not username:
            return None
        person = get_user_model().objects.filter(username=username).first()
        if person is None or not may_manage(person):
            raise CommandError(f"There is no manager “{username}”.")
        return person

    def _each(self, pairs: list[tuple[int, str]], decide: Callable[[Media, str], Media]) -> None:
        failed = 0
        for number, key in pairs:
            media = Media.objects.filter(pk=number).first()
            try:
                if media is None:
                    raise whose.CannotDecide("There is no such media.")
                row = decide(media, key)
            except Refusal as refusal:
                failed += 1
                self.stderr.write(f"media {number}: {refusal}")
            else:
                self.stdout.write(f"media {number}: {_line(whose.of_media(row))} counts")
        if failed:
            raise CommandError(f"On {failed:,} of {len(pairs):,} media nothing was decided.")

    def _list(self, most: int) -> None:
        for media in licence_checks.changed().order_by("pk")[:most]:
            was = media.licence or "not known"
            self.stdout.write(f"media {media.pk}: {media.page_url}: was {was}, now {media.licence_now}")
        for media in whose.disputed().order_by("pk")[:most]:
            self.stdout.write(f"media {media.pk}: sources disagree")
            first = whose.Saying(whose.of_media(media))
            for one in [first, *whose.said_otherwise(media)]:
                said = f"source {one.source}" if one.source else "said first"
                self.stdout.write(f"  {media.pk}={one.rights.key}  {_line(one.rights)} ({said})")


def _pair(text: str) -> tuple[int, str]:
    number, _, key = text.partition("=")
    if not (number.isascii() and number.isdigit() and len(number) < 16 and key):
        raise CommandError(f"“{text}” is not MEDIA=KEY.")
    return int(number), key


def _line(rights: whose.Rights) -> str:
    return f"{rights.licence or 'licence not known'}, {rights.author or 'author not known'}"
