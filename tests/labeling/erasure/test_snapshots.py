"""Snapshots lose the picture and keep the hash; what was made of them is made anew."""

from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from labeling import erasure, work
from labeling.models import Export, Face, Snapshot
from labeling.snapshots import exporting, freezing
from labeling.snapshots import format as snapshots
from labeling.snapshots.stored import folder_of, local_path
from tests.labeling.erasure.erasing import erase
from tests.labeling.snapshots.making import frozen, make_settled

pytestmark = pytest.mark.django_db


def everything(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def holding(content: bytes, *folders: Path) -> list[Path]:
    """Files in which these very bytes are found."""
    return [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and content in path.read_bytes()
    ]


def picture(face: Face) -> bytes:
    with default_storage.open(face.crop) as file:
        return bytes(file.read())


def folder(snapshot: Snapshot) -> Path:
    path = local_path(folder_of(snapshot.digest))
    assert path is not None
    return path


def test_a_snapshot_loses_the_picture_and_proves_the_rest() -> None:
    campaign = make_settled(12)
    snapshot = frozen(campaign)
    export = exporting.export(snapshot=snapshot, format="imagefolder", wake=False)
    exporting.run_export(export.pk)
    export.refresh_from_db()
    before = export.stored_as
    gone = campaign.campaign_faces.first().face
    content = picture(gone)
    root = Path(default_storage.path(""))
    assert holding(content, root)
    row = erase("face", [gone.pk], with_media=True)
    snapshot.refresh_from_db()
    export.refresh_from_db()
    assert snapshot.erased == 1
    assert snapshots.verify(folder(snapshot)) == []
    assert snapshots.read_table(folder(snapshot)).num_rows == 11
    assert row.touched["snapshots"] == [
        {"pk": snapshot.pk, "name": snapshot.name, "faces": 1, "let_go": True}
    ]
    assert [entry["pk"] for entry in row.touched["exports"]] == [export.pk]
    assert export.state == "waiting"
    assert not default_storage.exists(before)
    assert holding(content, root) == []
    exporting.run_export(export.pk)
    assert holding(content, root) == []
    export.refresh_from_db()
    assert (export.state, export.stored_as != before) == ("done", True)


def test_snapshots_that_never_held_it_are_unchanged_to_the_bit() -> None:
    campaign, other = make_settled(12), make_settled(12)
    touched, untouched = frozen(campaign), frozen(other)
    before = everything(folder(untouched))
    packs = {name: (folder(untouched).parent / "packs" / name).read_bytes() for name in untouched.packs}
    erase("face", [campaign.campaign_faces.first().face_id])
    assert everything(folder(untouched)) == before
    for name, content in packs.items():
        assert (folder(untouched).parent / "packs" / name).read_bytes() == content
    untouched.refresh_from_db()
    assert untouched.erased == 0
    assert freezing.verify(snapshot=touched) == []


def test_the_preview_names_what_held_it() -> None:
    campaign = make_settled(12)
    snapshot = frozen(campaign)
    export = exporting.export(snapshot=snapshot, format="imagefolder", wake=False)
    exporting.run_export(export.pk)
    found = erasure.preview("face", [row.face_id for row in campaign.campaign_faces.all()[:3]])
    assert (found.faces, found.media, found.pictures_stay) == (3, 0, 3)
    assert found.snapshots == [{"pk": snapshot.pk, "name": snapshot.name, "faces": 3}]
    assert [each["format"] for each in found.exports] == ["imagefolder"]
    assert found.campaigns == [{"pk": campaign.pk, "name": campaign.name, "faces": 3}]


def test_a_freeze_that_runs_begins_again_without_it() -> None:
    campaign = make_settled(12)
    gone = campaign.campaign_faces.first().face
    content = picture(gone)
    snapshot = freezing.freeze(campaign=campaign)
    erasing = erasure.demand("face", [gone.pk], reason="Asked to", with_media=True)
    told = []

    def erase_before_it_is_stored(done: int, total: int | None, message: str) -> None:
        """All pictures are read by then."""
        if message == "Storing" and not told:
            told.append(message)
            erasure.carry_out(erasing.pk)

    # What it had made is gone from under it, and its row is another's: it says no more.
    freezing.run_freeze(snapshot.pk, tell=erase_before_it_is_stored)
    assert told
    snapshot.refresh_from_db()
    assert snapshot.state == "waiting"
    assert holding(content, Path(default_storage.path(""))) == []
    freezing.run_freeze(snapshot.pk)
    snapshot.refresh_from_db()
    assert (snapshot.state, snapshots.read_table(folder(snapshot)).num_rows) == ("done", 11)
    assert holding(content, Path(default_storage.path(""))) == []


def test_what_a_freeze_that_failed_had_stored_goes() -> None:
    campaign = make_settled(12)
    snapshot = frozen(campaign)
    gone = campaign.campaign_faces.first().face
    content = picture(gone)
    # As a worker leaves it that was killed after storing and before leaving.
    Snapshot.objects.filter(pk=snapshot.pk).update(state="failed", digest="")
    left = Path(default_storage.path("making")) / f"snapshot-{snapshot.pk}-abc"
    left.mkdir(parents=True, exist_ok=True)
    (left / "part").write_bytes(content)
    erase("face", [gone.pk], with_media=True)
    assert holding(content, Path(default_storage.path(""))) == []


def test_an_export_being_written_is_begun_again() -> None:
    campaign = make_settled(12)
    snapshot = frozen(campaign)
    export = exporting.export(snapshot=snapshot, format="imagefolder", wake=False)
    job = work.claim(Export, export.pk)
    erase("face", [campaign.campaign_faces.first().face_id])
    export.refresh_from_db()
    assert export.state == "waiting"
    with pytest.raises(work.ClaimLost):
        job.beat(force=True)


def test_two_erasures_of_the_same_faces_both_end() -> None:
    campaign = make_settled(12)
    snapshot = frozen(campaign)
    face = campaign.campaign_faces.first().face
    one = erasure.demand("face", [face.pk], reason="Asked to")
    erase("media", [face.media_id])
    erasure.carry_out(one.pk)
    snapshot.refresh_from_db()
    assert snapshot.erased == 1
