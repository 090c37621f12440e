"""What a campaign may be set to: one set of rules for pages, API and commands."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from labeling import quality_rule
from labeling.cells import is_formula
from labeling.expressions import EIGHT, OTHER_ANSWERS, word
from labeling.licences import DEMANDS
from labeling.models import Campaign
from labeling.preferences import KEYS, LOOK_KEYS, OTHER_KEYS
from labeling.refusals import Refusal

SETTINGS = (
    "name", "question", "instructions", "expressions", "keys", "icons", "mixed_allowed", "votes_per_face", "rule",
    "minimum_agreement", "gold_share", "qualification_faces", "qualification_pass", "qualification_attempts",
    "languages", "daily_cap", "cap", "order", "undo_minutes", "lease_seconds", "deadline", "licence_rule",
    "quality_rule",
)  # fmt: skip
"""The columns a manager chooses, in the order of the form; the groups stand beside them."""
ICONS = (*EIGHT, "expression")
"""The drawings an expression may carry: symbols of expressions.svg."""
LONGEST_EXPRESSION = 40


class CannotSet(Refusal):
    """The campaign cannot be so; the text says what to change, `field` which setting ("" for none alone)."""

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.field = field


class CannotCreate(CannotSet):
    """The campaign was not made."""


class CannotChange(CannotSet):
    """The campaign's state, or what people have done in it, does not allow this."""


@dataclass(frozen=True)
class Problem:
    field: str
    text: str


def problems(campaign: Campaign) -> list[Problem]:
    """All that keeps these settings from working, by field; empty when they are sound. Asks for the name alone."""
    found = [
        *_of_expressions(campaign),
        *(Problem("keys", text) for text in key_problems(campaign.expressions, campaign.keys)),
        *_of_icons(campaign),
        *_of_people(campaign),
        *(Problem("licence_rule", text) for text in rule_problems(campaign.licence_rule)),
        *(Problem("quality_rule", text) for text in quality_rule.problems(campaign.quality_rule)),
    ]
    named = {problem.field for problem in found}
    return [*found, *(problem for problem in _of_columns(campaign) if problem.field not in named)]


def demand_sound(campaign: Campaign, refuse: type[CannotSet]) -> None:
    """Raise the first problem there is."""
    for problem in problems(campaign):
        raise refuse(problem.text, problem.field)


def named(expressions: Iterable[object]) -> list[str]:
    """The names as they are kept: without blanks around, and with one space for each run of blanks within."""
    return [" ".join(str(expression).split()) for expression in expressions]


def kept_keys(keys: Mapping[str, str]) -> dict[str, str]:
    """Keys as they are kept: small letters; an answer without one has the usual."""
    return {name: key.strip().lower() for name, key in keys.items() if key.strip()}


def _of_expressions(campaign: Campaign) -> Iterator[Problem]:
    names = campaign.expressions
    if text := _wrong_with(names):
        yield Problem("expressions", text)
    elif formulas := {name for name in names if is_formula(name)}:
        # What a campaign of before has stays: it may have been answered.
        kept = Campaign.objects.filter(pk=campaign.pk).values_list("expressions", flat=True).first()
        for name in sorted(formulas.difference(kept or ()))[:1]:
            yield Problem(
                "expressions",
                _(
                    "“{name}” begins with {sign}, which spreadsheets take for a formula. Begin it with a letter."
                ).format(name=name, sign=name[0]),
            )


def _wrong_with(names: list[str]) -> str:
    if len(names) < 2 or not all(names):
        return _("A campaign needs at least two expressions, each with a name of its own.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        return _("“{name}” is named twice. Take one out.").format(name=word(twice))
    if taken := set(names) & set(OTHER_ANSWERS):
        return _("“{name}” is always offered. Take it out of the list.").format(name=word(taken.pop()))
    if len(names) > len(KEYS):
        return _("There are keys for {most} expressions. Name fewer.").format(most=len(KEYS))
    if not all(name.isprintable() for name in names):
        return _("An expression's name has a character that cannot be seen. Type it anew.")
    if any(len(name) > LONGEST_EXPRESSION for name in names):
        return _("An expression's name has more than {most} characters. Shorten it.").format(
            most=LONGEST_EXPRESSION
        )
    return ""


def key_problems(expressions: Iterable[str], keys: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with a campaign's own keys (answer → key). The rules are those of a person's own."""
    offered = {*expressions, *OTHER_KEYS}
    seen: dict[str, str] = {}
    for name, key in keys.items():
        what = word(name)
        if name not in offered:
            yield _("There is no “{what}” to choose a key for.").format(what=what)
        elif len(key) != 1 or not key.isprintable() or key.isspace():
            yield _("The key of {what} is not one character. Give a letter, digit or sign.").format(what=what)
        elif key in LOOK_KEYS.values():
            yield _("“{key}” changes how the face looks. Choose another key for {what}.").format(
                key=key, what=what
            )
        elif key in seen:
            yield _("“{key}” is given to both {first} and {second}. Choose another for one.").format(
                key=key, first=seen[key], second=what
            )
        else:
            seen[key] = what


def _of_icons(campaign: Campaign) -> Iterator[Problem]:
    for name, icon in campaign.icons.items():
        if name not in campaign.expressions:
            yield Problem("icons", _("There is no “{what}” to choose an icon for.").format(what=word(name)))
        elif icon not in ICONS:
            yield Problem(
                "icons", _("There is no icon “{icon}”. Choose one of those shown.").format(icon=icon)
            )


def _of_people(campaign: Campaign) -> Iterator[Problem]:
    known = {code for code, _name in settings.LANGUAGES}
    if strange := [code for code in campaign.languages if code not in known]:
        text = _("VEMO does not speak “{code}” here. Choose a language of the list.")
        yield Problem("languages", text.format(code=strange[0]))
    for field in ("daily_cap", "cap"):
        if getattr(campaign, field) == 0:
            yield Problem(field, _("With 0 nobody could vote. Leave it empty for no limit."))
    if campaign.cap and campaign.daily_cap and campaign.daily_cap > campaign.cap:
        yield Problem("daily_cap", _("Nobody can give more votes in a day than in all. Lower it."))


def rule_problems(rule: Iterable[str]) -> Iterator[str]:
    """What is wrong with what is asked of licences."""
    for strange in rule:
        if strange not in DEMANDS:
            yield _("There is no demand “{strange}” on licences; choose of {known}.").format(
                strange=strange, known=", ".join(DEMANDS)
            )


def _of_columns(campaign: Campaign) -> Iterator[Problem]:
    try:
        campaign.full_clean(exclude=["created_by"])
    except ValidationError as error:
        for field, errors in error.error_dict.items():
            for one in errors:
                taken = field == "name" and one.code == "unique"
                text = _("There is a campaign of this name. Choose another.") if taken else one.messages[0]
                yield Problem("" if field == "__all__" else field, text)
