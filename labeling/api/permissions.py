"""The predicates of rules.py as DRF permissions."""

from collections.abc import Callable
from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request


def those_who(
    may_read: Callable[[Any], bool], may_write: Callable[[Any], bool] | None = None
) -> type[BasePermission]:
    """A permission class: may_read(user) for GET and HEAD, may_write (else may_read too) for the rest."""

    class ThoseWho(BasePermission):
        message = "Your account has no role for this. Ask an admin for it."

        def has_permission(self, request: Request, view: Any) -> bool:
            rule = may_read if request.method in SAFE_METHODS or may_write is None else may_write
            return rule(request.user)

    return ThoseWho
