"""Erasing for good."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import erasure
from labeling.api.asking import asked
from labeling.api.going_on import ResumeMixin
from labeling.api.paging import NewestFirst
from labeling.api.permissions import those_who
from labeling.api.serializers.common import MOST
from labeling.models import Erasure
from labeling.rules import may_manage

_NUMBER = serializers.IntegerField(min_value=1, max_value=MOST)
_NAME = serializers.CharField(max_length=200, trim_whitespace=False)


@extend_schema_field(
    {
        "oneOf": [
            {"type": "integer", "minimum": 1, "maximum": MOST},
            {"type": "string", "minLength": 1, "maxLength": 200},
        ]
    }
)
class KeyField(serializers.Field[Any, Any, Any, Any]):
    """The number of a row, or the name of an author."""

    def to_internal_value(self, data: Any) -> Any:
        return (_NAME if isinstance(data, str) else _NUMBER).run_validation(data)

    def to_representation(self, value: Any) -> Any:
        return value


class WhatSerializer(serializers.Serializer[Any]):
    """What is meant."""

    scope = serializers.ChoiceField(choices=Erasure.Scope.choices)
    what = serializers.ListField(
        child=KeyField(), help_text="Keys of media, sources, tracks or faces; names of authors."
    )
    with_media = serializers.BooleanField(
        default=False, help_text="Of tracks and faces: the media that show them too."
    )


class DemandSerializer(WhatSerializer):
    reason = serializers.CharField(max_length=400)


class HolderSerializer(serializers.Serializer[Any]):
    pk = serializers.IntegerField()
    name = serializers.CharField()
    faces = serializers.IntegerField()


class UnopenedSerializer(serializers.Serializer[Any]):
    pk = serializers.IntegerField()
    name = serializers.CharField()
    why = serializers.CharField()


class FileSerializer(serializers.Serializer[Any]):
    pk = serializers.IntegerField()
    snapshot = serializers.IntegerField()
    name = serializers.CharField()
    format = serializers.CharField()


class ModelSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    url = serializers.CharField()


class ClaimSerializer(serializers.Serializer[Any]):
    pk = serializers.IntegerField(help_text="Of the media.")
    name = serializers.CharField()
    author = serializers.CharField(help_text="Whom some source names.")
    counts = serializers.CharField(help_text="Who counts as its author; empty: not known.")
    decided = serializers.BooleanField(
        help_text="Somebody has decided against the author; false: sources disagree, and nobody has."
    )


class ErasurePreviewSerializer(serializers.Serializer[Any]):
    """What would go, and what holds it."""

    scope = serializers.ChoiceField(choices=Erasure.Scope.choices)
    what = serializers.ListField(child=serializers.JSONField())
    with_media = serializers.BooleanField()
    media = serializers.IntegerField()
    faces = serializers.IntegerField()
    bytes = serializers.IntegerField(help_text="Of the media's files.")
    pictures_stay = serializers.IntegerField(help_text="Media that go on showing the faces.")
    elsewhere = serializers.IntegerField(help_text="Near-duplicates of the faces that stay.")
    other_sources = serializers.IntegerField(help_text="Of the media, those that other sources brought too.")
    votes = serializers.IntegerField(help_text="That lose their face.")
    campaigns = HolderSerializer(many=True)
    snapshots = HolderSerializer(many=True)
    unopened = UnopenedSerializer(
        many=True,
        help_text="Snapshots that cannot be opened, so that nobody knows whether they hold any of the faces.",
    )
    exports = FileSerializer(many=True)
    made_of_them = ModelSerializer(many=True, help_text="Models trained on these snapshots.")
    claimed = ClaimSerializer(
        many=True,
        help_text="Of authors: media that go too, though they count as somebody else's; the first 200.",
    )
    claimed_count = serializers.IntegerField()
    uploaded = serializers.IntegerField(help_text="Uploaded originals, which are deleted.")
    originals = serializers.ListField(
        child=serializers.CharField(), help_text="The user's own, theirs to delete."
    )
    originals_count = serializers.IntegerField()


class ErasureSerializer(serializers.ModelSerializer[Erasure]):
    by = serializers.CharField(source="by.username", default=None, read_only=True)

    class Meta:
        model = Erasure
        fields = (
            "id",
            "scope",
            "what",
            "with_media",
            "reason",
            "by",
            "created_at",
            "state",
            "done",
            "total",
            "message",
            "error",
            "ended_at",
            "touched",
        )
        read_only_fields = fields


class ErasureViewSet(
    ResumeMixin[Erasure],
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet[Erasure],
):
    """What was erased, and why. Of it only hashes stay."""

    queryset = Erasure.objects.select_related("by")
    serializer_class = ErasureSerializer
    permission_classes = [those_who(may_manage)]
    pagination_class = NewestFirst

    @extend_schema(request=DemandSerializer, responses={201: ErasureSerializer})
    def create(self, request: Request) -> Response:
        """Erase it for good; a worker does it. It cannot be undone."""
        wanted = asked(DemandSerializer, request)
        row = erasure.demand(
            wanted["scope"],
            wanted["what"],
            reason=wanted["reason"],
            by=request.user,
            with_media=wanted["with_media"],
        )
        return Response(ErasureSerializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=WhatSerializer, responses=ErasurePreviewSerializer)
    @action(detail=False, methods=["post"], pagination_class=None)
    def preview(self, request: Request) -> Response:
        """What erasing it would touch; nothing is changed."""
        wanted = asked(WhatSerializer, request)
        found = erasure.preview(wanted["scope"], wanted["what"], wanted["with_media"])
        return Response(ErasurePreviewSerializer(asdict(found)).data)

    def go_on(self, row: Erasure) -> None:
        erasure.resume(row)
