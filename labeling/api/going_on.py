"""Stopping work and letting it go on: endpoints of every view set whose rows are work."""

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import work
from labeling.models import Work

W = TypeVar("W", bound=Work)


def moved(row: W, move: Callable[[W], Any], shown: type[serializers.BaseSerializer[W]]) -> Response:
    """The row after the move, as `shown` has it. Raises the move's refusals."""
    move(row)
    return Response(shown(row).data)


class StopMixin(viewsets.GenericViewSet[W]):
    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, pk: str) -> Response:
        """Stop at the next step; what is done stays."""
        return moved(self.get_object(), work.stop, self.get_serializer_class())


class _GoesOn(viewsets.GenericViewSet[W]):
    def go_on(self, row: W) -> None:
        """Queue a row that has stopped or failed. Raises CannotMove."""
        work.restart(row)

    def _gone_on(self) -> Response:
        return moved(self.get_object(), self.go_on, self.get_serializer_class())


class RestartMixin(_GoesOn[W]):
    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def restart(self, request: Request, pk: str) -> Response:
        """Go on with one that stopped or failed."""
        return self._gone_on()


class ResumeMixin(_GoesOn[W]):
    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Go on with one that stopped or failed."""
        return self._gone_on()
