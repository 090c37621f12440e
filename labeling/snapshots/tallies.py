"""What the votes of many faces add up to."""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from labeling.snapshots.arrays import Whole, coded


class Tally:
    """Votes by answer. row: of each face its row of votes and cast, which has one per distinct tally."""

    def __init__(self, part: pa.Table, answers: Sequence[str]) -> None:
        if "counts" in part.schema.names:
            texts, self.row = coded(part.column("counts"))
        else:
            texts, self.row = ["{}"], np.zeros(len(part), np.int64)
        self.counts: list[dict[str, int]] = [json.loads(text) if text else {} for text in texts]
        cast = [[counts.get(answer, 0) for answer in answers] for counts in self.counts]
        self.votes = np.array(cast, np.uint32).reshape(-1, len(answers))
        self.cast = np.array([sum(counts.values()) for counts in self.counts], np.int64)

    def agreeing(self, labels: pa.Array, rows: Whole) -> NDArray[np.float64]:
        """The share of these faces' votes that is for these labels; 1 where nobody voted."""
        tallies = (self.counts[number] for number in self.row[rows].tolist())
        pairs = zip(tallies, labels.to_pylist(), strict=True)
        return np.array(
            [
                counts.get(label, 0) / cast if (cast := sum(counts.values())) else 1.0
                for counts, label in pairs
            ]
        )
