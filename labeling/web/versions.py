"""Two frozen versions beside each other."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import content_disposition_header, urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from labeling.models import Face, Snapshot, WorkState
from labeling.refusals import Refusal
from labeling.rules import may_manage, may_see_labels
from labeling.sayings import told
from labeling.snapshot_words import kind_of_change, why_word
from labeling.snapshots import comparing, pictures
from labeling.snapshots.certificate import RADIUS
from labeling.snapshots.comparing import Told
from labeling.snapshots.diff import KINDS, LABEL, SPLIT, Difference, Table, Wanted
from labeling.snapshots.nearest import Pair, nearest
from labeling.web import paging
from labeling.web.doors import door

FACES_PER_PAGE = 60
_KEY = re.compile(r"[0-9a-f]{64}")


class Echo:
    """What csv writes to: gives back each line."""

    def write(self, line: str) -> str:
        return line


@dataclass(frozen=True)
class Matrix:
    """Faces in both versions by what they were (rows) and are (columns)."""

    kind: str
    names: list[str]
    rows: list[tuple[str, list[tuple[str, int, str]]]]
    """What they were → for each of what they are: its name, how many, and the address of the list of them."""


@dataclass(frozen=True)
class Shown:
    """A face on the page."""

    told: Told
    picture: str
    page: str
    kinds: str
    why: str


@door(may_see_labels)
@require_safe
def compare(request: HttpRequest) -> HttpResponseBase:
    old, new = _asked(request, "old"), _asked(request, "new")
    frozen = Snapshot.objects.filter(state=WorkState.DONE).select_related("campaign")
    context: dict[str, Any] = {
        "old": old,
        "new": new,
        "choices": frozen[:500],
        "manages": may_manage(request.user),
    }
    if old and new:
        try:
            context |= _compared(request, old, new)
        except Refusal as refusal:
            messages.error(request, told(str(refusal)))
    return render(request, "labeling/snapshot_compare.html", context)


def _compared(request: HttpRequest, old: Snapshot, new: Snapshot) -> dict[str, Any]:
    found = comparing.compare(old, new)
    show = request.GET.get("show", "")
    kinds = (show,) if show in KINDS else KINDS
    wanted = Wanted(kinds, request.GET.get("before", "")[:40], request.GET.get("after", "")[:40])
    beyond = request.GET.get("beyond", "")
    beyond = beyond if _KEY.fullmatch(beyond) else ""
    faces = comparing.listed(old, new, wanted, beyond=beyond, limit=FACES_PER_PAGE + 1)
    query = {"old": old.pk, "new": new.pk}
    return {
        "found": found,
        "tabs": [
            (kind, kind_of_change(kind), found.count(kind), _address(query, show=kind)) for kind in KINDS
        ],
        "everything": _address(query),
        "show": show if show in KINDS else "",
        "wanted": wanted,
        "labels": _matrix(found.labels, LABEL, _classes(old, new), query),
        "splits": _matrix(found.splits, SPLIT, ["train", "validation", "test"], query),
        "faces": list(_shown(faces[:FACES_PER_PAGE], old, new)),
        "beyond": beyond,
        "next": _next(request, faces),
        "totals": _totals(found),
        "query": urlencode(query),
    }


def _totals(found: Difference) -> dict[str, int]:
    return {
        "old": sum(found.old.values()),
        "new": sum(found.new.values()),
        "both": found.both,
        "erased": found.erased["old"] + found.erased["new"],
    }


def _classes(old: Snapshot, new: Snapshot) -> list[str]:
    return list(dict.fromkeys([*old.counts.get("classes", []), *new.counts.get("classes", [])]))


def _matrix(table: Table, kind: str, names: list[str], query: dict[str, Any]) -> Matrix | None:
    """None where nothing has changed."""
    if all(old == new for old, row in table.items() for new in row):
        return None
    used = [name for name in names if name in table or any(name in row for row in table.values())]

    def cell(old: str, new: str) -> tuple[str, int, str]:
        return new, table.get(old, {}).get(new, 0), _address(query, show=kind, before=old, after=new)

    return Matrix(kind, used, [(old, [cell(old, new) for new in used]) for old in used])


def _shown(faces: list[Told], old: Snapshot, new: Snapshot) -> Iterator[Shown]:
    there = _crops(each.change.row for each in faces)
    for each in faces:
        picture, page = _addresses(each.change.row, new if each.change.new else old, there)
        yield Shown(
            told=each,
            picture=picture,
            page=page,
            kinds=", ".join(kind_of_change(kind) for kind in each.change.kinds),
            why=why_word(each.why) if each.why else "",
        )


def _crops(rows: Iterable[Mapping[str, Any]]) -> dict[int, str]:
    """Of these rows of snapshots the faces that are still there, and the sha256 of each one's crop."""
    faces = Face.objects.filter(pk__in=[row["face_id"] for row in rows])
    return dict(faces.values_list("pk", "crop_sha256"))


def _addresses(row: Mapping[str, Any], version: Snapshot, there: Mapping[int, str]) -> tuple[str, str]:
    """Of a row's picture: the crop where the face still is one of the collection, else as it was frozen; and of the
    face's page, empty where it is not.
    """
    pk = row["face_id"]
    if there.get(pk) == row["image_sha256"]:
        return reverse("labeling:crop", args=[pk]), reverse("labeling:face", args=[pk])
    return reverse("labeling:frozen_face", args=[version.pk, row["face_key"]]), ""


def _next(request: HttpRequest, faces: list[Told]) -> str:
    if len(faces) <= FACES_PER_PAGE:
        return ""
    kept = {
        name: request.GET[name] for name in ("old", "new", "show", "before", "after") if name in request.GET
    }
    return _address(kept, beyond=faces[FACES_PER_PAGE - 1].change.face_key)


def _address(query: dict[str, Any], **more: str) -> str:
    return f"{reverse('labeling:snapshot_compare')}?{urlencode({**query, **more})}"


def _asked(request: HttpRequest, name: str) -> Snapshot | None:
    pk = paging.number(request, name)
    if pk is None:
        return None
    return Snapshot.objects.select_related("campaign").filter(pk=pk, state=WorkState.DONE).first()


@door(may_see_labels)
@require_safe
def compare_csv(request: HttpRequest) -> HttpResponseBase:
    """Every face that differs, a line each, written as they are found."""
    old, new = _both(request)
    if not _can_be_read(old, new):
        return HttpResponseRedirect(_address({"old": old.pk, "new": new.pk}))
    writer = csv.DictWriter(Echo(), comparing.COLUMNS)
    rows = (comparing.cells(each) for each in comparing.every(old, new))

    def lines() -> Iterator[str]:
        yield ",".join(comparing.COLUMNS) + "\r\n"
        for row in rows:
            yield writer.writerow(row)

    return _download(lines(), "text/csv; charset=utf-8", f"{old.digest[:8]}-{new.digest[:8]}.csv")


@door(may_see_labels)
@require_safe
def compare_json(request: HttpRequest) -> HttpResponseBase:
    """The counts and every face that differs."""
    old, new = _both(request)
    if not _can_be_read(old, new):
        return HttpResponseRedirect(_address({"old": old.pk, "new": new.pk}))
    parts = comparing.as_json(old, new)
    return _download(parts, "application/json", f"{old.digest[:8]}-{new.digest[:8]}.json")


def _can_be_read(old: Snapshot, new: Snapshot) -> bool:
    """If not, the page says why."""
    try:
        comparing.demand_there(old, new)
        comparing.compare(old, new)
    except Refusal:
        return False
    return True


def _download(parts: Iterable[str], mime: str, name: str) -> HttpResponseBase:
    response = StreamingHttpResponse(parts, content_type=mime)
    response["Content-Disposition"] = content_disposition_header(True, f"versions-{name}") or ""
    response["Cache-Control"] = "private, no-store"
    return response


def _both(request: HttpRequest) -> tuple[Snapshot, Snapshot]:
    old, new = _asked(request, "old"), _asked(request, "new")
    if old is None or new is None:
        raise Http404(_("Name two frozen versions."))
    return old, new


@door(may_see_labels)
@require_safe
def nearest_faces(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The faces of two splits that look most alike, side by side."""
    row = get_object_or_404(Snapshot, pk=pk, state=WorkState.DONE)
    try:
        found = nearest(row)
    except Refusal as refusal:
        messages.error(request, told(str(refusal)))
        return HttpResponseRedirect(reverse("labeling:snapshot", args=[pk]))
    there = _crops(face for pair in found for face in pair.faces)
    pairs = [_side_by_side(pair, row, there) for pair in found]
    return render(
        request, "labeling/snapshot_nearest.html", {"snapshot": row, "pairs": pairs, "radius": RADIUS}
    )


def _side_by_side(pair: Pair, version: Snapshot, there: Mapping[int, str]) -> dict[str, Any]:
    faces = []
    for face in pair.faces:
        picture, page = _addresses(face, version, there)
        faces.append({"split": face["split"], "label": face["label"], "picture": picture, "page": page})
    one, other = pair.faces
    return {"bits": pair.bits, "faces": faces, "same_media": one["media_sha256"] == other["media_sha256"]}


@door(may_see_labels)
@require_safe
def frozen_face(request: HttpRequest, pk: int, face_key: str) -> HttpResponseBase:
    """A face's picture as it was frozen, PNG."""
    row = get_object_or_404(Snapshot, pk=pk, state=WorkState.DONE)
    if not _KEY.fullmatch(face_key):
        raise Http404
    # Not kept by the browser for good: what is erased must not be shown again.
    try:
        image = pictures.picture(row, face_key)
    except OSError as gone:
        raise Http404(_("This file is no longer in the storage.")) from gone
    if image is None:
        raise Http404(_("The snapshot holds no such picture, or not any more."))
    response = HttpResponse(image, content_type="image/png")
    response["Cache-Control"] = "private, max-age=600"
    return response
