"""What a snapshot was frozen by, what stayed out of it and what is proved of its splits, in words of who reads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from labeling import quality_words
from labeling.expressions import word
from labeling.licence_words import rule_line
from labeling.models import Campaign
from labeling.snapshots import comparing, diff
from labeling.snapshots.reasons import LEFT_OUT, OPEN
from labeling.snapshots.rule import (
    ADJUDICATED,
    ALIKE,
    AUTHOR,
    GIVEN,
    SOURCES,
    STRATIFIED,
    USUAL_LABELS,
    VOTES,
    Rule,
)

SPLITS = {
    "train": gettext_noop("train"),
    "validation": gettext_noop("validation"),
    "test": gettext_noop("test"),
}
ORIGINS = {VOTES: gettext_noop("votes"), ADJUDICATED: gettext_noop("adjudicated")}


@dataclass(frozen=True)
class Line:
    """A term and what is to be said of it; tone: `ok`, `warn` or empty."""

    term: str
    text: str
    tone: str = ""


def left_out_word(reason: str) -> str:
    """Why faces stayed out; of a reason this version does not know, its key."""
    return _(LEFT_OUT[reason]) if reason in LEFT_OUT else word(reason)


def left_out(counts: Mapping[str, int]) -> list[tuple[int, str]]:
    """How many faces stayed out and why, in a fixed order."""
    known = [reason for reason in LEFT_OUT if reason in counts]
    more = sorted(set(counts) - set(known))
    return [(counts[reason], left_out_word(reason)) for reason in (*known, *more) if counts[reason]]


def split_word(split: str) -> str:
    return _(SPLITS[split]) if split in SPLITS else split


def origin_word(origin: str) -> str:
    """Whose word a label is: the votes', an adjudicator's, or the name of a column."""
    return _(ORIGINS[origin]) if origin in ORIGINS else f"“{origin}”"


# ---- the rule


def rule_lines(kept: Mapping[str, Any]) -> list[Line]:
    """What a snapshot's rule says, as far as it says anything."""
    filled = {"consensus": Campaign.Rule.STRICT_MAJORITY, "minimum_agreement": 0.0, **kept}
    return [Line(term, text) for term, text in _told(Rule.of(filled), kept) if text]


def _told(rule: Rule, kept: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield _("Label"), _labels(rule, kept)
    yield _("Campaigns"), ", ".join(rule.campaigns)
    yield _("Joined by their labels"), ", ".join(rule.labelled_sources)
    yield _("Only faces"), "; ".join(_only(rule))
    yield _("Rights"), rule_line(rule.licences) if rule.licences else ""
    yield _("Splits"), _splits(rule)
    yield _("In one split"), _together(rule)
    yield _("Folds"), _n(rule.folds) if rule.folds else ""
    if not rule.test_stays:
        yield _("Earlier versions"), _("not heeded: what they tested on may be learnt from")


def _labels(rule: Rule, kept: Mapping[str, Any]) -> str:
    if "consensus" not in kept:
        return ""
    consensus = str(dict(Campaign.Rule.choices).get(rule.consensus, rule.consensus))
    if rule.consensus == Campaign.Rule.MINIMUM_AGREEMENT:
        consensus = _("{rule} of {share}").format(rule=consensus, share=_percent(rule.minimum_agreement))
    if tuple(rule.labels) == USUAL_LABELS:
        return consensus
    order = _(", then ").join(origin_word(origin) for origin in rule.labels)
    return f"{order} ({consensus})" if VOTES in rule.labels else order


def _only(rule: Rule) -> Iterator[str]:
    if rule.classes:
        yield _("of {classes}").format(classes=", ".join(word(name) for name in rule.classes))
    if rule.votes_at_least:
        yield ngettext("with at least {n} vote", "with at least {n} votes", rule.votes_at_least).format(
            n=_n(rule.votes_at_least)
        )
    if rule.agreement_at_least:
        yield _("with at least {share} agreement").format(share=_percent(rule.agreement_at_least))
    if rule.side_at_least:
        yield _("at least {n} pixels on the shorter side").format(n=_n(rule.side_at_least))
    if rule.quality:
        yield quality_words.rule_line(rule.quality)
    if rule.sources:
        yield _("from {sources}").format(sources=", ".join(rule.sources))


def _splits(rule: Rule) -> str:
    if rule.splits == GIVEN:
        return _("as the source gives them")
    if rule.splits == SOURCES:
        named = "; ".join(
            f"{split_word(split)}: {', '.join(names)}" for split, names in rule.split_sources.items()
        )
        return _("by source ({named}); all others: train").format(named=named)
    if rule.splits != STRATIFIED:
        return rule.splits
    said = _("drawn by class with seed {seed}").format(seed=rule.seed)
    shares = ", ".join(
        f"{split_word(name)} {_percent(rule.fractions[name])}" for name in SPLITS if rule.fractions.get(name)
    )
    return f"{said} ({shares})" if shares else said


def _together(rule: Rule) -> str:
    more = [
        words
        for name, words in ((ALIKE, _("near-duplicates")), (AUTHOR, _("all of one author")))
        if name in rule.groups
    ]
    return ", ".join([_("everything of one media"), *more])


# ---- the certificate


def certificate_lines(proof: Mapping[str, Any]) -> list[Line]:
    """What is proved of a snapshot's splits; nothing for one frozen before certificates were."""
    return list(_proved(proof))


def _proved(proof: Mapping[str, Any]) -> Iterator[Line]:
    if groups := proof.get("groups"):
        counts = _by_split(groups.get("per_split", {}), _n)
        shared = groups.get("shared", 0)
        text = (
            _("{counts}; none stands in two splits").format(counts=counts)
            if not shared
            else _("{counts}; {shared} stand in two splits").format(counts=counts, shared=_n(shared))
        )
        yield Line(_("Groups"), text, "warn" if shared else "ok")
    if distances := proof.get("class_distance"):
        text = _("{distances} away from the whole’s mix of classes (0: the same, 1: nothing in common)")
        yield Line(
            _("Classes"),
            text.format(distances=_by_split(distances, lambda d: str(number_format(f"{d:.3f}")))),
        )
    if similarity := proof.get("similarity"):
        yield _nearest(similarity)
    if repeats := proof.get("repeats"):
        yield from _repeats(repeats)
    if earlier := proof.get("earlier"):
        yield _earlier(earlier)


def _nearest(similarity: Mapping[str, Any]) -> Line:
    term, bits = _("Nearest faces across splits"), similarity.get("bits")
    if not similarity.get("compared"):
        return Line(term, _("not known: no face has a perceptual hash yet"), "warn")
    if bits is None:
        text = _("no pair within {radius} of 64 bits of the perceptual hash")
        return Line(term, text.format(radius=similarity["radius"]), "ok")
    pairs = similarity["pairs"].get(str(bits), 0)
    text = ngettext(
        "{bits} of 64 bits of the perceptual hash apart, in {pairs} pair",
        "{bits} of 64 bits of the perceptual hash apart, in {pairs} pairs",
        pairs,
    )
    return Line(term, text.format(bits=bits, pairs=_n(pairs)), "" if bits else "warn")


def _repeats(repeats: Mapping[str, Any]) -> Iterator[Line]:
    for key, term in (
        ("as_given", gettext_noop("Repeats of train as given")),
        ("as_frozen", gettext_noop("Repeats of train as frozen")),
    ):
        found = repeats.get(key, {})
        text = _by_split(
            found,
            lambda each: _("{alike} ({same} of the same media)").format(
                alike=_n(each["alike"]), same=_n(each["same_media"])
            ),
        )
        bad = any(each["alike"] for each in found.values())
        yield Line(_(term), text, "warn" if bad else "ok")


def _earlier(earlier: Mapping[str, Any]) -> Line:
    tested, learnt = earlier.get("tested_before", 0), earlier.get("learnt_now", 0)
    versions = len(earlier.get("versions", []))
    text = ngettext(
        "{tested} faces were tested on in {versions} earlier version; {learnt} of them are learnt from now",
        "{tested} faces were tested on in {versions} earlier versions; {learnt} of them are learnt from now",
        versions,
    )
    said = text.format(tested=_n(tested), versions=_n(versions), learnt=_n(learnt))
    return Line(_("Earlier versions"), said, "warn" if learnt else "ok")


def _by_split(values: Mapping[str, Any], shown: Any) -> str:
    return ", ".join(f"{split_word(name)} {shown(values[name])}" for name in SPLITS if name in values)


def _percent(share: float) -> str:
    return f"{number_format(f'{100 * share:.4g}')} %"


def _n(number: int) -> str:
    return str(number_format(number, force_grouping=True))


# ---- two versions

KINDS = {
    diff.ADDED: gettext_noop("added"),
    diff.REMOVED: gettext_noop("no longer there"),
    diff.LABEL: gettext_noop("another label"),
    diff.SPLIT: gettext_noop("another split"),
    diff.VOTES: gettext_noop("other votes"),
    diff.ORIGIN: gettext_noop("somebody else’s label"),
}
WHY = {
    comparing.GONE: gettext_noop("deleted or erased since"),
    comparing.PUT_ASIDE: gettext_noop("somebody left the face out"),
    comparing.ELSEWHERE: gettext_noop("in none of that version’s campaigns"),
    comparing.NEW: gettext_noop("found after that version was frozen"),
    comparing.SETTLED_SINCE: gettext_noop("agreed on after that version was frozen"),
    comparing.UNKNOWN: gettext_noop("not known"),
}


def kind_of_change(kind: str) -> str:
    return _(KINDS[kind])


def why_word(reason: str) -> str:
    """Why a face is in only one of two versions."""
    if reason == OPEN:
        return _("was open: votes were missing")
    return _(WHY[reason]) if reason in WHY else left_out_word(reason)
