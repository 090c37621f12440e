"""What the licences of media mean, kept beside what they say, and which faces a rule leaves out for them."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from django.db.models import Count, Q, QuerySet

from labeling import whose
from labeling.licences import DEMANDS, licence, meeting, understood, why_not
from labeling.models import Face, Media

_BATCH = 1_000


@dataclass(frozen=True)
class LeftOut:
    """Faces that a rule leaves out.

    why: demand → how many of them do not meet it; one may fail several. Of unknown licences only that they are unknown
    is told (no_unknown), whatever is asked for.
    """

    faces: int = 0
    why: dict[str, int] = field(default_factory=dict)


def meets(rule: Collection[str]) -> Q:
    """Of faces: those whose media's licence meets the rule. Without a rule, all."""
    return Q(media__licence_code__in=meeting(rule)) if rule else Q()


def left_out(faces: QuerySet[Face], rule: Collection[str]) -> LeftOut:
    """How many of the faces the rule leaves out, and why; in one statement, in none without a rule."""
    if not rule:
        return LeftOut()
    why, every = Counter[str](), 0
    for code, number in _by_code(faces.exclude(meets(rule))):
        every += number
        why.update(dict.fromkeys(why_not(code, rule) if licence(code) else ("no_unknown",), number))
    return LeftOut(every, {key: why[key] for key in DEMANDS if why[key]})


def unmet(faces: QuerySet[Face]) -> dict[str, int]:
    """Demand → how many of the faces it would leave out if it were asked for; in one statement."""
    counts = Counter[str]()
    for code, number in _by_code(faces):
        counts.update(dict.fromkeys(why_not(code, DEMANDS), number))
    return {key: counts[key] for key in DEMANDS}


def _by_code(faces: QuerySet[Face]) -> list[tuple[str, int]]:
    rows = faces.order_by().values_list("media__licence_code")
    return list(rows.annotate(number=Count("pk", distinct=True)))


@dataclass(frozen=True)
class Read:
    """One wording of a licence, and how many media have it. code: empty where it is not understood."""

    text: str
    code: str
    media: int


def read_kept() -> Iterator[Read]:
    """Understand the licences that media have kept without a code; each wording once, the most frequent first.

    Media are written in batches, each of them once and for all: stopped anywhere, the next call goes on.
    """
    wordings = _unread().exclude(licence="").values_list("licence")
    counted = wordings.annotate(media=Count("pk")).order_by("-media", "licence")
    for text, media in list(counted):
        code = understood(text)
        if code:
            _write(text, code)
        yield Read(text, code, media)


def _unread() -> QuerySet[Media]:
    """Media whose licence counts as unknown, though not because its sources disagree."""
    return Media.objects.filter(licence_code="").exclude(given__has_key=whose.OPEN).order_by()


def _write(text: str, code: str) -> None:
    unread = _unread().filter(licence=text).order_by("pk").values_list("pk", flat=True)
    while batch := list(unread[:_BATCH]):
        _unread().filter(pk__in=batch, licence=text).update(licence_code=code)
