"""Reading what a request asks for."""

from typing import Any

from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request


def asked(serializer: type[serializers.BaseSerializer[Any]], request: Request) -> dict[str, Any]:
    """What the body says, or of a GET the query. Raises ValidationError, field by field."""
    given = request.query_params if request.method in SAFE_METHODS else request.data
    read = serializer(data=given)
    read.is_valid(raise_exception=True)
    return dict(read.validated_data)
