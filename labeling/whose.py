"""Whose a media is and under which licence: what its sources say of that, and who is right where they disagree.

What one source says counts as a whole: no licence is ever put beside another source's author or page. Where sources
disagree, what was said first stays, the other is kept beside it, and until a person has decided the licence counts as
unknown, which no rule lets in (ADR 39).
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.licences import UNKNOWN, understood
from labeling.licences.reading import same
from labeling.models import Media, RightsDecision, Source
from labeling.refusals import Refusal

OPEN, OVERRULED = "said_otherwise", "overruled"
"""In Media.given: what other sources say, to be decided on; and what a person has decided against."""
_MOST = 20
"""Of what other sources say so much is kept of one media."""


class CannotDecide(Refusal):
    """There is nothing of this to decide; the text says why."""


@dataclass(frozen=True)
class Rights:
    """What one source says of one media."""

    licence: str = ""
    author: str = ""
    page_url: str = ""

    @property
    def key(self) -> str:
        """Names it among what is said of one media."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:16]

    def columns(self) -> dict[str, str]:
        """As a media has it, of which nobody says otherwise."""
        return {**asdict(self), "licence_code": understood(self.licence)}


@dataclass(frozen=True)
class Saying:
    """What a source says otherwise. source: its key. by, at: who has decided against it and when, if somebody has."""

    rights: Rights
    source: int | None = None
    by: int | None = None
    at: str = ""


def of_media(media: Media) -> Rights:
    """What counts of it now."""
    return Rights(media.licence, media.author, media.page_url)


def said_otherwise(media: Media) -> list[Saying]:
    """What other sources say of it, as long as nobody has decided."""
    return _kept(media, OPEN)


def overruled(media: Media) -> list[Saying]:
    return _kept(media, OVERRULED)


def disputed() -> QuerySet[Media]:
    """Media of which sources say different things, and nobody has decided."""
    return Media.objects.filter(given__has_key=OPEN)


def hear(told: Iterable[tuple[Media, Rights]], source: Source) -> None:
    """Keep what the source says of these media, in the caller's transaction."""
    for media, said in told:
        if not _learnt(media, said, source):
            continue
        # Of two sources that speak at once neither is unheard.
        held = Media.objects.select_for_update(no_key=True).filter(pk=media.pk).first()
        if held is not None and (learnt := _learnt(held, said, source)):
            Media.objects.filter(pk=held.pk).update(**learnt)


def decide(*, media: Media, key: str, by: Any) -> Media:
    """What has this key among what is said of the media counts; all else is overruled. Raises CannotDecide."""
    with transaction.atomic():
        row = Media.objects.select_for_update(no_key=True).get(pk=media.pk)
        others, was = said_otherwise(row), of_media(row)
        told = {was.key: was, **{one.rights.key: one.rights for one in others}}
        if not others or key not in told:
            raise CannotDecide(_("That is decided already, or is said no more. Look at the page again."))
        settle(row, told[key], RightsDecision.Kind.SOURCES, by=by)
    return row


def write_down(*, media: Media, rights: Rights, by: Any) -> Media:
    """What a person has written down by hand counts; all that was said is overruled."""
    with transaction.atomic():
        row = Media.objects.select_for_update(no_key=True).get(pk=media.pk)
        if rights != of_media(row) or said_otherwise(row):
            settle(row, rights, RightsDecision.Kind.BY_HAND, by=by)
    return row


def settle(row: Media, right: Rights, kind: str, *, by: Any) -> None:
    """Let this count, keep what it goes against, and put that on record; the row is held by the caller."""
    put_on_record(row, right, kind, by=by)
    was, when = of_media(row), timezone.now().isoformat(timespec="seconds")
    # Where a file lies says nothing of whose it is.
    first = [Saying(was)] if was.licence or was.author else []
    wrong = [one for one in [*first, *said_otherwise(row)] if one.rights != right]
    decided = [Saying(one.rights, one.source, _key(by), when) for one in wrong]
    # Of what counts again it is not told any more that it does not.
    before = [one for one in overruled(row) if one.rights not in (right, *(one.rights for one in wrong))]
    row.given = {name: value for name, value in row.given.items() if name not in (OPEN, OVERRULED)}
    if before or decided:
        row.given[OVERRULED] = [_written(one) for one in [*before, *decided]]
    for name, value in {**right.columns(), **_page_anew(was, right)}.items():
        setattr(row, name, value)
    row.save()


def put_on_record(row: Media, right: Rights, kind: str, *, by: Any) -> RightsDecision:
    """by: a user, or None where nobody says who it is."""
    return RightsDecision.objects.create(
        media=row,
        kind=kind,
        was=asdict(of_media(row)),
        now=asdict(right),
        page_says=row.licence_now,
        by_id=_key(by),
    )


def _key(by: Any) -> int | None:
    return getattr(by, "pk", None)


def _learnt(media: Media, said: Rights, source: Source) -> dict[str, Any]:
    """The columns of the media that change by what the source says; none if that is nothing new."""
    kept = of_media(media)
    if said == kept or not (said.licence or said.author or (said.page_url and kept == Rights())):
        # Where a file lies says nothing of whose it is.
        return {}
    others = said_otherwise(media)
    if not (kept.licence or kept.author) or (not _disagree(said, kept) and _says_more(said, kept)):
        counts, others = said, [one for one in others if one.rights != said]
    elif _disagree(said, kept) or (said.licence and not kept.licence):
        if said in (one.rights for one in [*others, *overruled(media)]) or len(others) >= _MOST:
            return {}
        counts, others = kept, [*others, Saying(said, source.pk)]
    else:
        return {}
    learnt: dict[str, Any] = {**counts.columns(), **_page_anew(kept, counts)}
    if others:
        learnt["given"] = {**media.given, OPEN: [_written(one) for one in others]}
        if any(not _one_licence(one.rights, counts) for one in others):
            learnt["licence_code"] = UNKNOWN
    return learnt


def _disagree(one: Rights, other: Rights) -> bool:
    return not (_one_licence(one, other) and _one_author(one, other))


def _one_licence(one: Rights, other: Rights) -> bool:
    """Whether they name no two licences; what is not understood is compared word by word."""
    if not one.licence or not other.licence or one.licence == other.licence:
        return True
    codes = understood(one.licence), understood(other.licence)
    return UNKNOWN not in codes and same(*codes)


def _one_author(one: Rights, other: Rights) -> bool:
    return not one.author or not other.author or spelt(one.author) == spelt(other.author)


def spelt(author: str) -> str:
    """The name without what is but its spelling: small letters or large ones, blanks, how accents are put together."""
    return " ".join(unicodedata.normalize("NFKC", author).casefold().split())


def _says_more(said: Rights, kept: Rights) -> bool:
    """Whether it says all that is kept, which it agrees with, and something besides."""
    as_exact = not kept.licence or len(understood(said.licence)) >= len(understood(kept.licence))
    covers = all(getattr(said, name) or not getattr(kept, name) for name in asdict(kept))
    new = any(getattr(said, name) and not getattr(kept, name) for name in asdict(kept))
    return bool(as_exact and covers and new)


def _page_anew(was: Rights, now: Rights) -> dict[str, Any]:
    """What another page said is nothing about this one."""
    if was.page_url == now.page_url:
        return {}
    return {
        "licence_now": "",
        "licence_refused": "",
        "licence_checked_at": None,
    }


def _kept(media: Media, name: str) -> list[Saying]:
    return [_read(entry) for entry in media.given.get(name, [])]


def _read(entry: Mapping[str, Any]) -> Saying:
    rights = Rights(**{name: entry[name] for name in asdict(Rights())})
    return Saying(rights, entry.get("source"), entry.get("by"), entry.get("at", ""))


def _written(saying: Saying) -> dict[str, Any]:
    told = {"source": saying.source, "by": saying.by, "at": saying.at}
    return {**asdict(saying.rights), **{name: value for name, value in told.items() if value}}
