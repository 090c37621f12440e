"""A campaign's gold and the examples of its instructions: endpoints of the campaigns, for managers."""

from typing import Any

from django.contrib.auth import get_user_model
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import examples, gold, qualification
from labeling.api.asking import asked
from labeling.api.permissions import those_who
from labeling.api.serializers.common import MOST
from labeling.models import Campaign
from labeling.rules import may_manage

Managers = those_who(may_manage)


class FaceAskedSerializer(serializers.Serializer[Any]):
    face = serializers.IntegerField(
        min_value=1, max_value=MOST, help_text="A face; it need not be in the campaign."
    )


class SetGoldSerializer(FaceAskedSerializer):
    answer = serializers.CharField(
        max_length=40, help_text="An expression of the campaign, `cant_tell` or `not_a_face`."
    )
    note = serializers.CharField(required=False, default="", allow_blank=True, max_length=gold.LONGEST_NOTE)
    qualification = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Asked in the qualification, with feedback; else mixed in unannounced.",
    )


class GoldSerializer(serializers.Serializer[Any]):
    """A gold face, and what people said of it: of each person the first answer."""

    face = serializers.IntegerField()
    answer = serializers.CharField(source="gold.answer")
    note = serializers.CharField(source="gold.note")
    qualification = serializers.BooleanField(source="gold.qualification")
    made_at = serializers.DateTimeField(source="gold.made_at")
    answered = serializers.IntegerField()
    right = serializers.IntegerField()
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="Answer → people.")
    doubtful = serializers.BooleanField(help_text="Most people contradict it.")


class SetExampleSerializer(FaceAskedSerializer):
    expression = serializers.CharField(max_length=40)
    note = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=examples.LONGEST_NOTE
    )


class ExampleSerializer(serializers.Serializer[Any]):
    expression = serializers.CharField()
    face = serializers.IntegerField()
    note = serializers.CharField()


class ResetSerializer(serializers.Serializer[Any]):
    annotator = serializers.SlugRelatedField(
        slug_field="username", queryset=get_user_model().objects.all(), help_text="A username."
    )


class GoldMixin(viewsets.GenericViewSet[Campaign]):
    """Of a view set of campaigns: what is known beforehand, and shown or asked."""

    @extend_schema(responses=GoldSerializer(many=True))
    @action(detail=True, permission_classes=[Managers], pagination_class=None)
    def gold(self, request: Request, pk: str) -> Response:
        """Every gold face and how people do on it; those most people contradict come first."""
        return Response(GoldSerializer(gold.figures(self.get_object()), many=True).data)

    @extend_schema(request=SetGoldSerializer, responses={204: None})
    @action(detail=True, methods=["post"], permission_classes=[Managers])
    def set_gold(self, request: Request, pk: str) -> Response:
        """Say what a face shows, or say it anew. A face that is being voted on is refused."""
        wanted = asked(SetGoldSerializer, request)
        gold.set_gold(campaign=self.get_object(), by=request.user, **wanted)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=FaceAskedSerializer, responses={204: None})
    @action(detail=True, methods=["post"], permission_classes=[Managers])
    def remove_gold(self, request: Request, pk: str) -> Response:
        """Ask the face no more as gold; what people answered stays."""
        wanted = asked(FaceAskedSerializer, request)
        gold.remove_gold(campaign=self.get_object(), by=request.user, **wanted)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=ExampleSerializer(many=True))
    @action(detail=True, permission_classes=[Managers], pagination_class=None)
    def examples(self, request: Request, pk: str) -> Response:
        """The faces the instructions show, by expression."""
        rows = [
            {"expression": expression, "face": face, "note": note}
            for expression, faces in examples.of(self.get_object())
            for face, note in faces
        ]
        return Response(ExampleSerializer(rows, many=True).data)

    @extend_schema(request=SetExampleSerializer, responses={204: None})
    @action(detail=True, methods=["post"], permission_classes=[Managers])
    def set_example(self, request: Request, pk: str) -> Response:
        """Show a face in the instructions. Gold is refused: it would give its answer away."""
        wanted = asked(SetExampleSerializer, request)
        examples.set_example(campaign=self.get_object(), by=request.user, **wanted)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=FaceAskedSerializer, responses={204: None})
    @action(detail=True, methods=["post"], permission_classes=[Managers])
    def remove_example(self, request: Request, pk: str) -> Response:
        """Show the face no more."""
        wanted = asked(FaceAskedSerializer, request)
        examples.remove_example(campaign=self.get_object(), by=request.user, **wanted)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=ResetSerializer, responses={204: None})
    @action(detail=True, methods=["post"], permission_classes=[Managers])
    def reset_attempts(self, request: Request, pk: str) -> Response:
        """Let somebody who failed the qualification try again, as often as one who begins."""
        wanted = asked(ResetSerializer, request)
        qualification.reset_attempts(campaign=self.get_object(), by=request.user, **wanted)
        return Response(status=status.HTTP_204_NO_CONTENT)
