"""How the API says no."""

from typing import Any

from rest_framework.response import Response
from rest_framework.views import exception_handler

from labeling.refusals import Refusal


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """A verb's refusal becomes 409 {"error": text, "code": code}; the rest is REST framework's own."""
    if isinstance(error, Refusal):
        return Response({"error": str(error), "code": getattr(error, "code", "refused")}, status=409)
    return exception_handler(error, context)
