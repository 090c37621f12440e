"""Frozen dataset versions and their exports."""

import json
from typing import Any

from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import lineage, work
from labeling.api.asking import asked
from labeling.api.going_on import RestartMixin, StopMixin, moved
from labeling.api.paging import NewestFirst
from labeling.api.permissions import those_who
from labeling.api.schema import RefusedSerializer
from labeling.api.serializers.exports import ExportAskedSerializer, ExportSerializer
from labeling.api.serializers.snapshots import (
    ChangesAskedSerializer,
    ChangesSerializer,
    FreezeSerializer,
    LineageSerializer,
    PreviewSerializer,
    SnapshotSerializer,
    VerificationSerializer,
)
from labeling.lineage import Node
from labeling.models import Export, Snapshot
from labeling.rules import may_manage, may_see_labels
from labeling.snapshots import comparing, exporting, freezing, verification
from labeling.snapshots.diff import KINDS, Wanted
from labeling.web import exports


class ZipRenderer(BaseRenderer):
    """What comes is a zip, whatever is asked for; only refusals are rendered here."""

    media_type = "*/*"
    format = "zip"

    def render(self, data: Any, *rest: Any) -> bytes:
        return json.dumps(data, default=str).encode()


@extend_schema_view(
    stop=extend_schema(description="Stop the freezing at its next step; what is frozen stays."),
    restart=extend_schema(description="Freeze one that stopped or failed, as the faces stand then."),
)
class SnapshotViewSet(
    StopMixin[Snapshot],
    RestartMixin[Snapshot],
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet[Snapshot],
):
    queryset = Snapshot.objects.prefetch_related("exports")
    serializer_class = SnapshotSerializer
    permission_classes = [those_who(may_see_labels, may_manage)]
    pagination_class = NewestFirst

    @extend_schema(request=FreezeSerializer, responses={201: SnapshotSerializer})
    def create(self, request: Request) -> Response:
        """Freeze a campaign's settled faces."""
        snapshot = freezing.freeze(**asked(FreezeSerializer, request), created_by=request.user)
        return Response(SnapshotSerializer(snapshot).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=FreezeSerializer, responses=PreviewSerializer)
    @action(detail=False, methods=["post"], pagination_class=None)
    def preview(self, request: Request) -> Response:
        """What would be frozen, by class and split, and what is left out; nothing is changed."""
        wanted = asked(FreezeSerializer, request)
        wanted.pop("name")
        choice = freezing.preview(**wanted)
        found = {
            "classes": choice.faces.classes,
            "splits": choice.counts,
            "left_out": choice.faces.left_out,
            "moved": choice.moved,
            "certificate": choice.certificate,
            "notes": choice.notes,
        }
        return Response(PreviewSerializer(found).data)

    @extend_schema(request=ExportAskedSerializer, responses={201: ExportSerializer})
    @action(detail=True, methods=["post"])
    def export(self, request: Request, pk: str) -> Response:
        """Write the snapshot in a format; its file is at `files/FORMAT/` once done.

        Asked for again, the file there is stays. It is made anew where it is gone from the storage, other words are
        asked for, or a place is named that it is written to besides.
        """
        wanted = asked(ExportAskedSerializer, request)
        export = exporting.export(snapshot=self.get_object(), from_outside=True, **wanted)
        return Response(ExportSerializer(export).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    @action(
        detail=True,
        url_path="files/(?P<kind>[a-z0-9]+)",
        url_name="file",
        renderer_classes=[ZipRenderer],
        permission_classes=[those_who(may_manage)],
    )
    def file(self, request: Request, pk: str, kind: str) -> HttpResponseBase:
        """The file of a format, whole or in ranges. Where the storage signs addresses, a redirect to one.

        What was made before is there also while it is made again, or when that failed; not after faces were erased.
        """
        rows = Export.objects.select_related("snapshot").filter(snapshot=self.get_object())
        row = get_object_or_404(rows.exclude(sha256=""), format=kind)
        return exports.response(request, row)

    @extend_schema(request=None, responses=ExportSerializer)
    @action(
        detail=True,
        methods=["post"],
        url_path="files/(?P<kind>[a-z0-9]+)/stop",
        url_name="file-stop",
    )
    def stop_file(self, request: Request, pk: str, kind: str) -> Response:
        """Stop the making of a format's file at its next step; a finished one stays."""
        return moved(self._export(kind), work.stop, ExportSerializer)

    @extend_schema(request=None, responses=ExportSerializer)
    @action(
        detail=True,
        methods=["post"],
        url_path="files/(?P<kind>[a-z0-9]+)/restart",
        url_name="file-restart",
    )
    def restart_file(self, request: Request, pk: str, kind: str) -> Response:
        """Make a format's file whose making stopped or failed, as it was asked for."""
        return moved(self._export(kind), work.restart, ExportSerializer)

    def _export(self, kind: str) -> Export:
        return get_object_or_404(Export, snapshot=self.get_object(), format=kind)

    @extend_schema(request=None, responses={202: VerificationSerializer})
    @action(detail=True, methods=["post"], pagination_class=None)
    def verify(self, request: Request, pk: str) -> Response:
        """Have a worker read every byte again; what came of it is the snapshot's newest verification."""
        row = verification.verify_later(snapshot=self.get_object(), asked_by=request.user)
        return Response(VerificationSerializer(row).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses=VerificationSerializer(many=True))
    @action(detail=True, methods=["get"], pagination_class=None)
    def verifications(self, request: Request, pk: str) -> Response:
        """The newest ten."""
        rows = self.get_object().verifications.all()[:10]
        return Response(VerificationSerializer(rows, many=True).data)

    @extend_schema(
        parameters=[ChangesAskedSerializer], responses={200: ChangesSerializer, 409: RefusedSerializer}
    )
    @action(detail=True, methods=["get"], pagination_class=None)
    def changes(self, request: Request, pk: str) -> Response:
        """What changed since an older version: counts, and a page of the faces that differ."""
        wanted = asked(ChangesAskedSerializer, request)
        new, old = self.get_object(), wanted["since"]
        kinds = Wanted((wanted["kind"],) if "kind" in wanted else KINDS)
        limit = wanted["limit"]
        faces = comparing.listed(old, new, kinds, beyond=wanted["beyond"], limit=limit + 1)
        found = {
            "old": old.digest,
            "new": new.digest,
            "counts": comparing.compare(old, new).to_json(),
            "faces": [comparing.flat(each) for each in faces[:limit]],
            "beyond": faces[limit - 1].change.face_key if len(faces) > limit else None,
        }
        return Response(ChangesSerializer(found).data)

    @extend_schema(responses=LineageSerializer)
    @action(detail=True, methods=["get"], pagination_class=None)
    def lineage(self, request: Request, pk: str) -> Response:
        """What came of what: sources, media, faces, votes and labels it was frozen from, and what was made of it."""
        row = self.get_object()
        found = lineage.of(row.campaign, snapshot=row, most=None)

        def address(node: Node) -> str | None:
            open_to = node.url and node.may_open(request.user)
            return request.build_absolute_uri(node.url) if open_to else None

        told = lineage.told(found, address)
        return Response(LineageSerializer(told).data)
