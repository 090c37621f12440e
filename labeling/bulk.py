"""Read many rows of the database by columns, as Arrow tables: no row becomes a Python object.

On PostgreSQL by COPY, over a connection of its own and ahead of who reads: the server works meanwhile, and the usual
connection stays free for heartbeats. Inside a transaction, whose rows no other connection sees, over the usual one.
"""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from queue import Full, Queue
from threading import Event, Thread
from typing import Any

import numpy as np
import pyarrow as pa
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, F, Func, QuerySet
from django.db.models.sql.compiler import SQLCompiler
from numpy.typing import NDArray
from pyarrow import csv

_BLOCK = 2 * 1024**2
_ROWS = 5_000
_AHEAD = 2
_LOOK_S = 0.2

_AT_LEISURE = "SET idle_in_transaction_session_timeout = 0"
"""What is of one moment stays open while others work on what was read."""
_FEW_OF_MANY = "SET random_page_cost = 1.1"
"""Some thousand rows of a table of any size are looked up by their keys. As PostgreSQL comes, set up for a disk that
turns, it reads all of the table for them, each time."""

Put = Callable[[bytes], None]


class Among(Func):
    """For filter(): whether a column is one of these whole numbers, or of these texts, however many.

    They are put as one value. Django's `__in` takes each through its field and hands it over by itself: as long as
    looking the rows up takes.
    """

    output_field = BooleanField()

    def __init__(self, column: str, values: NDArray[np.integer[Any]] | Sequence[str]) -> None:
        put = ",".join(map(str, values.tolist())) if isinstance(values, np.ndarray) else tuple(values)
        super().__init__(F(column), values=put)

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_context: Any
    ) -> tuple[str, tuple[Any, ...]]:
        values = self.extra["values"]
        if isinstance(values, str):
            return self._said(compiler, "{column} = ANY(%s::bigint[])", f"{{{values}}}")
        return self._said(compiler, "{column} = ANY(%s::text[])", list(values))

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_context: Any
    ) -> tuple[str, tuple[Any, ...]]:
        values = self.extra["values"]
        array = f"[{values}]" if isinstance(values, str) else json.dumps(values)
        return self._said(compiler, "{column} IN (SELECT value FROM json_each(%s))", array)

    def _said(self, compiler: SQLCompiler, condition: str, values: Any) -> tuple[str, tuple[Any, ...]]:
        [column] = self.source_expressions
        name, before = compiler.compile(column)
        return condition.format(column=name), (*before, values)


def tables(rows: QuerySet[Any, Any], schema: pa.Schema, reader: "Reader | None" = None) -> Iterator[pa.Table]:
    """The rows of a values_list, some thousand at a time; its columns in the order of the schema. One statement.

    No column is converted by its field: JSON comes as text. Texts, whole numbers, fractions and booleans. reader: as of
    its moment.
    """
    if connection.vendor != "postgresql":
        yield from _fetched(rows, schema)
        return
    for block in _ahead(lambda raw, put: _copy(raw, rows, put), reader=reader):
        yield _parsed(block, schema)


def few(rows: QuerySet[Any, Any], schema: pa.Schema) -> pa.Table:
    """The rows of a values_list as `tables` has them, at once and over this connection: for some hundred of them."""
    return pa.concat_tables([schema.empty_table(), *_fetched(rows, schema)]).combine_chunks()


def table_each(
    chunks: Iterable[QuerySet[Any, Any]], schema: pa.Schema, reader: "Reader | None" = None
) -> Iterator[pa.Table]:
    """Of each values_list one table, as `tables` has them; the next ones are read meanwhile. One statement each."""
    if connection.vendor != "postgresql":
        for rows in chunks:
            yield pa.concat_tables([schema.empty_table(), *_fetched(rows, schema)]).combine_chunks()
        return

    def copy(raw: Any, put: Put) -> None:
        for rows in chunks:
            blocks: list[bytes] = []
            _copy(raw, rows, blocks.append)
            put(b"".join(blocks))

    for block in _ahead(copy, prepare=_FEW_OF_MANY, reader=reader):
        yield _parsed(block, schema)


def _fetched(rows: QuerySet[Any, Any], schema: pa.Schema) -> Iterator[pa.Table]:
    try:
        statement = rows.query.sql_with_params()
    except EmptyResultSet:
        return
    with connection.cursor() as cursor:
        cursor.execute(*statement)
        while some := cursor.fetchmany(_ROWS):
            columns = zip(*some, strict=True)
            yield pa.Table.from_arrays(
                [_array(values, field.type) for values, field in zip(columns, schema, strict=True)],
                schema=schema,
            )


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if pa.types.is_boolean(kind):
        return pa.array(map(bool, values), kind)
    if pa.types.is_string(kind):
        # A value out of JSON has the type it has there.
        return pa.array((None if value is None else str(value) for value in values), kind)
    return pa.array(values, kind)


def _copy(raw: Any, rows: QuerySet[Any, Any], put: Put) -> None:
    """Blocks of whole lines of CSV."""
    try:
        statement = rows.query.sql_with_params()
    except EmptyResultSet:
        return
    lines = _Lines(put)
    with raw.cursor() as cursor:
        asked = cursor.mogrify(*statement).decode()
        cursor.copy_expert(f"COPY ({asked}) TO STDOUT (FORMAT csv)", lines)
    lines.end()


class Reader:
    """Reads over a connection of its own, all of one moment, whoever goes on writing meanwhile. Only PostgreSQL's."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def anew(self) -> None:
        """What is asked from here on is of a later moment."""
        self._raw.rollback()

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """An answer, none of it converted by Django. Raises DatabaseError."""
        with connection.wrap_database_errors, self._raw.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def numbers(self, statement: str, *values: Any) -> NDArray[np.int64]:
        """(rows,) of a query for one column of whole numbers, none of them NULL."""
        packed = f"SELECT string_agg(int8send(found.number), ''::bytea) FROM ({statement}) AS found (number)"
        return self._packed(packed, *values)

    def pairs(self, statement: str, *values: Any) -> NDArray[np.int64]:
        """(2, rows) of a query for two columns of whole numbers; -1 for NULL in the second."""
        both = "int8send(found.one) || int8send(coalesce(found.other, -1))"
        packed = f"SELECT string_agg({both}, ''::bytea) FROM ({statement}) AS found (one, other)"
        return np.ascontiguousarray(self._packed(packed, *values).reshape(-1, 2).T)

    def _packed(self, statement: str, *values: Any) -> NDArray[np.int64]:
        [(data,)] = self.rows(statement, *values)
        return _unpacked(data)

    def numbers_and_count(
        self, number: str, statement: str, wanted: str, counted: str, *values: Any
    ) -> tuple[NDArray[np.int64], int]:
        """In one pass over the rows of a statement from its FROM on: the numbers of those for which `wanted` is true,
        and how many there are for which `counted` is.
        """
        packed = f"string_agg(int8send({number}), ''::bytea) FILTER (WHERE {wanted})"
        [(data, count)] = self.rows(
            f"SELECT {packed}, count(*) FILTER (WHERE {counted}) {statement}", *values
        )
        return _unpacked(data), count

    def show_to(self, raw: Any) -> None:
        """Have another connection look at the same moment."""
        [(name,)] = self.rows("SELECT pg_export_snapshot()")
        _look_back(raw)
        with raw.cursor() as cursor:
            cursor.execute("SET TRANSACTION SNAPSHOT %s", [name])


def _unpacked(data: Any) -> NDArray[np.int64]:
    """data: numbers as PostgreSQL sends them, 8 bytes each; NULL for none."""
    return np.frombuffer(bytes(data or b""), ">i8").astype(np.int64)


@contextmanager
def at_one_moment() -> Iterator[Reader | None]:
    """None where there is no PostgreSQL, and inside a transaction, whose rows no other connection sees."""
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        yield None
        return
    with _other_connection(_FEW_OF_MANY, _AT_LEISURE) as raw:
        _look_back(raw)
        yield Reader(raw)


def _look_back(raw: Any) -> None:
    """What is asked next is a transaction that goes on seeing what it saw at first."""
    raw.set_session(isolation_level="REPEATABLE READ", readonly=True, autocommit=False)


class _Lines:
    """A file for COPY, which writes line by line."""

    def __init__(self, put: Put) -> None:
        self._put, self._lines, self._size = put, list[bytes](), 0

    def write(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _BLOCK:
            self.end()

    def end(self) -> None:
        if self._lines:
            self._put(b"".join(self._lines))
            self._lines, self._size = [], 0


def _parsed(block: bytes, schema: pa.Schema) -> pa.Table:
    if not block:
        return schema.empty_table()
    return csv.read_csv(
        io.BytesIO(block),
        read_options=csv.ReadOptions(column_names=schema.names, use_threads=False, block_size=2 * _BLOCK),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        # What is NULL comes without quotes, an empty text within.
        convert_options=csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    ).combine_chunks()


def _ahead(
    copy: Callable[[Any, Put], None], prepare: str = "", reader: Reader | None = None
) -> Iterator[bytes]:
    """What is put by the copying. prepare: a statement for a connection of its own. reader: as of its moment."""
    if connection.in_atomic_block:
        blocks: list[bytes] = []
        connection.ensure_connection()
        copy(connection.connection, blocks.append)
        yield from blocks
        return
    with _other_connection(prepare, _AT_LEISURE) as raw:
        if reader is not None:
            reader.show_to(raw)
        with _thread(copy, raw) as found:
            yield from found


@contextmanager
def _other_connection(*prepare: str) -> Iterator[Any]:
    other = connection.copy()
    try:
        other.connect()
        with other.cursor() as cursor:
            for statement in filter(None, prepare):
                cursor.execute(statement)
        yield other.connection
    finally:
        other.close()


class _NotWanted(Exception):
    """Nobody reads any more."""


@contextmanager
def _thread(copy: Callable[[Any, Put], None], raw: Any) -> Iterator[Iterator[bytes]]:
    """Copy in a thread; at the end of the block it is over, also where not everything was read."""
    waiting: Queue[bytes | BaseException | None] = Queue(_AHEAD)
    over = Event()

    def put(block: bytes | BaseException | None) -> None:
        while not over.is_set():
            try:
                waiting.put(block, timeout=_LOOK_S)
            except Full:
                continue
            return
        raise _NotWanted

    def run() -> None:
        try:
            copy(raw, put)
            put(None)
        except _NotWanted:
            pass
        except BaseException as error:  # noqa: BLE001  # whoever reads raises it
            if not over.is_set():
                put(error)

    def found() -> Iterator[bytes]:
        while (block := waiting.get()) is not None:
            if isinstance(block, BaseException):
                raise block
            yield block

    thread = Thread(target=run, name="bulk reading", daemon=True)
    thread.start()
    try:
        yield found()
    finally:
        over.set()
        thread.join(_LOOK_S)
        while thread.is_alive():
            raw.cancel()
            thread.join(_LOOK_S)
