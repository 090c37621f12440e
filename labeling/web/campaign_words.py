"""What a campaign's settings and a tried rule mean, in sentences."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling import quality_words
from labeling.campaign_queries import ChosenFaces
from labeling.consensus.trial import (
    ALWAYS_MORE_THAN_HALF,
    CAN_TIE,
    NEVER_BINDS,
    ONE_VOTE,
    UNANIMOUS,
    Rule,
    Trial,
    Verdicts,
    oddities,
)
from labeling.expressions import OTHER_ANSWERS, word
from labeling.licence_words import reasons, rule_line
from labeling.licensing import left_out
from labeling.models import Campaign, Face


def number(value: int) -> str:
    return number_format(value, force_grouping=True)


def percents(share: float) -> str:
    return f"{number_format(f'{100 * share:.4g}')} %"


def rule_of(campaign: Campaign) -> Rule:
    return Rule(campaign.votes_per_face, campaign.rule, campaign.minimum_agreement)


# ---- the summary ----


def summary(campaign: Campaign, *, groups: Iterable[str] = ()) -> dict[str, str]:
    """Step of the form → what is set there, in a line."""
    return {
        "question": _question(campaign),
        "consensus": _consensus(campaign),
        "gold": _gold(campaign),
        "people": _people(campaign, list(groups)),
        "rights": rule_line(campaign.licence_rule),
        "quality": quality_words.rule_line(campaign.quality_rule),
    }


def settings_of(campaign: Campaign) -> list[tuple[str, str]]:
    """The settings of a campaign for its page: what it is about, and what is set there."""
    lines = summary(campaign, groups=campaign.groups.values_list("name", flat=True))
    titles = {
        "consensus": _("Consensus"),
        "gold": _("Gold"),
        "people": _("Who and when"),
    }
    order = str(campaign.get_order_display())
    names = ", ".join(word(name) for name in campaign.expressions)
    return [
        (_("Expressions"), names),
        *((title, lines[step]) for step, title in titles.items()),
        (_("Order"), order),
        (_("Rights"), _rights(campaign)),
        (_("Quality"), lines["quality"]),
    ]


def _rights(campaign: Campaign) -> str:
    """The rule on licences; and what does not meet it although it is in the campaign, as when the rule came later."""
    line = rule_line(campaign.licence_rule)
    inside = left_out(Face.objects.filter(campaign_faces__campaign=campaign), campaign.licence_rule)
    if not inside.faces:
        return line
    text = ngettext(
        "{n} face of the campaign does not meet it and stays out of snapshots: {why}",
        "{n} faces of the campaign do not meet it and stay out of snapshots: {why}",
        inside.faces,
    )
    return f"{line}. {text.format(n=number(inside.faces), why=reasons(inside.why))}"


def _question(campaign: Campaign) -> str:
    n = len(campaign.expressions)
    text = ngettext("{n} expression", "{n} expressions", n).format(n=n)
    return _("{expressions}, mixed answers too").format(expressions=text) if campaign.mixed_allowed else text


def _consensus(campaign: Campaign) -> str:
    n = campaign.votes_per_face
    votes = ngettext("{n} vote a face", "{n} votes a face", n).format(n=number(n))
    return f"{votes}; {needs(rule_of(campaign))}"


def needs(rule: Rule) -> str:
    """What a label needs, in numbers."""
    if rule.rule == Campaign.Rule.PLURALITY:
        return _("a label needs more votes than any other answer")
    if rule.rule == Campaign.Rule.STRICT_MAJORITY:
        return _("a label needs at least {needed} of {votes} votes").format(
            needed=rule.needed, votes=rule.votes
        )
    return _("a label needs most votes, and at least {needed} of {votes}").format(
        needed=rule.needed, votes=rule.votes
    )


def _gold(campaign: Campaign) -> str:
    gold = (
        _("{share} gold").format(share=percents(campaign.gold_share)) if campaign.gold_share else _("no gold")
    )
    n = campaign.qualification_faces
    if not n:
        return _("{gold}, no qualification").format(gold=gold)
    text = ngettext(
        "{gold}; qualification of {n} face, {share} right",
        "{gold}; qualification of {n} faces, {share} right",
        n,
    )
    return text.format(gold=gold, n=n, share=percents(campaign.qualification_pass))


def _people(campaign: Campaign, groups: list[str]) -> str:
    names = dict(settings.LANGUAGES)
    who = [*groups, *(str(names.get(code, code)) for code in campaign.languages)]
    parts = [_("only {who}").format(who=", ".join(who)) if who else _("every annotator")]
    if campaign.daily_cap:
        parts.append(
            ngettext("{n} vote a day", "{n} votes a day", campaign.daily_cap).format(
                n=number(campaign.daily_cap)
            )
        )
    if campaign.cap:
        parts.append(
            ngettext("{n} vote in all", "{n} votes in all", campaign.cap).format(n=number(campaign.cap))
        )
    parts.append(
        _("until {moment}").format(moment=moment(campaign.deadline))
        if campaign.deadline
        else _("no deadline")
    )
    return ", ".join(parts)


def moment(at: Any) -> str:
    """A moment in the site's time zone, named."""
    return date_format(timezone.localtime(at), "j M Y, H:i e")


def faces_line(found: ChosenFaces) -> str:
    n = found.count
    text = ngettext("{n} face", "{n} faces", n).format(n=number(n))
    if not found.left:
        return text
    return _("{faces}, drawn from {all}").format(faces=text, all=number(n + found.left))


def votes_line(faces: int, campaign: Campaign) -> str:
    """How many votes it will take, and by how many people at least."""
    votes = faces * campaign.votes_per_face
    text = ngettext(
        "{votes} vote in all, from at least {people} person.",
        "{votes} votes in all, from at least {people} people.",
        campaign.votes_per_face,
    )
    return text.format(votes=number(votes), people=number(campaign.votes_per_face))


# ---- the rule ----


def trial_line(tried: Trial) -> str:
    """What a tried rule makes of the votes, for who can't see the figures."""
    return _("{agreed} with a label, {none} no consensus, {no_face} not a face").format(
        agreed=number(tried.agreed), none=number(tried.no_consensus), no_face=number(tried.not_a_face)
    )


def odd(rule: Rule, expressions: int) -> list[str]:
    """What a manager may not expect of the rule."""
    half = rule.votes // 2 + 1
    sentences = {
        ONE_VOTE: _(
            "One vote is one opinion: every face is agreed on, and how far people agree can't be known."
        ),
        UNANIMOUS: _(
            "All {votes} votes must say the same: one person who sees it differently, and there is no label."
        ),
        NEVER_BINDS: _("This share changes nothing: whoever has most of {votes} votes always has it."),
        ALWAYS_MORE_THAN_HALF: _(
            "This share asks for {needed} of {votes} votes; more than half asks for {half}."
        ),
        CAN_TIE: _(
            "With {votes} votes two answers can have the same number. A tie is no consensus, never a coin toss."
        ),
    }
    found = oddities(rule, answers=expressions + len(OTHER_ANSWERS))
    return [sentences[code].format(votes=rule.votes, needed=rule.needed, half=half) for code in found]


@dataclass(frozen=True)
class Example:
    """A face with its votes, and what the rules say of it."""

    face: int
    counts: dict[str, int]
    votes: str
    yours: str
    others: str


def example(face: Verdicts, rule: Rule) -> Example:
    ordered = sorted(face.counts.items(), key=lambda pair: -pair[1])
    votes = ", ".join(f"{n} {word(answer)}" for answer, n in ordered if n)
    rules = {
        Campaign.Rule.PLURALITY: _("most votes"),
        Campaign.Rule.STRICT_MAJORITY: _("more than half"),
        Campaign.Rule.MINIMUM_AGREEMENT: _("at least {share}").format(share=percents(rule.minimum_agreement)),
    }
    said = {
        name: _("{rule} says {label}").format(rule=words, label=word(face.says[name] or "no_consensus"))
        for name, words in rules.items()
    }
    # The share is no rule of its own: it is told only where it is asked for.
    others = [text for name, text in said.items() if name not in (rule.rule, Campaign.Rule.MINIMUM_AGREEMENT)]
    return Example(face.face, face.counts, votes, said[Campaign.Rule(rule.rule)], "; ".join(others))
