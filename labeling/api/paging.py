from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):
    """Keyset pages by primary key: the millionth row costs what the first does."""

    ordering = "-pk"
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000
