"""Folders, zips and single files: what is media goes in, the rest is named with a reason."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db import connections

from labeling import work
from labeling.models import Detection, Item, Media, Source
from labeling.sources import ingest, intake
from labeling.sources.base import CannotAdd, Unusable
from labeling.sources.folder import FolderPlace, is_of
from labeling.sources.places import guess_kind
from tests.labeling.sources.places import (
    again,
    bomb,
    kept,
    png,
    reasons,
    states,
    taken_in,
    write,
    zipped,
)
from tests.labeling.vision.films import write_film, write_sound

pytestmark = pytest.mark.django_db


def stored() -> list[str]:
    folders, _ = default_storage.listdir("media") if default_storage.exists("media") else ([], [])
    return sorted(name for folder in folders for name in default_storage.listdir(f"media/{folder}")[1])


def test_a_folder_goes_in_with_everything_below_it(tmp_path: Path) -> None:
    source = taken_in(write(tmp_path / "in", {"b.png": png(1), "a/c.png": png(2), "a/d/e.png": png(3)}))
    assert source.kind == "folder"
    assert states(source) == {"a/c.png": "ingested", "a/d/e.png": "ingested", "b.png": "ingested"}
    media = Media.objects.get(items__locator="a/c.png")
    assert (media.kind, media.mime, media.width, media.height) == ("image", "image/png", 32, 24)
    assert media.original_name == "c.png"
    assert media.stored_as == f"media/{media.sha256[:2]}/{media.sha256}.png"
    assert kept(media.stored_as) == png(2)


def test_the_same_bytes_twice_are_one_media(tmp_path: Path) -> None:
    source = taken_in(write(tmp_path / "in", {"a.png": png(1), "b.jpg": png(1)}))
    assert states(source) == {"a.png": "ingested", "b.jpg": "known"}
    assert Media.objects.get().items.count() == 2
    assert len(stored()) == 1


def test_another_source_with_the_same_bytes_shares_the_media(tmp_path: Path) -> None:
    taken_in(write(tmp_path / "one", {"a.png": png(1)}))
    second = taken_in(write(tmp_path / "two", {"z.png": png(1)}), licence="CC0")
    assert states(second) == {"z.png": "known"}
    assert Media.objects.get().licence == "CC0"


def test_what_a_file_is_is_told_by_its_content(tmp_path: Path) -> None:
    taken_in(write(tmp_path / "in", {"photo.mp4": png(1)}))
    assert Media.objects.get().mime == "image/png"


def test_hidden_files_and_leavings_are_no_items(tmp_path: Path) -> None:
    names = (".DS_Store", ".git/x.png", "__MACOSX/._a.png", "Thumbs.db")
    files: dict[str, bytes | str] = dict.fromkeys(names, "x")
    files["sources.csv"] = "file,licence\n"
    source = taken_in(write(tmp_path / "in", {**files, "a.png": png()}))
    assert states(source) == {"a.png": "ingested"}


def test_bad_files_are_refused_with_a_reason_and_the_rest_goes_in(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "in",
        {
            "empty.jpg": b"",
            "cut.png": png()[:700],
            "text.jpg": "These are words.",
            "bomb.png": bomb(30_000),
            "nested.zip": b"PK\x03\x04" + bytes(40),
            "good.png": png(),
        },
    )
    write_sound(folder / "talk.mp4")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "out.png").symlink_to("/etc/hostname")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "gone.png").symlink_to(folder / "nothing.png")
    source = taken_in(folder)
    said = reasons(source)
    assert states(source)["good.png"] == "ingested"
    assert said.keys() == states(source).keys() - {"good.png"}
    for name, words in {
        "empty.jpg": "The file is empty (0 bytes).",
        "cut.png": "damaged or cut short",
        "text.jpg": "The content is text, not an image",
        "bomb.png": "larger than the 100,000,000 pixels allowed",
        "nested.zip": "an archive (zip) inside the source",
        "talk.mp4": "no video stream in this file; it holds only sound",
        "pipe.jpg": "a pipe, a socket or a device",
        "out.png": "a link to a place outside the folder",
        "loop.png": "a link to a place outside the folder",
        "gone.png": "cannot be opened (No such file or directory)",
    }.items():
        assert words in said[name], name
    assert source.message == "1 items in, 10 refused"
    assert len(stored()) == 1
    assert default_storage.listdir("parts") == ([], [])


def test_a_name_that_is_not_utf8_is_refused_by_name(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"a.png": png()})
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(png(2))
    source = taken_in(folder)
    assert reasons(source) == {"caf\\xe9.png": "Its name is not valid UTF-8. Rename the file."}


def test_a_file_of_nothing_but_a_hole_is_not_read_to_its_limit(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"hole.png": png()})
    os.truncate(folder / "hole.png", 200 * 1000**3)
    place = FolderPlace(folder)
    (content,) = place.contents(["hole.png"])
    looks = []
    with pytest.raises(Unusable, match="It is longer than the 867,108,864 bytes allowed"):
        intake.staged(content, tmp_path / "part", lambda: looks.append(1))
    assert looks == []


def test_a_link_put_in_between_the_look_and_the_opening_leads_nowhere(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"deep/a.png": png()}).resolve()
    outside = write(tmp_path / "out", {"a.png": png(2)})
    descriptor = os.open(outside / "a.png", os.O_RDONLY)
    try:
        assert not is_of(descriptor, folder / "deep" / "a.png", folder)
    finally:
        os.close(descriptor)
    (content,) = FolderPlace(folder).contents(["deep/a.png"])
    (folder / "deep").rename(folder / "before")
    (folder / "deep").symlink_to(outside)
    with pytest.raises(Unusable, match="a link to a place outside the folder"), content.open():
        pass
    (folder / "before" / "sources.csv").symlink_to("/etc/passwd")
    (offer,) = [offer for offer in FolderPlace(folder).find() if offer.reason]
    assert (offer.locator, "outside the folder" in offer.reason) == ("before/sources.csv", True)


def test_a_file_longer_than_allowed_is_refused(tmp_path: Path, settings) -> None:
    settings.MAX_MEDIA_BYTES = 1000
    source = taken_in(write(tmp_path / "in", {"a.png": png()}))
    assert reasons(source) == {
        "a.png": "It is longer than the 1,000 bytes allowed (MAX_MEDIA_BYTES, for images also MAX_IMAGE_PIXELS)."
    }


def test_an_image_longer_than_its_pixels_could_fill_is_refused(tmp_path: Path, settings) -> None:
    settings.MAX_IMAGE_PIXELS = 1000
    folder = write(tmp_path / "in", {"a.png": png()})
    with (folder / "a.png").open("ab") as file:
        file.truncate(65 * 1024**2)
    assert reasons(taken_in(folder)) == {
        "a.png": "It is longer than the 67,116,864 bytes allowed (MAX_MEDIA_BYTES, for images also MAX_IMAGE_PIXELS)."
    }


def test_a_video_knows_its_length_and_rate(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_film(tmp_path / "in" / "a.mkv", rate=Fraction(30_000, 1001), count=60)
    taken_in(tmp_path / "in")
    media = Media.objects.get()
    assert (media.kind, media.mime, media.width, media.height) == ("video", "video/x-matroska", 160, 96)
    assert (round(media.fps, 2), media.duration_ms // 10) == (29.97, 200)


def test_sources_csv_tells_licence_author_page_and_label(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "in",
        {
            "sources.csv": "file,license,author,page_url,label\na.png,CC BY 4.0,Ada,https://x.org/a,happiness\n"
            "deep/c.png,from above,,,\n",
            "deep/sources.csv": "\ufefffile,author\nd.png,Dora\n",
            "a.png": png(1),
            "b.png": png(2),
            "deep/c.png": png(3),
            "deep/d.png": png(4),
        },
    )
    taken_in(folder, licence="CC0", author="Club")
    told = {
        media.original_name: (media.licence, media.author, media.page_url, media.given)
        for media in Media.objects.all()
    }
    assert told == {
        "a.png": ("CC BY 4.0", "Ada", "https://x.org/a", {"label": "happy"}),
        "b.png": ("CC0", "Club", "", {}),
        "c.png": ("from above", "Club", "", {}),
        "d.png": ("CC0", "Dora", "", {}),
    }


@pytest.mark.parametrize(
    ("notes", "said"),
    [("name,licence\n", "no column “file”"), (b"file\n\xff\xfe", "not a CSV file in UTF-8")],
)
def test_notes_nobody_can_read_are_not_passed_over(tmp_path: Path, notes: bytes | str, said: str) -> None:
    source = taken_in(write(tmp_path / "in", {"sources.csv": notes, "a.png": png()}))
    assert said in reasons(source)["sources.csv"]
    assert states(source)["a.png"] == "ingested"


@pytest.mark.parametrize("name", ["one.png", "one.avi"])
def test_a_single_file_is_a_source_too(tmp_path: Path, name: str) -> None:
    write(tmp_path, {"sources.csv": f"file,author\n{name},Ada\n"})
    path = tmp_path / name
    write_film(path, rate=10, count=3) if name.endswith("avi") else path.write_bytes(png())
    source = taken_in(path)
    assert (source.kind, source.name, states(source)) == ("file", name, {name: "ingested"})
    assert Media.objects.get().author == "Ada"


def test_new_files_go_in_when_a_source_is_refreshed(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"a.png": png(1)})
    source = taken_in(folder)
    first = Media.objects.get()
    write(folder, {"b.png": png(2)})
    again(source)
    assert states(source) == {"a.png": "ingested", "b.png": "ingested"}
    assert Media.objects.filter(pk=first.pk).exists()


def test_refused_items_can_be_tried_again(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"a.png": png()[:300]})
    source = taken_in(folder)
    write(folder, {"a.png": png()})
    again(source)
    assert states(source) == {"a.png": "refused"}
    ingest.retry_refused(source=source)
    ingest.ingest(source.pk)
    assert states(source) == {"a.png": "ingested"}
    with pytest.raises(ingest.NothingRefused):
        ingest.retry_refused(source=source)


@pytest.mark.parametrize("at", ["a.png", "z.png", ""])
def test_what_is_tried_again_while_the_look_goes_on_is_looked_at_after_it(tmp_path: Path, at: str) -> None:
    """at: where the look is at that moment; empty: all is looked at, and the look is about to end."""
    folder = write(tmp_path / "in", {"a.png": png(1)[:300], "m.png": png(2)[:300], "z.png": png(3)})
    source = taken_in(folder)
    for name in ("a.png", "m.png"):
        write(folder, {name: png(4)})
    source.items.filter(locator="z.png").update(state="found", media=None)
    asked: list[bool] = []

    def somebody(done: int, total: int | None, message: str) -> None:
        if message == (f"At {at}" if at else "") and not asked:
            asked.append(ingest.retry_refused(source=source, item=source.items.get(locator="m.png").pk))

    ingest.retry_refused(source=source, item=source.items.get(locator="a.png").pk)
    ingest.ingest(source.pk, tell=somebody)
    assert asked == [False]
    source.refresh_from_db()
    assert (source.state, source.message) == ("done", "3 items in")
    assert states(source) == {"a.png": "ingested", "m.png": "known", "z.png": "known"}


def test_what_was_tried_again_begins_at_once_where_nobody_is_at_it(tmp_path: Path) -> None:
    source = taken_in(write(tmp_path / "in", {"a.png": png(1)[:300]}))
    assert ingest.retry_refused(source=source)
    assert source.state == "waiting"
    # It waits for a worker already, and for what was refused.
    source.items.update(state="refused", reason="Late.")
    assert not ingest.retry_refused(source=source)
    ingest.ingest(source.pk)
    assert source.items.get().state == "refused"


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_whenever_it_is_tried_again_it_is_looked_at(tmp_path: Path) -> None:
    """Somebody tries again and again while a worker takes in and comes to its end again and again."""
    source = taken_in(write(tmp_path / "in", {f"{n}.png": png(n)[:300] for n in range(3)}))

    def somebody() -> None:
        try:
            for _ in range(40):
                with suppress(ingest.NothingRefused):
                    ingest.retry_refused(source=Source.objects.get(pk=source.pk))
        finally:
            connections.close_all()

    def a_worker() -> None:
        with suppress(work.AlreadyClaimed):
            ingest.ingest(source.pk)

    with ThreadPoolExecutor(1) as pool:
        trying = pool.submit(somebody)
        while not trying.done():
            a_worker()
        trying.result()
    a_worker()
    source.refresh_from_db()
    assert source.state == "done"
    assert set(states(source).values()) == {"refused"}


def test_a_place_that_has_gone_fails_the_source_with_its_name(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"a.png": png()})
    source = ingest.add(location=folder)
    (folder / "a.png").unlink()
    folder.rmdir()
    ingest.ingest(source.pk)
    source.refresh_from_db()
    assert (source.state, source.error) == ("failed", f"There is no folder at “{folder}” that can be read.")


def test_searches_asked_for_are_queued_when_all_is_in(tmp_path: Path) -> None:
    source = taken_in(write(tmp_path / "in", {"a.png": png()}), options={"detect": ["haar"]})
    detection = Detection.objects.get()
    assert (detection.source, detection.detector, detection.state) == (source, "haar", "waiting")


def test_the_same_place_again_goes_on_with_the_same_source(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"a.png": png()})
    source = taken_in(folder)
    assert ingest.resume_or_add(location=folder) == source
    source.refresh_from_db()
    assert source.state == "waiting"
    assert ingest.resume_or_add(location=folder, options={"detect": ["haar"]}) != source


def test_kinds_are_guessed_from_the_path(tmp_path: Path) -> None:
    write(tmp_path, {"a.png": png(), "t.csv": "Usage,emotion,pixels\n", "c.csv": "a,b\n", "w.jpg": "words"})
    zipped(tmp_path / "b.dat", {"x": "y"})
    names = {"": "folder", "a.png": "file", "t.csv": "fer2013", "b.dat": "zip"}
    assert {name: guess_kind(tmp_path / name) for name in names} == names
    for name in ("c.csv", "w.jpg", "none"):
        with pytest.raises(CannotAdd):
            guess_kind(tmp_path / name)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"location": "/no/such/place"}, "There is nothing at “/no/such/place”"),
        ({"kind": "film"}, "no kind of source “film”"),
        ({"kind": "zip"}, "not a zip that can be read"),
        (
            {"options": {"rows": [1, 2]}},
            "of kind folder has no option “rows”; it has basis, basis_note, detect",
        ),
        ({"options": {"detect": ["yunet"]}}, "“yunet” cannot run here; there is haar"),
        ({"options": {"detect": "haar"}}, "is a list of detectors"),
    ],
)
def test_what_cannot_be_added_is_said_at_once(tmp_path: Path, fields: dict[str, object], said: str) -> None:
    with pytest.raises(CannotAdd, match=said):
        ingest.add(**{"location": write(tmp_path, {"a.png": png()}), **fields})  # type: ignore[arg-type]
    assert not Item.objects.exists()
