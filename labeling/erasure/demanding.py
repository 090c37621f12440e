"""Asking for an erasure."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from labeling import work
from labeling.erasure import scope
from labeling.erasure.refusals import CannotErase
from labeling.models import Erasure

SHORTEST_REASON = 3
LONGEST_REASON = 400
"""With the words around it, it is the reason of an item that is refused."""


def demand(
    scope_: str,
    what: Sequence[Any],
    *,
    reason: str,
    by: Any = None,
    with_media: bool = False,
    wake: bool = True,
) -> Erasure:
    """Have it erased by a worker; what it means is settled when that begins. It cannot be undone. Raises CannotErase.

    scope_: media, source, author, track or face. what: the keys of such rows, or the names of authors as media have
    them. with_media: of tracks and faces, erase the media that show them too. wake: False if the caller does the work.
    """
    reason = " ".join(reason.split())
    if len(reason) < SHORTEST_REASON:
        raise CannotErase(_("Say why it is erased: whoever looks for it later will ask."))
    if len(reason) > LONGEST_REASON:
        raise CannotErase(
            _("A reason has at most {most} characters. Shorten it.").format(most=LONGEST_REASON)
        )
    wanted = scope.checked(scope_, what)
    with transaction.atomic():
        row = Erasure.objects.create(
            scope=scope_,
            what=wanted,
            with_media=with_media and scope_ in (scope.Scope.TRACK, scope.Scope.FACE),
            reason=reason,
            by=by if getattr(by, "pk", None) else None,
        )
        if wake:
            work.enqueue(row)
    return row
