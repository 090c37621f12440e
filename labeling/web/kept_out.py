"""The faces that a campaign's rule on quality keeps out of it, and letting some of them in all the same."""

from hashlib import sha256

from django.contrib import messages
from django.core.cache import cache
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from labeling import gallery, gallery_queries, licensing, quality_rule, quality_words
from labeling import kept_out as queries
from labeling.licence_words import left_out_line
from labeling.models import Campaign, Face
from labeling.refusals import Refusal
from labeling.rules import may_manage
from labeling.vision import quality
from labeling.web import deeds, paging
from labeling.web.doors import door
from labeling.web.faces import COUNTED_S

FACES_PER_PAGE = 60


@door(may_manage)
@require_safe
def kept_out(request: HttpRequest, pk: int) -> HttpResponseBase:
    shown = get_object_or_404(Campaign, pk=pk)
    rule = shown.quality_rule
    known = {quality_rule.REASONS[name] for name in rule if name in quality_rule.REASONS}
    asked = request.GET.get("reason", "")
    reason = asked if asked in known else ""
    after = paging.number(request, "after") or 0
    every = _counted(shown, again=bool(after))
    rows = queries.page(shown, reason, after=after, limit=FACES_PER_PAGE + 1)
    page = paging.cut(rows, after, FACES_PER_PAGE)
    # Beyond the limit not all were looked at: what keeps out none of the first may keep out others.
    codes = [code for code in quality_rule.REASONS.values() if code in known]
    offered = [code for code in codes if code in every.why or every.faces > gallery_queries.COUNT_LIMIT]
    limits = quality_rule.limits(rule)
    context = {
        "campaign": shown,
        "rule": quality_words.rule_line(rule) if rule else "",
        "every": every,
        "count_limit": gallery_queries.COUNT_LIMIT,
        "reasons": [(code, quality_words.REASON_WORDS[code], every.why.get(code, 0)) for code in offered],
        "reason": reason,
        "page": page,
        "faces": [(face, _against(face, limits)) for face in page.rows],
        "tab": "kept_out",
        "undo": deeds.last(request),
    }
    return render(request, "labeling/campaign_kept_out.html", context)


def _counted(campaign: Campaign, *, again: bool) -> quality_rule.KeptOut:
    """How many there are and why; again: on a further page of what was counted a moment ago."""
    key = f"kept-out-{campaign.pk}-{sorted(campaign.quality_rule.items())}"
    key = f"kept-out-{sha256(key.encode()).hexdigest()}"
    known: quality_rule.KeptOut | None = cache.get(key) if again else None
    if known is None:
        known = queries.counted(campaign)
        cache.set(key, known, COUNTED_S)
    return known


def _against(face: Face, limits: quality.Limits) -> str:
    return ", ".join(
        str(quality_words.REASON_WORDS[code])
        for code in quality.reasons(quality_rule.measured(face, limits), limits)
    )


@door(may_manage)
@require_POST
def let_in(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Add chosen faces whatever the rule says."""
    shown = get_object_or_404(Campaign, pk=pk)
    keys = [
        int(key) for key in request.POST.getlist("face") if key.isascii() and key.isdigit() and len(key) < 16
    ]
    chosen = queries.of(shown).filter(pk__in=keys[:FACES_PER_PAGE])
    back = f"{reverse('labeling:campaign_kept_out', args=[pk])}?reason={request.POST.get('reason', '')[:10]}"
    if not keys:
        messages.error(request, _("Tick the faces to be added all the same."))
        return redirect(back)
    unlicensed = left_out_line(licensing.left_out(chosen, shown.licence_rule))
    try:
        deed = gallery.add_to_campaign(faces=chosen, campaign=shown, by=request.user, whatever_quality=True)
    except Refusal as refusal:
        messages.error(request, str(refusal))
        return redirect(back)
    deeds.tell(request, deed, campaign=shown.name)
    if unlicensed:
        messages.warning(request, unlicensed)
    return redirect(back)
