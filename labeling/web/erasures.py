"""Erasing for good: what would go, the button, and what became of it."""

import hashlib
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling import erasure as verbs
from labeling.models import Erasure, Face, Media, Source, Track
from labeling.rules import may_manage
from labeling.web import jobs, paging
from labeling.web.doors import door

PER_PAGE = 50
_CHOSEN = "erasure_faces"
"""Where the session keeps faces selected in the gallery, which are too many for an address: by their hash, so that a
preview and its button mean the same faces, whatever was selected in another tab meanwhile."""
_SELECTIONS = 4
"""Previews of selected faces that one person may have open."""
SHOWN = 12
"""Faces shown of what would go."""


@door(may_manage)
@require_safe
def erasures(request: HttpRequest) -> HttpResponse:
    page = paging.newest_first(Erasure.objects.select_related("by"), request, "after", PER_PAGE)
    return render(request, "labeling/erasures.html", {"page": page})


@door(may_manage)
@require_http_methods(["GET", "HEAD", "POST"])
def erasure_new(request: HttpRequest) -> HttpResponseBase:
    """The preview; with a POST, the demand. scope and what are in the address, or which of the session's selections."""
    asked = request.POST if request.method == "POST" else request.GET
    scope, with_media, chosen = asked.get("scope", ""), bool(asked.get("with_media")), asked.get("chosen", "")
    problem = ""
    try:
        what = _what(request, scope, asked.getlist("what"), chosen)
        if request.method == "POST":
            row = verbs.demand(
                scope, what, reason=asked.get("reason", ""), by=request.user, with_media=with_media
            )
            _forget(request, chosen)
            return HttpResponseRedirect(reverse("labeling:erasure", args=[row.pk]))
        found = verbs.preview(scope, what, with_media)
    except verbs.CannotErase as refusal:
        if request.method != "POST":
            return render(request, "labeling/erasure_new.html", {"problem": str(refusal)}, status=400)
        problem = str(refusal)
        try:
            found = verbs.preview(scope, _what(request, scope, asked.getlist("what"), chosen), with_media)
        except verbs.CannotErase:
            return render(request, "labeling/erasure_new.html", {"problem": problem}, status=400)
    context = {
        "found": found,
        "named": _named(found.scope, found.what),
        "sample": verbs.sample(found.scope, found.what, found.with_media, SHOWN),
        "chosen": chosen,
        "scope_word": Erasure.Scope(found.scope).label,
        "toggle": _toggle(scope, asked.getlist("what"), chosen, found.with_media),
        "reason": asked.get("reason", ""),
        "problem": problem,
    }
    return render(request, "labeling/erasure_new.html", context, status=400 if problem else 200)


def choose(request: HttpRequest, keys: list[int]) -> str:
    """Keep faces selected in the gallery. Returns the address of their preview."""
    name = hashlib.sha256(",".join(map(str, keys)).encode()).hexdigest()[:32]
    known = {other: faces for other, faces in _selections(request).items() if other != name}
    newest = list(known.items())[-(_SELECTIONS - 1) :]
    request.session[_CHOSEN] = dict([*newest, (name, keys)])
    asked = urlencode({"scope": Erasure.Scope.FACE, "chosen": name})
    return f"{reverse('labeling:erasure_new')}?{asked}"


def _selections(request: HttpRequest) -> dict[str, list[int]]:
    kept = request.session.get(_CHOSEN)
    return kept if isinstance(kept, dict) else {}


def _forget(request: HttpRequest, chosen: str) -> None:
    if chosen in (left := _selections(request)):
        request.session[_CHOSEN] = {name: keys for name, keys in left.items() if name != chosen}


def _toggle(scope: str, what: list[str], chosen: str, with_media: bool) -> str:
    """The preview with the media, or without; empty where they go anyway."""
    if scope not in (Erasure.Scope.TRACK, Erasure.Scope.FACE):
        return ""
    which = {"chosen": chosen} if chosen else {"what": what}
    given = {"scope": scope, **which, **({} if with_media else {"with_media": 1})}
    return f"{reverse('labeling:erasure_new')}?{urlencode(given, doseq=True)}"


def _what(request: HttpRequest, scope: str, given: list[str], chosen: str) -> list[Any]:
    if chosen:
        if scope != Erasure.Scope.FACE or chosen not in (kept := _selections(request)):
            raise verbs.CannotErase(_("This selection is not kept any more. Select the faces once more."))
        return list(kept[chosen])
    if scope == Erasure.Scope.AUTHOR:
        return [name for name in given if name]
    return [int(key) for key in given if key.isascii() and key.isdigit() and len(key) < 16]


def _named(scope: str, what: list[Any]) -> list[tuple[str, str]]:
    """What is erased, by name, each with its page; of many only the first."""
    some = what[:SHOWN]
    if scope == Erasure.Scope.AUTHOR:
        return [(name, "") for name in some]
    if scope == Erasure.Scope.MEDIA:
        media = Media.objects.filter(pk__in=some).values_list("pk", "original_name")
        return [(name, reverse("labeling:media", args=[pk])) for pk, name in media]
    if scope == Erasure.Scope.SOURCE:
        sources = Source.objects.filter(pk__in=some).values_list("pk", "name")
        return [(name, reverse("labeling:source", args=[pk])) for pk, name in sources]
    if scope == Erasure.Scope.TRACK:
        tracks = Track.objects.filter(pk__in=some).select_related("media")
        faces = reverse("labeling:faces")
        return [
            (_("track {number} of {media}").format(number=t.number, media=t.media), f"{faces}?track={t.pk}")
            for t in tracks
        ]
    keys = Face.objects.filter(pk__in=some).values_list("pk", flat=True)
    return [(_("face {number}").format(number=pk), reverse("labeling:face", args=[pk])) for pk in keys]


@door(may_manage)
@require_safe
def erasure(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "labeling/erasure.html", _progress(pk))


@door(may_manage)
@require_safe
def erasure_live(request: HttpRequest, pk: int) -> JsonResponse:
    context = _progress(pk)
    return jobs.live(request, "labeling/erasure_progress.html", context, stage=context["stage"])


@door(may_manage)
@require_POST
def erasure_resume(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(Erasure, pk=pk)
    to = reverse("labeling:erasure", args=[pk])
    return jobs.ask(request, lambda: verbs.resume(row), _("It goes on where it was."), to)


def _progress(pk: int) -> dict[str, Any]:
    row = get_object_or_404(Erasure.objects.select_related("by"), pk=pk)
    return {
        "erasure": row,
        "touched": row.touched,
        "campaigns": verbs.campaigns_of(row),
        "named": _named(row.scope, row.what) if row.scope == Erasure.Scope.SOURCE else [],
        "waits_for": jobs.waits_for([row]),
        "stage": jobs.OVER if row.is_over else "erasing",
    }
