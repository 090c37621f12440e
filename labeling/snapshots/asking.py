"""What somebody may ask of a snapshot: checked, it becomes a rule."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from labeling import quality_rule
from labeling.campaign_settings import rule_problems
from labeling.licences import kept
from labeling.models import Campaign, FaceLabel, Source
from labeling.refusals import Refusal
from labeling.snapshots import format as snapshots
from labeling.snapshots.rule import (
    ALIKE,
    GROUPS,
    MEDIA,
    MOST_FOLDS,
    SOURCES,
    STRATIFIED,
    USUAL_LABELS,
    WAYS,
    Rule,
    label_columns,
    shares,
)

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
TESTED = ("validation", "test")
"""The splits that sources may be named for."""
LONGEST_NAME = 200


class CannotFreeze(Refusal):
    """Nothing was frozen; the text says what to change."""


def name_problem(name: str) -> str:
    """What is wrong with a snapshot's name; empty if nothing is."""
    if not name.isprintable():
        return _("The name has a character that cannot be seen. Type it anew.")
    if len(name) > LONGEST_NAME:
        return _("The name has more than {most} characters. Shorten it.").format(most=LONGEST_NAME)
    return ""


def demand_name(name: str) -> None:
    """Raises CannotFreeze."""
    if problem := name_problem(name):
        raise CannotFreeze(problem)


def rule_of(
    *,
    campaign: Campaign,
    also: Collection[Campaign] = (),
    labels: Sequence[str] = USUAL_LABELS,
    labelled_sources: Collection[str] = (),
    votes_at_least: int = 0,
    agreement_at_least: float = 0.0,
    classes: Collection[str] = (),
    side_at_least: int = 0,
    quality: Mapping[str, Any] | None = None,
    licences: Collection[str] | None = None,
    sources: Collection[str] = (),
    splits: str = STRATIFIED,
    fractions: Mapping[str, float] | None = None,
    seed: int = 0,
    split_sources: Mapping[str, Collection[str]] | None = None,
    together: Collection[str] | None = None,
    folds: int = 0,
    test_stays: bool = True,
) -> Rule:
    """A rule for freezing the campaign, checked. Raises CannotFreeze.

    also: other campaigns with the same expressions. fractions: split → share, scaled to add up to 1, of drawn splits
    alone. licences: what the licences of media must allow (labeling.licences.DEMANDS), the campaign's rule if left out.
    together: what never straddles splits (rule.GROUPS), always the media; drawn splits keep near-duplicates together
    too unless told otherwise. The others: see rule.Rule.
    """
    usual = (MEDIA, ALIKE) if splits == STRATIFIED else (MEDIA,)
    rule = Rule(
        consensus=campaign.rule,
        minimum_agreement=campaign.minimum_agreement,
        campaigns=tuple(each.name for each in (campaign, *also)) if also else (),
        labels=tuple(labels),
        labelled_sources=tuple(sorted(labelled_sources)),
        votes_at_least=votes_at_least,
        agreement_at_least=agreement_at_least,
        classes=tuple(name for name in campaign.expressions if name in classes),
        side_at_least=side_at_least,
        quality=quality_rule.kept(quality or {}),
        licences=tuple(kept(campaign.licence_rule if licences is None else licences)),
        sources=tuple(sorted(sources)),
        splits=splits,
        fractions=_shares(FRACTIONS if fractions is None else fractions) if splits == STRATIFIED else {},
        seed=seed if splits == STRATIFIED or folds else 0,
        split_sources={
            split: sorted(names) for split, names in sorted((split_sources or {}).items()) if names
        },
        groups=tuple(sorted({MEDIA, *(usual if together is None else together)})),
        folds=folds,
        test_stays=test_stays,
    )
    for problem in (
        *_contradictions(splits, fractions, split_sources or {}),
        *_problems(rule, campaign, also, classes),
    ):
        raise CannotFreeze(problem)
    return rule


def _contradictions(
    splits: str, fractions: Mapping[str, float] | None, split_sources: Mapping[str, Collection[str]]
) -> Iterator[str]:
    """What is asked for, and would come to nothing."""
    if not set(split_sources) <= set(TESTED):
        yield _("Name sources for validation or test; everything else is trained on.")
    if splits != SOURCES and any(split_sources.values()):
        yield _(
            "Sources are named for splits, but splits are not made by source. Name none, or make them so."
        )
    if splits != STRATIFIED and fractions is not None:
        yield _("Only splits that are drawn have shares. Give none, or have them drawn.")


def _problems(
    rule: Rule, campaign: Campaign, also: Collection[Campaign], classes: Collection[str]
) -> Iterator[str]:
    yield from rule_problems(rule.licences)
    yield from quality_rule.problems(rule.quality)
    if rule.splits not in WAYS:
        yield _("Splits are {known}, not “{asked}”.").format(known=", ".join(WAYS), asked=rule.splits)
    if strange := set(rule.groups) - set(GROUPS):
        yield _("Splits keep these together: {known}; not {asked}.").format(
            known=", ".join(GROUPS), asked=", ".join(sorted(strange))
        )
    if not rule.labels or len(set(rule.labels)) < len(rule.labels):
        yield _("Say whose labels count, each once: {usual}, or columns of labels.").format(
            usual=", ".join(USUAL_LABELS)
        )
    asked = set(label_columns(rule))
    if asked and (unknown := asked - set(columns_there())):
        yield _("No face has a label of “{asked}”. There are: {known}.").format(
            asked=", ".join(sorted(unknown)), known=", ".join((*USUAL_LABELS, *columns_there()))
        )
    if rule.labelled_sources and not label_columns(rule):
        yield _("Sources whose faces join by their labels need a column of labels, such as “expert”.")
    if unknown := set(classes) - set(campaign.expressions):
        yield _("The campaign has no expression {names}.").format(names=", ".join(sorted(unknown)))
    if classes and len(rule.classes) < 2:
        yield _("A snapshot needs at least two expressions.")
    if not 0 <= rule.agreement_at_least <= 1:
        yield _("The agreement asked for is a share from 0 to 1.")
    if rule.votes_at_least < 0 or rule.side_at_least < 0:
        yield _("Votes and pixels are none below 0.")
    if rule.folds and not 2 <= rule.folds <= MOST_FOLDS:
        yield _("Folds are 2 to {most}, or none.").format(most=MOST_FOLDS)
    if rule.splits == SOURCES:
        yield from _source_problems(rule)
    if len({campaign, *also}) <= len(also):
        yield _("A campaign is named twice. Name others beside it, each once.")
    for each in also:
        if each.expressions != campaign.expressions:
            yield _("“{name}” asks for other expressions.").format(name=each)
    named = {name for names in rule.split_sources.values() for name in names}
    named |= {*rule.sources, *rule.labelled_sources}
    known = set(Source.objects.filter(name__in=named).values_list("name", flat=True))
    if unknown := named - known:
        yield _("There is no source “{names}”.").format(names="”, “".join(sorted(unknown)))


def columns_there() -> list[str]:
    """The columns of labels there are in the whole collection."""
    return list(FaceLabel.objects.order_by("column").values_list("column", flat=True).distinct())


def _source_problems(rule: Rule) -> Iterator[str]:
    if not rule.split_sources:
        yield _("Name sources for validation or test; everything else is trained on.")
    names = [name for each in rule.split_sources.values() for name in each]
    if len(set(names)) < len(names):
        yield _("A source is named for two splits.")


def _shares(fractions: Mapping[str, float]) -> dict[str, float]:
    if not fractions.get("train"):
        raise CannotFreeze(_("Train needs a share: without it there is nothing to learn from."))
    try:
        found = shares(fractions, snapshots.SPLITS)
    except ValueError as error:
        raise CannotFreeze(_("Fractions are shares of train, validation and test, none below 0.")) from error
    if any(share and not found[split] for split, share in fractions.items()):
        raise CannotFreeze(_("A share is too small for any face to come of it. Make it larger, or 0."))
    return found
