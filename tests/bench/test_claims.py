"""The claims' scripts: what they keep is enough to score again, and a run that was cut short goes on."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from bench import fer2013
from bench.claims.__main__ import main
from bench.claims.folders import SMOKE_FACES, official
from bench.claims.logits import SPLITS, VIEWS, keep, read
from bench.claims.plans import CLAIMS, Claim, Training
from bench.claims.running import logits_file, run
from bench.claims.scoring import score
from training.core.predictions import Predictions
from training.core.progress import Display
from training.core.refusals import Stopped
from training.core.stopping import Stopper

DATA = Path("../shared/data")
FACES = 60


@pytest.mark.parametrize(
    ("votes", "label"),
    [
        ([6, 0, 0, 4, 0, 0, 0, 0, 0, 0], 0),
        ([5, 1, 1, 1, 1, 1, 0, 0, 0, 0], 0),  # single votes do not count: five of five
        ([5, 0, 0, 5, 0, 0, 0, 0, 0, 0], None),
        ([4, 3, 0, 3, 0, 0, 0, 0, 0, 0], None),
        ([0, 0, 2, 0, 0, 0, 0, 0, 8, 0], None),
        ([0, 0, 2, 0, 0, 0, 0, 0, 0, 8], None),
    ],
)
def test_the_official_filter_wants_a_strict_majority_for_an_expression(
    votes: list[int], label: int | None
) -> None:
    assert official(np.array(votes)) == label


def said(seed: int, sure: float = 3.0) -> dict[tuple[str, str], Predictions]:
    """Answers of a made-up network that is often right."""
    dice = np.random.default_rng(seed)
    labels = np.arange(FACES) % len(fer2013.SEVEN)
    found = {}
    for view in VIEWS:
        for split in SPLITS:
            logits = dice.normal(size=(FACES, len(fer2013.SEVEN))) + sure * np.eye(len(fer2013.SEVEN))[labels]
            shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            keys = tuple(map(str, range(FACES)))
            found[view, split] = Predictions(fer2013.SEVEN, keys, np.arange(FACES), labels, shares)
    return found


def test_kept_logits_say_what_was_said(tmp_path: Path) -> None:
    before = said(0)
    keep(tmp_path / "one.npz", before, "d" * 64)
    after = read(tmp_path / "one.npz")
    assert after.keys() == before.keys()
    for place, one in after.items():
        assert one.classes == fer2013.SEVEN
        assert np.array_equal(one.labels, before[place].labels)
        np.testing.assert_allclose(one.probabilities, before[place].probabilities, rtol=0.02)


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_is_scored_from_its_logits_alone(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claim = CLAIMS[name]
    for number, training in enumerate(claim.trainings):
        keep(logits_file(tmp_path, training), said(number), "d" * 64)
    found = score(claim, tmp_path)
    assert found["runs"].keys() == {training.name for training in claim.trainings}
    assert found["holds"].keys() == claim.aims.keys()
    assert main(["score", str(tmp_path)]) == 1  # nothing was written
    (tmp_path / f"{name}.json").write_text(json.dumps(found))
    written = {other for other in CLAIMS if not _absent(CLAIMS[other], tmp_path)}
    for other in written - {name}:
        (tmp_path / f"{other}.json").write_text(json.dumps(score(CLAIMS[other], tmp_path)))
    assert main(["score", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert f"{name}: {claim.about}" in told
    assert ("not run;" in told) == (len(written) < len(CLAIMS))


def _absent(claim: Claim, out: Path) -> bool:
    return any(not logits_file(out, training).exists() for training in claim.trainings)


def test_the_paired_interval_holds_the_difference(tmp_path: Path) -> None:
    for training in CLAIMS["central"].trainings:
        better = training.network == "resmasking"
        keep(logits_file(tmp_path, training), said(training.config().seed, 5.0 if better else 1.0), "d" * 64)
    found = score(CLAIMS["central"], tmp_path)
    assert 0 < found["interval"][0] < found["difference"] < found["interval"][1]
    assert [pair["difference"] > 0 for pair in found["seeds"]] == [True] * 3


def test_the_claims_are_run_without_django() -> None:
    """What is carried to a machine with a card needs no more there than the core does."""
    program = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"django", "celery", "rest_framework", "vemo"}:
            raise ImportError(f"{name} must not be imported here")

sys.meta_path.insert(0, Refuse())
from bench.claims.__main__ import main
main(["list"])
strangers = [name for name in sys.modules if name.startswith("labeling.")]
print(*strangers)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "central" in done.stdout
    pure = ("labeling.snapshots", "labeling.vision", "labeling.sayings")
    assert all(name.startswith(pure) for name in done.stdout.splitlines()[-1].split())


def test_all_configs_are_sound_and_their_names_differ() -> None:
    named: dict[str, Training] = {}
    for claim in CLAIMS.values():
        for training in claim.trainings:
            assert named.setdefault(training.name, training) == training
            assert training.config().bf16
            assert training.config(smoke=True).epochs == 1
    assert len(named) == 46


@pytest.fixture
def signals_as_before() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals_as_before")
def test_one_clock_is_for_all_claims(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []

    def slow(training: Training, data: Path, work: Path, out: Path, **_: object) -> None:
        time.sleep(0.05)
        trained.append(training.name)
        keep(logits_file(out, training), said(len(trained)), "d" * 64)

    monkeypatch.setattr("bench.claims.running.run_one", slow)
    # No claim has as many trainings as there is time for, all of them together have more.
    most = max(len(claim.trainings) for claim in CLAIMS.values())
    asked = [
        "run",
        "all",
        "data",
        str(tmp_path / "work"),
        "--out",
        str(tmp_path),
        "--minutes",
        str(most * 0.05 / 60),
    ]
    assert main(asked) == 75
    assert "minutes are over. The same command goes on" in capsys.readouterr().out
    assert 0 < len(trained) < 46


@pytest.mark.usefixtures("signals_as_before")
def test_data_that_is_not_there_is_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "strong", str(tmp_path / "none"), str(tmp_path / "work"), "--smoke"]) == 2
    assert f"error: {tmp_path / 'none'} does not hold FER2013 and FER+" in capsys.readouterr().err


@pytest.mark.shared_data
@pytest.mark.slow
def test_a_claim_cut_short_goes_on_and_leaves_its_logits(tmp_path: Path) -> None:
    if not (DATA / "fer2013" / "mosaics.tar").exists():
        pytest.skip("../shared/data is not here")
    tiny = {"image_size": 32, "threads": 1, "device": "cpu", "epochs": 1, "batch_size": 8}
    one = Training("tiny-0", "fer2013", "quick", "resnet18", tiny)
    claim = Claim("strong", "a small network", (one,), "plain", {"accuracy": 0.0})
    work, out = tmp_path / "work", tmp_path / "out"
    asked = Stopper()
    asked.ask("9 minutes are over")
    with pytest.raises(Stopped, match="minutes are over"):
        run(claim, DATA, work, out, smoke=True, stopper=asked, display=Display())
    assert not logits_file(out, one).exists()
    run(claim, DATA, work, out, smoke=True, stopper=Stopper(), display=Display())
    found = score(claim, out)
    assert found["holds"] == {"accuracy": True}
    assert len(read(logits_file(out, one))["plain", "test"]) == SMOKE_FACES * len(fer2013.SEVEN)
    assert not (work / "runs" / "tiny-0" / "last.pt").exists()
    before = logits_file(out, one).stat().st_mtime_ns
    run(claim, DATA, work, out, smoke=True, stopper=Stopper(), display=Display())
    assert logits_file(out, one).stat().st_mtime_ns == before


@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.once
def test_trainings_at_once_are_stopped_together_and_one_that_is_killed_loses_no_other(tmp_path: Path) -> None:
    if not (DATA / "fer2013" / "mosaics.tar").exists():
        pytest.skip("../shared/data is not here")
    command = [sys.executable, "-m", "bench.claims", "run", "strong", str(DATA), str(tmp_path)]
    command += ["--smoke", "--at-once", "3", "--minutes", "10"]
    names = [training.name for training in CLAIMS["strong"].trainings]

    def started() -> subprocess.Popen[str]:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    stopped = started()
    process_of(stopped, names[2])
    stopped.terminate()
    said, _ = stopped.communicate(timeout=240)
    assert stopped.returncode == 75, said
    assert "Stopped: SIGTERM received. The same command goes on from here." in said

    failing = started()
    process_of(failing, names[1]).kill()
    said, _ = failing.communicate(timeout=400)
    assert failing.returncode == 1, said
    assert f"Not every training ended with 0: {names[1]} with -9." in said
    assert f"{names[0]}: test: accuracy" in said
    logits = tmp_path / "results" / "logits"
    assert {file.stem for file in logits.iterdir()} == {names[0], names[2]}

    whole = started()
    said, _ = whole.communicate(timeout=400)
    assert whole.returncode == 0, said
    assert {file.stem for file in logits.iterdir()} == set(names)
    assert (tmp_path / "results" / "strong.json").exists()


def process_of(parent: subprocess.Popen[str], training: str) -> psutil.Process:
    end = time.monotonic() + 240
    while time.monotonic() < end and parent.poll() is None:
        for child in psutil.Process(parent.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if training in child.cmdline():
                    return child
        time.sleep(0.02)
    pytest.fail(f"no process trains {training}; the parent: {parent.poll()}")
