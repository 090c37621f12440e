"""Which rows of the database have changed since a moment, as PostgreSQL itself knows it.

Each row bears the number of the transaction that wrote it (xmin), and numbers grow. So rows with a number from before
the oldest transaction that ran at some moment are as everybody saw them then, and all others may have changed. It costs
those who write nothing. Rows that were deleted are not there to tell: whoever needs to know counts those that are left.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from django.db import DatabaseError, models
from numpy.typing import NDArray

from labeling.bulk import Reader

_FAR = 2**30
"""Rows bear but 32 bits of their transaction's number: it tells what is later up to half of 2**32."""
Whole: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Moment:
    """place: which tables of which server, and since which fail-over: numbers of transactions mean nothing elsewhere.

    horizon: every transaction of this database with a smaller number was over.
    """

    place: str
    horizon: int

    def reaches(self, later: "Moment") -> bool:
        """Whether it can be told what has changed from this one to the later one."""
        return self.place == later.place and 0 <= later.horizon - self.horizon < _FAR


def of(reader: Reader, tables: tuple[type[models.Model], ...]) -> Moment | None:
    """The moment from which on the reader looks. None where the server does not tell what it takes.

    What ran in this database when numbers had come so far either still runs a little later, and is told, or is over by
    then, and seen by whoever reads after that. So the reader begins anew between the questions, and after the last.
    """
    names = [table._meta.db_table for table in tables]
    try:
        [(*place, next_one)] = reader.rows(_PLACE, names)
        reader.anew()
        running = reader.rows(_RUNNING)
        reader.anew()
    except DatabaseError:
        return None
    behind = [(int(next_one) - int(number)) % 2**32 for (number,) in running]
    # One that has begun since is ahead.
    behind = [distance for distance in behind if distance < 2**31]
    return Moment("/".join(map(str, place)), int(next_one) - max(behind, default=0))


_PLACE = """
    SELECT (SELECT system_identifier FROM pg_control_system()),
           left(pg_walfile_name(pg_current_wal_lsn()), 8),
           (SELECT oid FROM pg_database WHERE datname = current_database()),
           (SELECT string_agg(to_regclass(name)::oid::text, ',') FROM unnest(%s::text[]) AS name),
           pg_snapshot_xmax(pg_current_snapshot())::text
"""
_RUNNING = """
    SELECT backend_xid::text FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL
    UNION ALL
    SELECT transaction::text FROM pg_prepared_xacts WHERE database = current_database()
"""


def changed(reader: Reader, since: Moment, table: type[models.Model], number: str = "id") -> Whole:
    """The numbers in this column of the rows that were written since, or may have been; not of those with none."""
    return reader.numbers(
        f"SELECT {number} FROM {table._meta.db_table} WHERE {later(since)} AND {number} IS NOT NULL"
    )


def later(since: Moment) -> str:
    """The condition that a row was written since, or may have been."""
    return f"age(xmin) <= age('{since.horizon % 2**32}'::xid)"
