"""What the faces of a snapshot are: under which licences, of which sources, labelled by whose word."""

from collections import Counter
from typing import Any

import pyarrow.compute as pc

from labeling.snapshots import format as snapshots
from training.core.faces import SPLITS, Snapshot

_TRAITS = {"licences": "licence", "sources": "source", "label_origins": "label_origin"}


def provenance(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Split, train first → `faces`, and of each trait the number of faces by value, the most frequent first."""
    table = snapshots.read_table(snapshot.folder, columns=["split", *_TRAITS.values()])
    told: dict[str, dict[str, Any]] = {}
    for split in SPLITS:
        rows = table.filter(pc.equal(table.column("split"), split))
        told[split] = {"faces": len(rows)}
        for trait, column in _TRAITS.items():
            counts = Counter(rows.column(column).to_pylist())
            told[split][trait] = dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    return told
