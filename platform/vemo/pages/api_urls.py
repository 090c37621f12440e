"""The API's own pages: schema, documentation, token."""

from datetime import timedelta
from typing import Any

from django.urls import path
from django.utils import translation
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework import serializers
from rest_framework.authtoken.serializers import AuthTokenSerializer
from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.parsing import StorableJSON
from labeling.api.schema import DetailSerializer
from vemo.accounts import guessing


class TokenSerializer(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="Send it as `Authorization: Token …`.")


class HeldUp(APIException):
    """Too many passwords were wrong."""

    status_code = 429

    def __init__(self, left: timedelta) -> None:
        super().__init__(guessing.told(left))
        self.wait = guessing.seconds(left)


class PasswordSerializer(AuthTokenSerializer):
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        try:
            known: dict[str, Any] = super().validate(attrs)
        except serializers.ValidationError:
            left = guessing.wait(self.context["request"], attrs["username"])
            if left is not None:
                raise HeldUp(left) from None
            raise
        return known


class TokenView(ObtainAuthToken):
    parser_classes = (StorableJSON,)
    # Who comes for a token may well send one that is no longer good.
    authentication_classes = ()

    serializer_class = PasswordSerializer

    @extend_schema(request=AuthTokenSerializer, responses={200: TokenSerializer, 429: DetailSerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A token for a name and a password; the one you have already, if any."""
        return super().post(request, *args, **kwargs)


class SchemaView(SpectacularAPIView):
    """In English for everybody: half of it is written by hand, and clients are generated from it."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with translation.override("en"):
            answer: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        return answer


urlpatterns = [
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
    path("token/", TokenView.as_view(), name="api-token"),
]
