"""Reading what a request asks for."""

from typing import Any

from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request


def asked(serializer: type[serializers.BaseSerializer[Any]], request: Request) -> dict[str, Any]:
    """What the body says, or of a GET the query. Raises ValidationError, field by field."""
    given = _queried(serializer, request) if request.method in SAFE_METHODS else request.data
    read = serializer(data=given)
    read.is_valid(raise_exception=True)
    return dict(read.validated_data)


def _queried(serializer: type[serializers.BaseSerializer[Any]], request: Request) -> dict[str, Any]:
    """A plain dict: of a form's data an empty text counts as left out, and here it is one that names nothing. What a
    field takes many of is named again for each.
    """
    query, fields = request.query_params, getattr(serializer(), "fields", {})
    many = (serializers.ListField, serializers.ManyRelatedField)
    return {
        name: query.getlist(name) if isinstance(fields.get(name), many) else query[name] for name in query
    }
