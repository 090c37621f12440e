"""How labeling's things look as JSON."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from rest_framework import serializers

from labeling.licences import DEMANDS
from labeling.lineage import STAGES
from labeling.models import (
    Adjudication,
    Campaign,
    Detection,
    Export,
    Face,
    Item,
    Media,
    Outcome,
    Scan,
    Snapshot,
    Source,
    Verification,
)
from labeling.quality_rule import REASONS
from labeling.rules import may_see_labels
from labeling.snapshots.diff import KINDS
from labeling.snapshots.rule import GROUPS, MOST_FOLDS, WAYS
from labeling.sources import watching

MOST = 2**63 - 1
"""The largest number of a row; a database is not asked about more."""

WORK = ("state", "attempt", "done", "total", "message", "error", "started_at", "heartbeat_at", "ended_at")


class SourceSerializer(serializers.ModelSerializer[Source]):
    options = serializers.DictField(required=False, help_text=Source._meta.get_field("options").help_text)

    next_look = serializers.SerializerMethodField(
        help_text="When it is looked at again; null: not by itself."
    )

    class Meta:
        model = Source
        fields = (
            "id", "name", "kind", "location", "options", "licence", "author", "watch_minutes", "next_look",
            "created_at", *WORK,
        )  # fmt: skip
        read_only_fields = ("created_at", *WORK)
        extra_kwargs = {
            "name": {"required": False},
            "kind": {"required": False},
            "watch_minutes": {"min_value": 1, "max_value": watching.MOST_MINUTES},
        }

    def get_next_look(self, source: Source) -> datetime | None:
        return watching.next_look(source)


class WatchSerializer(serializers.Serializer[Any]):
    watch_minutes = serializers.IntegerField(
        allow_null=True, min_value=1, max_value=watching.MOST_MINUTES, help_text="null: no longer."
    )


class BatchSourceSerializer(SourceSerializer):
    """A source whose place is known: files that were sent."""

    class Meta(SourceSerializer.Meta):
        fields = ("name", "kind", "options", "licence", "author")  # type: ignore[assignment]
        read_only_fields = ()  # type: ignore[assignment]


class ItemSerializer(serializers.ModelSerializer[Item]):
    class Meta:
        model = Item
        fields = ("id", "locator", "state", "reason", "media")


class DetectionSerializer(serializers.ModelSerializer[Detection]):
    settings = serializers.DictField(
        required=False, help_text=Detection._meta.get_field("settings").help_text
    )

    class Meta:
        model = Detection
        fields = ("id", "source", "detector", "settings", "created_at", *WORK)
        read_only_fields = ("source", "created_at", *WORK)


class ScanSerializer(serializers.ModelSerializer[Scan]):
    class Meta:
        model = Scan
        fields = ("detector", "frames", "faces", "milliseconds", "problem")


class MediaSerializer(serializers.ModelSerializer[Media]):
    scans = ScanSerializer(many=True, read_only=True)

    class Meta:
        model = Media
        fields = (
            "id", "sha256", "kind", "mime", "bytes", "width", "height", "duration_ms", "fps", "original_name",
            "licence", "licence_code", "licence_now", "licence_checked_at", "author", "page_url", "fetched_at",
            "scans",
        )  # fmt: skip


class FaceSerializer(serializers.ModelSerializer[Face]):
    class Meta:
        model = Face
        fields = (
            "id", "media", "detector", "score", "frame", "time_ms", "x", "y", "width", "height", "row",
            "crop_sha256", "crop_width", "crop_height", "given", "left_out", "replaced_by",
        )  # fmt: skip


class CampaignSerializer(serializers.ModelSerializer[Campaign]):
    expressions = serializers.ListField(child=serializers.CharField(max_length=40), required=False)
    keys = serializers.DictField(
        child=serializers.CharField(max_length=1, allow_blank=True),
        required=False,
        help_text="Answer → key, where not the usual one.",
    )
    icons = serializers.DictField(
        child=serializers.CharField(max_length=40),
        required=False,
        help_text="Expression → icon, where not the usual one.",
    )
    languages = serializers.ListField(
        child=serializers.CharField(max_length=16),
        required=False,
        help_text="Only who has chosen one of these; none: everybody.",
    )
    licence_rule = serializers.ListField(
        child=serializers.ChoiceField(choices=list(DEMANDS)),
        required=False,
        help_text="What the licences of media must allow; unknown licences meet nothing.",
    )
    quality_rule = serializers.DictField(
        child=serializers.FloatField(),
        required=False,
        help_text="What faces must reach: "
        + ", ".join(REASONS)
        + ". What was not measured of a face passes.",
    )
    groups = serializers.PrimaryKeyRelatedField(queryset=Group.objects.all(), many=True, required=False)

    class Meta:
        model = Campaign
        fields = (
            "id", "name", "question", "instructions", "expressions", "keys", "icons", "mixed_allowed",
            "votes_per_face", "rule", "minimum_agreement", "gold_share", "qualification_faces",
            "qualification_pass", "qualification_attempts", "groups", "languages", "daily_cap", "cap", "order",
            "undo_minutes", "lease_seconds", "deadline", "licence_rule", "quality_rule", "state", "closed_at",
            "created_at",
        )  # fmt: skip
        read_only_fields = ("state", "closed_at", "created_at")

    def to_representation(self, instance: Campaign) -> dict[str, Any]:
        """How much gold there is, is not told to those whom it measures."""
        shown: dict[str, Any] = super().to_representation(instance)
        request = self.context.get("request")
        if request is not None and not may_see_labels(request.user):
            del shown["gold_share"]
        return shown


class ChangeCampaignSerializer(CampaignSerializer):
    settled_too = serializers.BooleanField(
        required=False,
        write_only=True,
        help_text="With more votes per face: ask for the additional votes of settled faces too.",
    )

    class Meta(CampaignSerializer.Meta):
        fields = (*CampaignSerializer.Meta.fields, "settled_too")  # type: ignore[assignment]


class DuplicateSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200)
    same_faces = serializers.BooleanField(default=True)


class ExtendSerializer(serializers.Serializer[Any]):
    deadline = serializers.DateTimeField()


class ChosenFacesSerializer(serializers.Serializer[Any]):
    """Which faces to take into a campaign; what is left out does not restrict."""

    source = serializers.IntegerField(  # type: ignore[assignment]
        required=False, min_value=0, max_value=MOST
    )
    sources = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=MOST), required=False
    )
    detector = serializers.CharField(required=False)
    kind = serializers.ChoiceField(choices=Media.Kind.choices, required=False)
    min_size = serializers.IntegerField(
        required=False, min_value=0, max_value=10_000, help_text="Pixels of the shorter side."
    )
    min_score = serializers.FloatField(required=False, help_text="The detector's own.")
    licence = serializers.CharField(required=False, max_length=200, help_text="Words it contains.")
    settled_in = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST,
        help_text="A campaign that has settled them; the next three say how.",
    )
    outcome = serializers.ChoiceField(choices=Outcome.choices, required=False)
    label = serializers.CharField(required=False, max_length=40)  # type: ignore[assignment]
    whatever_quality = serializers.BooleanField(
        required=False, help_text="Those too that the campaign's rule on quality keeps out."
    )
    agreement_below = serializers.FloatField(required=False, min_value=0, max_value=1, help_text="0–1.")
    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=10_000_000, help_text="So many of them, at random."
    )


class LeftOutSerializer(serializers.Serializer[Any]):
    faces = serializers.IntegerField()
    why = serializers.DictField(
        child=serializers.IntegerField(), help_text="Demand → how many of them do not meet it."
    )


class KeptOutSerializer(serializers.Serializer[Any]):
    faces = serializers.IntegerField()
    why = serializers.DictField(
        child=serializers.IntegerField(), help_text="What speaks against them → against how many."
    )
    unmeasured = serializers.IntegerField(help_text="Faces that pass as something was not measured of them.")


class AddedSerializer(serializers.Serializer[Any]):
    added = serializers.IntegerField()
    left_out = LeftOutSerializer(help_text="For what their licences do not allow.")
    kept_out = KeptOutSerializer(help_text="For their quality.")


class LimitSerializer(serializers.Serializer[Any]):
    limit = serializers.IntegerField(default=5, min_value=1, max_value=50)


class LeasedSerializer(serializers.Serializer[Any]):
    campaign_face = serializers.IntegerField(source="campaign_face_id")
    face = serializers.IntegerField(source="face_id")
    crop = serializers.SerializerMethodField()
    expires_at = serializers.DateTimeField()

    def get_crop(self, leased: Any) -> str:
        from django.urls import reverse

        return reverse("labeling:crop", args=[leased.face_id])


class VoteSerializer(serializers.Serializer[Any]):
    campaign_face = serializers.IntegerField(min_value=0, max_value=MOST)
    answer = serializers.CharField(max_length=40)
    second = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=40,
        help_text="The weaker expression of a mixed answer, where the campaign allows it.",
    )
    client_key = serializers.UUIDField(help_text="Chosen by you; the same key again is the same vote.")
    took_ms = serializers.IntegerField(required=False, min_value=0, max_value=86_400_000)


class CastSerializer(serializers.Serializer[Any]):
    again = serializers.BooleanField(
        help_text="This client key had been cast before; nothing was counted twice."
    )


class SkipSerializer(serializers.Serializer[Any]):
    campaign_face = serializers.IntegerField(min_value=0, max_value=MOST)
    reason = serializers.CharField(required=False, default="", max_length=200, allow_blank=True)


class UndoSerializer(serializers.Serializer[Any]):
    client_key = serializers.UUIDField(required=False, help_text="Which vote; the newest if left out.")


class WithdrawnSerializer(serializers.Serializer[Any]):
    campaign_face = serializers.IntegerField(source="campaign_face_id")
    answer = serializers.CharField()


class AdjudicateSerializer(serializers.Serializer[Any]):
    campaign_face = serializers.IntegerField(min_value=0, max_value=MOST)
    label = serializers.CharField(max_length=40, help_text="An expression of the campaign, or `not_a_face`.")  # type: ignore[assignment]
    reason = serializers.CharField(min_length=3, max_length=500)
    seen = serializers.IntegerField(
        required=False,
        min_value=0,
        help_text="The newest decision you know of, 0 for none: refused if there is a newer one.",
    )


class RetractSerializer(serializers.Serializer[Any]):
    campaign_face = serializers.IntegerField(min_value=0, max_value=MOST)


class AdjudicationSerializer(serializers.ModelSerializer[Adjudication]):
    class Meta:
        model = Adjudication
        fields = ("id", "campaign_face", "label", "reason", "by", "made_at", "retracted_at", "retracted_by")
        read_only_fields = fields


class ProgressSerializer(serializers.Serializer[Any]):
    faces = serializers.IntegerField()
    settled = serializers.IntegerField()
    agreed = serializers.IntegerField()
    adjudicated = serializers.IntegerField()
    no_consensus = serializers.IntegerField()
    not_a_face = serializers.IntegerField()
    votes = serializers.IntegerField()
    wanted = serializers.IntegerField()
    by_label = serializers.DictField(child=serializers.IntegerField())


class DifferenceSerializer(serializers.Serializer[Any]):
    """You answered `own` where most others say `others`: `times` of the `of` faces of which they say so."""

    own = serializers.CharField()
    others = serializers.CharField()
    times = serializers.IntegerField()
    of = serializers.IntegerField()


class OwnStatisticsSerializer(serializers.Serializer[Any]):
    votes = serializers.IntegerField()
    today = serializers.IntegerField()
    week = serializers.IntegerField(help_text="Since Monday.")
    per_hour = serializers.FloatField(allow_null=True, help_text="While working; longer pauses do not count.")
    median_ms = serializers.FloatField(allow_null=True, help_text="From seen to answered.")
    agreement = serializers.FloatField(
        allow_null=True, help_text="Share of `faces` where your answer is the others' majority, 0–1."
    )
    faces = serializers.IntegerField(help_text="Settled faces on which the others have one first answer.")
    confusion = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField()),
        help_text="The others' majority → your answer → faces; empty while they are few.",
    )
    differences = DifferenceSerializer(many=True, help_text="The most frequent first.")


class ExportSerializer(serializers.ModelSerializer[Export]):
    words = serializers.SerializerMethodField(help_text="What the dataset card was told.")
    to = serializers.SerializerMethodField(help_text="Where its files were to go besides, the last time.")
    profile = serializers.SerializerMethodField(help_text="Which of S3_PROFILES that bucket is in.")
    also_at = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="Where its files lie besides; they are written anew there after an erasure.",
    )

    class Meta:
        model = Export
        fields = (
            "id", "format", "words", "to", "profile", "also_at", "sha256", "bytes", "created_at", *WORK,
        )  # fmt: skip
        read_only_fields = ("sha256", "bytes", "created_at", *WORK)

    def get_words(self, export: Export) -> dict[str, str]:
        return dict(export.options.get("words", {}))

    def get_to(self, export: Export) -> str:
        return str(export.options.get("to", ""))

    def get_profile(self, export: Export) -> str:
        return str(export.options.get("profile", ""))


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
