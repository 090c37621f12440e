"""Frozen dataset versions: the list, a new one, one, and the files made from it."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labeling import queries, work
from labeling.models import Campaign, Export, Snapshot, Verification, WorkState
from labeling.refusals import Refusal
from labeling.rules import may_manage, may_see_labels
from labeling.sayings import told
from labeling.snapshot_words import certificate_lines, left_out, rule_lines
from labeling.snapshots import exporting, freezing
from labeling.web import exports, jobs, paging, snapshot_preview, verifying
from labeling.web.doors import door
from labeling.web.snapshot_forms import NewSnapshot

SNAPSHOTS_PER_PAGE = 50


@door(may_see_labels)
@require_safe
def snapshots(request: HttpRequest) -> HttpResponseBase:
    rows = Snapshot.objects.select_related("campaign")
    page = paging.newest_first(rows, request, "before", SNAPSHOTS_PER_PAGE)
    held = [(row, queries.split_table(row).faces) for row in page.rows]
    context = {"page": page, "rows": held, "manages": may_manage(request.user)}
    return render(request, "labeling/snapshots.html", context)


@door(may_manage)
@require_http_methods(["GET", "HEAD", "POST"])
def snapshot_new(request: HttpRequest) -> HttpResponseBase:
    """GET shows what would be frozen of the campaign in the address; POST freezes it, or with `show` shows what."""
    campaign = _campaign_asked(request)
    initial = {**request.GET.dict(), "together": ["alike"]}
    initial["licences"] = campaign.licence_rule if campaign else []
    form = NewSnapshot(request.POST if request.method == "POST" else None, initial=initial, campaign=campaign)
    if request.method == "POST" and form.is_valid() and "show" not in request.POST:
        try:
            made = freezing.freeze(**form.wanted(), created_by=request.user)
        except (Refusal, work.Refused) as refusal:
            form.add_error(None, told(str(refusal)))
        else:
            return HttpResponseRedirect(_page(made.pk))
    context = {"form": form, "campaign": campaign, "opened": form.opened}
    if campaign:
        context |= snapshot_preview.context(campaign, form) | snapshot_preview.rights(campaign, form)
    return render(request, "labeling/snapshot_new.html", context, status=400 if form.errors else 200)


@door(may_manage)
@require_POST
def snapshot_preview_live(request: HttpRequest) -> HttpResponseBase:
    """What the form asks for would hold now, for the page that asks while somebody fills it in."""
    campaign = _campaign_asked(request)
    if campaign is None:
        raise Http404
    context = snapshot_preview.context(campaign, NewSnapshot(request.POST, campaign=campaign))
    html = render_to_string("labeling/snapshot_preview.html", context, request)
    return JsonResponse({"html": html}, headers={"Cache-Control": "no-store"})


@door(may_see_labels)
@require_safe
def snapshot(request: HttpRequest, pk: int) -> HttpResponseBase:
    return render(request, "labeling/snapshot.html", _context(request, _snapshot(pk)))


@door(may_see_labels)
@require_safe
def snapshot_live(request: HttpRequest, pk: int) -> JsonResponse:
    context = _context(request, _snapshot(pk))
    return jobs.live(request, "labeling/snapshot_progress.html", context, stage=context["stage"])


@door(may_manage)
@require_POST
def snapshot_stop(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = _snapshot(pk)
    return jobs.ask(request, lambda: work.stop(row), _("It will stop shortly."), _page(pk))


@door(may_manage)
@require_POST
def snapshot_restart(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = _snapshot(pk)
    return jobs.ask(request, lambda: work.restart(row), _("It goes on where it was."), _page(pk))


@door(may_manage)
@require_POST
def snapshot_export(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = _snapshot(pk)
    try:
        made = exporting.export(snapshot=row, **exports.asked(request.POST.dict()))
    except Refusal as refusal:
        messages.error(request, told(str(refusal)))
    else:
        is_there = made.state == WorkState.DONE
        said = _("The file there is says all of that already.") if is_there else _("The file is being made.")
        messages.success(request, said)
    return HttpResponseRedirect(_page(pk))


@door(may_manage)
@require_POST
def export_stop(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(Export, pk=pk)
    return jobs.ask(request, lambda: work.stop(row), _("It will stop shortly."), _page(row.snapshot_id))


@door(may_manage)
@require_safe
def export_download(request: HttpRequest, pk: int) -> HttpResponseBase:
    rows = Export.objects.select_related("snapshot").exclude(sha256="")
    row = get_object_or_404(rows, pk=pk)
    return exports.response(request, row)


def _snapshot(pk: int) -> Snapshot:
    return get_object_or_404(Snapshot.objects.select_related("campaign", "created_by"), pk=pk)


def _page(pk: int) -> str:
    return reverse("labeling:snapshot", args=[pk])


def _campaign_asked(request: HttpRequest) -> Campaign | None:
    asked = request.POST.get("campaign", "") or request.GET.get("campaign", "")
    return Campaign.objects.filter(pk=asked).first() if asked.isascii() and asked.isdigit() else None


def _context(request: HttpRequest, row: Snapshot) -> dict[str, Any]:
    made = list(row.exports.order_by("format"))
    read_again = verifying.context(row)
    under_way = read_again["verifying"]
    return {
        "snapshot": row,
        "before": _before(row),
        "table": queries.split_table(row),
        "rule": rule_lines(row.rule),
        "left_out": left_out(row.counts.get("left_out", {})),
        "certificate": certificate_lines(row.counts.get("certificate", {})),
        "nearest": row.counts.get("certificate", {}).get("similarity", {}).get("bits") is not None,
        **exports.context(row, made),
        **read_again,
        "manages": may_manage(request.user),
        "waits_for": jobs.waits_for([row, *made, *([under_way] if under_way else [])]),
        "stage": _stage(row, made, under_way),
    }


def _before(row: Snapshot) -> int | None:
    """The version of the campaign before this one."""
    earlier = Snapshot.objects.filter(campaign=row.campaign_id, state=WorkState.DONE, pk__lt=row.pk)
    return earlier.order_by("-pk").values_list("pk", flat=True).first()


def _stage(row: Snapshot, made: list[Export], under_way: Verification | None) -> str:
    if under_way and not under_way.is_over:
        return "verifying"
    if all(each.is_over for each in [row, *made]):
        return jobs.OVER
    return "exporting" if row.is_over else "freezing"
