"""Faces are found once, in stills and in videos, with crops of the original pixels."""

import io
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from django.core.files.storage import default_storage
from PIL import Image

from labeling import work
from labeling.models import Detection, Face, Media, Scan, Source, Track
from labeling.sources import drawn, faces, looking
from labeling.sources.faces import CannotDetect
from labeling.vision import crops
from tests.labeling.sources.places import fer_csv, fer_row, kept, png, taken_in, write
from tests.labeling.vision.films import write_film, write_pictures

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
    end, calls = faces._Findings.end, []

    def killed_at_the_third(*args: object) -> None:
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        end(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(faces._Findings, "end", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        faces.find_faces(detection.pk)
    assert (Scan.objects.count(), Face.objects.count()) == (2, 4)
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


@pytest.fixture
def two_shots(tmp_path: Path) -> Source:
    """Two people side by side for two seconds, then a third for one."""
    first = np.hstack([drawn.draw_still(0), drawn.draw_still(3)])
    second = np.hstack([np.full_like(drawn.draw_still(5), 30), drawn.draw_still(5)])
    write_pictures(tmp_path / "film.mp4", [first] * 10 + [second] * 5, rate=5)
    return taken_in(tmp_path / "film.mp4")


def test_one_person_in_one_shot_is_one_track(two_shots: Source) -> None:
    searched(two_shots)
    tracks = Track.objects.order_by("number")
    assert [(track.shot, track.first_ms, track.last_ms) for track in tracks] == [
        (1, 0, 1800),
        (1, 0, 1800),
        (2, 2000, 2800),
    ]
    where = [set(track.faces.values_list("x", flat=True)) for track in tracks]
    assert all(max(xs) - min(xs) < 40 for xs in where)
    assert [track.faces.count() for track in tracks] == [10, 10, 5]
    assert not Face.objects.exclude(left_out="").exists()


def test_of_a_track_the_sharpest_and_most_different_may_be_asked_for(two_shots: Source) -> None:
    searched(two_shots, settings={"per_track": 2})
    for track in Track.objects.all():
        left_out = track.faces.values_list("left_out", flat=True)
        assert sorted(left_out) == [""] * 2 + ["track"] * (track.faces.count() - 2)
    assert Face.objects.kept().count() == 6


def test_tracks_do_not_depend_on_where_the_frames_are_parted(
    two_shots: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "_FRAMES", 1)
    searched(two_shots)
    assert list(Track.objects.order_by("number").values_list("shot", "first_ms", "last_ms")) == [
        (1, 0, 1800),
        (1, 0, 1800),
        (2, 2000, 2800),
    ]


def test_a_video_killed_half_way_is_begun_again_and_nothing_is_there_twice(
    two_shots: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = faces._Findings.end

    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    detection = faces.detect_in(source=two_shots)
    monkeypatch.setattr(faces._Findings, "end", killed)
    with pytest.raises(KeyboardInterrupt):
        faces.find_faces(detection.pk)
    assert (Face.objects.count(), Scan.objects.count()) == (25, 0)
    monkeypatch.setattr(faces._Findings, "end", end)
    Detection.objects.update(state="waiting", worker="")
    faces.find_faces(detection.pk)
    assert (Face.objects.count(), Track.objects.count(), Scan.objects.get().faces) == (25, 3, 25)
    assert not Face.objects.filter(track=None).exists()


def test_faces_are_measured_and_hardly_any_frame_of_a_still_scene_is_unlike_the_others(
    two_shots: Source,
) -> None:
    searched(two_shots)
    face = Face.objects.first()
    assert face is not None
    assert 0.1 < face.sharpness < 1  # type: ignore[operator]
    assert 0 < face.brightness < 1  # type: ignore[operator]
    assert (face.outside, face.yaw, face.landmarks) == (0, None, None)
    for track in Track.objects.all():
        likeness = Counter(track.faces.values_list("likeness", flat=True))
        assert max(likeness.values()) >= likeness.total() - 1
    assert Face.objects.filter(likeness=None).count() == 0


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
    assert problems["moving.gif"] == "It holds several pictures; only the first was looked at."


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


def test_boxes_smaller_than_asked_for_are_no_faces(two_people: Source) -> None:
    searched(two_people)
    sides = sorted(min(face.width, face.height) for face in Face.objects.all())
    Face.objects.all().delete()
    Scan.objects.all().delete()
    Detection.objects.all().delete()
    searched(two_people, settings={"min_side": sides[1] + 1})
    assert sorted(min(face.width, face.height) for face in Face.objects.all()) == [
        side for side in sides if side > sides[1]
    ]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"min_side": -1}, "min_side one of pixels"),
        ({"min_side": 2.5}, "min_side one of pixels"),
        ({"aligned": 1}, "aligned yes or no"),
        ({"aligned": True}, "haar tells no eyes"),
        ({"track_threshold": 0.4}, "no setting “track_threshold”"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    two_people: Source, wrong: dict[str, object], said: str
) -> None:
    with pytest.raises(CannotDetect, match=said):
        faces.detect_in(source=two_people, settings=wrong)
    assert not Detection.objects.exists()
