"""What a body may hold whatever endpoint it is for."""

from collections.abc import Iterator, Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class StorableJSON(JSONParser):
    """JSON whose texts a database can store: no NUL, and no half of a pair of surrogates, in keys either.

    Raises ParseError, also for JSON nested deeper than can be read.
    """

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            body = super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("JSON parse error - nested too deeply") from None
        for text in _texts(body):
            if "\0" in text:
                raise ParseError("Null characters are not allowed in texts.")
            if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
                raise ParseError("Half of a surrogate pair is not allowed in texts.")
        return body


def _texts(body: Any) -> Iterator[str]:
    """Every text in it, keys too; by a stack of our own, so that depth does not matter."""
    left = [body]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            left.extend(each)
            left.extend(each.values())
        elif isinstance(each, list):
            left.extend(each)
