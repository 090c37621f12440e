import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.labeling.fetching.servers import Server, serving
from tests.labeling.sources.hostile.rows import Bait, Cells
from tests.labeling.sources.places import png

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="package")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cells]:
    """The process that forks the cells, and the bait that nobody may take."""
    home = tmp_path_factory.mktemp("cells")
    (home / "secret.txt").write_text("a secret of this machine\n")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "vemo.settings",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
        "DATABASE_URL": f"sqlite:///{home}/first.sqlite3",
        "VEMO_HOME": str(home),
        "FETCH_ALLOW_ADDRESSES": "127.0.0.1",
        "FETCH_PER_SECOND": "1000",
        "LOG_LEVEL": "ERROR",
        # A fork takes no threads along.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "tests.labeling.sources.hostile.cell"]
    with serving(Server()) as server:
        for number, name in enumerate(("a-good.png", "z-good.png")):
            server.answers[f"/{name}"] = lambda far, n=number: far.say(200, png(n))
        bait = Bait(server.url, home / "secret.txt")
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            yield Cells(process, server, bait)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)
            assert process.stdout is not None
            process.stdout.close()
