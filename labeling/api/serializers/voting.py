"""Faces held, votes, decisions, and one's own figures, as JSON."""

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from labeling.api.serializers.common import MOST
from labeling.models import Adjudication


class LimitSerializer(serializers.Serializer[Any]):
    limit = serializers.IntegerField(default=5, min_value=1, max_value=50)


class LeasedSerializer(serializers.Serializer[Any]):
    campaign_face = serializers.IntegerField(source="campaign_face_id")
    face = serializers.IntegerField(source="face_id")
    crop = serializers.SerializerMethodField()
    expires_at = serializers.DateTimeField()

    def get_crop(self, leased: Any) -> str:
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
