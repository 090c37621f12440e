"""Sources of media."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import queries, source_queries
from labeling.api.asking import asked
from labeling.api.going_on import RestartMixin, StopMixin
from labeling.api.paging import NewestFirst
from labeling.api.permissions import those_who
from labeling.api.serializers.common import MOST
from labeling.api.serializers.sources import (
    DetectionSerializer,
    ItemSerializer,
    SourceSerializer,
    WatchSerializer,
)
from labeling.models import Item, Source
from labeling.rules import may_manage
from labeling.sources import faces, ingest, is_elsewhere, roots, watching


class ItemFilterSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=Item.State.choices, required=False)
    reason = serializers.CharField(max_length=500, required=False, help_text="Refused for just this.")


class RetrySerializer(serializers.Serializer[Any]):
    """Which refused items; none of the two: all."""

    item = serializers.IntegerField(required=False, min_value=1, max_value=MOST)
    reason = serializers.CharField(max_length=500, required=False)


class ReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField()
    items = serializers.IntegerField()


class SourceProgressSerializer(serializers.Serializer[Any]):
    """How far a source has come. The pace is that of the last minute; null where nothing new came in it."""

    items = serializers.DictField(child=serializers.IntegerField(), help_text="State → how many.")
    media = serializers.IntegerField()
    bytes = serializers.IntegerField()
    bytes_per_second = serializers.FloatField(allow_null=True)
    items_per_second = serializers.FloatField(allow_null=True)
    seconds_left = serializers.IntegerField(allow_null=True)
    reasons = ReasonSerializer(many=True, help_text="Why items were refused, the commonest 20.")
    refused_for_others = serializers.IntegerField(help_text="Items refused for other reasons.")


@extend_schema_view(
    restart=extend_schema(description="Go on where it stopped; on a finished source, take in what is new.")
)
class SourceViewSet(
    StopMixin[Source],
    RestartMixin[Source],
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet[Source],
):
    """Where media come from."""

    queryset = Source.objects.all()
    serializer_class = SourceSerializer
    permission_classes = [those_who(may_manage)]
    pagination_class = NewestFirst

    @extend_schema(responses={201: SourceSerializer})
    def create(self, request: Request) -> Response:
        """Begin to ingest a path as the server sees it, or the address of a page of a site that is known."""
        source = ingest.add(**_from_outside(asked(SourceSerializer, request)), created_by=request.user)
        return Response(self.get_serializer(source).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=ItemSerializer(many=True), parameters=[ItemFilterSerializer])
    @action(detail=True, pagination_class=NewestFirst)
    def items(self, request: Request, pk: str) -> Response:
        """What the source offers and what became of each: refused ones with the reason."""
        wanted = asked(ItemFilterSerializer, request)
        rows = Item.objects.filter(source=self.get_object(), **wanted)
        return self.get_paginated_response(ItemSerializer(self.paginate_queryset(rows), many=True).data)  # type: ignore[arg-type]

    @extend_schema(responses=SourceProgressSerializer)
    @action(detail=True)
    def progress(self, request: Request, pk: str) -> Response:
        """How far it has come, how fast, and what went wrong how often."""
        source = self.get_object()
        items = queries.items_per_state(source)
        reasons = source_queries.reasons(source, refused=items[Item.State.REFUSED])
        return Response(
            {
                "items": items,
                **asdict(source_queries.amounts(source)),
                **asdict(source_queries.pace(source, left=items[Item.State.FOUND])),
                "reasons": [{"reason": reason, "items": count} for reason, count in reasons.shown],
                "refused_for_others": reasons.others,
            }
        )

    @extend_schema(request=RetrySerializer, responses=SourceSerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Try refused items again: one, those refused for a reason, or all.

        While the source is being looked through they wait until that look has come to its end.
        """
        source = self.get_object()
        ingest.retry_refused(source=source, **asked(RetrySerializer, request))
        return Response(self.get_serializer(source).data)

    def go_on(self, row: Source) -> None:
        ingest.refresh(source=row)

    @extend_schema(request=WatchSerializer, responses=SourceSerializer)
    @action(detail=True, methods=["post"])
    def watch(self, request: Request, pk: str) -> Response:
        """Look through it again every so many minutes; null: only when somebody asks."""
        source, minutes = self.get_object(), asked(WatchSerializer, request)["watch_minutes"]
        if minutes is None:
            watching.unwatch(source=source)
        else:
            watching.watch(source=source, minutes=minutes)
        return Response(self.get_serializer(source).data)

    @extend_schema(request=DetectionSerializer, responses={201: DetectionSerializer})
    @action(detail=True, methods=["post"])
    def detect(self, request: Request, pk: str) -> Response:
        """Find faces with one detector."""
        wanted = asked(DetectionSerializer, request)
        found = faces.detect_in(source=self.get_object(), **wanted)
        return Response(DetectionSerializer(found).data, status=status.HTTP_201_CREATED)


def _from_outside(data: dict[str, Any]) -> dict[str, Any]:
    """What a browser may name as a path, and no more, may be named here."""
    options = roots.allowed_options(data.get("options", {}))
    location = data["location"]
    if not is_elsewhere(data.get("kind", ""), location):
        location = roots.allowed(location)
    return {**data, "location": location, "options": options}
