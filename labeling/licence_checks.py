"""Look at the pages of media again: do they still name the licence under which the media were taken in?"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling import whose
from labeling.fetching.addresses import Rules
from labeling.fetching.fetcher import Fetcher, Limits
from labeling.fetching.refusals import CannotFetch
from labeling.licences import understood
from labeling.licences.pages import differs, is_page, said_in
from labeling.models import Item, Media, RightsDecision
from labeling.sayings import gettext_noop
from labeling.sources import KINDS, SITES
from labeling.sources.rights import BASIS

AGAIN_AFTER = timedelta(days=30)
"""A page is not looked at more often."""
_MOST_BYTES = 4 * 1024**2
_LONGEST_S = 60.0
_NO_PAGE = gettext_noop("At the address of the page is something that is no page.")


@dataclass(frozen=True)
class Checked:
    """What became of looking at one media's page. problem: why it could not be looked at; empty if it could."""

    media: Media
    changed: bool = False
    problem: str = ""


def check_pages(most: int) -> Iterator[Checked]:
    """Look at the pages of so many media that are due, each as it is taken from the iterator.

    What a page says is kept as licence_now; where it could not be looked at, nothing is, and it stays due. Media are
    taken from a random place on, so that those that cannot be looked at keep nobody waiting.
    """
    with _fetcher() as fetcher:
        for media in _some(due(), most):
            yield _checked(fetcher, media)


def due() -> QuerySet[Media]:
    """Media that were fetched from the network, have a page of their own, and were not looked at for AGAIN_AFTER."""
    fetched = Item.objects.filter(media=OuterRef("pk"), source__kind__in=_fetching())
    stale = Q(licence_checked_at=None) | Q(licence_checked_at__lt=timezone.now() - AGAIN_AFTER)
    on_the_web = Q(page_url__startswith="https://") | Q(page_url__startswith="http://")
    # Where the list of addresses named no page, the file's own address stands there.
    with_page = Media.objects.annotate(
        own=Coalesce(KT("given__url"), Value(""), output_field=TextField())
    ).exclude(page_url=F("own"))
    return with_page.filter(stale, on_the_web, Exists(fetched))


def changed(now: str | None = None) -> QuerySet[Media]:
    """Media whose page names another licence now than the one that counts, and nobody has decided on that.

    now: only where that licence is this one, by its code; empty: where it is not understood.
    """
    looked_at = Media.objects.exclude(licence_now="")
    columns = ("licence", "licence_code", "licence_now", "licence_refused")
    different = Q(pk__in=())
    for said in looked_at.order_by().values_list(*columns).distinct():
        if _differs(*said) and (now is None or understood(said[2]) == now):
            different |= Q(**dict(zip(columns, said, strict=True)))
    return looked_at.filter(different)


def has_changed(media: Media) -> bool:
    return _differs(media.licence, media.licence_code, media.licence_now, media.licence_refused)


def decide(*, media: Media, seen: str, take: bool, by: Any) -> Media:
    """The licence that the media's page names now counts from here on, or the one that counted stays.

    seen: what the page named when that was decided. by: a user, or None. Raises whose.CannotDecide.
    """
    with transaction.atomic():
        row = Media.objects.select_for_update(no_key=True).get(pk=media.pk)
        if not has_changed(row) or row.licence_now != seen:
            raise whose.CannotDecide(_("That is decided already, or its page says something else by now."))
        if whose.said_otherwise(row):
            raise whose.CannotDecide(_("Its sources disagree. Decide on that first."))
        was = whose.of_media(row)
        if take:
            right = replace(was, licence=row.licence_now)
            whose.settle(row, right, RightsDecision.Kind.TAKEN, by=by)
        else:
            whose.put_on_record(row, was, RightsDecision.Kind.KEPT, by=by)
            row.licence_refused = row.licence_now
            row.save(update_fields=["licence_refused"])
    return row


def _differs(licence: str, code: str, now: str, refused: str) -> bool:
    # While sources disagree a licence that is understood has no code.
    if not differs(licence=licence, code=code or understood(licence), now=now):
        return False
    return not refused or differs(licence=refused, code=understood(refused), now=now)


def _fetching() -> list[str]:
    """The kinds of sources that are taken from elsewhere."""
    kinds = [name for name, kind in KINDS.items() if BASIS in kind.option_names]
    return [*kinds, *(name for name, site in SITES.items() if BASIS in site.option_names)]


def _some(media: QuerySet[Media], most: int) -> list[Media]:
    last = Media.objects.aggregate(last=Max("pk"))["last"] or 0
    begin = random.randint(0, last)
    behind = list(media.filter(pk__gte=begin).order_by("pk")[:most])
    before = media.filter(pk__lt=begin).order_by("pk")[: most - len(behind)]
    return [*behind, *before]


def _checked(fetcher: Fetcher, media: Media) -> Checked:
    try:
        data = fetcher.fetch_bytes(media.page_url, most=_MOST_BYTES)
    except CannotFetch as reason:
        return Checked(media, problem=str(reason))
    if not is_page(data):
        return Checked(media, problem=_NO_PAGE)
    media.licence_now = said_in(data.decode("utf-8", "replace")).replace("\x00", "")
    media.licence_checked_at = timezone.now()
    media.save(update_fields=["licence_now", "licence_checked_at"])
    return Checked(media, changed=has_changed(media))


def _fetcher() -> Fetcher:
    rules = Rules(allowed=settings.FETCH_ALLOW_ADDRESSES, refused=settings.FETCH_REFUSE_ADDRESSES)
    limits = Limits(
        total_s=min(_LONGEST_S, settings.FETCH_MAX_S), tries=1, per_second=settings.FETCH_PER_SECOND
    )
    return Fetcher(rules, limits, user_agent=settings.FETCH_USER_AGENT)
