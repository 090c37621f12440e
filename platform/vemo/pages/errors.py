"""What is answered where no view answers: JSON to programs below /api/, a page to people."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views import defaults


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return _told(request, HTTPStatus.BAD_REQUEST) or defaults.bad_request(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return _told(request, HTTPStatus.NOT_FOUND) or defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    return _told(request, HTTPStatus.INTERNAL_SERVER_ERROR) or defaults.server_error(request)


def _told(request: HttpRequest, status: HTTPStatus) -> JsonResponse | None:
    """The API's own answer, in the shape its endpoints use; None for everything else on the site."""
    if not request.path.startswith("/api/"):
        return None
    return JsonResponse({"detail": f"{status.phrase}."}, status=status)
