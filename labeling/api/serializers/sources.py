"""Sources, what they offer, and looking for faces in them, as JSON."""

from datetime import datetime
from typing import Any

from rest_framework import serializers

from labeling.api.serializers.common import WORK
from labeling.models import Detection, Item, Source
from labeling.sources import watching


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
