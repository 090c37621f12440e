"""What an erasure would touch, before anything is."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db.models import Count, Exists, OuterRef, QuerySet, Sum

from labeling import authorship
from labeling.erasure import holders, places, planning, remains, scope, tombstones, uploads
from labeling.models import CampaignFace, Export, Face, Item, Media, Snapshot, Vote

SHOWN = 200
"""Originals and media named; of more there is only the number."""


@dataclass(frozen=True)
class Preview:
    """What an erasure would touch now."""

    scope: str
    what: list[Any]
    with_media: bool
    media: int
    faces: int
    bytes: int
    """Of the media's files."""
    pictures_stay: int
    """Media that stay, and go on showing the faces."""
    elsewhere: int
    """Near-duplicates of the faces that stay: the same picture, or nearly, in other media."""
    other_sources: int
    """Of the media, those that other sources brought too."""
    votes: int
    campaigns: list[dict[str, Any]] = field(default_factory=list)
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    """Each with its key, name, and how many of the faces it holds."""
    unopened: list[dict[str, Any]] = field(default_factory=list)
    """Snapshots that cannot be opened, so that nobody knows whether they hold any: each with key, name, and why."""
    exports: list[dict[str, Any]] = field(default_factory=list)
    made_of_them: list[dict[str, Any]] = field(default_factory=list)
    """What other parts made from these snapshots, models above all: name and url."""
    claimed: list[dict[str, Any]] = field(default_factory=list)
    """Of authors: media that go though they count as somebody else's, each with why (labeling.authorship.Claim)."""
    claimed_count: int = 0
    uploaded: int = 0
    originals: list[str] = field(default_factory=list)
    """Files in folders of the user's own, which are theirs to delete."""
    originals_count: int = 0

    @property
    def nothing(self) -> bool:
        return not (self.media or self.faces)


def preview(
    scope_: str, what: Sequence[Any], with_media: bool = False, *, alive: Callable[[], None] = lambda: None
) -> Preview:
    """What erasing this would touch now. Nothing is changed. Raises CannotErase."""
    wanted = scope.checked(scope_, what)
    media = scope.media(scope_, wanted, with_media)
    faces, keys = _faces(scope_, wanted, with_media)
    holding = holders.touched(keys, alive)
    held = sorted(holding.rows, reverse=True)
    unopened = holders.unopened(holding)
    originals = list(uploads.originals(items_of(media)))
    own = [original.words for original in originals if not uploads.is_uploaded(original.path)]
    stay = Media.objects.filter(faces__in=faces).exclude(pk__in=media.order_by().values("pk"))
    sizes = media.order_by().aggregate(count=Count("pk"), bytes=Sum("bytes"))
    return Preview(
        scope=scope_,
        what=wanted,
        with_media=with_media and scope_ in (scope.Scope.TRACK, scope.Scope.FACE),
        media=sizes["count"],
        faces=len(keys),
        bytes=sizes["bytes"] or 0,
        pictures_stay=stay.distinct().count() if scope.spares_media(scope_, with_media) else 0,
        elsewhere=_alike(faces).count(),
        other_sources=_of_other_sources(scope_, wanted, media),
        votes=Vote.objects.filter(campaign_face__face__in=faces).count(),
        campaigns=_campaigns(faces),
        snapshots=_snapshots(holding.rows),
        unopened=unopened,
        exports=_exports([*held, *(entry["pk"] for entry in unopened)]),
        made_of_them=remains.touched(held),
        **_claimed(scope_, wanted),
        uploaded=len(originals) - len(own),
        originals=own[:SHOWN],
        originals_count=len(own),
    )


def items_of(media: QuerySet[Media]) -> QuerySet[Item]:
    return Item.objects.filter(media__in=media.order_by().values("pk"))


def _faces(scope_: str, what: Collection[Any], with_media: bool) -> tuple[QuerySet[Face], list[str]]:
    """The faces that would go, and their face_keys."""
    meant = scope.faces(scope_, what, with_media)
    if scope.spares_media(scope_, with_media):
        named = list(meant.select_related("media"))
        each = [*named, *(other for chunk in planning.chunks(named) for other in places.same(chunk))]
        meant = Face.objects.filter(pk__in={face.pk for face in each})
    columns = ("media__sha256", "detector", "time_ms", "row", "x", "y", "width", "height")
    rows = meant.order_by().values_list(*columns).iterator(2_000)
    return meant.order_by(), list({tombstones.key_of(*row) for row in rows})


def _claimed(scope_: str, what: Collection[str]) -> dict[str, Any]:
    if scope_ != scope.Scope.AUTHOR:
        return {}
    media = authorship.claims(what)
    some = [asdict(authorship.claim(each, what)) for each in media[:SHOWN]]
    return {"claimed": some, "claimed_count": len(some) if len(some) < SHOWN else media.count()}


def _snapshots(held: Mapping[int, int]) -> list[dict[str, Any]]:
    names = dict(Snapshot.objects.filter(pk__in=held).values_list("pk", "name"))
    return [{"pk": pk, "name": names[pk], "faces": held[pk]} for pk in sorted(names, reverse=True)]


def _exports(snapshots: Collection[int]) -> list[dict[str, Any]]:
    rows = Export.objects.filter(snapshot__in=snapshots).exclude(stored_as="").select_related("snapshot")
    return [
        {"pk": row.pk, "snapshot": row.snapshot_id, "name": f"{row.snapshot}", "format": row.format}
        for row in rows
    ]


def _campaigns(faces: QuerySet[Face]) -> list[dict[str, Any]]:
    rows = CampaignFace.objects.filter(face__in=faces).order_by().values("campaign", "campaign__name")
    counted = rows.annotate(faces=Count("pk")).order_by("-campaign")
    return [{"pk": row["campaign"], "name": row["campaign__name"], "faces": row["faces"]} for row in counted]


def _alike(faces: QuerySet[Face]) -> QuerySet[Face]:
    groups = faces.filter(likeness__isnull=False).values("likeness")
    return Face.objects.filter(likeness__in=groups).exclude(pk__in=faces.values("pk"))


def _of_other_sources(scope_: str, what: Collection[Any], media: QuerySet[Media]) -> int:
    if scope_ != scope.Scope.SOURCE:
        return 0
    others = Item.objects.filter(media=OuterRef("pk")).exclude(source__in=what)
    return media.filter(Exists(others)).count()
