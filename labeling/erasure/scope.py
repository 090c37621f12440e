"""Which media and faces a demand means."""

from collections.abc import Collection, Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling import authorship
from labeling.erasure.refusals import CannotErase
from labeling.models import Erasure, Face, Item, Media, Source, Track

Scope = Erasure.Scope
MOST = 10_000
"""So many sources, tracks, faces … one demand may name."""
_ROWS: dict[str, Any] = {
    Scope.MEDIA: Media,
    Scope.SOURCE: Source,
    Scope.TRACK: Track,
    Scope.FACE: Face,
}


def checked(scope: str, what: Sequence[Any]) -> list[Any]:
    """The keys of rows, or the names of authors, each once. Raises CannotErase for what is not there."""
    if scope not in Scope.values:
        raise CannotErase(
            _("“{scope}” is nothing that can be erased; choose one of {known}.").format(
                scope=scope, known=", ".join(Scope.values)
            )
        )
    wanted = list(dict.fromkeys(what))
    if not wanted:
        raise CannotErase(_("Say what is to be erased."))
    if len(wanted) > MOST:
        raise CannotErase(_("One erasure names at most {most} things.").format(most=MOST))
    if scope != Scope.AUTHOR and not all(type(key) is int for key in wanted):
        raise CannotErase(_("What is to be erased is named by its number."))
    known = set(there(scope, wanted))
    if missing := [key for key in wanted if key not in known]:
        named = ", ".join(str(key) for key in missing[:5]) + (" …" if len(missing) > 5 else "")
        raise CannotErase(
            ngettext(
                "There is no such thing to erase: {named}.",
                "There are no such things to erase: {named}.",
                len(missing),
            ).format(named=named)
        )
    return wanted


def there(scope: str, what: Collection[Any]) -> list[Any]:
    """Those of the keys, or of the names, that are there."""
    if scope == Scope.AUTHOR:
        return sorted(authorship.known(what))
    return list(_ROWS[scope].objects.filter(pk__in=what).order_by("pk").values_list("pk", flat=True))


def spares_media(scope: str, with_media: bool) -> bool:
    """Whether only faces go, and the media that show them stay."""
    return scope in (Scope.TRACK, Scope.FACE) and not with_media


def media(scope: str, what: Collection[Any], with_media: bool = False) -> QuerySet[Media]:
    """The media that go."""
    if spares_media(scope, with_media):
        return Media.objects.none()
    if scope == Scope.AUTHOR:
        return authorship.by(what)
    if scope == Scope.SOURCE:
        items = Item.objects.filter(source__in=what, media__isnull=False).order_by()
        return Media.objects.filter(pk__in=items.values("media"))
    if scope == Scope.MEDIA:
        return Media.objects.filter(pk__in=what)
    return Media.objects.filter(pk__in=named(scope, what).order_by().values("media"))


def named(scope: str, what: Collection[Any]) -> QuerySet[Face]:
    """Of tracks and faces: the very faces that are named."""
    return Face.objects.filter(Q(track__in=what) if scope == Scope.TRACK else Q(pk__in=what))


def faces(scope: str, what: Collection[Any], with_media: bool = False) -> QuerySet[Face]:
    """The faces that go; but for those that other detectors found at the same place (places.same)."""
    if spares_media(scope, with_media):
        return named(scope, what)
    return Face.objects.filter(media__in=media(scope, what, with_media).order_by().values("pk"))
