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


class Asked(NewestFirst):
    """The same, of a list with an order of its own: in place of a queryset it takes who is asked for rows.

    That is called with after, the key behind which they begin (0: none), limit, and newest_first.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.request, self.base_url = request, request.build_absolute_uri()
        self.ordering, self.page_size = (self.ordering,), self.get_page_size(request)  # type: ignore[assignment]
        self.cursor = self.decode_cursor(request)
        back = self.cursor is not None and self.cursor.reverse
        here = None if self.cursor is None else self.cursor.position
        rows: list[Any] = queryset(after=int(here or 0), limit=self.page_size + 1, newest_first=not back)
        beyond = str(rows[-1].pk) if len(rows) > self.page_size else None
        page = rows[: self.page_size]
        self.page = page[::-1] if back else page
        ends = (beyond, here) if back else (here, beyond)
        self.previous_position, self.next_position = ends  # type: ignore[assignment]
        self.has_previous, self.has_next = (end is not None for end in ends)
        return self.page
