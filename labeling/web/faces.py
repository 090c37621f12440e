"""The gallery of faces, one face, and the crops themselves."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from labeling import expressions, queries
from labeling.models import Campaign, CampaignFace, Detection, Example, Face, Outcome, Source
from labeling.queries import FaceFilter
from labeling.rules import may_manage, may_see_labels, may_vote
from labeling.web import files, paging
from labeling.web.doors import door

FACES_PER_PAGE = 120
CHOICES = 200
"""Sources and campaigns offered in the filter; older ones are reached from their own pages."""


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
    wanted, after = _filter(request), paging.number(request, "after") or 0
    rows = queries.gallery(wanted, after=after, limit=FACES_PER_PAGE + 1)
    sources = dict(Source.objects.values_list("pk", "name")[:CHOICES])
    campaigns = {campaign.pk: campaign for campaign in Campaign.objects.all()[:CHOICES]}
    chosen = campaigns.get(wanted.campaign or 0)
    return render(
        request,
        "labeling/faces.html",
        {
            "page": paging.cut(rows, after, FACES_PER_PAGE, key="place"),
            "count": queries.gallery_count(wanted),
            "count_limit": queries.COUNT_LIMIT,
            "wanted": wanted,
            "address": _address(request),
            "chips": _chips(request, wanted, sources, campaigns),
            "sources": sources,
            "campaigns": campaigns.values(),
            "detectors": Detection.objects.order_by("detector").values_list("detector", flat=True).distinct(),
            "states": CampaignFace.State.choices,
            "outcomes": Outcome.choices,
            "labels": chosen.expressions if chosen else [],
            "manages": may_manage(request.user),
        },
    )


@door(may_see_labels)
@require_safe
def face(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(Face.objects.select_related("media"), pk=pk)
    wanted = _filter(request)
    before, after = queries.neighbours(wanted, pk)
    return render(
        request,
        "labeling/face.html",
        {
            "face": row,
            "campaign_faces": row.campaign_faces.select_related("campaign", "gold")
            .prefetch_related("adjudications__by", "adjudications__retracted_by")
            .order_by("-pk"),
            "before": before,
            "after": after,
            "address": _address(request),
            "examples": {example.campaign_id: example for example in Example.objects.filter(face=row)},
            "manages": may_manage(request.user),
        },
    )


def _filter(request: HttpRequest) -> FaceFilter:
    """The filter in the address; what makes no sense there filters nothing."""
    campaign = paging.number(request, "campaign")
    asked = request.GET if campaign else {}
    return FaceFilter(
        source=paging.number(request, "source"),
        detector=request.GET.get("detector", "")[:40],
        campaign=campaign,
        state=_one_of(CampaignFace.State.values, asked.get("state", "")),
        outcome=_one_of(Outcome.values, asked.get("outcome", "")),
        label=str(asked.get("label", ""))[:40],
    )


def _one_of(values: list[str], asked: Any) -> str:
    return asked if asked in values else ""


def _address(request: HttpRequest, *, without: tuple[str, ...] = ()) -> str:
    """The filter as a query string, without the place in the pages."""
    kept = request.GET.copy()
    for name in ("after", *without):
        kept.pop(name, None)
    for name in [name for name, value in kept.items() if not value]:
        del kept[name]
    return kept.urlencode()


def _chips(
    request: HttpRequest, wanted: FaceFilter, sources: dict[int, str], campaigns: dict[int, Campaign]
) -> list[dict[str, str]]:
    """What is filtered, in words, each with the address that takes it away."""
    of_campaign = ("campaign", "state", "outcome", "label")
    campaign = campaigns.get(wanted.campaign or 0)
    words = {
        "source": sources.get(wanted.source or 0, _("one source")) if wanted.source else "",
        "detector": wanted.detector,
        "campaign": (campaign.name if campaign else _("one campaign")) if wanted.campaign else "",
        "state": str(CampaignFace.State(wanted.state).label) if wanted.state else "",
        "outcome": str(Outcome(wanted.outcome).label) if wanted.outcome else "",
        "label": expressions.word(wanted.label),
    }
    names = {
        "source": _("source"),
        "detector": _("detector"),
        "campaign": _("campaign"),
        "state": _("state"),
        "outcome": _("outcome"),
        "label": _("label"),
    }
    gallery = reverse("labeling:faces")
    return [
        {
            "name": names[name],
            "value": value,
            "href": f"{gallery}?{_address(request, without=of_campaign if name == 'campaign' else (name,))}",
        }
        for name, value in words.items()
        if value
    ]
