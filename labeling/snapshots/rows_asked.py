"""What is asked of the database about the faces that a snapshot could hold."""

from collections.abc import Collection
from typing import Any

import pyarrow as pa
from django.db.models import BooleanField, Case, Exists, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.fields.json import KeyTextTransform

from labeling import quality_rule
from labeling.models import Campaign, CampaignFace, FaceLabel, Item
from labeling.snapshots.rule import AUTHOR, SOURCES, Rule, label_columns

_TEXT, _WHOLE_NUMBER, _YES = pa.string(), pa.int64(), pa.bool_()
_VOTED = {"state": _TEXT, "outcome": _TEXT, "label": _TEXT, "agreement": pa.float64(), "counts": _TEXT}
BOX = ("time_ms", "row", "x", "y", "width", "height")
_FACE = {
    "pk": _WHOLE_NUMBER, "media": _WHOLE_NUMBER, "media__sha256": _TEXT, "detector": _TEXT,
    **dict.fromkeys(BOX, _WHOLE_NUMBER), "likeness": _WHOLE_NUMBER, "fingerprint": _WHOLE_NUMBER,
}  # fmt: skip


def in_question(campaign: Campaign) -> QuerySet[CampaignFace]:
    """Faces that votes are asked for."""
    rows = CampaignFace.objects.filter(campaign=campaign, face__isnull=False)
    return rows.exclude(state=CampaignFace.State.GOLD).order_by()


def from_sources(media: str, names: Collection[str]) -> Exists:
    """Whether a media came from one of these sources. media: the way to its key."""
    return Exists(Item.objects.filter(media=OuterRef(media), source__name__in=names))


def columns_asked(rows: QuerySet[Any], to_face: str, rule: Rule) -> tuple[QuerySet[Any, Any], pa.Schema]:
    """The columns of _VOTED, _FACE, and what else the rule asks: by the names that candidates and origins read."""
    columns: dict[str, pa.DataType] = dict(_VOTED) if to_face else {}
    columns |= {to_face + name: kind for name, kind in _FACE.items()}
    asked: dict[str, Any] = {"given_split": KeyTextTransform("split", f"{to_face}given")}
    kinds = {"given_split": _TEXT}
    if rule.licences:
        columns[f"{to_face}media__licence_code"] = _TEXT
    if AUTHOR in rule.groups:
        columns[f"{to_face}media__author"] = _TEXT
    if rule.quality:
        poor = When(quality_rule.fails(rule.quality, at=to_face), then=Value(True))
        asked["poor"], kinds["poor"] = Case(poor, default=Value(False), output_field=BooleanField()), _YES
    if rule.sources:
        asked["from_wanted"], kinds["from_wanted"] = from_sources(f"{to_face}media", rule.sources), _YES
    if rule.splits == SOURCES:
        for split, names in sorted(rule.split_sources.items()):
            asked[f"from_{split}"], kinds[f"from_{split}"] = from_sources(f"{to_face}media", names), _YES
    for number, column in enumerate(label_columns(rule)):
        same = FaceLabel.objects.filter(face=OuterRef(f"{to_face}pk"), column=column)
        asked[f"label_{number}"], kinds[f"label_{number}"] = Subquery(same.values("label")[:1]), _TEXT
    names = [name.removeprefix("face__") for name in columns]
    schema = pa.schema([*zip(names, columns.values(), strict=True), *kinds.items()])
    return rows.annotate(**asked).values_list(*columns, *asked), schema
