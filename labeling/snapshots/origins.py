"""Whose word the label of each of many faces is, and why some have none."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labeling.models import CampaignFace, Outcome
from labeling.snapshots.arrays import Which, Whole, booleans, coded, combined
from labeling.snapshots.reasons import DISAGREEMENT, FEW_VOTES, NO_LABEL, OPEN
from labeling.snapshots.rule import ADJUDICATED, VOTES, Rule
from labeling.snapshots.tallies import Tally


class Labels:
    """Of each face its label, the number of the origin (-1: none) and agreement; why: reason → faces without one."""

    def __init__(self, part: pa.Table, rule: Rule, tally: Tally) -> None:
        size = len(part)
        self._part, self._rule, self._tally = part, rule, tally
        self.origin = np.full(size, -1, np.int64)
        self.agreement = np.zeros(size)
        self._few = self._doubted = np.zeros(size, np.bool_)
        self._settled = self._is("state", CampaignFace.State.SETTLED)
        voted = part.column("agreement").fill_null(0.0).to_numpy() if self._has_votes else np.zeros(size)
        self.label = self._texts("label") if self._has_votes else pa.array([""] * size, pa.string())
        others = 0
        for number, origin in enumerate(rule.labels):
            pending = self.origin < 0
            if origin == ADJUDICATED:
                hit = pending & self._settled & self._is("outcome", Outcome.ADJUDICATED)
                self.agreement[hit] = voted[hit]
            elif origin == VOTES:
                hit = self._agreed(pending, voted)
                self.agreement[hit] = voted[hit]
            else:
                given = self._texts(f"label_{others}")
                others += 1
                hit = pending & (pc.binary_length(given).to_numpy() > 0)
                rows = np.flatnonzero(hit)
                self.agreement[rows] = tally.agreeing(given.take(pa.array(rows)), rows)
                self.label = pc.if_else(pa.array(hit), given, self.label)
            self.origin[hit] = number

    @property
    def _has_votes(self) -> bool:
        return "state" in self._part.schema.names

    def _texts(self, name: str) -> pa.Array:
        return combined(self._part.column(name)).fill_null("")

    def _is(self, name: str, value: str) -> Which:
        if not self._has_votes:
            return np.zeros(len(self._part), np.bool_)
        return booleans(pc.equal(self._texts(name), str(value)))

    def _agreed(self, pending: Which, voted: NDArray[np.float64]) -> Which:
        """Labels by votes; what is too few or too doubtful is noted."""
        agreed = pending & self._settled & self._is("outcome", Outcome.AGREED)
        self._few = agreed & (self._tally.cast[self._tally.row] < self._rule.votes_at_least)
        self._doubted = agreed & ~self._few & (voted < self._rule.agreement_at_least)
        return agreed & ~self._few & ~self._doubted

    def without(self) -> Iterator[tuple[str, Whole]]:
        """Why faces have none, and which."""
        without = self.origin < 0
        yield FEW_VOTES, np.flatnonzero(without & self._few)
        yield DISAGREEMENT, np.flatnonzero(without & self._doubted)
        rest = np.flatnonzero(without & ~self._few & ~self._doubted)
        if not len(rest) or not self._has_votes:
            yield NO_LABEL, rest
            return
        # A face re-opened for fresh votes still carries its former outcome; that is under question now.
        is_open = self._is("state", CampaignFace.State.OPEN)[rest]
        yield OPEN, rest[is_open]
        words, of_word = coded(self._texts("outcome").take(pa.array(rest)))
        for number, word in enumerate(words):
            reason = NO_LABEL if word in ("", Outcome.AGREED, Outcome.ADJUDICATED) else word
            yield reason, rest[~is_open & (of_word == number)]
