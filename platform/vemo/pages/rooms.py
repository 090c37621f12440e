"""The rooms of the site and who may enter them: the navigation, and what home offers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labeling.rules import may_manage, may_see_labels, may_vote
from training.rules import may_train


def _is_staff(user: Any) -> bool:
    return bool(user.is_authenticated and user.is_active and user.is_staff)


ROOMS: tuple[tuple[str, str, Callable[[Any], bool], tuple[str, ...]], ...] = (
    (gettext_noop("Vote"), "labeling:vote_home", may_vote, ("vote/",)),
    (
        gettext_noop("Sources"),
        "labeling:sources",
        may_manage,
        ("sources/", "media/", "erasures/", "lineage/source/"),
    ),
    (gettext_noop("Faces"), "labeling:faces", may_see_labels, ("faces/",)),
    (gettext_noop("Campaigns"), "labeling:campaigns", may_manage, ("campaigns/", "lineage/campaign/")),
    (gettext_noop("Snapshots"), "labeling:snapshots", may_see_labels, ("snapshots/", "lineage/snapshot/")),
    (gettext_noop("Runs"), "training:runs", may_train, ("runs/", "relabel-rounds/")),
    (gettext_noop("Doctor"), "doctor", may_manage, ("doctor/",)),
    (gettext_noop("Admin"), "admin:index", _is_staff, ("admin/",)),
)
"""Of each room its name, its first page, who may enter, and how the addresses of its pages begin."""


@dataclass(frozen=True)
class Room:
    name: str
    url: str
    here: bool


def rooms_of(user: Any, route: str = "") -> list[Room]:
    """The rooms the user may enter, in the order work flows through them. route: of the page that is shown."""
    return [
        Room(_(name), reverse(page), route.startswith(routes))
        for name, page, may_enter, routes in ROOMS
        if may_enter(user)
    ]
