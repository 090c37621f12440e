"""Where media come from: the list, one source, and a new one."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling import labels, queries, source_queries, work
from labeling.erasure.tombstones import erasure_of
from labeling.models import Detection, Item, Source, Work
from labeling.refusals import Refusal
from labeling.rules import may_manage
from labeling.sayings import told
from labeling.sources import faces, ingest, places, watching
from labeling.web import jobs, paging
from labeling.web.doors import door
from labeling.web.source_forms import ELSEWHERE, NewSource, detectors_offered

SOURCES_PER_PAGE = 24
MEDIA_PER_PAGE = 60
ITEMS_PER_PAGE = 50
ITEMS_UNFOLDED = 10


@door(may_manage)
@require_safe
def sources(request: HttpRequest) -> HttpResponseBase:
    page = paging.newest_first(Source.objects.all(), request, "before", SOURCES_PER_PAGE)
    cards = queries.source_cards(page.rows)
    return render(request, "labeling/sources.html", {"cards": cards, "page": page})


@door(may_manage)
@require_http_methods(["GET", "HEAD", "POST"])
def source_new(request: HttpRequest) -> HttpResponseBase:
    form = NewSource(request.POST, request.FILES) if request.method == "POST" else NewSource()
    if form.is_valid():
        try:
            source = form.add(request.user)
        except Refusal as refusal:
            form.add_error(None, told(str(refusal)))
        else:
            return HttpResponseRedirect(_page(source.pk))
    return render(
        request,
        "labeling/source_new.html",
        {
            "form": form,
            "most_bytes": settings.MAX_RESUMABLE_BYTES,
            "elsewhere": " ".join(ELSEWHERE),
        },
        status=400 if form.errors else 200,
    )


@door(may_manage)
@require_safe
def source(request: HttpRequest, pk: int) -> HttpResponseBase:
    context = _progress(get_object_or_404(Source, pk=pk))
    row, counts = context["source"], context["items"]
    state, reason = _items_asked_for(request, counts)
    items = source_queries.items_of(row, state=state, reason=reason)
    return render(
        request,
        "labeling/source.html",
        {
            **context,
            "state": state,
            "reason": reason,
            # Long lists stay folded until they are asked for: the pictures lie below.
            "items_open": "state" in request.GET or sum(counts.values()) <= ITEMS_UNFOLDED,
            "states": [(value, words, counts[value]) for value, words in Item.State.choices if counts[value]],
            "item_page": paging.oldest_first(items, request, "items_after", ITEMS_PER_PAGE),
            "reasons": source_queries.reasons(row, refused=counts[Item.State.REFUSED]),
            "media": paging.oldest_first(queries.media_of(row), request, "after", MEDIA_PER_PAGE),
        },
    )


def _items_asked_for(request: HttpRequest, counts: dict[str, int]) -> tuple[str, str]:
    """(state, reason) of the items to list; first of all what went wrong."""
    state = request.GET.get("state", Item.State.REFUSED if counts[Item.State.REFUSED] else "")
    if state not in Item.State.values:
        return "", ""
    return state, request.GET.get("reason", "")[:500].replace("\0", "")


@door(may_manage)
@require_safe
def source_live(request: HttpRequest, pk: int) -> JsonResponse:
    context = _progress(get_object_or_404(Source, pk=pk))
    return jobs.live(request, "labeling/source_progress.html", context, stage=context["stage"])


@door(may_manage)
@require_POST
def source_stop(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(Source, pk=pk)
    return jobs.ask(
        request, lambda: work.stop(row), _("It pauses after the item it is at. What is in stays."), _page(pk)
    )


@door(may_manage)
@require_POST
def source_restart(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(Source, pk=pk)
    return jobs.ask(request, lambda: ingest.refresh(source=row), _("It goes on where it was."), _page(pk))


@door(may_manage)
@require_POST
def source_retry(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Try again one refused item, those with one reason, or all."""
    row = get_object_or_404(Source, pk=pk)
    item, reason = paging.number(request.POST, "item"), request.POST.get("reason", "")
    said = _("What was refused is tried again.")
    if not row.is_over:
        said = _("What was refused is tried again once the look that goes on has come to its end.")
    return jobs.ask(
        request,
        lambda: ingest.retry_refused(source=row, item=item, reason=reason),
        said,
        f"{_page(pk)}#items",
    )


@door(may_manage)
@require_POST
def source_watch(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(Source, pk=pk)
    if "stop" in request.POST:
        said = _("It is looked at again only when somebody asks.")
        return jobs.ask(request, lambda: watching.unwatch(source=row), said, _page(pk))
    text = request.POST.get("minutes", "")
    minutes = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
    said = _("It is watched from now on.")
    return jobs.ask(request, lambda: watching.watch(source=row, minutes=minutes), said, _page(pk))


@door(may_manage)
@require_POST
def source_detect(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(Source, pk=pk)
    detector = request.POST.get("detector", "")
    return jobs.ask(
        request,
        lambda: faces.detect_in(source=row, detector=detector),
        _("The search has been queued."),
        _page(pk),
    )


@door(may_manage)
@require_POST
def detection_stop(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(Detection, pk=pk)
    to = _page(row.source_id)
    return jobs.ask(request, lambda: work.stop(row), _("The search will stop after this picture."), to)


@door(may_manage)
@require_POST
def detection_restart(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(Detection, pk=pk)
    to = _page(row.source_id)
    return jobs.ask(
        request, lambda: work.restart(row, also_done=True), _("The search goes on where it was."), to
    )


def _page(pk: int) -> str:
    return reverse("labeling:source", args=[pk])


def _progress(row: Source) -> dict[str, Any]:
    """What the moving part of a source's page shows."""
    found = queries.faces_per_detector(row)
    detections = [
        (detection, found.pop(detection.detector, 0)) for detection in row.detections.order_by("pk")
    ]
    searched = {detection.detector for detection, faces_found in detections}
    rows = [row, *(detection for detection, faces_found in detections)]
    items = queries.items_per_state(row)
    awaited = (
        [] if row.is_over else [name for name in row.options.get(places.DETECT, []) if name not in searched]
    )
    return {
        "source": row,
        "erasure": erasure_of(row),
        "items": items,
        "amounts": source_queries.amounts(row),
        "pace": source_queries.pace(row, left=items[Item.State.FOUND]),
        "detections": detections,
        # Faces that no search of this source found: a table's rows, or another source's with the same media.
        "others": found,
        "detectors": [name for name in detectors_offered() if name not in (*searched, *awaited)],
        "awaited": ", ".join(awaited),
        "labels": labels.of_source(row),
        "watch_choices": watching.choices(row.kind),
        "next_look": watching.next_look(row),
        "waits_for": jobs.waits_for(rows),
        "stage": _stage(row, rows),
    }


def _stage(row: Source, rows: list[Work]) -> str:
    if all(each.is_over for each in rows):
        return jobs.OVER
    return "searching" if row.is_over else "ingesting"
