"""Managers decide on faces the votes are not clear about: on a face's own page, or on one dispute after another."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_POST, require_safe

from labeling import adjudication, disputes, preferences
from labeling.expressions import NOT_A_FACE, OTHER_ANSWERS
from labeling.models import Campaign, CampaignFace
from labeling.rules import may_manage
from labeling.web import paging
from labeling.web.doors import door

FACES_PER_PAGE = 60
REASON = "adjudication_reason"
"""Where a session keeps the reason given last."""
QUICK_REASONS = (
    gettext_noop("the mouth says so"),
    gettext_noop("the brows say so"),
    gettext_noop("as the agreed faces beside it"),
    gettext_noop("mostly the stronger of two"),
    gettext_noop("too blurred to say more"),
)


@door(may_manage)
@require_POST
def adjudicate(request: HttpRequest, pk: int) -> HttpResponseBase:
    return _done(request, pk, lambda: _decide(request, pk))


@door(may_manage)
@require_POST
def retract(request: HttpRequest, pk: int) -> HttpResponseBase:
    return _done(request, pk, lambda: adjudication.retract(campaign_face_id=pk, by=request.user))


def _decide(request: HttpRequest, pk: int) -> None:
    """The decision in the form; its reason is offered for the next."""
    given = request.POST
    reason, seen = given.get("reason", ""), given.get("seen", "")
    request.session[REASON] = reason.strip()[: adjudication.LONGEST_REASON]
    adjudication.adjudicate(
        campaign_face_id=pk,
        label=given.get("label", ""),
        reason=reason,
        by=request.user,
        seen=int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 16 else None,
    )


def _done(request: HttpRequest, pk: int, decide: Callable[[], object]) -> HttpResponseBase:
    """Back to the face, with what stood in the way, if anything did."""
    row = get_object_or_404(CampaignFace, pk=pk)
    try:
        decide()
    except adjudication.CannotAdjudicate as refusal:
        messages.error(request, str(refusal))
    back = request.POST.get("next", "")
    if back and url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure()):
        return redirect(back)
    if row.face_id is None:
        return redirect("labeling:campaign", row.campaign_id)
    return redirect("labeling:face", row.face_id)


@door(may_manage)
@require_safe
def campaign_disputes(request: HttpRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(Campaign, pk=pk)
    wanted = _wanted(request, shown)
    page = Paginator(disputes.disputes(shown, wanted), FACES_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "campaign": shown,
        "page": page,
        "low": round(100 * wanted.low) or "",
        "high": round(100 * wanted.high) if wanted.high < 1 else "",
        "pair": ".".join(wanted.pair or ()),
        "pairs": [(f"{one}.{other}", one, other, faces) for one, other, faces in disputes.pairs(shown)],
        "address": _address(wanted),
        "tab": "disputes",
    }
    return render(request, "labeling/campaign_disputes.html", context)


def _wanted(request: HttpRequest, campaign: Campaign) -> disputes.Wanted:
    """The filter in the address; what makes no sense there filters nothing."""
    answers = {*campaign.expressions, *OTHER_ANSWERS}
    one, _, other = request.GET.get("pair", "").partition(".")
    low, high = _percent(request, "low", 0), _percent(request, "high", 100)
    return disputes.Wanted(
        pair=(one, other) if one != other and {one, other} <= answers else None,
        low=min(low, high) / 100,
        high=max(low, high) / 100,
    )


def _percent(request: HttpRequest, name: str, otherwise: int) -> int:
    number = paging.number(request, name)
    return otherwise if number is None else min(100, number)


def _address(wanted: disputes.Wanted) -> str:
    kept = {"pair": ".".join(wanted.pair or ())}
    kept |= {"low": str(round(100 * wanted.low))} if wanted.low > 0 else {}
    kept |= {"high": str(round(100 * wanted.high))} if wanted.high < 1 else {}
    return urlencode({name: value for name, value in kept.items() if value})


@door(may_manage)
def campaign_decide(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One dispute after another: `face` is the one shown, else the first behind `after`, else the first."""
    shown = get_object_or_404(Campaign, pk=pk)
    wanted = _wanted(request, shown)
    rows = disputes.disputes(shown, wanted)
    if request.method == "POST":
        return _decide_and_go_on(request, shown, wanted)
    row = _row_asked(request, shown, rows)
    if row is None:
        context = {"campaign": shown, "address": _address(wanted), "tab": "disputes"}
        return render(request, "labeling/campaign_decide.html", context)
    return _show(request, shown, wanted, row)


def _row_asked(request: HttpRequest, shown: Campaign, rows: Any) -> CampaignFace | None:
    settled = shown.campaign_faces.filter(state=CampaignFace.State.SETTLED, agreement__isnull=False)
    if face := paging.number(request, "face"):
        return settled.select_related("face").filter(pk=face).first()
    last = settled.filter(pk=paging.number(request, "after") or 0).first()
    place = (last.agreement or 0.0, last.pk) if last else None
    found: CampaignFace | None = disputes.undecided(disputes.after(rows, place)).first()
    return found


def _decide_and_go_on(request: HttpRequest, shown: Campaign, wanted: disputes.Wanted) -> HttpResponseBase:
    face = request.POST.get("face", "")
    row = get_object_or_404(
        shown.campaign_faces.select_related("face"),
        pk=int(face) if face.isascii() and face.isdigit() and len(face) < 16 else 0,
    )
    try:
        _decide(request, row.pk)
    except adjudication.DecidedMeanwhile as refusal:
        return _show(request, shown, wanted, row, problem=str(refusal), status=409)
    except adjudication.CannotAdjudicate as refusal:
        if not shown.campaign_faces.filter(pk=row.pk, face__isnull=False).exists():
            messages.error(request, str(refusal))
            return redirect(_at(shown, wanted))
        return _show(request, shown, wanted, row, problem=str(refusal), status=400)
    return redirect(_at(shown, wanted, after=row.pk))


def _at(shown: Campaign, wanted: disputes.Wanted, **place: int) -> str:
    """The address of one dispute, in the same filter."""
    query = "&".join(part for part in (_address(wanted), urlencode(place)) if part)
    return f"{reverse('labeling:campaign_decide', args=[shown.pk])}?{query}"


def _show(
    request: HttpRequest,
    shown: Campaign,
    wanted: disputes.Wanted,
    row: CampaignFace,
    *,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    row.refresh_from_db()
    rows, place = disputes.disputes(shown, wanted), (row.agreement or 0.0, row.pk)
    behind = disputes.undecided(disputes.after(rows, place))
    following = behind.first()
    ahead = disputes.before(rows, place).first()
    decisions = list(row.adjudications.select_related("by", "retracted_by"))
    keys = preferences.keys_for(shown.expressions, preferences.of(request.user).keys, shown.keys)
    newest = decisions[0] if decisions else None
    context = {
        "campaign": shown,
        "row": row,
        "problem": problem,
        "choices": [(name, keys[name]) for name in (*shown.expressions, NOT_A_FACE)],
        "keys": keys,
        "chosen": request.POST.get("label", "") or (row.label if newest and not newest.retracted_at else ""),
        "reason": request.session.get(REASON, ""),  # the one just refused, if one was
        "quick_reasons": [_(reason) for reason in QUICK_REASONS],
        "decisions": decisions,
        "seen": newest.pk if newest else 0,
        "counts": sorted(row.counts.items(), key=lambda pair: -pair[1]),
        "seconds": disputes.seconds(row),
        "likenesses": disputes.likenesses(row),
        "left": behind.count(),
        "next": _at(shown, wanted, after=row.pk),
        "next_face": following.face_id if following else None,
        "back": _at(shown, wanted, face=ahead.pk) if ahead else "",
        "here": _at(shown, wanted, face=row.pk),
        "address": _address(wanted),
        "tab": "disputes",
    }
    return render(request, "labeling/campaign_decide.html", context, status=status)
