"""The one written definition of a snapshot folder: manifest.json and Parquet shards. Pure: no Django, no torch.

    SNAPSHOT/manifest.json           what it is: classes, rule, counts, digest, and every shard's sha256
    SNAPSHOT/faces-00000.parquet …   one row per face, ordered by face_key

The digest is a sha256 over the content: classes, rule, and each row's canonical bytes in order of face_key. It knows
neither the version of pyarrow nor the clock nor any database key, so the same faces, votes and splits have the same
digest everywhere. The shards' own sha256 and the manifest's checksum stand beside it and find a flipped bit.
"""

from labeling.snapshots.format.manifest import FORMAT, MANIFEST, Manifest, NotASnapshot, Shard, read_manifest
from labeling.snapshots.format.reading import iter_batches, read_table
from labeling.snapshots.format.rows import OUTSIDE_DIGEST, SCHEMA, SPLITS, BadRow, Digest, face_key
from labeling.snapshots.format.verifying import SENTENCES, Problem, verify
from labeling.snapshots.format.writing import SHARD_BYTES, SHARD_ROWS, write

__all__ = [
    "FORMAT",
    "MANIFEST",
    "OUTSIDE_DIGEST",
    "SCHEMA",
    "SENTENCES",
    "SHARD_BYTES",
    "SHARD_ROWS",
    "SPLITS",
    "BadRow",
    "Digest",
    "Manifest",
    "NotASnapshot",
    "Problem",
    "Shard",
    "face_key",
    "iter_batches",
    "read_manifest",
    "read_table",
    "verify",
    "write",
]
