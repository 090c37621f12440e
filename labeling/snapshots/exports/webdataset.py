"""WebDataset: tars of face.png, face.json and face.cls, one after another, for training from a stream."""

from collections.abc import Iterator

from labeling.snapshots import format as snapshots
from labeling.snapshots.exports.format import Given, compact
from labeling.snapshots.exports.tree import Tree

SHARD_BYTES = 256 * 1024**2
"""A shard ends with the batch of faces that reaches this."""
_BLOCK = 512
_END = bytes(2 * _BLOCK)
_TOLD = [name for name in snapshots.COLUMNS if name not in ("image", "image_sha256", "split", "face_id")]
# Name, mode, owner and group 0, size, time 0, checksum, a file, no link, ustar.
_HEAD = b"%b0000644\x000000000\x000000000\x00%011o\x0000000000000\x00%b0" + bytes(100) + b"ustar\x0000"
_REST = bytes(_BLOCK - 265)
_BLANKS = b" " * 8


def write(given: Given, tree: Tree) -> str:
    """SPLIT-000000.tar and so on, the faces in order of face_key; classes.json says which number is which class."""
    done = 0
    shards: dict[str, list[str]] = {}
    for split in given.splits:
        names = shards.setdefault(split, [])
        samples = _samples(given, split)
        ahead = next(samples, None)
        while ahead is not None:
            names.append(f"{split}-{len(names):06d}.tar")
            with tree.open(names[-1]) as file:
                while ahead is not None and file.size < SHARD_BYTES:
                    rows, content = ahead
                    file.write(content)
                    done += rows
                    given.progress(done)
                    ahead = next(samples, None)
                file.write(_END)
    tree.add("classes.json", compact({"classes": list(given.classes), "shards": shards}))
    return ""


def _samples(given: Given, split: str) -> Iterator[tuple[int, bytes]]:
    """How many faces, and their files as a piece of a tar."""
    for batch in given.batches(["image", *_TOLD], split):
        images = batch.column("image").to_pylist()
        told = batch.drop_columns(["image"]).to_pylist()
        out: list[bytes] = []
        for image, face in zip(images, told, strict=True):
            key = face["face_key"]
            out += _member(f"{key}.cls", b"%d" % face["label_index"])
            out += _member(f"{key}.json", compact(face))
            out += _member(f"{key}.png", image)
        yield batch.num_rows, b"".join(out)


def _member(name: str, content: bytes) -> tuple[bytes, bytes, bytes]:
    raw = name.encode().ljust(100, b"\0")
    size = len(content)
    bare = _HEAD % (raw, size, _BLANKS)
    head = _HEAD % (raw, size, b"%06o\0 " % sum(bare))
    return head + _REST, content, bytes(-size % _BLOCK)
