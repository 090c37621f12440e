"""`predict` on pictures, folders and videos."""

import csv
import json
import os
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from training.core import watching
from training.core.__main__ import main
from training.core.predictor import Predictor
from training.core.refusals import BadImages
from training.core.watching import Sight, watch

SHARED = Path(__file__).parents[4] / "shared" / "data"


def noise(seed: int, size: tuple[int, int] = (40, 60)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def film(file: Path, frames: int, size: tuple[int, int] = (40, 60)) -> None:
    """Ten frames a second."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width = size
        for number in range(frames):
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(noise(number, (size[0], size[1])), format="rgb24"))
            )
        container.mux(stream.encode())


def test_a_folder_is_judged_and_what_is_broken_named(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    media = tmp_path / "media"
    (media / "deeper").mkdir(parents=True)
    Image.fromarray(noise(1)).save(media / "a.png")
    Image.fromarray(noise(2)).save(media / "deeper" / "a.png")
    (media / "b.jpg").write_text("no picture")
    (media / ".hidden").write_text("left out")
    film(media / "c.mp4", frames=10)
    out, copies = tmp_path / "out.json", tmp_path / "copies"
    asked = ["--detector", "none", "--per-second", "5", "--out", str(out), "--annotated", str(copies)]
    code = main(["predict", str(finished), str(media), *asked])
    said = capsys.readouterr().err
    rows = json.loads(out.read_text())
    assert code == 1
    assert f"{media / 'b.jpg'}: " in said
    assert "7 faces in 4 files; 1 could not be read" in said
    assert [(Path(row["file"]).name, row["time_ms"]) for row in rows] == [
        ("a.png", None),
        *(("c.mp4", time) for time in (0, 200, 400, 600, 800)),
        ("a.png", None),
    ]
    assert rows[0]["box"] == [0, 0, 60, 40]
    assert all(sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5) for row in rows)
    assert all(row["top"] == max(row["probabilities"], key=row["probabilities"].get) for row in rows)
    pictures = sorted(file.suffix for file in copies.iterdir())
    assert pictures == [".jpg", ".jpg", ".webm"]
    with av.open(str(next(copies.glob("*.webm")))) as container:
        times = [round(frame.time * 1000) for frame in container.decode(video=0)]
    assert times == [0, 200, 400, 600, 800]


def test_csv_has_a_column_for_each_class(finished: Path, tmp_path: Path) -> None:
    Image.fromarray(noise(1)).save(tmp_path / "a.png")
    out = tmp_path / "out.csv"
    assert (
        main(["predict", str(finished), str(tmp_path / "a.png"), "--detector", "none", "--out", str(out)])
        == 0
    )
    (row,) = csv.DictReader(out.read_text().splitlines())
    shares = {name: float(row[name]) for name in ("happy", "sad", "surprise")}
    assert row["top"] == max(shares, key=shares.__getitem__)
    assert (row["time_ms"], row["width"], row["height"]) == ("", "60", "40")


def test_a_name_that_is_no_utf8_is_kept_in_csv_and_json(finished: Path, tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"a-\xff.png")
    Image.fromarray(noise(1)).save(file)
    for out in (tmp_path / "out.csv", tmp_path / "out.json"):
        assert main(["predict", str(finished), str(file), "--detector", "none", "--out", str(out)]) == 0
    assert os.fsencode(file) in (tmp_path / "out.csv").read_bytes()
    assert json.loads((tmp_path / "out.json").read_text())[0]["file"] == str(file)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["nowhere.png"], "There is no file or folder nowhere.png"),
        ([".", "--out", "x.txt"], "ends in neither .json nor .csv"),
        ([".", "--per-second", "0"], "--per-second is a number from 0.001 to 1000"),
        ([".", "--per-second", "inf"], "--per-second is a number from 0.001 to 1000"),
        ([".", "--per-second", "0.0001"], "--per-second is a number from 0.001 to 1000"),
        ([".", "--out", "folder.json"], "folder.json is a folder. Name a file"),
        ([".", "--out", "gone/x.json"], "There is no folder"),
        (["a.png", "--detector", "none", "--annotated", "/proc/1"], "Nothing can be written into /proc/1"),
        (["empty"], "There is no file in empty, so nothing to judge"),
        (["faces.parquet", "gone/o.parquet"], "There is no folder"),
        ([".", "--detector", "yunet", "--yunet-model", "gone.onnx"], "there is none at “gone.onnx”"),
        (["faces.parquet"], "name that and the Parquet file to write"),
        (["faces.parquet", "o.parquet", "--out", "o.json"], "--out: for pictures and videos"),
        (
            ["f.parquet", "o.parquet", "--per-second", "2", "--detector", "haar"],
            "--detector, --per-second: for",
        ),
        (["faces.parquet", "/dev/null"], "/dev/null is a device or a pipe"),
    ],
)
def test_what_cannot_be_done_is_refused(
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("folder.json", "empty"):
        (tmp_path / folder).mkdir()
    Image.fromarray(noise(1)).save("a.png")
    assert main(["predict", str(finished), *more]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.shared_data
@pytest.mark.parametrize("detector", ["haar", "yunet"])
def test_faces_of_a_photo_are_found_and_marked(finished: Path, tmp_path: Path, detector: str) -> None:
    photo = SHARED / "photos" / "face_recognition__two_people.jpg"
    model = SHARED / "detectors" / "face_detection_yunet_2023mar.onnx"
    if not photo.exists():
        pytest.skip("there is no ../shared/data")
    out = tmp_path / "out.json"
    asked = [
        "--detector",
        detector,
        "--yunet-model",
        str(model),
        "--out",
        str(out),
        "--annotated",
        str(tmp_path),
    ]
    assert main(["predict", str(finished), str(photo), *asked]) == 0
    rows = json.loads(out.read_text())
    assert len(rows) == 2
    (copy,) = tmp_path.glob("*.jpg")
    before = np.asarray(Image.open(photo).convert("RGB"), np.int16)
    after = np.asarray(Image.open(copy), np.int16)
    for x, y, width, height in (row["box"] for row in rows):
        changed = np.abs(after - before).max(axis=2)
        edge = changed[y + height - 1, x : x + width]
        middle = changed[y + height // 3 : y + height // 2, x + width // 3 : x + width // 2]
        assert np.median(edge) > 40 > 20 > np.median(middle)


def test_faces_of_many_pictures_are_judged_at_once_and_told_in_order(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        Image.fromarray(noise(number)).save(tmp_path / f"{number}.png")
    (tmp_path / "2b.png").write_text("no picture")
    film(tmp_path / "9.mp4", frames=4)
    predictor = Predictor(finished, bf16=False)
    files, broken, asked = sorted(tmp_path.iterdir()), [], []
    judge = predictor.judge

    def counted(pixels: np.ndarray) -> np.ndarray:
        asked.append(len(pixels))
        return judge(pixels)

    monkeypatch.setattr(predictor, "judge", counted)

    def sights() -> list[Sight]:
        return list(watch(predictor, files, None, lambda file, why: broken.append(file.name), 10))

    together = sights()
    assert asked == [9]
    assert broken == ["2b.png"]
    monkeypatch.setattr(watching, "_MOST_FACES", 1)
    alone = sights()
    assert asked[1:] == [1] * 9
    assert [(one.file, one.time_ms) for one in together] == [(one.file, one.time_ms) for one in alone]
    assert [one.file.name for one in together] == [f"{number}.png" for number in range(5)] + ["9.mp4"] * 4
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert one.faces[0].box == other.faces[0].box
        assert one.faces[0].probabilities == pytest.approx(other.faces[0].probabilities, abs=1e-5)


def test_pictures_do_not_wait_beyond_what_memory_should_hold(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        Image.fromarray(noise(number)).save(tmp_path / f"{number}.png")
    monkeypatch.setattr(watching, "_MOST_BYTES", 40 * 60 * 3 + 1)
    looked = watch(Predictor(finished), sorted(tmp_path.iterdir()), None, lambda file, why: None)
    next(looked)
    (tmp_path / "2.png").unlink()
    assert len(list(looked)) == 1


def test_a_long_name_and_a_second_picture_lose_nothing(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    media = tmp_path / "media"
    media.mkdir()
    first, *others = (Image.fromarray(noise(seed)) for seed in range(3))
    first.save(media / "a.gif", save_all=True, append_images=others)
    first.save(media / ("ü" * 125 + ".png"))
    asked = ["--detector", "none", "--annotated", str(tmp_path / "copies"), "--out", str(tmp_path / "o.json")]
    assert main(["predict", str(finished), str(media), *asked]) == 0
    assert (
        f"{media / 'a.gif'}: It holds several pictures; only the first was looked at."
        in capsys.readouterr().err
    )
    copies = sorted(file.name for file in (tmp_path / "copies").iterdir())
    assert [name[:2] for name in copies] == ["a-", "üü"]
    assert copies[1].startswith("ü" * 120 + "-")


def test_folders_behind_links_are_looked_into_once(tmp_path: Path) -> None:
    for folder in ("media/a", "media/.hidden", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "face.png").touch()
    (tmp_path / "media" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "media" / "a" / "round").symlink_to(tmp_path / "media")
    (tmp_path / "media" / "again.png").symlink_to(tmp_path / "elsewhere" / "face.png")
    (tmp_path / "media" / "dangling.png").symlink_to(tmp_path / "gone")
    media = tmp_path / "media"
    assert watching.files_of([media]) == [
        media / "a/face.png",
        media / "again.png",
        media / "linked/face.png",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_a_folder_that_may_not_be_looked_into_is_told(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(BadImages, match="closed cannot be looked into: Permission denied"):
        watching.files_of([tmp_path])
