"""The rows of what is erased go: each face out of its campaigns and the database at one moment."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from django.db import OperationalError, transaction
from django.db.models import F

from labeling import audit
from labeling.erasure import planning, tombstones
from labeling.erasure.planning import Alive, chunks
from labeling.models import (
    Adjudication,
    AuditEntry,
    Campaign,
    CampaignFace,
    Erasure,
    Example,
    Face,
    FaceLabel,
    Gold,
    Item,
    Lease,
    Media,
    Skip,
    Suggestion,
    Tombstone,
    Track,
    Vote,
)
from labeling.voting.votes import PUT_ASIDE

AT_ONCE = 500
"""Faces, or media, that go in one transaction."""
_TRIES = 5
_T = TypeVar("_T")


def remove_faces(erasure: Erasure, alive: Callable[[int], None]) -> None:
    """Erase the planned faces from campaigns and from the database. alive is told how many have gone."""
    done = erasure.tombstones.filter(kind=Tombstone.Kind.FACE, row__isnull=True).count()
    while True:
        planned = list(_planned(erasure, Tombstone.Kind.FACE)[:AT_ONCE])
        if not planned:
            return
        _again_if_in_each_others_way(partial(_remove_faces, erasure, planned))
        done += len(planned)
        erasure.refresh_from_db(fields=["touched"])
        alive(done)


def remove_media(erasure: Erasure, alive: Alive) -> bool:
    """Erase the planned media. Returns whether all are gone: one in which faces were found meanwhile stays for now."""
    whole = True
    for keys in chunks(list(_planned(erasure, Tombstone.Kind.MEDIA)), AT_ONCE):
        whole &= _again_if_in_each_others_way(partial(_remove_media, erasure, keys))
        alive()
    return whole


def none_found_again(erasure: Erasure, alive: Alive) -> bool:
    """Whether, of media that stay, nothing was found again; from now on no search stores anything there."""
    for sha256s in chunks(planning.media_with_places(erasure), AT_ONCE):
        alive()
        with transaction.atomic():
            # A search holds the media while it stores faces: after that it knows of this erasure.
            list(Media.objects.select_for_update().filter(sha256__in=sha256s).order_by("pk").values("pk"))
            if planning.found_again(erasure, sha256s):
                return False
            Track.objects.filter(media__sha256__in=sha256s, faces=None).delete()
    return True


def write_audit(erasure: Erasure) -> None:
    """One entry in the record of each campaign that lost faces."""
    for pk, faces in sorted(erasure.touched.get("campaigns", {}).items()):
        campaign = Campaign.objects.filter(pk=int(pk)).first()
        written = AuditEntry.objects.filter(
            campaign=campaign, verb="faces_erased", details__erasure=erasure.pk
        )
        if campaign is not None and not written.exists():
            audit.write(
                campaign,
                "faces_erased",
                by=erasure.by,
                reason=erasure.reason,
                erasure=erasure.pk,
                faces=faces,
            )


def _planned(erasure: Erasure, kind: str) -> Any:
    stones = erasure.tombstones.filter(kind=kind, row__isnull=False).order_by("row")
    return stones.values_list("row", flat=True)


def _again_if_in_each_others_way(deed: Callable[[], _T]) -> _T:
    """Of two that wait for each other in a circle the database ends one; that one tries again."""
    for left in reversed(range(_TRIES)):
        try:
            with transaction.atomic():
                return deed()
        except OperationalError:
            if not left:
                raise
    raise AssertionError


def _remove_faces(erasure: Erasure, keys: list[int]) -> None:
    # Nobody puts one of them into a campaign from here on.
    list(Face.objects.select_for_update().filter(pk__in=keys).order_by("pk").values("pk"))
    rows = list(CampaignFace.objects.filter(face__in=keys).order_by("pk").values_list("pk", "campaign"))
    if rows:
        _erase_from_campaigns([pk for pk, _campaign in rows])
        _count(erasure, rows)
    Example.objects.filter(face__in=keys).delete()
    FaceLabel.objects.filter(face__in=keys).delete()
    Face.objects.filter(pk__in=keys).delete()
    erasure.tombstones.filter(kind=Tombstone.Kind.FACE, row__in=keys).update(row=None)


def _erase_from_campaigns(pks: list[int]) -> None:
    """Votes stay for what they say of those who cast them; what they were about, and what came of it, goes."""
    CampaignFace.objects.filter(pk__in=pks).update(
        state=CampaignFace.State.ERASED,
        face=None,
        wanted=F("votes"),
        leases=0,
        places=0,
        priority=0,
        kin=0,
        outcome="",
        label="",
        agreement=None,
        counts={},
        settled_at=None,
    )
    Lease.objects.filter(campaign_face__in=pks).delete()
    Suggestion.objects.filter(campaign_face__in=pks).delete()
    Gold.objects.filter(campaign_face__in=pks).delete()
    # What people wrote may tell who is on the picture.
    Adjudication.objects.filter(campaign_face__in=pks).update(reason="")
    Skip.objects.filter(campaign_face__in=pks).exclude(reason__in=["", PUT_ASIDE]).update(reason="")
    _forget_words(pks)


def _forget_words(pks: list[int]) -> None:
    entries = AuditEntry.objects.filter(campaign_face__in=pks)
    entries.exclude(reason="").update(reason="")
    for entry in entries.filter(details__has_key="note"):
        AuditEntry.objects.filter(pk=entry.pk).update(details={**entry.details, "note": ""})


def _count(erasure: Erasure, rows: list[tuple[int, int]]) -> None:
    """What it touched, kept with the deed: begun again, nothing is counted twice."""
    touched = Erasure.objects.values_list("touched", flat=True).get(pk=erasure.pk)
    campaigns = touched.get("campaigns", {})
    for _pk, campaign in rows:
        campaigns[str(campaign)] = campaigns.get(str(campaign), 0) + 1
    touched["campaigns"] = campaigns
    votes = Vote.objects.filter(campaign_face__in=[pk for pk, _campaign in rows])
    touched["votes"] = touched.get("votes", 0) + votes.count()
    Erasure.objects.filter(pk=erasure.pk).update(touched=touched)


def _remove_media(erasure: Erasure, keys: list[int]) -> bool:
    list(Media.objects.select_for_update().filter(pk__in=keys).order_by("pk").values("pk"))
    with_faces = set(Face.objects.filter(media__in=keys).order_by().values_list("media", flat=True))
    free = [key for key in keys if key not in with_faces]
    # The locator stays: by it the source knows not to bring it in again.
    Item.objects.filter(media__in=free).update(
        state=Item.State.REFUSED, reason=tombstones.reason_of(erasure), media=None
    )
    Media.objects.filter(pk__in=free).delete()
    erasure.tombstones.filter(kind=Tombstone.Kind.MEDIA, row__in=free).update(row=None)
    return not with_faces
