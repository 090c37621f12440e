"""Whose media are: what is to be decided, and what was."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers, viewsets

from labeling import whose
from labeling.api.asking import asked
from labeling.api.paging import NewestFirst
from labeling.api.permissions import those_who
from labeling.api.serializers.common import MOST
from labeling.licences import LICENCES, UNKNOWN, understood
from labeling.models import Media, RightsDecision
from labeling.rules import may_manage

_CODES = [UNKNOWN, *LICENCES]


class RightsSerializer(serializers.Serializer[Any]):
    licence = serializers.CharField()
    author = serializers.CharField()
    page_url = serializers.CharField()


class SayingSerializer(RightsSerializer):
    key = serializers.CharField(help_text="Names it in a decision.")
    source = serializers.IntegerField(  # type: ignore[assignment]
        allow_null=True, help_text="The source that says so."
    )


class DisputedMediaSerializer(serializers.ModelSerializer[Media]):
    counts = serializers.SerializerMethodField(
        help_text="What was said first, and counts but for the licence."
    )
    said_otherwise = serializers.SerializerMethodField()

    class Meta:
        model = Media
        fields = ("id", "sha256", "original_name", "counts", "said_otherwise")

    @extend_schema_field(SayingSerializer)
    def get_counts(self, media: Media) -> dict[str, Any]:
        return _saying(whose.Saying(whose.of_media(media)))

    @extend_schema_field(SayingSerializer(many=True))
    def get_said_otherwise(self, media: Media) -> list[dict[str, Any]]:
        return [_saying(one) for one in whose.said_otherwise(media)]


class ChangedMediaSerializer(serializers.ModelSerializer[Media]):
    licence_now_code = serializers.SerializerMethodField(
        help_text="What licence_now means; empty: not understood."
    )

    class Meta:
        model = Media
        fields = (
            "id", "sha256", "original_name", "author", "page_url", "licence", "licence_code", "licence_now",
            "licence_now_code", "licence_checked_at",
        )  # fmt: skip

    def get_licence_now_code(self, media: Media) -> str:
        return understood(media.licence_now)


class DisputedFilterSerializer(serializers.Serializer[Any]):
    """Which media; what is left out does not restrict."""

    source = serializers.IntegerField(  # type: ignore[assignment]
        required=False, min_value=1, max_value=MOST, help_text="A source that has the media."
    )


class ChangedFilterSerializer(DisputedFilterSerializer):
    licence = serializers.ChoiceField(
        choices=_CODES,
        allow_blank=True,
        required=False,
        help_text="The code of the licence that counts; empty: not understood.",
    )
    now = serializers.ChoiceField(
        choices=_CODES,
        allow_blank=True,
        required=False,
        help_text="The code of what the page names; empty: not understood.",
    )


class DecideLicenceSerializer(serializers.Serializer[Any]):
    now = serializers.CharField(
        max_length=200, trim_whitespace=False, help_text="licence_now as it was when you decided."
    )
    take = serializers.BooleanField(
        help_text="Whether the licence that the page names counts from now on; else the one that counted stays."
    )


class DecideWhoseSerializer(serializers.Serializer[Any]):
    said = serializers.CharField(max_length=16, help_text="The key of what is right.")


class DecisionFilterSerializer(serializers.Serializer[Any]):
    """Which decisions; what is left out does not restrict."""

    media = serializers.IntegerField(required=False, min_value=1, max_value=MOST)
    kind = serializers.ChoiceField(choices=RightsDecision.Kind.choices, required=False)


class DecisionSerializer(serializers.ModelSerializer[RightsDecision]):
    by = serializers.CharField(source="by.username", default=None, read_only=True)
    was = RightsSerializer()
    now = RightsSerializer()

    class Meta:
        model = RightsDecision
        fields = ("id", "media", "kind", "was", "now", "page_says", "by", "made_at")
        read_only_fields = fields


@extend_schema_view(list=extend_schema(parameters=[DecisionFilterSerializer]))
class DecisionViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[RightsDecision]):
    """What people decided of whose media are, the newest first. What is erased takes its decisions along."""

    queryset = RightsDecision.objects.select_related("by")
    serializer_class = DecisionSerializer
    permission_classes = [those_who(may_manage)]
    pagination_class = NewestFirst

    def filter_queryset(self, queryset: Any) -> Any:
        return queryset.filter(**asked(DecisionFilterSerializer, self.request))


def _saying(one: whose.Saying) -> dict[str, Any]:
    return {**asdict(one.rights), "key": one.rights.key, "source": one.source}
