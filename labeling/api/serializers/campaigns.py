"""Campaigns, their faces and how far they are, as JSON."""

from typing import Any

from django.contrib.auth.models import Group
from rest_framework import serializers

from labeling.api.serializers.common import MOST
from labeling.licences import DEMANDS
from labeling.models import Campaign, Media, Outcome
from labeling.quality_rule import REASONS
from labeling.rules import may_see_labels


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
