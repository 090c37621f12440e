"""Why faces stay out of a snapshot, in words."""

from labeling.models import Outcome
from labeling.sayings import gettext_noop
from labeling.snapshots import candidates

LEFT_OUT = {
    candidates.OPEN: gettext_noop("still open: votes are missing"),
    Outcome.NO_CONSENSUS: gettext_noop("no consensus: a network must not learn our quarrels"),
    Outcome.NOT_A_FACE: gettext_noop("not a face, say the votes"),
    candidates.NO_LABEL: gettext_noop("no label of those that count"),
    candidates.FEW_VOTES: gettext_noop("fewer votes than asked for"),
    candidates.DISAGREEMENT: gettext_noop("less agreement than asked for"),
    candidates.LICENCE: gettext_noop("for their licences"),
    candidates.OTHER_SOURCE: gettext_noop("from another source"),
    candidates.SMALL: gettext_noop("smaller than asked for"),
    candidates.POOR: gettext_noop("seen less well than asked for"),
    candidates.OTHER_CLASS: gettext_noop("of a class that is not wanted"),
    candidates.TWICE: gettext_noop("there already, by a campaign or source named before"),
}
"""Reason → words, in the order in which pages tell them."""
BY_RULE = (
    candidates.NO_LABEL, candidates.FEW_VOTES, candidates.DISAGREEMENT, candidates.LICENCE, candidates.OTHER_SOURCE,
    candidates.SMALL, candidates.POOR, candidates.OTHER_CLASS,
)  # fmt: skip
"""Those that are for who freezes to change."""
