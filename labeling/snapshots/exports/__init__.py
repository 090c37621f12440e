"""Somebody's formats. A new one is a module with a `write` and a line here.

Each is written as one zip: what the format's module puts in, then media.csv (whose the media are), the dataset card,
and SHA256SUMS over all of it.
"""

from pathlib import Path

from labeling.sayings import gettext_noop
from labeling.snapshots.exports import (
    attribution,
    card,
    coco,
    fer2013,
    ferplus,
    imagefolder,
    labelstudio,
    parquet,
    votes,
    webdataset,
)
from labeling.snapshots.exports.format import Format, Given
from labeling.snapshots.exports.tree import Tree

__all__ = ["ENDING", "FORMATS", "write"]

ENDING = ".zip"
FORMATS: dict[str, Format] = {
    "imagefolder": Format(
        gettext_noop("ImageFolder"),
        gettext_noop(
            "Folders of PNGs by split and class: torchvision, Keras, fastai and most others open it."
        ),
        imagefolder.write,
        per_face=1_000,
    ),
    "parquet": Format(
        gettext_noop("Parquet with Croissant"),
        gettext_noop(
            "Pictures, votes and origin in one table, described for programs: Hugging Face datasets, pandas, Spark."
        ),
        parquet.write,
        per_face=1_000,
        front=parquet.front,
    ),
    "webdataset": Format(
        gettext_noop("WebDataset"),
        gettext_noop("Tars to be read as a stream, for training from a bucket or with many workers."),
        webdataset.write,
        per_face=5_000,
    ),
    "fer2013": Format(
        gettext_noop("FER2013 CSV"),
        gettext_noop(
            "Grey 48×48 pixels as text, as the FER2013 challenge had them: for code written for it."
        ),
        fer2013.write,
        per_face=9_500,
        images=False,
    ),
    "ferplus": Format(
        gettext_noop("FER+"),
        gettext_noop(
            "Vote counts with unknown and NF, and 48×48 pictures, as Microsoft's FER+ code reads them."
        ),
        ferplus.write,
        per_face=1_200,
        problem=ferplus.problem,
    ),
    "coco": Format(
        gettext_noop("COCO"),
        gettext_noop(
            "Boxes in the whole pictures, for training detectors; the pictures themselves are not in it."
        ),
        coco.write,
        per_face=1_500,
        images=False,
        reads_images=False,
    ),
    "votes": Format(
        gettext_noop("Raw votes"),
        gettext_noop(
            "Every vote by itself, people by pseudonyms: crowd-kit and others weigh annotators with it."
        ),
        votes.write,
        per_face=2_500,
        images=False,
        reads_images=False,
    ),
    "labelstudio": Format(
        gettext_noop("Label Studio"),
        gettext_noop(
            "Tasks with an annotation per vote, and the pictures: to look at, or to go on labelling there."
        ),
        labelstudio.write,
        per_face=4_000,
    ),
    "attribution": Format(
        gettext_noop("Attribution"),
        gettext_noop(
            "A line per picture's media: title, author, licence, page. It lies in all other formats too."
        ),
        lambda given, tree: "",
        per_face=600,
        images=False,
        reads_images=False,
    ),
}


def write(format: Format, given: Given, target: Path) -> tuple[str, str]:
    """Write the snapshot as one zip. Same content, same words: same bytes.

    Returns notes for people, and the sha256 of the zip. Raises ImageChanged.
    """
    with Tree(target) as tree:
        note = format.write(given, tree)
        bases = attribution.write(given, tree)
        card.write(given, tree, format, bases, note)
    return note, tree.sha256
