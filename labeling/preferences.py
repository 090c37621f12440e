"""One annotator's own keys, goal and pauses, for all campaigns."""

from collections.abc import Container, Iterable, Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from labeling.expressions import EIGHT, OTHER_ANSWERS, word
from labeling.models import Campaign, Preferences
from labeling.refusals import Refusal

KEYS = "1234567890qwertyiopadghjklb"
"""The keys of a campaign's expressions, in order: digits first, then letters that mean nothing else here."""
OTHER_KEYS = {**dict(zip(OTHER_ANSWERS, "cn", strict=True)), "skip": "s", "undo": "u"}
"""The keys of what every campaign offers."""
LOOK_KEYS = {"zoom": "z", "contrast": "v", "context": "x", "frames": "f"}
"""The keys that change how the face looks; they stay."""
MIXED_KEY = "m"
"""The key that begins an answer of two expressions; it stays."""
FIXED = frozenset((*LOOK_KEYS.values(), MIXED_KEY))
CHOOSABLE = (*EIGHT, *OTHER_KEYS)
"""What a person may choose a key for in any campaign."""
MOST_GOAL, MOST_MINUTES = 100_000, 600


class CannotPrefer(Refusal):
    """The choices cannot be kept; the message says why."""


def of(user: Any) -> Preferences:
    """The person's choices, or those everybody begins with. One statement."""
    return Preferences.objects.filter(user=user).first() or Preferences(user=user)


def keys_for(
    expressions: Iterable[str], own: Mapping[str, str], campaign_keys: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Every answer and action of a campaign and its key: one's own where chosen, else the campaign's, else the usual.

    Where a usual key was given to something else, what had it gets the next that is free. An expression for which
    there is none left has an empty key: it can be clicked.
    """
    usual = {**{name: KEYS[n : n + 1] for n, name in enumerate(expressions)}, **OTHER_KEYS}
    return _overridden(_overridden(usual, campaign_keys or {}), own)


def _overridden(usual: Mapping[str, str], wishes: Mapping[str, str]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for name in usual:
        key = wishes.get(name, "").lower()
        if key and key not in FIXED and key not in chosen.values():
            chosen[name] = key
    kept = {name: key for name, key in usual.items() if name not in chosen and key not in chosen.values()}
    taken = {*chosen.values(), *kept.values()}
    free = (key for key in (*KEYS, *OTHER_KEYS.values()) if key not in taken)
    return {name: chosen.get(name) or kept.get(name) or next(free, "") for name in usual}


def own_expressions(wishes: Preferences) -> list[str]:
    """What campaigns that are not closed ask beyond the usual, and what one has a key for. One statement."""
    asked = [name for names in _vocabularies() for name in names]
    return list(dict.fromkeys(name for name in (*asked, *wishes.keys) if name not in CHOOSABLE))


def save(*, user: Any, keys: Mapping[str, str], session_goal: int, pause_minutes: int) -> Preferences:
    """Keep the choices. An empty key is the usual one; 0 is no goal, no reminder. Raises CannotPrefer."""
    chosen = {name: key.lower() for name, key in keys.items() if key}
    vocabularies = _vocabularies()
    # What one had stays, even if its campaign is closed by now.
    known = {*CHOOSABLE, *of(user).keys, *(name for names in vocabularies for name in names)}
    _demand_sound(chosen, known)
    _demand_apart(chosen, vocabularies)
    if not 0 <= session_goal <= MOST_GOAL:
        most = number_format(MOST_GOAL, force_grouping=True)
        raise CannotPrefer(_("A goal is a number from 0 to {most}.").format(most=most))
    if not 0 <= pause_minutes <= MOST_MINUTES:
        text = _("A pause can come after up to {most} minutes. Give 0 for none.")
        raise CannotPrefer(text.format(most=MOST_MINUTES))
    values = {"keys": chosen, "session_goal": session_goal, "pause_minutes": pause_minutes}
    return Preferences.objects.update_or_create(user=user, defaults=values)[0]


def _vocabularies() -> list[list[str]]:
    asked = Campaign.objects.exclude(state=Campaign.State.CLOSED).order_by("pk")
    return list(asked.values_list("expressions", flat=True))


def _demand_sound(chosen: Mapping[str, str], known: Container[str]) -> None:
    for name, key in chosen.items():
        what = word(name)
        if name not in known:
            raise CannotPrefer(_("There is no “{what}” to choose a key for.").format(what=what))
        if len(key) != 1 or not key.isprintable() or key.isspace():
            text = _("The key of {what} is not one character. Give a letter, digit or sign.")
            raise CannotPrefer(text.format(what=what))
        if key in FIXED:
            text = _("“{key}” has a use of its own on the vote page. Choose another key for {what}.")
            raise CannotPrefer(text.format(key=key, what=what))


def _demand_apart(chosen: Mapping[str, str], vocabularies: Iterable[Iterable[str]]) -> None:
    """No key twice among what stands on one page; expressions of different campaigns may share one."""
    for names in (CHOOSABLE, *((*names, *OTHER_KEYS) for names in vocabularies)):
        seen: dict[str, str] = {}
        for name in names:
            key = chosen.get(name, "")
            if key and key in seen:
                text = _("“{key}” is given to both {one} and {other}. Choose another for one.")
                raise CannotPrefer(text.format(key=key, one=word(seen[key]), other=word(name)))
            seen[key] = name
