"""The same on real photos, videos and tables, where they are at hand."""

from pathlib import Path

import numpy as np
import pytest
from django.core.files.storage import default_storage

from labeling.models import Face, Media, Scan
from labeling.sources import faces
from labeling.vision import detectors, images, video
from tests.labeling.sources.places import states, taken_in

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not there; it holds real photos and videos."),
]
PHOTOS, VIDEOS = DATA / "photos", DATA / "videos"
YUNET = DATA / "detectors" / "face_detection_yunet_2023mar.onnx"


@pytest.mark.django_db
def test_a_photo_with_an_orientation_flag_goes_in_upright(tmp_path: Path) -> None:
    taken_in(PHOTOS / "test-assets__portrait-orientation-6.jpg")
    media = Media.objects.get()
    assert (media.width, media.height) == (840, 700)


def test_a_cmyk_photo_has_the_colours_it_should() -> None:
    (path,) = PHOTOS.glob("thumbor__*")
    pixels = images.open_image(path)
    assert pixels.shape == (800, 533, 3)
    red, green, blue = pixels.reshape(-1, 3).mean(axis=0)
    assert (
        green > red > blue
    )  # leaves in the dark behind a man in black; inverted it would be bright and blue
    assert np.median(pixels) < 60


@pytest.mark.parametrize("name", ["haar", "yunet"])
def test_each_detector_finds_the_astronaut(name: str) -> None:
    detector = detectors.make(name, model=str(YUNET))
    (face,) = detector.find(images.open_image(PHOTOS / "scikit-image__astronaut.png"))
    assert abs(face.x + face.width / 2 - 224) < 15
    assert abs(face.y + face.height / 2 - 113) < 25
    assert (face.landmarks is None) == (name == "haar")


def test_yunet_gives_landmarks_inside_its_boxes() -> None:
    detector = detectors.make("yunet", model=str(YUNET))
    found = detector.find(images.open_image(PHOTOS / "face_recognition__obama_and_biden.jpg"))
    assert len(found) >= 2
    for face in found:
        assert face.landmarks is not None
        right_eye, left_eye, nose, *_ = face.landmarks
        assert face.x <= right_eye[0] < left_eye[0] <= face.x + face.width
        assert face.y <= nose[1] <= face.y + face.height


@pytest.mark.django_db
def test_a_signer_is_found_all_through_a_video(settings) -> None:
    settings.YUNET_MODEL = str(YUNET)
    source = taken_in(VIDEOS / "asl_milk.mkv")
    for detector in ("haar", "yunet"):
        faces.find_faces(faces.detect_in(source=source, detector=detector).pk)
    assert {scan.detector: (scan.frames, scan.faces) for scan in Scan.objects.all()} == {
        "haar": (9, 9),
        "yunet": (9, 9),
    }
    times = Face.objects.filter(detector="haar").order_by("time_ms").values_list("time_ms", flat=True)
    assert all(0 <= time - 200 * n <= 34 for n, time in enumerate(times))


def test_a_video_at_29_97_is_read_by_its_time() -> None:
    reading = video.frames(VIDEOS / "short_hamilton_clip.mp4")
    times = [frame.time_ms for frame in reading]
    assert (len(times), reading.decoded, reading.problem) == (46, 275, "")
    assert all(0 <= time - 200 * n <= 34 for n, time in enumerate(times))


@pytest.mark.django_db
def test_every_photo_goes_in() -> None:
    source = taken_in(PHOTOS)
    assert set(states(source).values()) == {"ingested"}
    assert Media.objects.count() == 32


@pytest.mark.django_db
def test_a_face_yunet_is_unsure_of_is_kept_only_on_a_track_that_a_sure_one_began(settings) -> None:
    settings.YUNET_MODEL = str(YUNET)
    source = taken_in(VIDEOS / "short_hamilton_clip.mp4")
    faces.find_faces(faces.detect_in(source=source, detector="yunet").pk)
    unsure = Face.objects.filter(score__lt=0.7)
    assert (Face.objects.count(), unsure.count()) == (122, 17)
    assert not Face.objects.filter(track=None).exists()
    for face in unsure:
        assert face.track is not None
        first = face.track.faces.earliest("time_ms")
        assert first.score >= 0.7
        assert first.time_ms < face.time_ms
    # What was dropped left no crop behind.
    stored = [path.stem for path in (Path(default_storage.path("crops"))).rglob("*.png")]
    assert sorted(stored) == sorted(set(Face.objects.values_list("crop_sha256", flat=True)))


@pytest.mark.django_db
def test_aligned_crops_have_level_eyes_in_the_pixels_of_the_picture(settings) -> None:
    settings.YUNET_MODEL = str(YUNET)
    source = taken_in(PHOTOS / "scikit-image__astronaut.png")
    faces.find_faces(faces.detect_in(source=source, detector="yunet", settings={"aligned": True}).pk)
    face = Face.objects.get()
    assert 0.6 < face.crop_width / (1.4 * face.width) < 1.6
    crop = images.open_image(Path(default_storage.path(face.crop)))
    again = detectors.make("yunet", model=str(YUNET)).find(crop)[0].landmarks
    assert again is not None
    (right_x, right_y), (left_x, left_y), *_ = again
    assert abs(left_y - right_y) < 0.1 * (left_x - right_x)
