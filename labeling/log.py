"""The record of a campaign in words. What the verbs write: labeling.audit."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import QuerySet, TextChoices
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from labeling.audit import WORDS
from labeling.expressions import word
from labeling.licences import DEMANDS
from labeling.models import AuditEntry, Campaign
from labeling.quality_words import rule_line

NAMES = {
    "since": gettext_noop("since"),
    "votes": gettext_noop("votes"),
    "faces": gettext_noop("faces"),
    "open": gettext_noop("faces that wait for votes again"),
    "aside": gettext_noop("votes that stay aside"),
    "held": gettext_noop("faces held, given back"),
    "label": gettext_noop("label"),
    "was": gettext_noop("before"),
    "answer": gettext_noop("answer"),
    "note": gettext_noop("note"),
    "qualification": gettext_noop("asked in the qualification"),
    "attempts": gettext_noop("attempts"),
    "expression": gettext_noop("expression"),
    "name": gettext_noop("name"),
    "question": gettext_noop("question"),
    "instructions": gettext_noop("instructions"),
    "expressions": gettext_noop("expressions"),
    "votes_per_face": gettext_noop("votes per face"),
    "rule": gettext_noop("rule"),
    "minimum_agreement": gettext_noop("smallest agreement"),
    "keys": gettext_noop("keys"),
    "icons": gettext_noop("icons"),
    "mixed_allowed": gettext_noop("mixed answers"),
    "undo_minutes": gettext_noop("minutes to take a vote back"),
    "order": gettext_noop("order"),
    "gold_share": gettext_noop("share of gold"),
    "qualification_faces": gettext_noop("faces of the qualification"),
    "qualification_pass": gettext_noop("share to be right in the qualification"),
    "qualification_attempts": gettext_noop("attempts at the qualification"),
    "groups": gettext_noop("groups"),
    "languages": gettext_noop("languages"),
    "daily_cap": gettext_noop("votes per person and day"),
    "cap": gettext_noop("votes per person"),
    "deadline": gettext_noop("deadline"),
    "lease_seconds": gettext_noop("seconds a face is held"),
    "licence_rule": gettext_noop("what licences must allow"),
    "left_out": gettext_noop("left out for their licences"),
    "kept_out": gettext_noop("kept out for their quality"),
    "whatever_quality": gettext_noop("whatever their quality"),
    "quality_rule": gettext_noop("what quality must reach"),
}
"""What is written beside a deed, for people; other names are told as they are written."""
HIDDEN = frozenset({"discard", "face", "erasure"})
"""Keys of rows: they say nothing to people."""
IF_ANY = frozenset({"held", "aside", "open", "left_out"})
"""Not told when there are none."""
ANSWERS = frozenset({"label", "was", "answer", "expression", "expressions"})
CHOICES: dict[str, type[TextChoices]] = {"rule": Campaign.Rule, "order": Campaign.Order}
"""Names whose values have words of their own."""
CHANGES = frozenset({"changed", "extended", "duplicated"})
"""Deeds beside which each name has what was before and what came after."""


def entries(campaign: Campaign) -> QuerySet[AuditEntry]:
    """The campaign's record, with all that a line of it shows."""
    return AuditEntry.objects.filter(campaign=campaign).select_related("by", "annotator", "campaign_face")


def deed(entry: AuditEntry) -> str:
    """What its doer did."""
    return _(WORDS[entry.verb]) if entry.verb in WORDS else entry.verb.replace("_", " ")


def details(entry: AuditEntry) -> list[tuple[str, str]]:
    """What was changed: names and values, in words."""
    kept: Mapping[str, Any] = entry.details if isinstance(entry.details, Mapping) else {}
    # Not every database keeps the order of names.
    told = {name: kept[name] for name in sorted(kept, key=_place)}
    change = entry.verb in CHANGES
    return [
        (_name(name), _change(name, value) if change else _value(name, value))
        for name, value in told.items()
        if name not in HIDDEN and (value or name not in IF_ANY)
    ]


def _place(name: str) -> tuple[int, str]:
    return list(NAMES).index(name) if name in NAMES else len(NAMES), name


def _change(name: str, value: Any) -> str:
    if isinstance(value, list) and len(value) == 2:
        return " → ".join(_value(name, each) for each in value)
    return _value(name, value)


def _name(name: str) -> str:
    return _(NAMES[name]) if name in NAMES else name.replace("_", " ")


def _value(name: str, value: Any) -> str:
    if value is None or value == "":
        return _("none")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int | float):
        return str(number_format(value, force_grouping=True))
    if name == "quality_rule" and isinstance(value, Mapping):
        return rule_line(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{_name(str(key))}: {_value(str(key), each)}" for key, each in value.items()) or _(
            "none"
        )
    if isinstance(value, list):
        return ", ".join(_value(name, each) for each in value) or _("none")
    if name in ANSWERS:
        return word(str(value))
    if name == "licence_rule" and value in DEMANDS:
        return _(DEMANDS[value].sentence)
    if name in CHOICES and value in CHOICES[name].values:
        return str(CHOICES[name](value).label)
    moment = parse_datetime(str(value)) if len(str(value)) > 15 else None
    return _moment(moment) if moment else str(value)


def _moment(moment: datetime) -> str:
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return str(date_format(local, "SHORT_DATETIME_FORMAT"))


def restored_words(votes: int, aside: int) -> str:
    """What became of a restore, in a sentence or two."""
    told = ngettext("{n} vote counts again.", "{n} votes count again.", votes).format(n=_n(votes))
    if not aside:
        return told
    rest = ngettext(
        "{n} stays aside: somebody else has taken its place.",
        "{n} stay aside: others have taken their places.",
        aside,
    )
    return f"{told} {rest.format(n=_n(aside))}"


def discarded_words(votes: int, open_faces: int) -> str:
    """What became of a discard, in a sentence or two."""
    told = ngettext("{n} vote is put aside.", "{n} votes are put aside.", votes).format(n=_n(votes))
    rest = ngettext("{n} face waits for another vote now.", "{n} faces wait for other votes now.", open_faces)
    return f"{told} {rest.format(n=_n(open_faces))}" if open_faces else told


def _n(number: int) -> str:
    return str(number_format(number, force_grouping=True))
