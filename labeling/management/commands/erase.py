"""manage.py erase: erase media and faces for good."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling import erasure
from labeling.management.following import follow


class Command(BaseCommand):
    help = "Erase media, or all of a source or an author, or tracks or faces, for good. It cannot be undone."

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        for scope in ("media", "source", "track", "face"):
            what.add_argument(f"--{scope}", nargs="+", type=int, metavar="NUMBER")
        what.add_argument(
            "--author", nargs="+", metavar="NAME", help="As media have it, or some source had it."
        )
        parser.add_argument("--reason", default="", help="Why; kept with the erasure and told to who looks.")
        parser.add_argument(
            "--with-media", action="store_true", help="Of tracks and faces: the media that show them too."
        )
        parser.add_argument("--dry-run", action="store_true", help="Only tell what it would touch.")
        parser.add_argument("--queue", action="store_true", help="Leave it to a worker.")

    def handle(self, *args: Any, **options: Any) -> None:
        scope, what = next(
            (scope, options[scope])
            for scope in ("media", "source", "author", "track", "face")
            if options[scope]
        )
        try:
            if options["dry_run"]:
                self._tell(erasure.preview(scope, what, options["with_media"]))
                return
            row = erasure.demand(
                scope,
                what,
                reason=options["reason"],
                with_media=options["with_media"],
                wake=options["queue"],
            )
        except erasure.CannotErase as refusal:
            raise CommandError(str(refusal)) from refusal
        if options["queue"]:
            self.stdout.write(f"Erasure {row.pk} is queued for a worker.")
            return
        follow(row, lambda tell: erasure.carry_out(row.pk, tell=tell))
        self._warn_of(row.touched.get("unopened", []))
        for path in row.touched["originals"]:
            self.stdout.write(f"yours to delete: {path}")
        if (more := row.touched["originals_count"] - len(row.touched["originals"])) > 0:
            self.stdout.write(f"and {more:,} more originals")

    def _warn_of(self, unopened: list[dict[str, Any]]) -> None:
        for each in unopened:
            self.stdout.write(f"snapshot {each['pk']} ({each['name']}) cannot be opened: {each['why']}")

    def _tell(self, found: erasure.Preview) -> None:
        out = self.stdout.write
        out(f"{found.media:,} media of {found.bytes:,} bytes, {found.faces:,} faces, {found.votes:,} votes")
        for each in found.campaigns:
            out(f"campaign {each['pk']} ({each['name']}): {each['faces']:,} faces")
        for each in found.snapshots:
            out(f"snapshot {each['pk']} ({each['name']}): {each['faces']:,} faces")
        self._warn_of(found.unopened)
        for each in found.exports:
            out(f"export {each['pk']}: {each['name']} as {each['format']}")
        for each in found.made_of_them:
            out(f"model {each['name']}")
        if found.pictures_stay:
            out(f"{found.pictures_stay:,} media stay and go on showing the faces (see --with-media)")
        if found.elsewhere:
            out(f"{found.elsewhere:,} faces in other media look nearly the same and stay")
        for each in found.claimed:
            why = "somebody has decided against" if each["decided"] else "nobody has decided on"
            counts = f"counts as by {each['counts']}" if each["counts"] else "counts as by nobody known"
            out(f"media {each['pk']} ({each['name']}) {counts}; {why} {each['author']}, whom a source names")
        if (more := found.claimed_count - len(found.claimed)) > 0:
            out(f"and {more:,} more media that count as somebody else's")
        for path in found.originals:
            out(f"yours to delete: {path}")
        out("Nothing was erased.")
