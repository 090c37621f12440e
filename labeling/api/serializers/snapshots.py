"""Snapshots, what they were frozen from, what changed since, as JSON."""

from typing import Any

from rest_framework import serializers

from labeling.api.serializers.common import WORK
from labeling.api.serializers.exports import ExportSerializer
from labeling.licences import DEMANDS
from labeling.lineage import STAGES
from labeling.models import Campaign, Snapshot, Verification
from labeling.snapshots.diff import KINDS
from labeling.snapshots.rule import GROUPS, MOST_FOLDS, WAYS


class SnapshotSerializer(serializers.ModelSerializer[Snapshot]):
    exports = ExportSerializer(many=True, read_only=True)

    class Meta:
        model = Snapshot
        fields = (
            "id",
            "campaign",
            "name",
            "rule",
            "digest",
            "bytes",
            "erased",
            "counts",
            "created_at",
            "exports",
            *WORK,
        )
        read_only_fields = ("rule", "digest", "bytes", "erased", "counts", "created_at", *WORK)


def _names(help_text: str) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(max_length=200), required=False, max_length=1000, help_text=help_text
    )


class FreezeSerializer(serializers.Serializer[Any]):
    campaign = serializers.PrimaryKeyRelatedField(queryset=Campaign.objects.all())
    name = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)
    also = serializers.PrimaryKeyRelatedField(
        queryset=Campaign.objects.all(), many=True, required=False, help_text="Campaigns that ask the same."
    )
    labels = serializers.ListField(
        child=serializers.CharField(max_length=40),
        required=False,
        allow_empty=False,
        min_length=1,
        max_length=100,
        help_text="Whose word counts, the first that has one: `votes`, `adjudicated`, or a column of labels such as "
        "`expert`. Left out: `adjudicated`, `votes`.",
    )
    labelled_sources = _names("Of sources whose faces join by their labels alone.")
    votes_at_least = serializers.IntegerField(required=False, min_value=0, max_value=100_000)
    agreement_at_least = serializers.FloatField(required=False, min_value=0, max_value=1)
    classes = _names("Only these; left out: all of the campaign.")
    side_at_least = serializers.IntegerField(
        required=False, min_value=0, max_value=1_000_000, help_text="Pixels of a face's shorter side."
    )
    quality = serializers.DictField(
        child=serializers.FloatField(),
        required=False,
        help_text="What faces must reach, as a campaign's `quality_rule`.",
    )
    sources = _names("Only faces from these.")
    licences = serializers.ListField(
        child=serializers.ChoiceField(choices=list(DEMANDS)),
        required=False,
        help_text="What the licences of media must allow; left out: the campaign's `licence_rule`.",
    )
    splits = serializers.ChoiceField(choices=list(WAYS), default="stratified")
    fractions = serializers.DictField(
        child=serializers.FloatField(min_value=0, max_value=1_000_000), required=False
    )
    seed = serializers.IntegerField(required=False, default=0)
    split_sources = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField(max_length=200), max_length=1000),
        required=False,
        help_text="With `splits` as `sources`: `validation` and `test` → names of sources.",
    )
    together = serializers.ListField(
        child=serializers.ChoiceField(choices=list(GROUPS)),
        required=False,
        help_text="What never straddles splits, beside all of one media: `alike`, near-duplicates; `author`, all of "
        "one author or uploader. Left out: media and near-duplicates where splits are drawn, the media elsewhere.",
    )
    folds = serializers.IntegerField(required=False, min_value=0, max_value=MOST_FOLDS, help_text="0: none.")
    test_stays = serializers.BooleanField(
        required=False, default=True, help_text="A face that an earlier version tested on stays in test."
    )


class PreviewSerializer(serializers.Serializer[Any]):
    classes = serializers.ListField(child=serializers.CharField())
    splits = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField()), help_text="Split → class → faces."
    )
    left_out = serializers.DictField(child=serializers.IntegerField(), help_text="Reason → faces.")
    moved = serializers.IntegerField(help_text="Faces that left the split they came with.")
    certificate = serializers.DictField(help_text="What is proved of the splits.")
    notes = serializers.ListField(child=serializers.CharField())


class ProblemSerializer(serializers.Serializer[Any]):
    where = serializers.CharField()
    what = serializers.CharField()


class VerificationSerializer(serializers.ModelSerializer[Verification]):
    problems = ProblemSerializer(
        many=True, read_only=True, help_text="Empty: nothing has changed, once it is done."
    )

    class Meta:
        model = Verification
        fields = ("id", "snapshot", "problems", "created_at", *WORK)
        read_only_fields = fields


class LineageNodeSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    stage = serializers.ChoiceField(choices=list(STAGES))
    title = serializers.CharField()
    what = serializers.CharField(allow_blank=True, help_text="More of it, in words.")
    url = serializers.CharField(
        allow_null=True, help_text="Of its page; null where there is none, or none that you may open."
    )


class LineageEdgeSerializer(serializers.Serializer[Any]):
    source = serializers.CharField(help_text="The key of what was there.")  # type: ignore[assignment]
    target = serializers.CharField(help_text="The key of what was made of it.")


class LineageSerializer(serializers.Serializer[Any]):
    nodes = LineageNodeSerializer(many=True)
    edges = LineageEdgeSerializer(many=True)


class ChangesAskedSerializer(serializers.Serializer[Any]):
    since = serializers.PrimaryKeyRelatedField(
        queryset=Snapshot.objects.all(), help_text="The older version."
    )
    kind = serializers.ChoiceField(choices=list(KINDS), required=False, help_text="Left out: all.")
    beyond = serializers.RegexField(
        r"^[0-9a-f]{64}$", required=False, default="", help_text="The face_key that a page goes on behind."
    )
    limit = serializers.IntegerField(required=False, default=100, min_value=1, max_value=1000)


class ChangesSerializer(serializers.Serializer[Any]):
    old = serializers.CharField(help_text="Digest.")
    new = serializers.CharField(help_text="Digest.")
    counts = serializers.DictField(
        help_text="Faces: `old`, `new`, `added`, `removed` by class; `labels`, `splits`, `origins` from value to "
        "value; `votes` gained and lost; rows whose face is `erased`."
    )
    faces = serializers.ListField(
        child=serializers.DictField(), help_text="What changes of each, why, and its values in both versions."
    )
    beyond = serializers.CharField(allow_null=True, help_text="Where the next page begins; null on the last.")
