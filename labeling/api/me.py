"""Who is asking."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class MeSerializer(serializers.Serializer[Any]):
    username = serializers.CharField()
    is_annotator = serializers.BooleanField()
    is_manager = serializers.BooleanField()
    is_trainer = serializers.BooleanField()
    is_superuser = serializers.BooleanField()


class MeView(APIView):
    @extend_schema(responses=MeSerializer)
    def get(self, request: Request) -> Response:
        """Your name and roles."""
        return Response(MeSerializer(request.user).data)
