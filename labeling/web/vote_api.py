"""What the vote page says to the server while one votes: plain JSON, few statements, nothing about others."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from labeling.models import Campaign
from labeling.rules import may_vote
from labeling.voting import votes
from labeling.web.voter import voter

MOST_AT_ONCE = 20
Said = dict[str, Any]


class BadRequest(Exception):
    """The page sent something this address does not understand."""


def _spoken(view: Callable[[HttpRequest, Campaign, Said], Said]) -> Callable[..., HttpResponseBase]:
    """JSON in, JSON out; every refusal is JSON too, so that the page can tell it kindly."""

    @require_POST
    @wraps(view)
    def speak(request: HttpRequest, campaign_pk: int) -> HttpResponse:
        user, campaign = voter(request, campaign_pk)
        if not user.is_authenticated:
            return JsonResponse(
                {"error": "You are signed out. Sign in again; nothing is lost.", "code": "signin"}, status=401
            )
        if not may_vote(user):
            return JsonResponse({"error": "Your account may not vote.", "code": "role"}, status=403)
        if campaign is None:
            return JsonResponse({"error": "There is no such campaign.", "code": "unknown"}, status=404)
        try:
            request.user = user
            return JsonResponse(view(request, campaign, _said(request)))
        except votes.CannotVote as refusal:
            return JsonResponse({"error": str(refusal), "code": refusal.code}, status=409)
        except (BadRequest, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            return JsonResponse({"error": f"Not understood: {error}.", "code": "request"}, status=400)

    return speak


def _said(request: HttpRequest) -> Said:
    said = json.loads(request.body or b"{}")
    if not isinstance(said, dict):
        raise BadRequest("the body is not a JSON object")
    return said


def _number(said: Any) -> int:
    """The key of a row, as databases count."""
    number = int(said)
    if not 0 <= number < 2**63:
        raise BadRequest(f"{number} is no face's number")
    return number


def _faces(campaign: Campaign, request: HttpRequest, limit: int) -> list[Said]:
    held = votes.lease(campaign=campaign, annotator=request.user, limit=max(0, min(limit, MOST_AT_ONCE)))
    return [
        {
            "id": leased.campaign_face_id,
            "crop": reverse("labeling:crop", args=[leased.face_id]),
            "expires_at": leased.expires_at.isoformat(),
        }
        for leased in held
    ]


@_spoken
def vote_next(request: HttpRequest, campaign: Campaign, said: Said) -> Said:
    """{limit} → the faces held for this person."""
    faces = _faces(campaign, request, int(said.get("limit", 5)))
    return {"faces": faces, "left": bool(faces)}


@_spoken
def vote_cast(request: HttpRequest, campaign: Campaign, said: Said) -> Said:
    """{id, answer, second?, key, took_ms, want} → counted; with want, the faces now held, as of vote_next."""
    took_ms = said.get("took_ms")
    cast = votes.cast(
        campaign=campaign,
        annotator=request.user,
        campaign_face_id=_number(said["id"]),
        answer=str(said["answer"]),
        second=str(said.get("second") or ""),
        client_key=UUID(str(said["key"])),
        took_ms=None if took_ms is None else max(0, min(int(took_ms), 2**31 - 1)),
    )
    want = int(said.get("want", 0))
    # `settled` stays here: it would tell how many others have voted.
    return {"ok": True, "again": cast.again, **(_further(campaign, request, want) if want else {})}


def _further(campaign: Campaign, request: HttpRequest, want: int) -> Said:
    try:
        return {"faces": _faces(campaign, request, want)}
    except votes.CannotLease:
        # The vote is counted all the same. The page asks for faces once more, and is told why there are none.
        return {"faces": [], "ask": True}


@_spoken
def vote_skip(request: HttpRequest, campaign: Campaign, said: Said) -> Said:
    """{id, reason} → passed on."""
    votes.skip(
        campaign=campaign,
        annotator=request.user,
        campaign_face_id=_number(said["id"]),
        reason=str(said.get("reason", "")),
    )
    return {"ok": True}


@_spoken
def vote_undo(request: HttpRequest, campaign: Campaign, said: Said) -> Said:
    """{key?} → the newest vote (or the one named) is taken back and its face held again."""
    key = said.get("key")
    withdrawn = votes.withdraw(
        campaign=campaign, annotator=request.user, client_key=UUID(str(key)) if key else None
    )
    return {"ok": True, "id": withdrawn.campaign_face_id, "answer": withdrawn.answer}
