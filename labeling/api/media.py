"""Media and faces."""

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import corrections, licence_checks, whose
from labeling.api.asking import asked
from labeling.api.paging import NewestFirst
from labeling.api.permissions import those_who
from labeling.api.rights import (
    ChangedFilterSerializer,
    ChangedMediaSerializer,
    DecideLicenceSerializer,
    DecideWhoseSerializer,
    DisputedFilterSerializer,
    DisputedMediaSerializer,
)
from labeling.api.serializers.common import MOST
from labeling.api.serializers.media import FaceSerializer, MediaSerializer
from labeling.models import Face, Item, Media
from labeling.rules import may_manage, may_see_labels
from labeling.sources import handmade

MOST_PIXELS = 100_000
MOST_MS = 2**31 - 1
Managers = those_who(may_manage)
Readers = those_who(may_see_labels, may_manage)


class BoxSerializer(serializers.Serializer[Any]):
    """In pixels of the upright picture."""

    x = serializers.IntegerField(min_value=0, max_value=MOST_PIXELS)
    y = serializers.IntegerField(min_value=0, max_value=MOST_PIXELS)
    width = serializers.IntegerField(min_value=1, max_value=MOST_PIXELS)
    height = serializers.IntegerField(min_value=1, max_value=MOST_PIXELS)


class DrawnSerializer(BoxSerializer):
    time_ms = serializers.IntegerField(
        default=0,
        min_value=0,
        max_value=MOST_MS,
        help_text="Of a video: the moment. The face is of the first frame at or after it, or of the last.",
    )


class MediaViewSet(viewsets.ReadOnlyModelViewSet[Media]):
    """Fetched files, each known by its sha256."""

    queryset = Media.objects.prefetch_related("scans")
    serializer_class = MediaSerializer
    permission_classes = [Readers]
    pagination_class = NewestFirst

    @extend_schema(responses=ChangedMediaSerializer(many=True), parameters=[ChangedFilterSerializer])
    @action(detail=False, url_path="changed-licences", permission_classes=[Managers])
    def changed_licences(self, request: Request) -> Response:
        """Media whose page names another licence than the one that counts, until somebody has decided."""
        wanted = asked(ChangedFilterSerializer, request)
        rows = licence_checks.changed(wanted.get("now"))
        if "licence" in wanted:
            rows = rows.filter(licence_code=wanted["licence"])
        return self._page(ChangedMediaSerializer, _of_source(rows, wanted))

    @extend_schema(responses=DisputedMediaSerializer(many=True), parameters=[DisputedFilterSerializer])
    @action(detail=False, permission_classes=[Managers])
    def disputed(self, request: Request) -> Response:
        """Media of which sources say different things, until somebody has decided."""
        return self._page(
            DisputedMediaSerializer, _of_source(whose.disputed(), asked(DisputedFilterSerializer, request))
        )

    @extend_schema(request=DecideLicenceSerializer, responses=MediaSerializer)
    @action(detail=True, methods=["post"], url_path="decide-licence", permission_classes=[Managers])
    def decide_licence(self, request: Request, pk: str) -> Response:
        """Of a media whose page names another licence now: which one counts."""
        wanted = asked(DecideLicenceSerializer, request)
        row = licence_checks.decide(
            media=self.get_object(), seen=wanted["now"], take=wanted["take"], by=request.user
        )
        return Response(self.get_serializer(row).data)

    @extend_schema(request=DecideWhoseSerializer, responses=MediaSerializer)
    @action(detail=True, methods=["post"], url_path="decide-whose", permission_classes=[Managers])
    def decide_whose(self, request: Request, pk: str) -> Response:
        """Of a media of which sources say different things: which of that counts."""
        key = asked(DecideWhoseSerializer, request)["said"]
        row = whose.decide(media=self.get_object(), key=key, by=request.user)
        return Response(self.get_serializer(row).data)

    @extend_schema(request=DrawnSerializer, responses={201: FaceSerializer})
    @action(detail=True, methods=["post"], permission_classes=[Managers])
    def draw(self, request: Request, pk: str) -> Response:
        """Keep a face that no detector found. What of the box lies outside the picture is cut off."""
        wanted = asked(DrawnSerializer, request)
        box = (wanted["x"], wanted["y"], wanted["width"], wanted["height"])
        face = handmade.draw(media=self.get_object(), box=box, time_ms=wanted["time_ms"], by=request.user)
        return Response(FaceSerializer(face).data, status=status.HTTP_201_CREATED)

    def _page(self, serializer: type[serializers.BaseSerializer[Any]], rows: QuerySet[Media]) -> Response:
        return self.get_paginated_response(serializer(self.paginate_queryset(rows), many=True).data)


def _of_source(media: QuerySet[Media], wanted: dict[str, Any]) -> QuerySet[Media]:
    if "source" not in wanted:
        return media
    return media.filter(Exists(Item.objects.filter(media=OuterRef("pk"), source=wanted["source"])))


class FaceFilterSerializer(serializers.Serializer[Any]):
    """Which faces; what is left out does not restrict."""

    media = serializers.IntegerField(required=False, min_value=1, max_value=MOST)
    source = serializers.IntegerField(  # type: ignore[assignment]
        required=False, min_value=1, max_value=MOST
    )
    detector = serializers.CharField(required=False, max_length=40)


class CorrectedSerializer(serializers.Serializer[Any]):
    face = FaceSerializer(help_text="The one that stands for both now.")
    moved = serializers.ListField(
        child=serializers.CharField(), help_text="Campaigns that ask about it in place of the other."
    )
    stayed = serializers.ListField(
        child=serializers.CharField(), help_text="Campaigns in which somebody has seen the other."
    )


@extend_schema_view(list=extend_schema(parameters=[FaceFilterSerializer]))
class FaceViewSet(viewsets.ReadOnlyModelViewSet[Face]):
    """Faces found in media."""

    queryset = Face.objects.all()
    serializer_class = FaceSerializer
    permission_classes = [Readers]
    pagination_class = NewestFirst

    @extend_schema(request=BoxSerializer, responses={201: CorrectedSerializer})
    @action(detail=True, methods=["post"], permission_classes=[Managers])
    def correct(self, request: Request, pk: str) -> Response:
        """Let a face with this box stand for the face: votes on the old crop stay with the old one.

        Campaigns ask about the new face where nobody has seen the old one yet.
        """
        wanted = asked(BoxSerializer, request)
        box = (wanted["x"], wanted["y"], wanted["width"], wanted["height"])
        done = corrections.correct(face=self.get_object(), box=box, by=request.user)
        return Response(CorrectedSerializer(done).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=CorrectedSerializer)
    @action(detail=True, methods=["post"], permission_classes=[Managers])
    def uncorrect(self, request: Request, pk: str) -> Response:
        """Undo the correction of this face's box: it stands for itself again."""
        return Response(CorrectedSerializer(corrections.undo(face=self.get_object(), by=request.user)).data)

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"], permission_classes=[Managers])
    def remove(self, request: Request, pk: str) -> Response:
        """Take away a face that a person has drawn and no campaign asks about."""
        handmade.remove(face=self.get_object(), by=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def filter_queryset(self, queryset: Any) -> Any:
        if self.action != "list":
            return queryset
        wanted = asked(FaceFilterSerializer, self.request)
        source = wanted.pop("source", None)
        chosen = queryset.filter(**wanted)
        return chosen if source is None else chosen.filter(media__items__source=source).distinct()
