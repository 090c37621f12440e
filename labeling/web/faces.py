"""The gallery of faces, one face, and the crops themselves."""

from hashlib import sha256
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from labeling import gallery_queries
from labeling.face_filter import FaceFilter
from labeling.models import Example, Face
from labeling.quality_rule import measured
from labeling.rules import may_manage, may_see_labels, may_vote
from labeling.vision import quality
from labeling.web import deeds, face_filters, files, paging
from labeling.web.doors import door

FACES_PER_PAGE = 120
COUNTED_S = 60
"""So long the pages after the first show its count."""


def may_see_crops(user: Any) -> bool:
    return may_vote(user) or may_see_labels(user)


@door(may_see_crops)
@require_safe
def crop(request: HttpRequest, face_pk: int) -> HttpResponseBase:
    """One face's picture, PNG. Tells nothing of where it comes from."""
    found = get_object_or_404(Face.objects.only("crop", "crop_sha256"), pk=face_pk)
    return files.send(
        request, name=found.crop, filename=f"{face_pk}.png", mime="image/png", key=found.crop_sha256
    )


@door(may_see_labels)
@require_safe
def faces(request: HttpRequest) -> HttpResponseBase:
    wanted, after = face_filters.read(request.GET), paging.number(request, "after") or 0
    rows = gallery_queries.gallery(wanted, after=after, limit=FACES_PER_PAGE + 1)
    offered = face_filters.Offered(wanted)
    address = face_filters.address(request.GET)
    undo = deeds.last(request)
    return render(
        request,
        "labeling/faces.html",
        {
            "page": paging.cut(rows, after, FACES_PER_PAGE),
            "count": _count(wanted, address, again=bool(after) and undo is None),
            "count_limit": gallery_queries.COUNT_LIMIT,
            "wanted": wanted,
            "address": address,
            "groups": offered.groups(),
            "chips": offered.chips(request.GET),
            "campaigns": offered.open_campaigns,
            "manages": may_manage(request.user),
            "undo": undo,
        },
    )


def _count(wanted: FaceFilter, address: str, *, again: bool) -> int:
    """How many faces match; again: on a further page of what was counted a moment ago."""
    key = f"gallery-count-{sha256(address.encode()).hexdigest()}"
    known: int | None = cache.get(key) if again else None
    if known is None:
        known = gallery_queries.gallery_count(wanted)
        cache.set(key, known, COUNTED_S)
    return known


@door(may_see_labels)
@require_safe
def face(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(Face.objects.select_related("media"), pk=pk)
    wanted = face_filters.read(request.GET)
    before, after = gallery_queries.neighbours(wanted, pk)
    return render(
        request,
        "labeling/face.html",
        {
            "face": row,
            "against": [face_filters.QUALITY_WORDS[code] for code in quality.reasons(measured(row))],
            "campaign_faces": row.campaign_faces.select_related("campaign", "gold")
            .prefetch_related("adjudications__by", "adjudications__retracted_by")
            .order_by("-pk"),
            "labels": row.labels.select_related("by").order_by("column"),
            "before": before,
            "after": after,
            "address": face_filters.address(request.GET),
            "examples": {example.campaign_id: example for example in Example.objects.filter(face=row)},
            "manages": may_manage(request.user),
            "undo": deeds.last(request),
        },
    )
