"""Licences, and what is asked of them, in words of who reads."""

from collections.abc import Collection, Mapping

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.licences import DEMANDS, kept, licence, understood
from labeling.licensing import LeftOut


def rule_line(rule: Collection[str]) -> str:
    """What is asked of licences, in a line."""
    asked = [_(DEMANDS[key].sentence) if key in DEMANDS else key for key in kept(rule)]
    return "; ".join(asked) or _("any licence, known or not")


def rule_help() -> str:
    """The demands there are, for the help of commands."""
    return "; ".join(f"{key}: {demand.sentence}" for key, demand in DEMANDS.items()) + "."


def licence_line(text: str) -> str:
    """What a media or a page says of its licence: the licence's name where it is understood, else as it was found."""
    known = licence(understood(text))
    if known:
        return _(known.name)
    return _("{text} (not understood)").format(text=text) if text else _("not known")


def reasons(why: Mapping[str, int]) -> str:
    """Demands that are not met, and by how many faces each."""
    return ", ".join(f"{_(DEMANDS[key].unmet)} ({_n(faces)})" for key, faces in why.items())


def left_out_line(left_out: LeftOut) -> str:
    """How many faces were left out for their licences, and why; empty if none."""
    if not left_out.faces:
        return ""
    text = ngettext(
        "{n} face is left out for its licence: {why}.",
        "{n} faces are left out for their licences: {why}.",
        left_out.faces,
    )
    return text.format(n=_n(left_out.faces), why=reasons(left_out.why))


def _n(number: int) -> str:
    return str(number_format(number, force_grouping=True))
