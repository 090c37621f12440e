"""The one way a page is closed to those it is not for."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def door(may_enter: Callable[[Any], bool]) -> Callable[[View[P]], View[P]]:
    """Let in those for whom may_enter(user) holds; strangers go to sign-in, others get 403."""

    def guard(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not may_enter(request.user):
                raise PermissionDenied(_("Your account has no role for this page. Ask an admin for it."))
            return view(request, *args, **kwargs)

        return guarded

    return guard
