"""The whole loop, as a stranger starts it: from drawn media to a second snapshot after a relabel round."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COUNTED = (
    "labeling_source",
    "labeling_item",
    "labeling_media",
    "labeling_face",
    "labeling_campaign",
    "labeling_campaignface",
    "labeling_vote",
    "labeling_snapshot",
    "labeling_export",
    "training_trainingrun",
    "training_evaluation",
    "training_relabelround",
    "training_relabelface",
    "labeling_suggestion",
    "accounts_user",
)


def demo(home: Path) -> str:
    """Run it and return what it said; fails the test with the workers' log."""
    quiet = {
        key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "PYTEST_CURRENT_TEST")
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "demo", "--no-serve"],
        cwd=ROOT,
        env={**quiet, "VEMO_HOME": str(home), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    log = home / "demo" / "workers.log"
    said = done.stdout + done.stderr + (log.read_text()[-3000:] if log.exists() else "")
    assert done.returncode == 0, said
    return done.stdout


def ask(home: Path, sql: str) -> list[tuple]:
    with sqlite3.connect(home / "vemo.sqlite3") as database:
        rows = database.execute(sql).fetchall()
    database.close()
    return rows


def counts(home: Path) -> dict[str, int]:
    return {table: ask(home, f"SELECT count(*) FROM {table}")[0][0] for table in COUNTED}


@pytest.mark.slow
@pytest.mark.worker
@pytest.mark.xdist_group("journey")
def test_the_loop_runs_once_for_real_and_a_second_start_doubles_nothing(tmp_path: Path) -> None:
    said = demo(tmp_path)
    for stage in (
        "Draw media",
        "Ingest",
        "Find faces",
        "Votes",
        "Freeze",
        "Train",
        "Evaluate",
        "Relabel round",
    ):
        assert stage in said

    # Ten votes of ten people on every face of the campaign that was voted on, by the votes themselves.
    first_round = """
        SELECT count(*), count(DISTINCT annotator_id) FROM labeling_vote WHERE round = 1 GROUP BY campaign_face_id
    """
    assert set(ask(tmp_path, first_round)) == {(10, 10)}
    assert ask(tmp_path, "SELECT count(*) FROM labeling_vote WHERE round = 2")[0][0] > 0
    states = {state for (state,) in ask(tmp_path, "SELECT state FROM training_trainingrun")}
    assert states == {"done"}

    digests = [digest for (digest,) in ask(tmp_path, "SELECT digest FROM labeling_snapshot ORDER BY id")]
    assert len(digests) == len(set(digests)) == 2

    before = counts(tmp_path)
    demo(tmp_path)
    assert counts(tmp_path) == before
