"""A finished run, used from Python."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from labeling.snapshots import format as snapshots
from training.core import Predictor
from training.core.__main__ import main
from training.core.refusals import BadImages, BadRunFolder


@pytest.fixture(scope="module")
def images(snapshot: Path) -> list[bytes]:
    return snapshots.read_table(snapshot, columns=["image"], split="test")["image"].to_pylist()


def test_paths_bytes_pictures_and_arrays_are_judged_alike(
    finished: Path, images: list[bytes], tmp_path: Path
) -> None:
    (tmp_path / "face.png").write_bytes(images[0])
    picture = Image.open(io.BytesIO(images[0]))
    array = np.asarray(picture)
    shapes = [
        array,
        array[:, :, None],
        np.stack([array] * 3, axis=2),
        array / 255,
        (array / 255).astype("f4"),
    ]
    faces = [tmp_path / "face.png", str(tmp_path / "face.png"), images[0], picture, *shapes]
    found = Predictor(finished).predict(faces)
    assert len(set(found.labels)) == 1
    np.testing.assert_allclose(found.probabilities, np.repeat(found.probabilities[:1], 9, axis=0), atol=1e-5)
    assert list(found.named()[0]) == ["happy", "sad", "surprise"]
    assert sum(found.named()[0].values()) == pytest.approx(1, abs=1e-5)


def test_the_runs_temperature_is_applied(finished: Path, images: list[bytes], tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    result = json.loads((run / "result.json").read_text())

    def sureness(temperature: float | None) -> float:
        split = result["splits"]["validation"]
        split["calibrated"] = {} if temperature is None else {"temperature": temperature}
        (run / "result.json").write_text(json.dumps(result))
        return float(Predictor(run).predict(images).probabilities.max(axis=1).mean())

    plain = float(Predictor(run).probabilities(images).max(axis=1).mean())
    assert sureness(None) == pytest.approx(plain)
    assert sureness(5.0) < plain < sureness(0.5)
    # What an earlier version kept where it found none.
    assert sureness(0.05) == sureness(20.0) == pytest.approx(plain)


def test_bf16_answers_nearly_the_same(finished: Path, images: list[bytes]) -> None:
    exact = Predictor(finished, bf16=False).predict(images).probabilities
    quick = Predictor(finished, bf16=True).predict(images).probabilities
    assert 0 < np.abs(exact - quick).max() < 0.1


def test_no_faces_are_no_opinions(finished: Path) -> None:
    found = Predictor(finished).predict([])
    assert found.probabilities.shape == (0, 3)
    assert found.labels == []


def test_a_picture_turned_by_its_camera_is_judged_upright(finished: Path, images: list[bytes]) -> None:
    picture = Image.open(io.BytesIO(images[0]))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = io.BytesIO()
    picture.transpose(Image.Transpose.ROTATE_90).save(turned, "PNG", exif=exif)
    upright, marked = Predictor(finished).predict([images[0], turned.getvalue()]).probabilities
    np.testing.assert_allclose(marked, upright, atol=1e-5)


def test_16_bits_and_transparency_are_judged_as_the_command_judges_them(
    finished: Path, images: list[bytes], tmp_path: Path
) -> None:
    grey = np.asarray(Image.open(io.BytesIO(images[0])).convert("L"))
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    deep.save(tmp_path / "deep.png")
    # Half of it is transparent, over whatever colour lies beneath; people see it on white.
    shown, hidden = np.where(grey > 100, grey, 255).astype(np.uint8), np.where(grey > 100, 255, 0)
    clear = Image.merge("LA", (Image.fromarray(grey), Image.fromarray(hidden.astype(np.uint8))))
    clear.save(tmp_path / "clear.png")
    faces = [grey, tmp_path / "deep.png", deep, shown, tmp_path / "clear.png", clear]
    found = Predictor(finished).pixels(faces)
    assert np.array_equal(found[1], found[0])
    assert np.array_equal(found[2], found[0])
    assert np.array_equal(found[4], found[3])
    assert np.array_equal(found[5], found[3])


@pytest.mark.parametrize(
    ("face", "said"),
    [
        (b"no picture", "image 2 is not an image"),
        (np.zeros((4, 4, 4), np.uint8), r"image 2 has the shape \(4, 4, 4\)"),
        (np.full((4, 4), 255.0), "outside 0–1; divide by 255"),
        (np.zeros((4, 4), np.int64), "of int64; give uint8"),
        ("nowhere.png", "nowhere.png is not an image"),
    ],
)
def test_what_is_no_face_is_named(finished: Path, images: list[bytes], face: object, said: str) -> None:
    with pytest.raises(BadImages, match=said):
        Predictor(finished).predict([images[0], face])  # type: ignore[list-item]


@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 1), (32, 32, 3), (32, 32, 4)])
def test_the_rows_of_one_picture_are_not_taken_for_faces(finished: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(
        BadImages, match=r"predict takes a list of faces, also of a single one: predict\(\[face\]\)"
    ):
        Predictor(finished).predict(np.zeros(shape, np.uint8))
    assert len(Predictor(finished).predict(np.zeros((2, 32, 32), np.uint8))) == 2


def test_a_picture_cut_short_or_closed_is_named_as_its_file_is(
    finished: Path, images: list[bytes], tmp_path: Path
) -> None:
    cut, closed = (Image.open(io.BytesIO(data)) for data in (images[0][:-400], images[0]))
    closed.close()
    for face in (cut, closed, "a\0b.png"):
        with pytest.raises(BadImages, match="is not an image that can be read"):
            Predictor(finished).predict([face])


def test_pillow_turns_a_picture_upright_as_a_file_is(
    finished: Path, images: list[bytes], tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    Image.open(io.BytesIO(images[0])).rotate(90).save(tmp_path / "turned.png", exif=exif)
    faces = [images[0], tmp_path / "turned.png", Image.open(tmp_path / "turned.png")]
    found = Predictor(finished).predict(faces).probabilities
    np.testing.assert_array_equal(found, np.repeat(found[:1], 3, axis=0))


def test_a_folder_without_weights_is_refused(finished: Path, tmp_path: Path) -> None:
    shutil.copy(finished / "config.json", tmp_path)
    with pytest.raises(BadRunFolder, match="has no weights yet"):
        Predictor(tmp_path)


def test_a_damaged_result_is_named(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    (run / "result.json").write_text("[]")
    with pytest.raises(BadRunFolder, match=r"result\.json is damaged"):
        Predictor(run)


def test_what_is_no_face_is_refused_in_words(finished: Path) -> None:
    predictor = Predictor(finished)
    with pytest.raises(BadImages, match="image 1 is of NoneType; give a path"):
        predictor.predict([None])  # type: ignore[list-item]
    for alone in ("a.png", Path("a.png"), b"bytes", Image.new("L", (9, 9))):
        with pytest.raises(BadImages, match=r"takes a list of faces.*predict\(\[face\]\)"):
            predictor.predict(alone)  # type: ignore[arg-type]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA card here")
def test_a_run_of_a_card_is_used_without_one(
    finished: Path, snapshot: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    made = json.loads((run / "config.json").read_text())
    made["config"]["device"] = "cuda"
    (run / "config.json").write_text(json.dumps(made))
    assert main(["evaluate", str(snapshot), str(run)]) == 0
    assert "trained with device cuda, which is not here: cpu looks instead" in caplog.text


def test_faces_may_come_one_by_one_and_one_without_a_pixel_is_named(finished: Path) -> None:
    predictor = Predictor(finished)
    faces = [np.full((20, 20), shade, np.uint8) for shade in (0, 120, 250)]
    assert np.array_equal(
        predictor.predict(face for face in faces).probabilities, predictor.predict(faces).probabilities
    )
    with pytest.raises(BadImages, match="image 2 has no pixel: its size is 0 × 5"):
        predictor.predict([faces[0], Image.new("RGB", (0, 5))])
