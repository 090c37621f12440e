"""Sources, media and faces."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import corrections, queries, source_queries, work
from labeling.api.asking import asked
from labeling.api.paging import NewestFirst
from labeling.api.permissions import those_who
from labeling.api.serializers import (
    MOST,
    DetectionSerializer,
    FaceSerializer,
    ItemSerializer,
    MediaSerializer,
    SourceSerializer,
    WatchSerializer,
)
from labeling.models import Face, Item, Media, Source
from labeling.rules import may_manage, may_see_labels
from labeling.sources import faces, ingest, is_elsewhere, roots, watching

MOST_PIXELS = 100_000
Managers = those_who(may_manage)
Readers = those_who(may_see_labels, may_manage)


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


class SourceViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Source]):
    """Where media come from."""

    queryset = Source.objects.all()
    serializer_class = SourceSerializer
    permission_classes = [Managers]
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

    @extend_schema(request=None, responses=SourceSerializer)
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, pk: str) -> Response:
        source = self.get_object()
        work.stop(source)
        return Response(self.get_serializer(source).data)

    @extend_schema(request=None, responses=SourceSerializer)
    @action(detail=True, methods=["post"])
    def restart(self, request: Request, pk: str) -> Response:
        """Go on where it stopped; on a finished source, take in what is new."""
        source = self.get_object()
        ingest.refresh(source=source)
        return Response(self.get_serializer(source).data)

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


class MediaViewSet(viewsets.ReadOnlyModelViewSet[Media]):
    """Fetched files, each known by its sha256."""

    queryset = Media.objects.prefetch_related("scans")
    serializer_class = MediaSerializer
    permission_classes = [Readers]
    pagination_class = NewestFirst


class FaceFilterSerializer(serializers.Serializer[Any]):
    """Which faces; what is left out does not restrict."""

    media = serializers.IntegerField(required=False, min_value=1, max_value=MOST)
    source = serializers.IntegerField(  # type: ignore[assignment]
        required=False, min_value=1, max_value=MOST
    )
    detector = serializers.CharField(required=False, max_length=40)


class BoxSerializer(serializers.Serializer[Any]):
    """In pixels of the upright picture."""

    x = serializers.IntegerField(min_value=0, max_value=MOST_PIXELS)
    y = serializers.IntegerField(min_value=0, max_value=MOST_PIXELS)
    width = serializers.IntegerField(min_value=1, max_value=MOST_PIXELS)
    height = serializers.IntegerField(min_value=1, max_value=MOST_PIXELS)


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

    def filter_queryset(self, queryset: Any) -> Any:
        if self.action != "list":
            return queryset
        wanted = asked(FaceFilterSerializer, self.request)
        source = wanted.pop("source", None)
        chosen = queryset.filter(**wanted)
        return chosen if source is None else chosen.filter(media__items__source=source).distinct()
