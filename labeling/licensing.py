"""What the licences of media mean, kept beside what they say."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count

from labeling.licences import understood
from labeling.models import Media

_BATCH = 1_000


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
    unread = Media.objects.filter(licence_code="").exclude(licence="").order_by()
    counted = unread.values_list("licence").annotate(media=Count("pk")).order_by("-media", "licence")
    for text, media in list(counted):
        code = understood(text)
        if code:
            _write(text, code)
        yield Read(text, code, media)


def _write(text: str, code: str) -> None:
    unread = Media.objects.filter(licence=text, licence_code="").order_by("pk").values_list("pk", flat=True)
    while batch := list(unread[:_BATCH]):
        Media.objects.filter(pk__in=batch, licence=text).update(licence_code=code)
