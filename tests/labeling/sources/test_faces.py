"""Faces are found once, in stills and in videos, with crops of the original pixels."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from django.core.files.storage import default_storage
from PIL import Image

from labeling import work
from labeling.models import Detection, Face, Media, Scan, Source
from labeling.sources import drawn, faces
from labeling.sources.faces import CannotDetect
from labeling.vision import crops
from tests.labeling.sources.places import fer_csv, fer_row, kept, png, taken_in, write
from tests.labeling.vision.films import write_film

pytestmark = pytest.mark.django_db


def jpeg(pixels: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1])


def searched(source: Source, **fields: object) -> Detection:
    detection = faces.detect_in(source=source, **fields)  # type: ignore[arg-type]
    faces.find_faces(detection.pk)
    detection.refresh_from_db()
    assert (detection.state, detection.error) == ("done", "")
    return detection


@pytest.fixture
def two_people(tmp_path: Path) -> Source:
    """Two stills of one face each, labelled; a picture of both, labelled too; one of nobody."""
    one, other = drawn.draw_still(0), drawn.draw_still(3)
    folder = write(
        tmp_path / "in",
        {
            "one.jpg": jpeg(one),
            "other.jpg": jpeg(other),
            "pair.jpg": jpeg(np.hstack([one, other])),
            "wall.png": png(1, (300, 200)),
            "sources.csv": "file,label\none.jpg,angry\npair.jpg,angry\n",
        },
    )
    return taken_in(folder)


def test_every_media_is_scanned_and_its_faces_are_kept(two_people: Source) -> None:
    detection = searched(two_people)
    scans = {scan.media.original_name: scan.faces for scan in Scan.objects.select_related("media")}
    assert scans == {"one.jpg": 1, "other.jpg": 1, "pair.jpg": 2, "wall.png": 0}
    assert Face.objects.count() == 4
    assert (detection.done, detection.total, detection.message) == (4, 4, "4 faces")


def test_a_crop_is_the_box_with_a_margin_of_the_original_pixels(two_people: Source) -> None:
    searched(two_people)
    face = Face.objects.get(media__original_name="one.jpg")
    picture = np.asarray(Image.open(io.BytesIO(kept(face.media.stored_as))).convert("RGB"))
    crop = np.asarray(Image.open(io.BytesIO(kept(face.crop))))
    box = (face.x, face.y, face.width, face.height)
    assert np.array_equal(crop, crops.crop(picture, box, margin=0.2))
    assert crop.shape == (face.crop_height, face.crop_width, 3)
    assert face.crop == f"crops/{face.crop_sha256[:2]}/{face.crop_sha256}.png"


def test_a_given_label_goes_to_the_face_only_where_there_is_one(two_people: Source) -> None:
    searched(two_people)
    given = {(face.media.original_name, str(face.given)) for face in Face.objects.select_related("media")}
    assert given == {("one.jpg", "{'label': 'angry'}"), ("other.jpg", "{}"), ("pair.jpg", "{}")}


def test_searched_again_nothing_is_searched_twice(two_people: Source) -> None:
    first = searched(two_people)
    before = list(Face.objects.values_list("pk", flat=True))
    assert searched(two_people) == first
    assert list(Face.objects.values_list("pk", flat=True)) == before
    assert Scan.objects.count() == 4


def test_media_of_another_source_are_not_searched_twice(two_people: Source, tmp_path: Path) -> None:
    searched(two_people)
    second = taken_in(write(tmp_path / "two", {"same.jpg": jpeg(drawn.draw_still(0))}))
    detection = searched(second)
    assert (detection.done, detection.message, Face.objects.count()) == (1, "1 faces", 4)


def test_a_search_killed_between_two_media_goes_on(
    two_people: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    detection = faces.detect_in(source=two_people)
    record, calls = faces._record, []

    def killed_at_the_third(*args: object) -> None:
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        record(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(faces, "_record", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        faces.find_faces(detection.pk)
    assert (Scan.objects.count(), Face.objects.count()) == (2, 2)
    Detection.objects.update(state="waiting", worker="")
    monkeypatch.undo()
    faces.find_faces(detection.pk)
    assert (Scan.objects.count(), Face.objects.count()) == (4, 4)


def test_a_stop_is_heeded_between_media_and_the_rest_comes_later(two_people: Source) -> None:
    detection = faces.detect_in(source=two_people)

    def stop(done: int, total: int | None, message: str) -> None:
        if done == 1:
            Detection.objects.update(stop_asked=True)

    job_beat = work.Job.BEAT_EVERY_S
    work.Job.BEAT_EVERY_S = 0.0
    try:
        faces.find_faces(detection.pk, tell=stop)
    finally:
        work.Job.BEAT_EVERY_S = job_beat
    detection.refresh_from_db()
    assert (detection.state, Scan.objects.count()) == ("stopped", 1)
    searched(two_people)
    assert Scan.objects.count() == 4


def test_in_a_video_faces_have_their_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn, "SCHEDULE", drawn.SCHEDULE[:2])
    drawn.draw_collection(tmp_path / "in", stills=0)
    source = taken_in(tmp_path / "in")
    searched(source)
    media = Media.objects.get(kind="video")
    scan = Scan.objects.get(media=media)
    assert (scan.frames, scan.faces, scan.problem) == (10, 10, "")
    times = media.faces.order_by("time_ms").values_list("time_ms", "frame")
    assert list(times) == [(n * 200, n * 3) for n in range(10)]
    assert all(face.given == {} for face in media.faces.all())


def test_a_broken_tail_and_an_animation_leave_a_note(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_film(folder / "film.avi", rate=25, count=100, codec="mjpeg")
    data = (folder / "film.avi").read_bytes()
    (folder / "film.avi").write_bytes(data[: len(data) // 2])
    frames = [Image.new("L", (60, 60), level) for level in (0, 100, 200)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    searched(taken_in(folder))
    problems = {scan.media.original_name: scan.problem for scan in Scan.objects.select_related("media")}
    assert "its pictures end at" in problems["film.avi"]
    assert problems["moving.gif"] == "Animated: only the first of its 3 frames was looked at."


def test_a_table_is_searched_only_if_asked(tmp_path: Path) -> None:
    source = taken_in(fer_csv(tmp_path / "f.csv", [fer_row(0, 1), fer_row(0, 2)]))
    assert not Detection.objects.exists()
    searched(source)
    assert Scan.objects.count() == 2
    assert Face.objects.filter(detector="fer2013").count() == 2


def test_a_stored_file_that_is_gone_stops_the_search_with_its_name(two_people: Source) -> None:
    default_storage.delete(Media.objects.get(original_name="other.jpg").stored_as)
    detection = faces.detect_in(source=two_people)
    faces.find_faces(detection.pk)
    detection.refresh_from_db()
    assert detection.state == "failed"
    assert detection.error.startswith("other.jpg: The storage holds no file")


def test_settings_are_heeded_and_kept(two_people: Source) -> None:
    detection = searched(two_people, settings={"min_neighbors": 5000, "margin": 0.5})
    assert (detection.settings, Face.objects.count()) == ({"min_neighbors": 5000, "margin": 0.5}, 0)
    with pytest.raises(CannotDetect, match="searched this source already, with other settings"):
        faces.detect_in(source=two_people, settings={"min_neighbors": 3})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"detector": "eye"}, "no detector “eye”"),
        ({"detector": "yunet"}, "Set YUNET_MODEL"),
        ({"settings": {"neighbours": 3}}, "no setting “neighbours”"),
        ({"settings": {"per_second": 0}}, "per_second is a number from 0.01 to 120"),
        ({"settings": {"margin": "wide"}}, "margin one from 0 to 2"),
    ],
)
def test_what_cannot_be_searched_is_said_at_once(
    tmp_path: Path, fields: dict[str, object], said: str
) -> None:
    source = taken_in(write(tmp_path, {"a.png": png()}))
    with pytest.raises(CannotDetect, match=said):
        faces.detect_in(source=source, **fields)  # type: ignore[arg-type]
    assert not Detection.objects.exists()
