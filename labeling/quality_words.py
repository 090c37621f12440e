"""How well faces can be seen, and what is asked of it, in words of who reads."""

from collections.abc import Mapping

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from labeling.quality_rule import KeptOut, Rule

REASON_WORDS: dict[str, str | Promise] = {
    "small": gettext_lazy("small"),
    "blurred": gettext_lazy("blurred"),
    "dark": gettext_lazy("dark"),
    "bright": gettext_lazy("too bright"),
    "flat": gettext_lazy("hardly any contrast"),
    "cut_off": gettext_lazy("cut off by the edge"),
    "turned": gettext_lazy("turned away"),
    "nodding": gettext_lazy("looking far up or down"),
    "tilted": gettext_lazy("tilted"),
}
"""What speaks against a face."""
_SHARES = ("min_brightness", "max_brightness", "min_contrast", "max_outside")


def rule_line(rule: Rule) -> str:
    """What is asked of quality, in a line."""
    sentences = {
        "min_side": _("shorter side at least {limit} pixels"),
        "min_sharpness": _("sharpness at least {limit}"),
        "min_brightness": _("brightness at least {limit}"),
        "max_brightness": _("brightness at most {limit}"),
        "min_contrast": _("contrast at least {limit}"),
        "max_outside": _("at most {limit} beyond the edge"),
        "max_yaw": _("turned aside at most {limit}°"),
        "max_pitch": _("up or down at most {limit}°"),
        "max_roll": _("tilted at most {limit}°"),
    }
    # Not every database keeps the order of names.
    asked = [text.format(limit=_limit(name, rule[name])) for name, text in sentences.items() if name in rule]
    return "; ".join(asked) or _("any, however well it can be seen")


def reasons(why: Mapping[str, int]) -> str:
    """What speaks against faces, and against how many each."""
    return ", ".join(f"{REASON_WORDS[code]} ({_n(faces)})" for code, faces in why.items())


def kept_out_line(kept_out: KeptOut) -> str:
    """How many faces were kept out for their quality, and why; empty if none."""
    if not kept_out.faces:
        return ""
    text = ngettext(
        "{n} face is kept out for its quality: {why}.",
        "{n} faces are kept out for their quality: {why}.",
        kept_out.faces,
    )
    return text.format(n=_n(kept_out.faces), why=reasons(kept_out.why))


def unmeasured_line(kept_out: KeptOut) -> str:
    """How many faces pass because something was not measured of them; empty if none."""
    if not kept_out.unmeasured:
        return ""
    text = ngettext(
        "{n} face was not measured in everything that is asked: of that the rule says nothing, and it passes.",
        "{n} faces were not measured in everything that is asked: of that the rule says nothing, and they pass.",
        kept_out.unmeasured,
    )
    return text.format(n=_n(kept_out.unmeasured))


def _limit(name: str, value: float) -> str:
    if name in _SHARES:
        return f"{number_format(f'{100 * value:.4g}')} %"
    return str(number_format(f"{value:.4g}"))


def _n(number: int) -> str:
    return str(number_format(number, force_grouping=True))
