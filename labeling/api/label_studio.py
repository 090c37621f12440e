"""Taking over from Label Studio."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.asking import asked
from labeling.api.going_on import ResumeMixin, StopMixin
from labeling.api.paging import NewestFirst
from labeling.api.permissions import those_who
from labeling.api.schema import RefusedSerializer
from labeling.api.serializers.common import MOST
from labeling.label_studio import CannotTakeIn, imports
from labeling.models import LabelStudioImport, Source
from labeling.rules import may_manage
from labeling.sources.roots import allowed


class LabelStudioFileSerializer(serializers.Serializer[Any]):
    """What people answered, and where the pictures are."""

    tasks = serializers.ListField(
        child=serializers.DictField(),
        min_length=1,
        help_text="What Label Studio exports as JSON or JSON-MIN, whole.",
    )
    file_name = serializers.CharField(max_length=200, default="export.json")
    source = serializers.IntegerField(  # type: ignore[assignment]
        required=False, min_value=1, max_value=MOST, help_text="Whose pictures’ names the tasks mean."
    )
    folder = serializers.CharField(
        required=False,
        max_length=1000,
        help_text="On the server, where the tasks’ paths begin; its files are known here by their content.",
    )
    classes = serializers.DictField(
        child=serializers.CharField(allow_blank=True, max_length=200),
        required=False,
        help_text="Answer there → what it means here, empty to leave it out. What is not named is guessed, or refused.",
    )

    def validate_source(self, pk: int) -> Source:
        source = Source.objects.filter(pk=pk).first()
        if source is None:
            raise serializers.ValidationError(f"Source {pk} does not exist.")
        return source


class LabelStudioBeginSerializer(LabelStudioFileSerializer):
    campaign = serializers.CharField(
        required=False, max_length=200, help_text="The name of the campaign, where there are votes."
    )


class RefusalsSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(help_text="Of the first of them.")
    count = serializers.IntegerField()
    tasks = serializers.ListField(child=serializers.IntegerField(), help_text="The first of their numbers.")


class OutlookSerializer(serializers.Serializer[Any]):
    """What would be taken."""

    tasks = serializers.IntegerField()
    looked_at = serializers.IntegerField(help_text="The figures below are of so many tasks.")
    faces = serializers.IntegerField()
    answers = serializers.IntegerField()
    people = serializers.IntegerField()
    usual = serializers.IntegerField(help_text="Votes a face; 0: the answers are labels.")
    classes = serializers.DictField(child=serializers.IntegerField(), help_text="Answer → how often.")
    guesses = serializers.DictField(
        child=serializers.CharField(allow_blank=True),
        help_text="Answer → meaning; empty where nobody can tell.",
    )
    refused = serializers.IntegerField()
    reasons = RefusalsSerializer(many=True)
    earlier = serializers.IntegerField(
        allow_null=True, help_text="The import of this very file that has ended well."
    )


class LabelStudioImportSerializer(serializers.ModelSerializer[LabelStudioImport]):
    created_by = serializers.CharField(
        source="created_by.username", default=None, read_only=True, allow_null=True
    )

    class Meta:
        model = LabelStudioImport
        fields = (
            "id",
            "file_name",
            "sha256",
            "source",
            "folder",
            "classes",
            "campaign_name",
            "campaign",
            "taken",
            "created_by",
            "created_at",
            "state",
            "done",
            "total",
            "message",
            "error",
            "ended_at",
        )
        read_only_fields = fields


class LabelStudioViewSet(
    StopMixin[LabelStudioImport],
    ResumeMixin[LabelStudioImport],
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet[LabelStudioImport],
):
    """What people answered in Label Studio, taken over: labels, or votes in a campaign of their own."""

    queryset = LabelStudioImport.objects.select_related("created_by")
    serializer_class = LabelStudioImportSerializer
    permission_classes = [those_who(may_manage)]
    pagination_class = NewestFirst

    @extend_schema(
        request=LabelStudioBeginSerializer,
        responses={
            200: LabelStudioImportSerializer,
            201: LabelStudioImportSerializer,
            409: RefusedSerializer,
        },
    )
    def create(self, request: Request) -> Response:
        """Have answers taken in by a worker. Sent again, nothing counts twice.

        While a file is under way, the same request answers 200 with its import; another one for it is refused.
        """
        wanted = asked(LabelStudioBeginSerializer, request)
        where = _where(wanted)
        file = _kept(wanted)
        try:
            row = imports.begin(file, campaign_name=wanted.get("campaign", ""), by=request.user, **where)
        except CannotTakeIn:
            file.unlink(missing_ok=True)
            raise
        made = row.file == str(file)
        there = status.HTTP_201_CREATED if made else status.HTTP_200_OK
        return Response(LabelStudioImportSerializer(row).data, status=there)

    @extend_schema(request=LabelStudioFileSerializer, responses=OutlookSerializer)
    @action(detail=False, methods=["post"], pagination_class=None)
    def preview(self, request: Request) -> Response:
        """What would be taken, and what not and why; nothing is changed."""
        wanted = asked(LabelStudioFileSerializer, request)
        where = _where(wanted)
        file = _kept(wanted)
        try:
            found = imports.preview(file, **where)
        finally:
            file.unlink(missing_ok=True)
        earlier = found.earlier.pk if found.earlier else None
        told = {name: value for name, value in vars(found).items() if name not in ("reasons", "earlier")}
        reasons = [asdict(each) for each in found.reasons]
        return Response(OutlookSerializer({**told, "reasons": reasons, "earlier": earlier}).data)

    def go_on(self, row: LabelStudioImport) -> None:
        imports.resume(row)


def _kept(wanted: dict[str, Any]) -> Path:
    return imports.keep([json.dumps(wanted["tasks"]).encode()], name=wanted["file_name"])


def _where(wanted: dict[str, Any]) -> dict[str, Any]:
    """Arguments that preview and begin have in common. Raises OutsideRoots."""
    return {
        "name": wanted["file_name"],
        "source": wanted.get("source"),
        "folder": allowed(wanted["folder"]) if "folder" in wanted else None,
        "classes": wanted.get("classes"),
    }
