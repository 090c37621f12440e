"""The API's own pages: schema, documentation, token."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework.parsers import JSONParser


class TokenView(ObtainAuthToken):
    parser_classes = (JSONParser,)


urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
    path("token/", TokenView.as_view(), name="api-token"),
]
