"""An ensemble that judges new faces."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.core.conftest import run_training, small
from training.core import Ensemble, Predictor
from training.core.__main__ import main
from training.core.calibration import tempered
from training.core.ensembles import ensemble
from training.core.refusals import BadImages, BadRunFolder
from training.core.run_folder import write_json


@pytest.fixture(scope="module")
def members(snapshot: Path, finished: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    other = tmp_path_factory.mktemp("runs") / "other"
    run_training(snapshot, other, small(seed=1))
    return [finished, other]


@pytest.fixture
def file(members: list[Path], tmp_path: Path) -> Path:
    """Of both, whichever of them `ensemble` would have chosen."""
    told = ensemble(members)
    told["members"] = [str(member) for member in members]
    told["splits"]["validation"]["calibrated"] = {"temperature": 2.0}
    write_json(tmp_path / "ensemble.json", told)
    return tmp_path / "ensemble.json"


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8)


def test_it_says_the_mean_of_its_members_at_its_own_temperature(members: list[Path], file: Path) -> None:
    faces = [noise(seed) for seed in range(5)]
    said = Ensemble(file).predict(faces)
    alone = [Predictor(member).untempered(faces) for member in members]
    assert not np.allclose(alone[0], alone[1])
    np.testing.assert_allclose(said.probabilities, tempered((alone[0] + alone[1]) / 2, 2.0), atol=1e-6)
    assert said.classes == Predictor(members[0]).classes
    again = Ensemble(file).predict(face for face in faces)
    assert np.array_equal(again.probabilities, said.probabilities)
    assert Ensemble(file).predict([]).probabilities.shape == (0, 3)
    with pytest.raises(BadImages, match="takes a list of faces"):
        Ensemble(file).predict("face.png")


def test_predict_takes_it_for_a_run(members: list[Path], file: Path, tmp_path: Path) -> None:
    Image.fromarray(noise(1)).save(tmp_path / "face.png")
    asked = [str(tmp_path / "face.png"), "--detector", "none", "--out", str(tmp_path / "out.json")]
    assert main(["predict", str(file), *asked]) == 0
    (row,) = json.loads((tmp_path / "out.json").read_text())
    assert row["probabilities"] == pytest.approx(Ensemble(file).predict([noise(1)]).named()[0], abs=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"members": []}, "names no members, classes or snapshot"),
        ({"splits": {}}, "is neither a run folder nor what `ensemble` writes"),
        ({"snapshot_digest": "0" * 64}, "was trained on another snapshot than when"),
        ({"members": ["gone"]}, "gone is no run folder"),
    ],
)
def test_a_file_that_is_no_ensemble_is_refused(file: Path, change: dict[str, object], said: str) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(BadRunFolder, match=said):
        Ensemble(file)
