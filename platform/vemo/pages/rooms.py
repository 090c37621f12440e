"""The rooms of the site and who may enter them: the navigation, and what home offers."""

from collections.abc import Callable
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labeling.rules import may_manage, may_see_labels, may_vote
from training.rules import may_train


def _is_staff(user: Any) -> bool:
    return bool(user.is_authenticated and user.is_active and user.is_staff)


ROOMS: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    (gettext_noop("Vote"), "labeling:vote_home", may_vote),
    (gettext_noop("Sources"), "labeling:sources", may_manage),
    (gettext_noop("Faces"), "labeling:faces", may_see_labels),
    (gettext_noop("Campaigns"), "labeling:campaigns", may_manage),
    (gettext_noop("Snapshots"), "labeling:snapshots", may_see_labels),
    (gettext_noop("Runs"), "training:runs", may_train),
    (gettext_noop("Doctor"), "doctor", may_manage),
    (gettext_noop("Admin"), "admin:index", _is_staff),
)


def rooms_of(user: Any) -> list[tuple[str, str]]:
    """Name and address of each room the user may enter, in the order work flows through them."""
    return [(_(name), reverse(page)) for name, page, may_enter in ROOMS if may_enter(user)]
