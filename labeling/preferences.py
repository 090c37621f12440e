"""One annotator's own keys, goal and pauses, for all campaigns."""

from collections.abc import Iterable, Mapping
from typing import Any

from labeling.expressions import EIGHT, OTHER_ANSWERS, word
from labeling.models import Preferences
from labeling.refusals import Refusal

KEYS = "1234567890qwertyiopadfghjklbm"
"""The keys of a campaign's expressions, in order: digits first, then letters that mean nothing else here."""
OTHER_KEYS = {**dict(zip(OTHER_ANSWERS, "cn", strict=True)), "skip": "s", "undo": "u"}
"""The keys of what every campaign offers."""
LOOK_KEYS = {"zoom": "z", "contrast": "v", "context": "x"}
"""The keys that change how the face looks; they stay."""
CHOOSABLE = (*EIGHT, *OTHER_KEYS)
"""What a person may choose a key for."""
MOST_GOAL, MOST_MINUTES = 100_000, 600


class CannotPrefer(Refusal):
    """The choices cannot be kept; the message says why."""


def of(user: Any) -> Preferences:
    """The person's choices, or those everybody begins with. One statement."""
    return Preferences.objects.filter(user=user).first() or Preferences(user=user)


def keys_for(expressions: Iterable[str], own: Mapping[str, str]) -> dict[str, str]:
    """Every answer and action of a campaign and its key: one's own where chosen, else the usual one.

    Where somebody gave a usual key to something else, what had it gets the next that is free. An expression for which
    there is none left has an empty key: it can be clicked.
    """
    usual = {**{name: KEYS[n : n + 1] for n, name in enumerate(expressions)}, **OTHER_KEYS}
    chosen = {name: own[name] for name in usual if name in own}
    kept = {name: key for name, key in usual.items() if name not in chosen and key not in chosen.values()}
    taken = {*chosen.values(), *kept.values()}
    free = (key for key in (*KEYS, *OTHER_KEYS.values()) if key not in taken)
    return {name: chosen.get(name) or kept.get(name) or next(free, "") for name in usual}


def save(*, user: Any, keys: Mapping[str, str], session_goal: int, pause_minutes: int) -> Preferences:
    """Keep the choices. An empty key is the usual one; 0 is no goal, no reminder. Raises CannotPrefer."""
    chosen = {name: key.lower() for name, key in keys.items() if key}
    _demand_sound(chosen)
    if not 0 <= session_goal <= MOST_GOAL:
        raise CannotPrefer(f"A goal is a number from 0 to {MOST_GOAL:,}.")
    if not 0 <= pause_minutes <= MOST_MINUTES:
        raise CannotPrefer(f"A pause can come after up to {MOST_MINUTES} minutes. Give 0 for none.")
    values = {"keys": chosen, "session_goal": session_goal, "pause_minutes": pause_minutes}
    return Preferences.objects.update_or_create(user=user, defaults=values)[0]


def _demand_sound(chosen: Mapping[str, str]) -> None:
    seen: dict[str, str] = {}
    for name, key in chosen.items():
        what = word(name)
        if name not in CHOOSABLE:
            raise CannotPrefer(f"There is no “{what}” to choose a key for.")
        if len(key) != 1 or not key.isprintable() or key.isspace():
            raise CannotPrefer(f"The key of {what} is not one character. Give a letter, digit or sign.")
        if key in LOOK_KEYS.values():
            raise CannotPrefer(f"“{key}” changes how the face looks. Choose another key for {what}.")
        if key in seen:
            raise CannotPrefer(f"“{key}” is given to both {seen[key]} and {what}. Choose another for one.")
        seen[key] = what
