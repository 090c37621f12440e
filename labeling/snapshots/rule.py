"""What a snapshot is made by: part of its digest, so it holds names and no database keys. Pure."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

STRATIFIED, GIVEN, SOURCES = "stratified", "given", "sources"
WAYS = (STRATIFIED, GIVEN, SOURCES)
"""How faces come into splits: drawn by class, as their source came with, or by the sources named for each."""
MEDIA, ALIKE, AUTHOR = "media", "alike", "author"
GROUPS = (MEDIA, ALIKE, AUTHOR)
"""What never straddles splits: all of one media (and so every track), near-duplicates (labeling.likeness), all that
one author has made or uploaded. Media always; links add up over any detour."""
ADJUDICATED, VOTES = "adjudicated", "votes"
USUAL_LABELS = (ADJUDICATED, VOTES)
MOST_FOLDS = 100


@dataclass(frozen=True)
class Rule:
    """labels: whose word counts, the first that has one: `adjudicated`, `votes`, or a column of labels (`expert`).

    campaigns: the names of all campaigns, where there are several. labelled_sources: names of sources whose faces join
    by their labels alone, in no campaign. consensus, minimum_agreement: how votes have become labels. votes_at_least,
    agreement_at_least (0–1): what a label by votes must have. classes: only these, in the campaign's order; empty: all.
    side_at_least: pixels of a face's shorter side. quality: measure → limit, as a campaign's. licences: what media must
    allow. sources: only faces from these; empty: all. split_sources: for splits by source, split → names; what is in
    none is trained on. folds: 0 for none. test_stays: a face that an earlier version tested on is never learnt from.
    """

    consensus: str
    minimum_agreement: float
    splits: str = STRATIFIED
    groups: tuple[str, ...] = (ALIKE, MEDIA)
    fractions: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    labels: tuple[str, ...] = USUAL_LABELS
    campaigns: tuple[str, ...] = ()
    labelled_sources: tuple[str, ...] = ()
    votes_at_least: int = 0
    agreement_at_least: float = 0.0
    classes: tuple[str, ...] = ()
    side_at_least: int = 0
    quality: dict[str, float] = field(default_factory=dict)
    licences: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    split_sources: dict[str, list[str]] = field(default_factory=dict)
    folds: int = 0
    test_stays: bool = True

    def to_json(self) -> dict[str, Any]:
        """What differs from the usual, and the splits: settings added later do not change earlier digests."""
        whole = asdict(self)
        usual = {each.name: each.default for each in fields(self)}
        kept = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in whole.items()
            if name in _ALWAYS or (value != usual[name] and value not in ({}, ()))
        }
        if self.splits == STRATIFIED:
            kept["seed"] = self.seed
        return kept

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Rule":
        """The rule that to_json has kept."""
        known = {each.name for each in fields(cls)}
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in kept.items()
            if name in known
        }
        return cls(**given)


_ALWAYS = ("consensus", "minimum_agreement", "splits", "groups", "labels")


def shares(fractions: Mapping[str, float], splits: tuple[str, ...]) -> dict[str, float]:
    """Of every split, adding up to 1: 8, 1, 1 is the same as 0.8, 0.1, 0.1. Raises ValueError for what are none."""
    known = set(fractions) <= set(splits)
    if not known or not all(math.isfinite(share) and share >= 0 for share in fractions.values()):
        raise ValueError("Fractions are shares of the splits, none below 0.")
    total = sum(fractions.values())
    if not total:
        raise ValueError("Fractions are not all 0.")
    return {split: round(fractions.get(split, 0.0) / total, 9) for split in splits}


def label_columns(rule: Rule) -> list[str]:
    """The columns of labels the rule asks."""
    return [origin for origin in rule.labels if origin not in USUAL_LABELS]
