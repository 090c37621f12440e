"""Files others can open."""

import csv
import hashlib
import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pytest
from django.core.files.storage import default_storage
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from labeling import work
from labeling.expressions import SEVEN
from labeling.models import Campaign, Export, Media, Snapshot
from labeling.snapshots import comparing, exporting, freezing, stored
from labeling.snapshots import format as snapshots
from labeling.snapshots.exports import FORMATS, fer2013, imagefolder, write
from labeling.snapshots.exports.format import Given
from labeling.vision.crops import grey_png
from tests.labeling.snapshots.making import frozen, make_settled
from tests.snapshot_folders import make_snapshot_folder

pytestmark = pytest.mark.django_db


def exported(campaign: Campaign, format: str) -> Export:
    return made(frozen(campaign), format)


def made(snapshot: Snapshot, format: str, **options: Any) -> Export:
    row = exporting.export(snapshot=snapshot, format=format, **options)
    exporting.run_export(row.pk)
    row.refresh_from_db()
    return row


def written(format: str, folder: Path, tmp_path: Path) -> tuple[Path, str]:
    """The file, and the note that comes with it."""
    target = tmp_path / "out.zip"
    return target, write(FORMATS[format], Given(folder), target)[0]


def inside(row: Export, name: str) -> bytes:
    """A file of the export."""
    with default_storage.open(row.stored_as) as file, zipfile.ZipFile(file) as archive:
        return archive.read(name)


def pictures_in(archive: zipfile.ZipFile) -> list[str]:
    """The faces; not what the dataset card shows."""
    return [name for name in archive.namelist() if name.endswith(".png") and not name.startswith("card/")]


def faces_of(row: Export) -> list[dict[str, Any]]:
    return snapshots.read_table(freezing.local_folder(row.snapshot)).to_pylist()


def test_an_imagefolder_has_every_picture_as_it_is_in_its_split_and_class() -> None:
    row = exported(make_settled(12), "imagefolder")
    with default_storage.open(row.stored_as) as file, zipfile.ZipFile(file) as archive:
        found = {name: archive.read(name) for name in pictures_in(archive)}
    assert found == {
        f"{face['split']}/{face['label']}/{face['face_key']}.png": face["image"] for face in faces_of(row)
    }


def test_an_unpacked_imagefolder_opens_as_others_open_it(tmp_path: Path) -> None:
    make_snapshot_folder(tmp_path / "s", images_per_class=5)
    target, note = written("imagefolder", tmp_path / "s", tmp_path)
    assert note == ""
    with zipfile.ZipFile(target) as archive:
        archive.extractall(tmp_path / "unpacked")
    # What torchvision.datasets.ImageFolder does: folders in order of their names are the classes.
    for split in snapshots.SPLITS:
        root = tmp_path / "unpacked" / split
        classes = sorted(path.name for path in root.iterdir())
        assert classes == sorted(SEVEN)
        wanted = snapshots.read_table(tmp_path / "s", split=split).to_pylist()
        pictures = {path.stem: path for path in root.rglob("*.png")}
        assert pictures.keys() == {face["face_key"] for face in wanted}
        for face in wanted:
            with Image.open(pictures[face["face_key"]]) as image:
                assert image.size == (48, 48)
                assert pictures[face["face_key"]].parent.name == face["label"]


def test_an_imagefolder_says_whose_the_pictures_are_and_what_they_were_frozen_from() -> None:
    campaign = make_settled(12)
    Media.objects.update(licence="CC-BY-4.0", author="=1+1", page_url="https://a.example/1")
    row = exported(campaign, "imagefolder")
    with default_storage.open(row.stored_as) as file, zipfile.ZipFile(file) as archive:
        names = pictures_in(archive)
        lines = list(csv.DictReader(io.StringIO(archive.read("attribution.csv").decode())))
        manifest = archive.read("manifest.json")
    assert [line["file"] for line in lines] == names
    assert {(line["licence"], line["author"], line["page_url"]) for line in lines} == {
        ("CC-BY-4.0", "'=1+1", "https://a.example/1")
    }
    assert manifest == (freezing.local_folder(row.snapshot) / "manifest.json").read_bytes()


def test_a_class_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    classes = ("../../etc", "a/b", "..", "CON: 100%", "zornig ", "glücklich")
    make_snapshot_folder(tmp_path / "s", images_per_class=5, classes=classes)
    target, note = written("imagefolder", tmp_path / "s", tmp_path)
    with zipfile.ZipFile(target) as archive:
        folders = {name.split("/", 1)[1] for name in pictures_in(archive)}
    assert {folder.rsplit("/", 1)[0] for folder in folders} == {
        *("%2E.%2F..%2Fetc", "a%2Fb", "%2E%2E", "CON%3A 100%25", "zornig%20", "glücklich")
    }
    assert note.startswith(
        "Folders of classes whose name a folder cannot have: ../../etc: %2E.%2F..%2Fetc, a/b"
    )


def test_no_two_classes_share_a_folder() -> None:
    names = ["a/b", "a%2Fb", "a b", "a b ", "..", ".", "%2E", "%"]
    assert len(set(imagefolder.folder_names(names))) == len(names)


@pytest.mark.parametrize(
    ("classes", "folders"),
    [
        (["happy", "traurig", "glücklich", "Ärger"], ["happy", "traurig", "glücklich", "Ärger"]),
        (["Happy", "happy", "HAPPY", "sad"], ["Happy", "%68appy", "%48APPY", "sad"]),
        (["happy", "Happy", "HAPPY"], ["happy", "%48appy", "%48%41PPY"]),
        (
            ["\u00e4rger", "a\u0308rger", "straße", "STRASSE"],
            ["\u00e4rger", "%61\u0308rger", "straße", "%53TRASSE"],
        ),
        (
            ["CON", "nul", "Com1", "lpt9.png", "aux .txt"],
            ["%43ON", "%6Eul", "%43om1", "%6Cpt9.png", "%61ux .txt"],
        ),
        (["COM²", "CONIN$", "con.", "nul "], ["%43OM²", "%43ONIN$", "con%2E", "nul%20"]),
        (
            ["console", "null", "com10", "auxiliary", "a.con"],
            ["console", "null", "com10", "auxiliary", "a.con"],
        ),
        (["sad.", "sad..", "sad ", "sad"], ["sad%2E", "sad.%2E", "sad%20", "sad"]),
    ],
)
def test_folders_can_be_made_on_every_system(classes: list[str], folders: list[str]) -> None:
    assert imagefolder.folder_names(classes) == folders
    assert [unquote(name) for name in folders] == classes


def test_a_fer2013_csv_has_every_pixel_and_the_usual_columns() -> None:
    row = exported(make_settled(12), "fer2013")
    assert row.message == ""
    lines = list(csv.DictReader(io.StringIO(inside(row, "fer2013.csv").decode("ascii"))))
    assert list(lines[0]) == ["emotion", "pixels", "Usage"]
    usage = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
    for line, face in zip(lines, faces_of(row), strict=True):
        pixels = np.array(line["pixels"].split(), dtype=np.uint8).reshape(48, 48)
        assert (pixels == np.asarray(Image.open(io.BytesIO(face["image"])))).all()
        assert (SEVEN[int(line["emotion"])], line["Usage"]) == (face["label"], usage[face["split"]])


def test_a_fer2013_csv_writes_each_value_a_pixel_can_have_beside_each_other(tmp_path: Path) -> None:
    make_snapshot_folder(tmp_path / "few", images_per_class=5)
    rows = snapshots.read_table(tmp_path / "few").to_pylist()
    values = np.random.default_rng(0).permuted(np.tile(np.arange(256), (len(rows), 9)), axis=1)
    for row, pixels in zip(rows, values, strict=True):
        row["image"] = grey_png(pixels.astype(np.uint8).tobytes(), 48, 48)
        del row["image_sha256"]
    snapshots.write(tmp_path / "s", rows, classes=SEVEN, rule={})
    target, _note = written("fer2013", tmp_path / "s", tmp_path)
    usage = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
    lines = [
        f"{row['label_index']},{' '.join(map(str, pixels))},{usage[row['split']]}\n"
        for row, pixels in zip(rows, values.tolist(), strict=True)
    ]
    with zipfile.ZipFile(target) as archive:
        assert archive.read("fer2013.csv").decode() == "".join(["emotion,pixels,Usage\n", *lines])


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_a_picture_of_another_size_or_kind_is_averaged_to_48_grey_pixels(mode: str) -> None:
    grey = np.kron(np.arange(48 * 48).reshape(48, 48) % 199, np.ones((2, 2))).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).convert(mode).save(buffer, "PNG")
    pixels = fer2013.grey(buffer.getvalue())
    assert pixels.shape == (48, 48)
    assert np.abs(pixels.astype(int) - grey[::2, ::2]).max() <= 1


@given(
    st.lists(
        st.sampled_from(["kept", "noted", "filtered", "packed", "two parts", "colour", "small"]), max_size=9
    )
)
def test_pictures_of_every_kind_are_read_together_as_each_by_itself(kinds: list[str]) -> None:
    rng = np.random.default_rng(len(kinds))
    drawn = [rng.integers(0, 256, (48, 48), np.uint8) for _kind in kinds]
    pngs = [a_png(kind, pixels) for kind, pixels in zip(kinds, drawn, strict=True)]
    together = fer2013.greys(pa.array(pngs, pa.binary()))
    assert together.shape == (len(kinds), 48, 48)
    for kind, pixels, png, found in zip(kinds, drawn, pngs, together, strict=True):
        assert np.array_equal(found, fer2013.grey(png))
        if kind not in ("colour", "small"):
            assert np.array_equal(found, pixels)


def a_png(kind: str, pixels: NDArray[np.uint8]) -> bytes:
    """kept: as an import keeps it. noted: with a chunk of text behind its data. The others are made otherwise."""
    kept = grey_png(pixels.tobytes(), 48, 48)
    if kind == "kept":
        return kept
    if kind == "noted":
        return kept[:-12] + chunk(b"tEXt", b"face\x001") + kept[-12:]
    if kind == "filtered":  # each row after the first tells the difference to the one above it
        lines = b"".join(
            b"\x02" + (pixels[y] - (pixels[y - 1] if y else 0)).astype(np.uint8).tobytes() for y in range(48)
        )
        return kept[:33] + chunk(b"IDAT", zlib.compress(lines, 0)) + kept[-12:]
    if kind == "two parts":
        data = kept[41:-16]
        return kept[:33] + chunk(b"IDAT", data[:100]) + chunk(b"IDAT", data[100:]) + kept[-12:]
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if kind == "colour":
        image = image.convert("RGB")
    if kind == "small":
        image = image.crop((0, 0, 40, 48))
    image.save(buffer, "PNG")
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_csv_of_other_classes_says_which_number_is_which(tmp_path: Path) -> None:
    make_snapshot_folder(tmp_path / "s", images_per_class=5, classes=("yes", "no"))
    assert written("fer2013", tmp_path / "s", tmp_path)[1].startswith("emotion: 0 yes, 1 no.")


def test_a_long_note_fits_into_its_row() -> None:
    expressions = [f"expression number {number} of a long list" for number in range(40)]
    campaign = make_settled(6, expressions=expressions, labels=(expressions[0], expressions[39]))
    row = exported(campaign, "fer2013")
    assert (row.state, len(row.message)) == ("done", 500)


@pytest.mark.parametrize("format", list(FORMATS))
def test_made_again_a_file_has_the_same_bytes_and_is_the_one_the_row_names(format: str) -> None:
    row = exported(make_settled(12), format)
    with default_storage.open(row.stored_as) as file:
        first = file.read()
    assert (row.bytes, row.sha256) == (len(first), hashlib.sha256(first).hexdigest())
    work.restart(row, also_done=True)
    exporting.run_export(row.pk)
    again = Export.objects.get(pk=row.pk)
    assert (again.stored_as, again.sha256) == (row.stored_as, row.sha256)
    with default_storage.open(row.stored_as) as file:
        assert file.read() == first


def test_asking_twice_makes_one_file() -> None:
    snapshot = frozen(make_settled())
    first = exporting.export(snapshot=snapshot, format="fer2013")
    assert exporting.export(snapshot=snapshot, format="fer2013") == first
    exporting.run_export(first.pk)
    assert exporting.export(snapshot=snapshot, format="fer2013").state == "done"
    assert Export.objects.count() == 1


def test_two_snapshots_of_the_same_content_share_a_file() -> None:
    campaign = make_settled(12)
    first, second = (made(frozen(campaign, name="One"), "fer2013") for _ in range(2))
    assert first.pk != second.pk
    assert first.stored_as == second.stored_as
    assert default_storage.listdir(f"exports/{first.snapshot.digest}")[1] == [Path(first.stored_as).name]


def test_a_stopped_export_and_one_whose_file_is_gone_are_made_again() -> None:
    snapshot = frozen(make_settled())
    row = exporting.export(snapshot=snapshot, format="fer2013")
    work.stop(row)
    assert exporting.export(snapshot=snapshot, format="fer2013").state == "waiting"
    exporting.run_export(row.pk)
    row.refresh_from_db()
    default_storage.delete(row.stored_as)
    assert exporting.export(snapshot=snapshot, format="fer2013").state == "waiting"
    exporting.run_export(row.pk)
    assert default_storage.exists(row.stored_as)


def test_what_a_killed_attempt_stored_goes_when_other_bytes_are_made() -> None:
    row = exporting.export(snapshot=frozen(make_settled()), format="fer2013")
    left = f"exports/{row.snapshot.digest}/fer2013-0123456789abcdef.zip"
    Path(default_storage.path(left)).parent.mkdir(parents=True)
    Path(default_storage.path(left)).write_text("written by another version of the code")
    Export.objects.filter(pk=row.pk).update(stored_as=left)
    exporting.run_export(row.pk)
    row.refresh_from_db()
    assert default_storage.listdir(f"exports/{row.snapshot.digest}")[1] == [Path(row.stored_as).name]


def test_a_damaged_snapshot_is_exported_to_nobody() -> None:
    snapshot = frozen(make_settled())
    shard = freezing.local_folder(snapshot) / "faces-00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    row = exporting.export(snapshot=snapshot, format="fer2013")
    exporting.run_export(row.pk)
    row.refresh_from_db()
    assert (row.state, row.stored_as) == ("failed", "")
    assert row.error.startswith("The stored snapshot is damaged. faces-00000.parquet: Its bytes have changed")


def test_what_is_damaged_is_named_as_in_the_storage_not_where_that_lies() -> None:
    snapshot = frozen(make_settled())
    (freezing.local_folder(snapshot) / "manifest.json").write_text("{")
    (problem,) = freezing.verify(snapshot=snapshot)
    assert problem.what.startswith(f"snapshots/{snapshot.digest}/manifest.json is not JSON")
    with pytest.raises(
        snapshots.NotASnapshot, match=f"^snapshots/{snapshot.digest}/manifest.json is not JSON"
    ):
        stored.manifest_of(snapshot.digest)
    with pytest.raises(work.Refused, match=f" snapshots/{snapshot.digest}/manifest.json is not JSON"):
        comparing.compare(snapshot, frozen(make_settled()))


def test_an_unknown_format_and_an_unfinished_snapshot_are_refused() -> None:
    snapshot = frozen(make_settled())
    with pytest.raises(exporting.CannotExport, match="no format “arff”; choose one of imagefolder, parquet"):
        exporting.export(snapshot=snapshot, format="arff")
    waiting = freezing.freeze(campaign=make_settled())
    with pytest.raises(exporting.CannotExport, match="This snapshot is waiting"):
        exporting.export(snapshot=waiting, format="fer2013")
    work.stop(waiting)
    with pytest.raises(exporting.CannotExport, match="is stopped; press “Go on” on its page, or freeze"):
        exporting.export(snapshot=waiting, format="fer2013")
    assert not Export.objects.exists()
