"""What a campaign or a snapshot asks of the licences of its media."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from labeling.licences.catalogue import LICENCES, Licence, licence
from labeling.sayings import gettext_noop

_CLOSED = frozenset({"reserved", "youtube"})


@dataclass(frozen=True)
class Demand:
    """One thing that is asked for. Only what is sure to meet it does: an unknown licence meets none."""

    sentence: str
    """What is asked for."""
    unmet: str
    """What is said of media that do not meet it."""
    met_by: Callable[[Licence], bool]


DEMANDS: dict[str, Demand] = {
    "no_unknown": Demand(
        gettext_noop("The licence is known"), gettext_noop("licence not known"), lambda one: True
    ),
    "no_reserved": Demand(
        gettext_noop("More is allowed than by a platform’s own terms"),
        gettext_noop("all rights reserved"),
        lambda one: one.code not in _CLOSED,
    ),
    "no_nc": Demand(
        gettext_noop("Commercial use is allowed"),
        gettext_noop("commercial use not allowed"),
        lambda one: one.commercial is True,
    ),
    "no_nd": Demand(
        gettext_noop("Changed versions, such as crops, may be passed on"),
        gettext_noop("derivatives not allowed"),
        lambda one: one.derivatives is True,
    ),
    "no_sa": Demand(
        gettext_noop("What is made of it need not carry the same licence"),
        gettext_noop("share alike"),
        lambda one: one.share_alike is False,
    ),
}
"""Key → what it asks for, in the order in which it is shown. Keys are kept with campaigns and snapshots."""


def why_not(code: str, rule: Collection[str]) -> tuple[str, ...]:
    """The demands of the rule that media under this licence do not meet, in the order of DEMANDS."""
    known = licence(code)
    return tuple(key for key in DEMANDS if key in rule and not (known and DEMANDS[key].met_by(known)))


def meeting(rule: Collection[str]) -> frozenset[str]:
    """The codes of all licences that meet the rule."""
    return frozenset(code for code in LICENCES if not why_not(code, rule))


def kept(rule: Iterable[str]) -> list[str]:
    """The rule as it is kept: each demand once, in the order of DEMANDS; what is none comes last."""
    asked = set(rule)
    return [*(key for key in DEMANDS if key in asked), *sorted(asked - DEMANDS.keys())]
