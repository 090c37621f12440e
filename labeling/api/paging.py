"""Pages of long lists."""

from typing import Any

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request


class NewestFirst(CursorPagination):
    """Keyset pages by primary key: the millionth row costs what the first does.

    A page size that is no number from 1 up is refused with 400, a cursor we did not make with 404.
    """

    ordering = "-pk"
    page_size = 100
    page_size_query_param = "page_size"
    page_size_query_description = "Rows of a page; more than 1000 are taken for 1000."
    max_page_size = 1000

    def get_page_size(self, request: Request) -> int:
        asked = request.query_params.get("page_size")
        if asked is None:
            return self.page_size
        if not (asked.isascii() and asked.isdigit() and asked.strip("0")):
            raise ValidationError({"page_size": ["A whole number from 1 up."]})
        return self.max_page_size if len(asked) > 4 else min(int(asked), self.max_page_size)

    def decode_cursor(self, request: Request) -> Cursor | None:
        cursor = super().decode_cursor(request)
        # A position is compared with primary keys; the framework hands on whatever the address says.
        if cursor is not None and cursor.position is not None:
            at = str(cursor.position)
            if not (at.isascii() and at.isdigit() and int(at[:20]) < 2**63):
                raise NotFound(self.invalid_cursor_message)
        return cursor

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        parameters = super().get_schema_operation_parameters(view)
        for each in parameters:
            if each["name"] == self.page_size_query_param:
                each["schema"]["minimum"] = 1
        return parameters
