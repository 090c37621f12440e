"""Why faces stay out of a snapshot, by code and in words."""

from labeling.models import Outcome
from labeling.sayings import gettext_noop

OPEN, LICENCE, FEW_VOTES, DISAGREEMENT = "open", "licence", "few_votes", "little_agreement"
NO_LABEL, OTHER_CLASS, SMALL, POOR, OTHER_SOURCE = "no_label", "class", "small", "quality", "source"
TWICE = "twice"
"""Why faces stay out, besides the outcomes that are no label."""
LEFT_OUT = {
    OPEN: gettext_noop("still open: votes are missing"),
    Outcome.NO_CONSENSUS: gettext_noop("no consensus: a network must not learn our quarrels"),
    Outcome.NOT_A_FACE: gettext_noop("not a face, say the votes"),
    NO_LABEL: gettext_noop("no label of those that count"),
    FEW_VOTES: gettext_noop("fewer votes than asked for"),
    DISAGREEMENT: gettext_noop("less agreement than asked for"),
    LICENCE: gettext_noop("for their licences"),
    OTHER_SOURCE: gettext_noop("from another source"),
    SMALL: gettext_noop("smaller than asked for"),
    POOR: gettext_noop("seen less well than asked for"),
    OTHER_CLASS: gettext_noop("of a class that is not wanted"),
    TWICE: gettext_noop("there already, by a campaign or source named before"),
}
"""Reason → words, in the order in which pages tell them."""
BY_RULE = (NO_LABEL, FEW_VOTES, DISAGREEMENT, LICENCE, OTHER_SOURCE, SMALL, POOR, OTHER_CLASS)
"""Those that are for who freezes to change."""
