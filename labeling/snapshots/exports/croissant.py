"""croissant.json: what a Parquet export is, for programs. Croissant 1.1 with its vocabulary of responsible AI.

github.com/mlcommons/croissant: docs/croissant-spec-1.1.md, docs/croissant-rai-spec.md.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from labeling.licences import licence, understood
from labeling.snapshots.exports import card
from labeling.snapshots.exports.format import Given

NAME = "croissant.json"
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_FILES = "parquet-files"
_FACES = "faces"
_PARQUET = "application/x-parquet"
_TOLD = {
    "image": "The face as PNG.",
    "label": "The class: its place in the record set `classes`, from 0.",
    "face_key": "The face's name by its content: the same in every version and database.",
    "image_sha256": "Of the PNG.",
    "label_origin": "Whose word the label is: votes, adjudicated, or a column of labels.",
    "other_labels": "JSON: column of labels → label.",
    "votes": "Votes per class in the order of `classes`, then can't tell, then not a face.",
    "soft_label": "The classes' shares of the votes.",
    "fold": "For cross-validation, from 0; -1: none.",
    "group": "What never straddles splits or folds.",
    "agreement": "Share of the top answer, 0 to 1.",
    "media_sha256": "Of the file the face was found in.",
    "media_kind": "image or video.",
    "time_ms": "When in the video; 0 for images.",
    "x": "Left edge of the box in the whole picture, pixels.",
    "y": "Top edge of the box.",
    "width": "Of the box.",
    "height": "Of the box.",
    "detector": "What found the face.",
    "track": "The face's track in its video; 0: none.",
    "licence": "Of the media, as it was found.",
    "author": "Of the media.",
    "page_url": "Where the media was found.",
    "source": "The name of what it was taken from.",
    "given_split": "The split its publisher put it in.",
}
_TYPES = {
    pa.string(): "sc:Text",
    pa.int16(): "cr:Int16",
    pa.int32(): "cr:Int32",
    pa.int64(): "cr:Int64",
    pa.float32(): "cr:Float32",
}


@dataclass(frozen=True)
class File:
    """A Parquet file of the export. name: its path there."""

    name: str
    sha256: str
    bytes: int
    split: str


def text(given: Given, files: Sequence[File], schema: pa.Schema) -> bytes:
    """The file. schema: of the Parquet files. Same snapshot, same words: same bytes."""
    return (json.dumps(_metadata(given, files, schema), indent=1, ensure_ascii=False) + "\n").encode()


def _metadata(given: Given, files: Sequence[File], schema: pa.Schema) -> dict[str, Any]:
    figures = card.figures_of(given)
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": given.name or "Perceived expressions",
        "description": f"{figures.faces:,} faces and the expressions people perceived in them, with each face's votes.",
        "version": f"1.0.0+{given.manifest.digest[:16]}",
        "identifier": given.manifest.digest,
        "citeAs": f"{given.name or 'Perceived expressions'}, snapshot {given.manifest.digest}",
        "datePublished": given.frozen_on or "1970-01-01",
        "license": _licences(figures) or ["unknown"],
        "keywords": ["facial expressions", "image classification", "soft labels", *given.classes],
        "isLiveDataset": False,
        **dict(_responsible(given, figures)),
        "distribution": [
            *(
                {
                    "@type": "cr:FileObject",
                    "@id": file.name,
                    "name": file.name,
                    "contentUrl": file.name,
                    "contentSize": f"{file.bytes} B",
                    "encodingFormat": _PARQUET,
                    "sha256": file.sha256,
                }
                for file in files
            ),
            {"@type": "cr:FileSet", "@id": _FILES, "encodingFormat": _PARQUET, "includes": "data/*.parquet"},
        ],
        "recordSet": [_classes(given), _faces(given, schema)],
    }


def _classes(given: Given) -> dict[str, Any]:
    fields = [
        {"@type": "cr:Field", "@id": f"classes/{name}", "name": name, "dataType": kind}
        for name, kind in (("index", "sc:Integer"), ("name", "sc:Text"))
    ]
    data = [{"classes/index": index, "classes/name": name} for index, name in enumerate(given.classes)]
    told = {"description": "The perceived expressions.", "key": {"@id": "classes/index"}}
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        **told,
        "field": fields,
        "data": data,
    }


def _faces(given: Given, schema: pa.Schema) -> dict[str, Any]:
    counts = {"votes": len(given.classes) + 2, "soft_label": len(given.classes)}
    return {
        "@type": "cr:RecordSet",
        "@id": _FACES,
        "name": _FACES,
        "description": "A face each, of all splits; the split stands in the name of its file.",
        "key": {"@id": f"{_FACES}/face_key"},
        "field": [_field(column, counts.get(column.name)) for column in schema],
    }


def _field(column: pa.Field, many: int | None) -> dict[str, Any]:
    source: dict[str, Any] = {"fileSet": {"@id": _FILES}, "extract": {"column": column.name}}
    field = {
        "@type": "cr:Field",
        "@id": f"{_FACES}/{column.name}",
        "name": column.name,
        "description": _TOLD[column.name],
        "dataType": "sc:ImageObject",
        "source": source,
    }
    if column.name == "image":
        source["transform"] = {"jsonPath": "bytes"}
        return field
    one = column.type if many is None else column.type.value_type
    return field | {"dataType": _TYPES[one]} | ({"isArray": True, "arrayShape": str(many)} if many else {})


def _licences(figures: card.Figures) -> list[str]:
    """Addresses of those that are understood, by name; what they are picture by picture stands in media.csv."""
    found = {known.url or known.name for text in figures.licences if (known := licence(understood(text)))}
    return sorted(found)


def _responsible(given: Given, figures: card.Figures) -> Iterator[tuple[str, str]]:
    """The fields of responsible AI that something is known of."""
    votes = sorted({sum(row) for row in figures.counts})
    each = str(votes[0]) if len(votes) == 1 else f"{votes[0]} to {votes[-1]}" if votes else "0"
    words = given.words
    sources = ", ".join(sorted(figures.sources)[:20])
    collected = f"Pictures and frames of videos from: {sources}. Faces were found by a detector and cropped."
    yield "rai:dataCollection", " ".join(filter(None, [words.get("collection", ""), collected]))
    yield (
        "rai:dataCollectionMissingData",
        "; ".join(
            f"{reason.replace('_', ' ')}: {count}"
            for reason, count in sorted(given.manifest.left_out.items())
        )
        or "No face was left out.",
    )
    yield (
        "rai:dataAnnotationProtocol",
        " ".join(
            filter(
                None,
                [
                    words.get("labelling", ""),
                    "Several people answered which expression they see, unseen by each other.",
                ],
            )
        ),
    )
    yield "rai:dataAnnotationPlatform", "VEMO"
    yield "rai:annotationsPerItem", each
    yield "rai:dataAnnotationAnalysis", " ".join(card.agreement_lines(figures))
    yield (
        "rai:personalSensitiveInformation",
        (
            "Faces of people, who can be recognised. Labels are what others perceived; nobody's emotion is "
            "claimed to be known. "
            f"{given.manifest.erased} faces were erased on demand since it was frozen."
        ),
    )
    yield "rai:dataLimitations", " ".join(filter(None, [*card.LIMITS, words.get("limits", "")]))
    for key, property in (("uses", "rai:dataUseCases"), ("contact", "rai:dataReleaseMaintenancePlan")):
        if words.get(key):
            yield property, words[key]
