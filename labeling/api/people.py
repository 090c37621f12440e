"""A campaign's annotators, their votes put aside, and the record of what was done: endpoints of the campaigns."""

from typing import Any

from django.contrib.auth import get_user_model
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import annotator_queries, discards, log, people
from labeling.api.asking import asked
from labeling.api.paging import NewestFirst
from labeling.api.permissions import those_who
from labeling.api.serializers.common import MOST
from labeling.models import AuditEntry, Campaign
from labeling.rules import may_manage

Managers = those_who(may_manage)


class AnnotatorAskedSerializer(serializers.Serializer[Any]):
    annotator = serializers.SlugRelatedField(
        slug_field="username", queryset=get_user_model().objects.all(), help_text="A username."
    )


class PauseSerializer(AnnotatorAskedSerializer):
    reason = serializers.CharField(min_length=people.SHORTEST_REASON, max_length=people.LONGEST_REASON)


class ResumeSerializer(AnnotatorAskedSerializer):
    reason = serializers.CharField(required=False, default="", max_length=people.LONGEST_REASON)


class DiscardSerializer(PauseSerializer):
    since = serializers.DateTimeField(help_text="Votes cast then or later.")
    pause = serializers.BooleanField(required=False, default=False, help_text="Pause the annotator too.")


class PreviewAskedSerializer(AnnotatorAskedSerializer):
    since = serializers.DateTimeField()


class DiscardPreviewSerializer(serializers.Serializer[Any]):
    votes = serializers.IntegerField()
    faces = serializers.IntegerField()
    reopened = serializers.IntegerField(help_text="Settled faces that would be open again.")
    changed = serializers.IntegerField(help_text="Of these, those whose label the other votes do not give.")


class DiscardedSerializer(serializers.Serializer[Any]):
    discard = serializers.IntegerField(source="discard.pk", help_text="Restore it by this number.")
    votes = serializers.IntegerField()
    faces = serializers.IntegerField()
    open = serializers.IntegerField(help_text="Faces of these votes that wait for others now.")
    finished = serializers.BooleanField(
        help_text="False: a worker moves the rest, and these are figures so far."
    )


class RestoreSerializer(serializers.Serializer[Any]):
    discard = serializers.IntegerField(min_value=0, max_value=MOST)


class RestoredSerializer(serializers.Serializer[Any]):
    votes = serializers.IntegerField(help_text="Votes that count again.")
    aside = serializers.IntegerField(help_text="Votes whose place somebody else has taken.")
    finished = serializers.BooleanField(help_text="False: a worker counts them again.")


class FlagSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    sentence = serializers.CharField()


class AnnotatorSerializer(serializers.Serializer[Any]):
    """One annotator's figures; null where nothing can be said."""

    name = serializers.CharField()
    votes = serializers.IntegerField()
    last = serializers.DateTimeField()
    per_hour = serializers.SerializerMethodField()
    median_ms = serializers.SerializerMethodField()
    too_fast = serializers.SerializerMethodField()
    agreement = serializers.SerializerMethodField()
    faces = serializers.IntegerField()
    gold = serializers.IntegerField()
    gold_right = serializers.SerializerMethodField()
    entropy = serializers.FloatField()
    answers = serializers.DictField(child=serializers.IntegerField())
    flags = FlagSerializer(many=True)

    def get_per_hour(self, person: annotator_queries.Annotator) -> float | None:
        return _known(person.per_hour)

    def get_median_ms(self, person: annotator_queries.Annotator) -> float | None:
        return _known(person.median_ms)

    def get_too_fast(self, person: annotator_queries.Annotator) -> float | None:
        return _known(person.too_fast)

    def get_agreement(self, person: annotator_queries.Annotator) -> float | None:
        return _known(person.agreement)

    def get_gold_right(self, person: annotator_queries.Annotator) -> float | None:
        return _known(person.gold_right)


def _known(number: float) -> float | None:
    """JSON has no NaN."""
    return None if number != number else number


class EntrySerializer(serializers.ModelSerializer[AuditEntry]):
    by = serializers.CharField(source="by.username", default=None, allow_null=True)
    annotator = serializers.CharField(source="annotator.username", default=None, allow_null=True)
    said = serializers.SerializerMethodField(help_text="The verb, for people.")

    class Meta:
        model = AuditEntry
        fields = ("id", "made_at", "verb", "said", "by", "annotator", "campaign_face", "reason", "details")

    @extend_schema_field(str)
    def get_said(self, entry: AuditEntry) -> str:
        return log.deed(entry)


class PeopleMixin(viewsets.GenericViewSet[Campaign]):
    """What managers do about a campaign's annotators."""

    @extend_schema(responses=AnnotatorSerializer(many=True))
    @action(detail=True, permission_classes=[Managers], pagination_class=None)
    def annotators(self, request: Request, pk: str) -> Response:
        """Who votes, how fast, and whose answers stand apart."""
        found = annotator_queries.survey(self.get_object())
        return Response(AnnotatorSerializer(found.people, many=True).data)

    @extend_schema(request=PauseSerializer, responses={204: None})
    @action(detail=True, methods=["post"], permission_classes=[Managers], url_path="pause-annotator")
    def pause_annotator(self, request: Request, pk: str) -> Response:
        """Let somebody vote no more here for now; what they hold goes to others."""
        people.pause_annotator(campaign=self.get_object(), by=request.user, **asked(PauseSerializer, request))
        return Response(status=204)

    @extend_schema(request=ResumeSerializer, responses={204: None})
    @action(detail=True, methods=["post"], permission_classes=[Managers], url_path="resume-annotator")
    def resume_annotator(self, request: Request, pk: str) -> Response:
        """Let a paused annotator vote again."""
        people.resume_annotator(
            campaign=self.get_object(), by=request.user, **asked(ResumeSerializer, request)
        )
        return Response(status=204)

    @extend_schema(request=PreviewAskedSerializer, responses=DiscardPreviewSerializer)
    @action(detail=True, methods=["post"], permission_classes=[Managers], url_path="preview-discard")
    def preview_discard(self, request: Request, pk: str) -> Response:
        """What putting votes aside would do; nothing is changed."""
        wanted = asked(PreviewAskedSerializer, request)
        return Response(
            DiscardPreviewSerializer(discards.preview_discard(campaign=self.get_object(), **wanted)).data
        )

    @extend_schema(request=DiscardSerializer, responses=DiscardedSerializer)
    @action(detail=True, methods=["post"], permission_classes=[Managers])
    def discard(self, request: Request, pk: str) -> Response:
        """Put somebody's votes since a moment aside; their faces ask others instead."""
        wanted = asked(DiscardSerializer, request)
        told = discards.discard(
            campaign=self.get_object(), by=request.user, at_once=discards.AT_ONCE, **wanted
        )
        return Response(DiscardedSerializer(told).data)

    @extend_schema(request=RestoreSerializer, responses=RestoredSerializer)
    @action(detail=True, methods=["post"], permission_classes=[Managers])
    def restore(self, request: Request, pk: str) -> Response:
        """Count votes again that were put aside, where their place is still free."""
        wanted = asked(RestoreSerializer, request)
        made = get_object_or_404(self.get_object().discards, pk=wanted["discard"])
        told = discards.restore(discard=made, by=request.user, at_once=discards.AT_ONCE)
        return Response(RestoredSerializer(told).data)

    @extend_schema(responses=EntrySerializer(many=True))
    @action(detail=True, permission_classes=[Managers], pagination_class=NewestFirst)
    def log(self, request: Request, pk: str) -> Response:
        """Who did what in the campaign, newest first."""
        entries: Any = log.entries(self.get_object())
        page: Any = self.paginate_queryset(entries)
        return self.get_paginated_response(EntrySerializer(page, many=True).data)
