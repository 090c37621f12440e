"""Sets that experts labelled, taken in from a folder per class; labels stand apart from votes."""

import hashlib
import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import models
from PIL import Image

from labeling import labels
from labeling.models import Face, FaceLabel, Item, Media, Scan, Source
from labeling.sources import drawn, ingest, store
from labeling.sources.base import CannotAdd
from labeling.sources.labelled.classes import guessed, split_of
from tests.factories import make_faces
from tests.labeling.sources.buckets import BUCKET, a_storage
from tests.labeling.sources.labelled_sets import OPTIONS, jpeg, jpeg_of, labelled, said, splits
from tests.labeling.sources.places import (
    again,
    fer_csv,
    fer_row,
    kept,
    png,
    reasons,
    states,
    taken_in,
    write,
    zipped,
)

pytestmark = pytest.mark.django_db


# ---- names ----


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("happy", "happy"), ("Happiness", "happy"), ("ANGER", "angry"), ("Wut", "angry"), ("Überraschung", "surprise"),
        ("ueberraschung", "surprise"), ("0_angry", "angry"), ("04 - Sadness", "sad"), ("Ekel", "disgust"),
        ("Ängstlich", "fear"), ("neutral ", "neutral"), ("Verachtung", "contempt"), ("no_expression", "neutral"),
        ("3", ""), ("valence", ""), ("", ""), ("happyish", ""),
    ],
)  # fmt: skip
def test_what_a_class_is_called_tells_what_it_means(name: str, meaning: str) -> None:
    assert guessed(name) == meaning


def test_numbers_mean_something_only_if_somebody_says_so() -> None:
    assert [guessed(str(n), numbers=True) for n in range(8)] == [
        "angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "",
    ]  # fmt: skip
    assert [split_of(name) for name in ("Train", "val", "PrivateTest", "PublicTest", "x")] == [
        "train", "validation", "test", "validation", "",
    ]  # fmt: skip


# ---- a folder per class ----


def test_each_picture_is_one_face_with_its_label_and_its_split(tmp_path: Path) -> None:
    files = {
        "set/train/happy/a.png": png(1),
        "set/train/Wut/b.jpg": jpeg(2),
        "set/test/happy/deep/c.png": png(3),
        "sad/d.png": png(4),
        "sad/sources.csv": "file,licence,author\nd.png,CC0,Ada\n",
    }
    source = labelled(write(tmp_path / "in", files))
    assert set(states(source).values()) == {"ingested"}
    assert said() == {"a.png": "happy", "b.jpg": "angry", "c.png": "happy", "d.png": "sad"}
    assert splits() == {"a.png": "train", "b.jpg": "train", "c.png": "test", "d.png": ""}
    assert set(FaceLabel.objects.values_list("origin", flat=True)) == {"Dr. Lan, 2026"}
    assert labels.of_source(source) == {"expert": {"angry": 1, "happy": 2, "sad": 1}}
    assert Media.objects.get(original_name="d.png").author == "Ada"
    face = Face.objects.get(media__original_name="a.png")
    assert (face.x, face.y, face.width, face.height, face.detector) == (0, 0, 32, 24, "labelled")
    assert (face.crop, face.crop_sha256) == (face.media.stored_as, face.media.sha256)
    assert face.sharpness is not None
    assert face.likeness is not None


def test_a_picture_that_is_no_plain_png_gets_one_as_its_crop(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGBA", (20, 10), (255, 0, 0, 0)).save(buffer, "PNG")
    files = {"happy/a.jpg": jpeg(1, exif=turned), "happy/b.png": buffer.getvalue()}
    labelled(write(tmp_path / "in", files))
    sizes = {}
    for face in Face.objects.all():
        with default_storage.open(face.crop) as file, Image.open(file) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (face.width, face.height))
            sizes[face.media.original_name] = image.size
    assert sizes == {"a.jpg": (30, 40), "b.png": (20, 10)}


def test_unknown_classes_are_refused_with_what_to_do_unless_somebody_says_what_they_mean(
    tmp_path: Path,
) -> None:
    files = {
        "happy/a.png": png(1),
        "valence/b.png": png(2),
        "junk/c.png": png(3),
        "loose.png": png(4),
        "3/d.png": png(5),
    }
    folder = write(tmp_path / "in", files)
    source = labelled(folder)
    what_to_do = "is none of the expressions. Add the set again and say what it means, or leave it out."
    assert reasons(source) == {
        "3/d.png": f"The class “3” {what_to_do}",
        "junk/c.png": f"The class “junk” {what_to_do}",
        "loose.png": "It lies in no folder that names a class.",
        "valence/b.png": f"The class “valence” {what_to_do}",
    }
    better = labelled(folder, classes={"valence": "proud", "junk": "", "happy": "neutral"}, numbers=True)
    assert states(better) == {
        "3/d.png": "ingested", "happy/a.png": "refused", "loose.png": "refused", "valence/b.png": "ingested",
    }  # fmt: skip
    assert said() == {"a.png": "happy", "b.png": "proud", "d.png": "happy"}


def test_a_zip_and_what_is_bad_in_it(tmp_path: Path) -> None:
    files = {
        "set/happy/a.png": png(1), "set/sad/b.png": png(2), "set/sad/broken.png": png(3)[:60], "set/sad/film.txt": "x",
        "set/sad/../../../happy/out.png": png(4),
    }  # fmt: skip
    source = labelled(zipped(tmp_path / "set.zip", files))
    assert said() == {"a.png": "happy", "b.png": "sad"}
    assert {name.rpartition("/")[2] for name in reasons(source)} == {"broken.png", "film.txt", "out.png"}


def test_a_bucket(settings) -> None:
    with a_storage() as storage:
        settings.S3_PROFILES = {"lab": storage.profile()}
        storage.put({"set/happy/a.png": png(1), "set/sad/b #1.png": png(2)})
        source = labelled(f"s3://{BUCKET}/set", profile="lab")
        assert (source.kind, source.name) == ("labelled", f"{BUCKET}/set")
        assert said() == {"a.png": "happy", "b #1.png": "sad"}
        storage.put({"table/labels.csv": "path;label\nx/c #abc.png;Freude\n", "table/x/c #abc.png": png(3)})
        labelled(f"s3://{BUCKET}/table", profile="lab")
        assert said()["c #abc.png"] == "happy"


# ---- the same picture again ----


def test_a_label_that_says_otherwise_is_refused_and_nothing_written_over(tmp_path: Path) -> None:
    write(tmp_path / "one", {"happy/a.png": png(1), "sad/b.png": png(2)})
    write(tmp_path / "two", {"happy/a.png": png(1), "fear/b.png": png(2)})
    labelled(tmp_path / "one")
    source = labelled(tmp_path / "two", origin="Team B")
    assert states(source) == {"fear/b.png": "refused", "happy/a.png": "known"}
    assert reasons(source) == {
        "fear/b.png": "The face is labelled “sad” by Dr. Lan, 2026 already, and “fear” here. Nothing was changed."
    }
    assert said() == {"a.png": "happy", "b.png": "sad"}
    other = labelled(tmp_path / "two", origin="Team B", column="team-b")
    assert set(states(other).values()) == {"known"}
    assert labels.of_source(other) == {
        "expert": {"happy": 1, "sad": 1}, "team-b": {"fear": 1, "happy": 1},
    }  # fmt: skip
    assert Face.objects.count() == 2


def test_one_picture_in_two_classes_of_one_set(tmp_path: Path) -> None:
    source = labelled(
        write(tmp_path / "in", {"happy/a.png": png(1), "happy/copy.png": png(1), "sad/b.png": png(1)})
    )
    assert states(source) == {"happy/a.png": "ingested", "happy/copy.png": "known", "sad/b.png": "refused"}
    assert (Media.objects.count(), Face.objects.count(), FaceLabel.objects.count()) == (1, 1, 1)


def test_the_rows_of_a_table_and_the_crops_of_others_get_the_label(tmp_path: Path) -> None:
    taken_in(fer_csv(tmp_path / "f.csv", [fer_row(3, 1), fer_row(3, 1, "PrivateTest"), fer_row(0, 2)]))
    row = Face.objects.earliest("pk")
    (found,) = make_faces(1)
    files = {}
    for name, face in (("happy/row.png", row), ("happy/crop.png", found)):
        with default_storage.open(face.crop) as file:
            files[name] = file.read()
    before = (Media.objects.count(), Face.objects.count())
    source = labelled(write(tmp_path / "in", files))
    assert states(source) == {"happy/crop.png": "known", "happy/row.png": "known"}
    assert (Media.objects.count(), Face.objects.count()) == before
    assert len(labels.of([*Face.objects.filter(media=row.media), found])) == 3


def test_started_again_it_brings_what_is_new_and_changes_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"happy/a.png": png(1)})
    source = labelled(folder)
    write(folder, {"sad/b.png": png(2)})
    again(source)
    assert said() == {"a.png": "happy", "b.png": "sad"}
    assert set(states(source).values()) == {"ingested"}


# ---- faces to be found ----


def test_with_a_detector_the_label_goes_to_the_only_face(tmp_path: Path) -> None:
    one, other = drawn.draw_still(0), drawn.draw_still(3)
    pair = jpeg_of(np.hstack([one, other]))
    files = {"happy/one.jpg": jpeg_of(one), "happy/pair.jpg": pair, "sad/wall.png": png(1, (300, 200))}
    source = labelled(write(tmp_path / "in", files), faces="haar")
    assert said() == {"one.jpg": "happy"}
    told = reasons(source)
    assert told["sad/wall.png"].startswith("No face was found in it.")
    assert told["happy/pair.jpg"].startswith("2 faces were found: whose label is it?")
    assert Scan.objects.count() == 3
    # Left out, the other one asks no more.
    Face.objects.filter(media__original_name="pair.jpg").last().delete()  # type: ignore[union-attr]
    ingest.retry_refused(source=source)
    ingest.ingest(source.pk)
    assert said() == {"one.jpg": "happy", "pair.jpg": "happy"}
    assert set(reasons(source)) == {"sad/wall.png"}


# ---- killed ----


class Killed(BaseException):
    """Stands in for the end of the process: nothing catches it."""


@pytest.mark.parametrize("at", range(1, 14))
def test_whatever_write_it_is_killed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    files = {f"happy/{n}.png": png(n % 3) for n in range(4)} | {
        "sad/4.jpg": jpeg(9),
        "sad/5.png": png(0),
        "bad/x": b"",
    }
    source = ingest.add(kind="labelled", location=write(tmp_path / "in", files), options=OPTIONS)
    writes = iter(range(1, 10_000))

    def dying(original):
        def call(*args, **kwargs):
            if next(writes) == at:
                raise Killed
            return original(*args, **kwargs)

        return call

    monkeypatch.setattr(store, "_move", dying(store._move))
    for name in ("update", "bulk_create", "bulk_update"):
        monkeypatch.setattr(models.QuerySet, name, dying(getattr(models.QuerySet, name)))
    with suppress(Killed):
        ingest.ingest(source.pk)
    monkeypatch.undo()
    assert not Item.objects.filter(state__in=("ingested", "known"), media=None).exists()
    assert Face.objects.count() == FaceLabel.objects.count() == Media.objects.count()
    Source.objects.filter(state="running").update(state="waiting", worker="")
    if Source.objects.get().state == "waiting":
        ingest.ingest(source.pk)
    assert sorted(states(source).values()) == ["ingested"] * 4 + ["known"] + ["refused"] * 2
    assert Face.objects.count() == FaceLabel.objects.count() == Media.objects.count() == 4
    for face in Face.objects.all():
        assert hashlib.sha256(kept(face.crop)).hexdigest() == face.crop_sha256
    assert default_storage.listdir("parts")[1] == []


# ---- the command ----


def test_the_command_takes_a_set_in(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"3/a.png": png(1), "odd/b.png": png(2)})
    (tmp_path / "classes.json").write_text('{"odd": "proud"}')
    words = [
        "--kind",
        "labelled",
        "--origin",
        "A",
        "--basis",
        "own",
        "--numbers",
        "--column",
        "team",
        "--in-process",
    ]
    out = io.StringIO()
    call_command("ingest", str(folder), *words, "--classes", str(tmp_path / "classes.json"), stdout=out)
    assert "2 media, 2 faces; 0 items were known already, 0 refused." in out.getvalue()
    assert set(FaceLabel.objects.values_list("label", "column", "origin")) == {
        ("happy", "team", "A"), ("proud", "team", "A"),
    }  # fmt: skip


# ---- options ----


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"origin": ""}, "Say whose label it is"),
        ({"origin": "x" * 201}, "Say whose label it is"),
        ({"column": "x" * 41}, "column’s name"),
        ({"classes": ["happy"]}, "classes is a mapping"),
        ({"classes": {"a": "x" * 41}}, "classes is a mapping"),
        ({"table": "../labels.csv"}, "a CSV inside the set"),
        ({"numbers": "yes"}, "true or false"),
        ({"faces": "nobody"}, "The option faces is a detector, haar"),
        ({"basis": ""}, "say on what basis"),
        ({"rows": [1, 2]}, "has no option “rows”"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, options: dict[str, object], why: str) -> None:
    with pytest.raises(CannotAdd, match=why):
        ingest.add(kind="labelled", location=tmp_path, options={**OPTIONS, **options})


def test_only_what_can_be_a_set_is_one(tmp_path: Path) -> None:
    picture = write(tmp_path, {"a.png": png(1)}) / "a.png"
    with pytest.raises(CannotAdd, match="is no labelled set"):
        ingest.add(kind="labelled", location=picture, options=OPTIONS)
    with pytest.raises(CannotAdd, match="There is nothing at"):
        ingest.add(kind="labelled", location=tmp_path / "nowhere", options=OPTIONS)


def test_as_openly_licensed_only_what_names_a_licence(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"happy/a.png": png(1)})
    assert "names no licence" in reasons(labelled(folder, basis="open"))["happy/a.png"]
    open_one = taken_in(folder, kind="labelled", options={**OPTIONS, "basis": "open"}, licence="CC0")
    assert set(states(open_one).values()) == {"ingested"}
