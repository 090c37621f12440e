"""One media: its picture with the faces drawn over it, and the picture itself."""

from collections import Counter
from datetime import date

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from labeling import corrections, gallery, licence_checks, timeline_queries, whose
from labeling.licence_words import licence_line
from labeling.models import Face, Media
from labeling.refusals import Refusal
from labeling.rules import may_manage
from labeling.sayings import told
from labeling.sources import handmade, pictures
from labeling.timeline_queries import Mark
from labeling.vision import crops
from labeling.web import deeds, files, licences, paging
from labeling.web.doors import door

FACES_PER_PAGE = 120
WIDTHS = (320, 1280)
"""Longest sides a picture may be asked for in, in pixels."""
_STEPS = {"before": -1, "after": 1}
_LONGEST_MS = 48 * 3600 * 1000
"""Of a video that does not say how long it is."""


@door(may_manage)
@require_safe
def media(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = get_object_or_404(Media, pk=pk)
    is_video = row.kind == Media.Kind.VIDEO
    marks = timeline_queries.timeline(row) if is_video else []
    before = paging.number(request, "tracks") or 0
    tracks, more_tracks = timeline_queries.tracks(row, after=before) if is_video else ([], None)
    correcting = _correcting(request, row)
    at = correcting.time_ms if correcting else _moment(request, marks)
    shown = list(row.faces.filter(time_ms=at).order_by("pk")[:FACES_PER_PAGE])
    return render(
        request,
        "labeling/media.html",
        {
            "media": row,
            "is_video": is_video,
            "licence_changed": licence_checks.has_changed(row),
            "licence_was": licence_line(row.licence),
            "licence_now": licence_line(row.licence_now) if row.licence_now else "",
            "file_link": licences.is_link(str(row.given.get("url", ""))),
            "uploaded": _day(row.given.get("uploaded")),
            "whose": licences.whose_line(whose.of_media(row)),
            "whose_key": whose.of_media(row).key,
            "said_otherwise": licences.otherwise(row),
            "overruled": licences.overruled(row),
            "decisions": licences.decisions_on(row),
            "page_link": licences.is_link(row.page_url),
            "at": at,
            "marks": marks,
            "bins": timeline_queries.BINS,
            "tracks": tracks,
            "tracks_after": before,
            "more_tracks": more_tracks,
            "cuts": timeline_queries.cuts(tracks),
            "chosen": correcting.pk if correcting else paging.number(request, "face"),
            "correcting": correcting,
            "margin": crops.MARGIN,
            "boxes": shown,
            "detectors": dict(sorted(Counter(face.detector for face in shown).items())),
            "items": row.items.select_related("source").order_by("pk")[:20],
            "scans": row.scans.order_by("pk"),
            "faces": paging.oldest_first(row.faces.all(), request, "after", FACES_PER_PAGE),
            "undo": deeds.last(request),
        },
    )


@door(may_manage)
@require_POST
def draw(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A face whose box a person has drawn."""
    row = get_object_or_404(Media, pk=pk)
    form = BoxForm(request.POST)
    address = reverse("labeling:media", args=[pk])
    if not form.is_valid():
        messages.error(request, _("Draw a box around the face, or give all four numbers."))
        return redirect(address)
    try:
        face = handmade.draw(media=row, box=form.box(), time_ms=form.cleaned_data["at"] or 0, by=request.user)
    except Refusal as refusal:
        messages.error(request, str(refusal))
        return redirect(f"{address}?at={form.cleaned_data['at'] or 0}")
    messages.success(request, _("The face is kept. It can be added to campaigns in the gallery."))
    return redirect(f"{address}?at={face.time_ms}&face={face.pk}")


@door(may_manage)
@require_POST
def remove(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Take away a face that a person has drawn."""
    face = get_object_or_404(Face, pk=pk)
    media_pk, time_ms = face.media_id, face.time_ms
    try:
        handmade.remove(face=face, by=request.user)
    except Refusal as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The face is gone."))
    return redirect(f"{reverse('labeling:media', args=[media_pk])}?at={time_ms}")


@door(may_manage)
@require_POST
def correct(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A face whose box a person has moved."""
    face = get_object_or_404(Face.objects.select_related("media"), pk=pk)
    address = reverse("labeling:media", args=[face.media_id])
    form = BoxForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Draw a box around the face, or give all four numbers."))
        return redirect(f"{address}?correct={pk}")
    try:
        deed, new = gallery.correct(face=face, box=form.box(), by=request.user)
    except Refusal as refusal:
        messages.error(request, str(refusal))
        return redirect(f"{address}?at={face.time_ms}&face={pk}")
    deeds.tell(request, deed)
    return redirect(f"{address}?at={new.time_ms}&face={new.pk}")


@door(may_manage)
@require_POST
def uncorrect(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Let the face of the old box stand for itself again."""
    face = get_object_or_404(Face, pk=pk)
    try:
        done = corrections.undo(face=face, by=request.user)
    except Refusal as refusal:
        messages.error(request, str(refusal))
    else:
        text = _("The correction is undone.")
        if done.stayed:
            names = ", ".join(done.stayed)
            text += " " + _("Somebody has seen the corrected face in {names}: there it stays.").format(
                names=names
            )
        messages.success(request, text)
    return redirect(f"{reverse('labeling:media', args=[face.media_id])}?at={face.time_ms}&face={pk}")


class BoxForm(forms.Form):
    """A box in pixels of the upright picture."""

    x = forms.IntegerField(min_value=0, max_value=100_000)
    y = forms.IntegerField(min_value=0, max_value=100_000)
    width = forms.IntegerField(min_value=1, max_value=100_000)
    height = forms.IntegerField(min_value=1, max_value=100_000)
    at = forms.IntegerField(min_value=0, required=False)

    def box(self) -> tuple[int, int, int, int]:
        given = self.cleaned_data
        return given["x"], given["y"], given["width"], given["height"]


@door(may_manage)
@require_safe
def thumbnail(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The picture, upright, as JPEG: `?size=1280` for the large one, `?at=` for a moment of a video."""
    row = get_object_or_404(Media, pk=pk)
    size, at = paging.number(request, "size") or WIDTHS[0], paging.number(request, "at") or 0
    passing = bool(at) and not Face.objects.filter(media=row, time_ms=at).exists()
    if size not in WIDTHS or (passing and not _is_within(row, at)):
        raise Http404(_("There is no such picture of this media."))
    key = f"{row.sha256}-{size}-{at}"
    known = files.not_modified(request, f'"{key}"')
    if known is not None:
        return known
    try:
        if passing:
            jpeg = pictures.passing(media=row, longest_side=size, time_ms=at)
            return files.send_bytes(jpeg, filename=f"{pk}.jpg", mime="image/jpeg", key=key)
        name = pictures.kept(media=row, longest_side=size, time_ms=at)
    except pictures.CannotShow as reason:
        raise Http404(told(str(reason))) from reason
    return files.send(request, name=name, filename=f"{pk}.jpg", mime="image/jpeg", key=key)


@door(may_manage)
@require_safe
def media_moment(request: HttpRequest, pk: int) -> HttpResponseBase:
    """To a moment of a video: `?at=` in ms, with `?step=before` or `?step=after` to the frame beside that."""
    row = get_object_or_404(Media, pk=pk, kind=Media.Kind.VIDEO)
    at = min(paging.number(request, "at") or 0, row.duration_ms or _LONGEST_MS)
    address = reverse("labeling:media", args=[pk])
    try:
        at = pictures.moment(row, at, step=_STEPS.get(request.GET.get("step", ""), 0))
    except pictures.CannotShow as reason:
        messages.error(request, told(str(reason)))
        return redirect(address)
    return redirect(f"{address}?at={at}")


def _is_within(media: Media, at: int) -> bool:
    """Whether the video may show something at that moment."""
    return media.kind == Media.Kind.VIDEO and at <= (media.duration_ms or _LONGEST_MS)


def _correcting(request: HttpRequest, media: Media) -> Face | None:
    """The face whose box is to be moved, if there is one that can be."""
    asked = paging.number(request, "correct") or 0
    faces = Face.objects.filter(media=media, row=0).exclude(left_out=Face.LeftOut.CORRECTED)
    return faces.filter(pk=asked).first() if asked else None


def _day(text: object) -> str:
    """A day as people read it; what is none, as its source wrote it."""
    try:
        return str(date_format(date.fromisoformat(str(text or ""))))
    except ValueError:
        return str(text or "")


def _moment(request: HttpRequest, marks: list[Mark]) -> int:
    """The moment shown: the one in the address, else the one with most faces."""
    asked = paging.number(request, "at")
    if asked is not None:
        return asked
    return max(marks, key=lambda mark: mark.faces).time_ms if marks else 0
