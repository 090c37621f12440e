"""What the API's OpenAPI schema says beside the answers that go well: how each endpoint says no."""

from collections.abc import Iterator
from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS, AllowAny, IsAuthenticated

Direction = Literal["request", "response"]


class DetailSerializer(serializers.Serializer[Any]):
    """Why there is no answer."""

    detail = serializers.CharField()


class RefusedSerializer(serializers.Serializer[Any]):
    """What was asked can be read, but is refused here or now."""

    error = serializers.CharField(help_text="What happened and what to do, for people.")
    code = serializers.CharField(help_text="Which refusal, for programs; most are just `refused`.")


INVALID = {
    "type": "object",
    "additionalProperties": {},
    "description": "Field → what is wrong with it; `non_field_errors` of the whole; `detail` of a body that "
    "cannot be read.",
}


class WithRefusals(AutoSchema):
    """Adds every status from 400 to 499 that the endpoint may answer, with its body.

    Without a word about 405: it answers a method the schema does not have.
    """

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for code, body, when in self._refusals():
            if code not in bodies:
                said = self._get_response_for_code(body, code)  # type: ignore[no-untyped-call]
                bodies[code] = {**said, "description": when}
        return dict(sorted(bodies.items()))

    def _refusals(self) -> Iterator[tuple[str, Any, str]]:
        """(status, body, when) of each way to say no that this operation has."""
        changes = self.method not in SAFE_METHODS
        reads_body = changes and self.get_request_serializer() is not None
        pages = bool(self._get_pagination_parameters())  # type: ignore[no-untyped-call]
        if reads_body or pages or self.get_override_parameters():
            yield "400", INVALID, "What was asked cannot be read, or names what does not exist."
        if self.view.authentication_classes:
            yield "401", DetailSerializer, "No token, or one that is not known."
            if changes or self._asks_for_a_role():
                yield "403", DetailSerializer, "Your account has no role for this."
            if changes:
                yield "409", RefusedSerializer, "Refused; nothing was changed."
        if pages or "{" in self.path:
            yield "404", DetailSerializer, "There is no such thing, or no such page."
        yield "406", DetailSerializer, "Answers are JSON, and you accept none."
        if reads_body:
            yield "415", DetailSerializer, "The body is not JSON."

    def _asks_for_a_role(self) -> bool:
        return not all(isinstance(each, (AllowAny, IsAuthenticated)) for each in self.view.get_permissions())
