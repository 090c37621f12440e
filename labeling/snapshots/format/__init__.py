"""The one written definition of a snapshot folder. Pure: no Django, no torch.

    SNAPSHOT/manifest.json           what it is: classes, rule, counts, digest, every shard's sha256, the packs
    SNAPSHOT/faces-00000.parquet …   one row per face, ordered by face_key
    SNAPSHOT/order.parquet           where a version keeps shards of an earlier one: which of their rows are its own
    packs/SHA256.pack …              the images, beside the snapshot, where versions share them, or inside it

The digest is a sha256 over the content: classes, rule, and each row's own sha256 in order of face_key. It knows
neither the version of pyarrow nor the clock nor any database key nor where an image lies, so the same faces, votes and
splits have the same digest everywhere. Each row says its image's sha256. The shards' own sha256 and the manifest's
checksum stand beside it and find a flipped bit.
"""

from labeling.snapshots.format.base import ROW, Rows
from labeling.snapshots.format.digits import digits_of, hex_digits, texts_of
from labeling.snapshots.format.erasing import Found, find, rewritten
from labeling.snapshots.format.files import GROUP_ROWS, SHARD_ROWS
from labeling.snapshots.format.manifest import FORMAT, MANIFEST, Manifest, NotASnapshot, Shard, read_manifest
from labeling.snapshots.format.order import Runs, located, runs_of
from labeling.snapshots.format.packs import ENDING as PACK_ENDING
from labeling.snapshots.format.packs import FOLDER as PACKS
from labeling.snapshots.format.packs import PACK_BYTES, Images, is_zero, without
from labeling.snapshots.format.reading import ImageChanged, iter_batches, read_table
from labeling.snapshots.format.rows import (
    COLUMNS,
    OUTSIDE_DIGEST,
    SCHEMA,
    SPLITS,
    BadRow,
    Digest,
    OtherImage,
    face_key,
    group_of,
)
from labeling.snapshots.format.verifying import SENTENCES, Problem, verify
from labeling.snapshots.format.writing import Staying, base_of, write, write_columns

__all__ = [
    "COLUMNS",
    "FORMAT",
    "GROUP_ROWS",
    "MANIFEST",
    "OUTSIDE_DIGEST",
    "PACKS",
    "PACK_BYTES",
    "PACK_ENDING",
    "ROW",
    "SCHEMA",
    "SENTENCES",
    "SHARD_ROWS",
    "SPLITS",
    "BadRow",
    "Digest",
    "Found",
    "ImageChanged",
    "Images",
    "Manifest",
    "NotASnapshot",
    "OtherImage",
    "Problem",
    "Rows",
    "Runs",
    "Shard",
    "Staying",
    "base_of",
    "digits_of",
    "face_key",
    "find",
    "group_of",
    "hex_digits",
    "is_zero",
    "iter_batches",
    "located",
    "read_manifest",
    "read_table",
    "rewritten",
    "runs_of",
    "texts_of",
    "verify",
    "without",
    "write",
    "write_columns",
]
