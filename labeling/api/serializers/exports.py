"""Exports of snapshots as JSON."""

from typing import Any

from rest_framework import serializers

from labeling.api.serializers.common import WORK
from labeling.models import Export
from labeling.snapshots import exporting
from labeling.snapshots.exports import card


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


class ExportAskedSerializer(serializers.Serializer[Any]):
    format = serializers.CharField(max_length=40, help_text=f"One of {', '.join(exporting.FORMATS)}.")
    words = serializers.DictField(
        child=serializers.CharField(allow_blank=True, max_length=card.LONGEST),
        required=False,
        help_text=f"For the dataset card: an answer each to {', '.join(card.QUESTIONS)}.",
    )
    to = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=500,
        help_text="A folder or s3://bucket/prefix that the files are written to besides this time; below EXPORT_ROOTS.",
    )
    profile = serializers.CharField(
        required=False, allow_blank=True, max_length=40, help_text="Which of S3_PROFILES the bucket is in."
    )
