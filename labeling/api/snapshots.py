"""Frozen dataset versions and their exports."""

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.asking import asked
from labeling.api.paging import NewestFirst
from labeling.api.permissions import those_who
from labeling.api.serializers import ExportSerializer, FreezeSerializer, ProblemSerializer, SnapshotSerializer
from labeling.models import Snapshot
from labeling.rules import may_manage, may_see_labels
from labeling.snapshots import exporting, freezing


class SnapshotViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Snapshot]):
    queryset = Snapshot.objects.prefetch_related("exports")
    serializer_class = SnapshotSerializer
    permission_classes = [those_who(may_see_labels, may_manage)]
    pagination_class = NewestFirst

    @extend_schema(request=FreezeSerializer, responses={201: SnapshotSerializer})
    def create(self, request: Request) -> Response:
        """Freeze a campaign's settled faces."""
        snapshot = freezing.freeze(**asked(FreezeSerializer, request), created_by=request.user)
        return Response(SnapshotSerializer(snapshot).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=ExportSerializer, responses={201: ExportSerializer})
    @action(detail=True, methods=["post"])
    def export(self, request: Request, pk: str) -> Response:
        """Write the snapshot in a format; download it from the snapshot's page once done."""
        wanted = asked(ExportSerializer, request)
        export = exporting.export(snapshot=self.get_object(), **wanted)
        return Response(ExportSerializer(export).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=ProblemSerializer(many=True))
    @action(detail=True, methods=["post"], pagination_class=None)
    def verify(self, request: Request, pk: str) -> Response:
        """Read every byte again; an empty list means nothing has changed."""
        return Response(ProblemSerializer(freezing.verify(snapshot=self.get_object()), many=True).data)
