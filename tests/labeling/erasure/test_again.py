"""What was erased is neither taken in nor found again."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from labeling import erasure, likeness
from labeling.erasure import planning
from labeling.models import Erasure, Face, Item, Media, Scan, Source, Tombstone
from labeling.sources import drawn, faces, handmade, ingest, store
from labeling.sources.handmade import CannotDraw
from labeling.sources.looking import Group
from tests.factories import make_media
from tests.labeling.erasure.erasing import erase
from tests.labeling.sources.places import again, fer_csv, fer_row, png, reasons, states, taken_in, write
from tests.labeling.vision.films import write_pictures

pytestmark = pytest.mark.django_db


def jpeg(pixels: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1])


def searched(source: Source, detector: str = "haar") -> None:
    faces.find_faces(faces.detect_in(source=source, detector=detector).pk)
    assert source.detections.get(detector=detector).error == ""


def erased_today(why: str = "Asked to") -> str:
    return f"Erased on {timezone.localdate().isoformat()}: {why}"


def stored_files() -> set[Path]:
    return {path for path in Path(default_storage.path("")).rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "in", {"one.png": png(1), "other.png": png(2)})


def test_an_erased_picture_is_not_taken_in_again(folder: Path, tmp_path: Path) -> None:
    source = taken_in(folder)
    media = source.items.get(locator="one.png").media
    assert media is not None
    row = erase("media", [media.pk])
    assert reasons(source) == {"one.png": erased_today()}
    assert row.touched["originals"] == [str(folder / "one.png")]
    again(source)
    copy = taken_in(write(tmp_path / "copy", {"renamed.png": png(1)}))
    assert reasons(copy) == {"renamed.png": erased_today()}
    assert Media.objects.count() == 1
    assert not default_storage.exists(media.stored_as)


def test_what_was_erased_is_not_tried_again(folder: Path) -> None:
    source = taken_in(folder)
    erase("media", [source.items.get(locator="one.png").media_id])
    with pytest.raises(ingest.NothingRefused):
        ingest.retry_refused(source=source)


def test_a_media_erased_while_it_is_taken_in_is_refused(folder: Path) -> None:
    """The tombstone comes after the file was read, before the row."""
    source = taken_in(folder)
    item = source.items.get(locator="one.png")
    media = item.media
    assert media is not None
    erase("media", [media.pk])
    stone = Tombstone.objects.get(kind="media")
    Tombstone.objects.filter(pk=stone.pk).delete()
    keep_file = store.keep_file

    def keep_and_bury(part: Path, name: str) -> None:
        keep_file(part, name)
        stone.save(force_insert=True)

    Item.objects.filter(pk=item.pk).update(state="found", reason="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "keep_file", keep_and_bury)
        again(source)
    assert states(source)["one.png"] == "refused"
    assert reasons(source) == {"one.png": erased_today()}
    assert not Media.objects.filter(sha256=media.sha256).exists()
    assert not default_storage.exists(media.stored_as)


def test_an_erased_row_of_a_table_is_not_taken_in_again(tmp_path: Path) -> None:
    table = fer_csv(tmp_path / "f.csv", [fer_row(0, 1), fer_row(1, 2)])
    source = taken_in(table)
    face = Face.objects.get(row=1)
    row = erase("face", [face.pk], with_media=True)
    assert row.touched["originals"] == [f"{table} (row 1)"]
    assert not default_storage.exists(face.crop)
    Item.objects.filter(source=source).update(state="found", reason="")
    again(source)
    assert states(source) == {"row 1": "refused", "row 2": "known"}
    assert list(Face.objects.values_list("row", flat=True)) == [2]


def test_an_erased_face_of_a_row_whose_picture_stays_is_not_made_again(tmp_path: Path) -> None:
    source = taken_in(fer_csv(tmp_path / "f.csv", [fer_row(0, 1), fer_row(1, 2)]))
    erase("face", [Face.objects.get(row=1).pk])
    Item.objects.filter(source=source).update(state="found")
    again(source)
    assert states(source) == {"row 1": "known", "row 2": "known"}
    assert list(Face.objects.values_list("row", flat=True)) == [2]
    assert Media.objects.count() == 2


@pytest.fixture
def photos(tmp_path: Path) -> Source:
    """A picture of two people, and one of one."""
    one, other = drawn.draw_still(0), drawn.draw_still(3)
    files = {"pair.jpg": jpeg(np.hstack([one, other])), "single.jpg": jpeg(drawn.draw_still(5))}
    return taken_in(write(tmp_path / "photos", files))


def test_an_erased_face_is_not_found_again(photos: Source) -> None:
    searched(photos)
    pair = Media.objects.get(original_name="pair.jpg")
    gone, stays = pair.faces.order_by("x")
    erase("face", [gone.pk])
    Scan.objects.all().delete()
    searched(photos)
    assert list(pair.faces.all()) == [stays]
    assert not default_storage.exists(gone.crop)
    assert Scan.objects.get(media=pair).faces == 1


def test_a_person_cannot_draw_it_again(photos: Source) -> None:
    searched(photos)
    pair = Media.objects.get(original_name="pair.jpg")
    gone, _stays = pair.faces.order_by("x")
    erase("face", [gone.pk])
    before = stored_files()
    box = (gone.x + 3, gone.y, gone.width, gone.height)
    with pytest.raises(CannotDraw, match="erased"):
        handmade.draw(media=pair, box=box, by=None)
    assert stored_files() == before
    elsewhere = handmade.draw(media=pair, box=(0, 0, 40, 40), by=None)
    assert elsewhere.pk


def test_of_a_film_the_moments_around_are_not_found_again(tmp_path: Path) -> None:
    source = taken_in(write_pictures(tmp_path / "film.mp4", [drawn.draw_still(0)] * 10, rate=5))
    searched(source)
    found = list(Face.objects.order_by("time_ms"))
    assert len(found) > 6
    gone = found[3]
    erase("face", [gone.pk])
    assert Face.objects.count() == len(found) - 1
    Scan.objects.all().delete()
    Face.objects.all().delete()
    searched(source)
    left = set(Face.objects.values_list("time_ms", flat=True))
    assert {face.time_ms for face in found} - left == {found[n].time_ms for n in (2, 3, 4)}


def test_faces_found_in_a_media_after_its_erasure_was_planned_go_too(photos: Source) -> None:
    pair = Media.objects.get(original_name="pair.jpg")
    row = Erasure.objects.create(scope="media", what=[pair.pk], reason="Asked to")
    planning.plan(row, lambda: None)
    Erasure.objects.filter(pk=row.pk).update(planned_at=timezone.now())
    searched(photos)
    crops = list(pair.faces.values_list("crop", flat=True))
    assert len(crops) == 2
    erasure.carry_out(row.pk)
    assert not pair.faces.exists()
    assert not any(default_storage.exists(crop) for crop in crops)


def test_a_search_that_finds_its_media_erased_leaves_nothing(photos: Source) -> None:
    """Erased between the look at the picture and the keeping of what was found."""
    pair = Media.objects.get(original_name="pair.jpg")
    kept: list[str] = []
    keep = faces._Findings.keep

    def erase_and_keep(self: faces._Findings, media: Media, groups: list[Group], *rest: object) -> None:
        if media == pair:
            kept.extend(face.crop for _, group in groups for face in group)
            erase("media", [pair.pk])
        keep(self, media, groups, *rest)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faces._Findings, "keep", erase_and_keep)
        searched(photos)
    assert len(kept) == 2
    assert not any(default_storage.exists(crop) for crop in kept)
    assert not Media.objects.filter(pk=pair.pk).exists()


def test_near_duplicates_are_still_compared(photos: Source) -> None:
    searched(photos)
    erase("face", [Face.objects.earliest("pk").pk])
    media = make_media()
    assert media.pk
    assert likeness.compare_new() == 0
