"""Media whose page names another licence now than when they were taken in, or of which sources say different things."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from labeling import licence_checks, whose
from labeling.licence_words import licence_line
from labeling.models import Media, RightsDecision, Source
from labeling.refusals import Refusal
from labeling.rules import may_manage
from labeling.web import paging
from labeling.web.doors import door

MEDIA_PER_PAGE = 100
DECISIONS_PER_PAGE = 20


@door(may_manage)
@require_safe
def licences_changed(request: HttpRequest) -> HttpResponseBase:
    page = paging.newest_first(licence_checks.changed(), request, "before", MEDIA_PER_PAGE)
    disputes = paging.newest_first(whose.disputed(), request, "disputed_before", MEDIA_PER_PAGE)
    rows = [(media, licence_line(media.licence), licence_line(media.licence_now)) for media in page.rows]
    disputed = [
        (
            media,
            whose_line(whose.of_media(media)),
            [whose_line(one.rights) for one in whose.said_otherwise(media)],
        )
        for media in disputes.rows
    ]
    every = RightsDecision.objects.select_related("media", "by")
    decisions = paging.newest_first(every, request, "decided_before", DECISIONS_PER_PAGE)
    context = {
        "page": page,
        "rows": rows,
        "disputes": disputes,
        "disputed": disputed,
        "decisions": decisions,
        "decided": [(one, rights_line(one.was), rights_line(one.now)) for one in decisions.rows],
    }
    return render(request, "labeling/licences_changed.html", context)


@door(may_manage)
@require_POST
def decide(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Which of what sources say of the media counts."""
    row = get_object_or_404(Media, pk=pk)
    try:
        whose.decide(media=row, key=request.POST.get("said", ""), by=request.user)
    except Refusal as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("It is decided. What other sources say is kept, and counts no more."))
    return redirect(reverse("labeling:media", args=[pk]))


@door(may_manage)
@require_POST
def decide_licence(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Whether the licence that the media's page names now counts, or the one that did."""
    row = get_object_or_404(Media, pk=pk)
    take = request.POST.get("take") == "1"
    try:
        licence_checks.decide(media=row, seen=request.POST.get("now", ""), take=take, by=request.user)
    except Refusal as refusal:
        messages.error(request, str(refusal))
    else:
        text = _("The licence its page names now counts.") if take else _("The licence stays as it was.")
        messages.success(request, text)
    return redirect(reverse("labeling:media", args=[pk]))


@dataclass(frozen=True)
class Line:
    """What one source says of a media, to be shown."""

    key: str
    text: str
    author: str
    page_url: str
    """Empty where it leads to no page of the web."""
    source: Source | None
    by: str
    at: object


def otherwise(media: Media) -> list[Line]:
    return _lines(whose.said_otherwise(media))


def overruled(media: Media) -> list[Line]:
    return _lines(whose.overruled(media))


def whose_line(rights: whose.Rights) -> str:
    """Licence and author."""
    return f"{licence_line(rights.licence)}, {rights.author or _('author not known')}"


def decisions_on(media: Media) -> list[tuple[RightsDecision, str, str]]:
    """The newest decisions on the media, with what counted before and after."""
    rows = media.decisions.select_related("by").order_by("-pk")[:DECISIONS_PER_PAGE]
    return [(one, rights_line(one.was), rights_line(one.now)) for one in rows]


def rights_line(kept: Mapping[str, str]) -> str:
    """Licence and author, as a decision keeps them."""
    return whose_line(whose.Rights(**kept))


def _lines(sayings: list[whose.Saying]) -> list[Line]:
    if not sayings:
        return []
    sources = Source.objects.in_bulk({one.source for one in sayings if one.source})
    people = get_user_model().objects.in_bulk({one.by for one in sayings if one.by})
    return [
        Line(
            key=one.rights.key,
            text=whose_line(one.rights),
            author=one.rights.author,
            page_url=one.rights.page_url if is_link(one.rights.page_url) else "",
            source=sources.get(one.source or 0),
            by=str(people.get(one.by or 0) or ""),
            at=parse_datetime(one.at) if one.at else None,
        )
        for one in sayings
    ]


def is_link(page_url: str) -> bool:
    """A page's address comes out of a file somebody wrote: only what leads to the web becomes a link."""
    return page_url.startswith(("https://", "http://"))
