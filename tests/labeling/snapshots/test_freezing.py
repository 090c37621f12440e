"""From settled faces to a frozen snapshot."""

from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from labeling import work
from labeling.expressions import SEVEN
from labeling.models import Campaign, CampaignFace, Face, Item, Snapshot, Source
from labeling.snapshots import format as snapshots
from labeling.snapshots import freezing
from tests.factories import make_campaign, make_faces, settle

pytestmark = pytest.mark.django_db


def make_settled(
    faces: int = 40, *, per_media: int = 1, labels: tuple[str, ...] = ("happy", "sad")
) -> Campaign:
    campaign = make_campaign(make_faces(faces, per_media=per_media))
    for number, row in enumerate(campaign.campaign_faces.all()):
        settle(row, labels[number % len(labels)])
    return campaign


def frozen(campaign: Campaign, **rule: object) -> Snapshot:
    snapshot = freezing.freeze(campaign=campaign, **rule)
    freezing.run_freeze(snapshot.pk)
    snapshot.refresh_from_db()
    return snapshot


def test_a_snapshot_holds_the_settled_faces_with_votes_and_pictures() -> None:
    campaign = make_settled(10)
    snapshot = frozen(campaign)
    assert (snapshot.state, snapshot.error) == ("done", "")
    rows = snapshots.read_table(freezing.local_folder(snapshot)).to_pylist()
    assert {row["face_id"] for row in rows} == set(Face.objects.values_list("pk", flat=True))
    first = rows[0]
    face = Face.objects.get(pk=first["face_id"])
    with default_storage.open(face.crop) as file:
        assert first["image"] == file.read()
    votes = dict(zip([*SEVEN, "cant_tell", "not_a_face"], first["votes"], strict=True))
    assert {answer: count for answer, count in votes.items() if count} == {first["label"]: 10}
    assert sum(first["soft_label"]) == 1.0


def test_frozen_twice_it_has_the_same_digest_and_the_same_folder() -> None:
    campaign = make_settled()
    first, second = frozen(campaign), frozen(campaign)
    assert first.pk != second.pk
    assert (first.digest, first.folder) == (second.digest, second.folder)


@pytest.mark.parametrize("change", ["seed", "vote", "label"])
def test_whatever_changes_the_content_changes_the_digest(change: str) -> None:
    campaign = make_settled()
    before = frozen(campaign)
    row = campaign.campaign_faces.all()[0]
    if change == "vote":
        CampaignFace.objects.filter(pk=row.pk).update(counts={"happy": 9, "fear": 1})
    if change == "label":
        settle(row, "angry")
    after = frozen(campaign, seed=1 if change == "seed" else 0)
    assert before.digest != after.digest


def test_the_faces_of_one_media_are_never_parted() -> None:
    snapshot = frozen(make_settled(60, per_media=3))
    rows = snapshots.read_table(freezing.local_folder(snapshot), ["media_sha256", "split"]).to_pylist()
    splits = {}
    for row in rows:
        splits.setdefault(row["media_sha256"], set()).add(row["split"])
    assert len(splits) == 20
    assert all(len(found) == 1 for found in splits.values())
    assert {split for found in splits.values() for split in found} == set(snapshots.SPLITS)


def test_what_has_no_consensus_stays_out_and_is_counted() -> None:
    campaign = make_settled(6)
    rows = list(campaign.campaign_faces.all())
    CampaignFace.objects.filter(pk=rows[0].pk).update(outcome="no_consensus", label="")
    CampaignFace.objects.filter(pk=rows[1].pk).update(outcome="not_a_face", label="")
    CampaignFace.objects.filter(pk=rows[2].pk).update(state="open", votes=9, places=1)
    snapshot = frozen(campaign)
    assert snapshot.counts["left_out"] == {"no_consensus": 1, "not_a_face": 1, "open": 1}
    assert snapshots.read_manifest(freezing.local_folder(snapshot)).rows == 3


def test_the_name_of_the_source_and_the_rights_travel_along() -> None:
    campaign = make_settled(4)
    media = Face.objects.all()[0].media
    type(media).objects.filter(pk=media.pk).update(
        licence="CC-BY-4.0", author="Ann", page_url="https://a.example"
    )
    source = Source.objects.create(name="Ann's folder", kind="folder", location="/a")
    Item.objects.create(source=source, locator="1.png", state="ingested", media=media)
    rows = snapshots.read_table(freezing.local_folder(frozen(campaign))).to_pylist()
    row = next(row for row in rows if row["media_sha256"] == media.sha256)
    assert (row["licence"], row["author"], row["source"]) == ("CC-BY-4.0", "Ann", "Ann's folder")


def test_verify_finds_a_changed_byte_in_any_file() -> None:
    snapshot = frozen(make_settled())
    assert freezing.verify(snapshot=snapshot) == []
    folder = freezing.local_folder(snapshot)
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for place in (0, len(whole) // 2, len(whole) - 1):
            damaged = bytearray(whole)
            damaged[place] ^= 1
            path.write_bytes(damaged)
            assert freezing.verify(snapshot=snapshot) != [], (path.name, place)
        path.write_bytes(whole)
    assert freezing.verify(snapshot=snapshot) == []


def test_verify_finds_a_missing_and_a_strange_file() -> None:
    snapshot = frozen(make_settled())
    folder = freezing.local_folder(snapshot)
    (folder / "notes.txt").write_text("mine")
    assert [problem.where for problem in freezing.verify(snapshot=snapshot)] == ["notes.txt"]
    (folder / "notes.txt").unlink()
    (folder / "faces-00000.parquet").unlink()
    assert freezing.verify(snapshot=snapshot) == [
        snapshots.Problem("faces-00000.parquet", "This file is missing.")
    ]


def test_a_campaign_without_consensus_is_refused_at_once() -> None:
    with pytest.raises(freezing.CannotFreeze, match="No face of this campaign has a consensus"):
        freezing.freeze(campaign=make_campaign(3))
    assert Snapshot.objects.count() == 0


def test_one_expression_alone_is_refused() -> None:
    snapshot = frozen(make_settled(labels=("happy",)))
    assert (snapshot.state, snapshot.digest) == ("failed", "")
    assert snapshot.error.startswith("A snapshot needs settled faces of at least two expressions")


def test_given_splits_are_taken_and_a_picture_in_two_goes_to_the_strictest() -> None:
    campaign = make_settled(8, per_media=2)
    names = [
        "Training",
        "PrivateTest",
        "Training",
        "Training",
        "PublicTest",
        "Training",
        "PrivateTest",
        "PublicTest",
    ]
    for face, name in zip(Face.objects.all(), names, strict=True):
        face.given = {"split": name}
        face.save()
    snapshot = frozen(campaign, splits="given")
    rows = snapshots.read_table(freezing.local_folder(snapshot), ["face_id", "split"]).to_pylist()
    splits = [row["split"] for row in sorted(rows, key=lambda row: row["face_id"])]
    assert splits == ["test", "test", "train", "train", "validation", "validation", "test", "test"]


def test_given_splits_that_are_not_there_are_refused() -> None:
    snapshot = frozen(make_settled(), splits="given")
    assert snapshot.state == "failed"
    assert snapshot.error.startswith("40 of 40 faces came without a split")


def test_a_half_stored_folder_of_a_dead_attempt_is_replaced() -> None:
    campaign = make_settled()
    first = frozen(campaign)
    folder = freezing.local_folder(first)
    (folder / snapshots.MANIFEST).unlink()
    (folder / "faces-00000.parquet").write_bytes(b"half")
    assert freezing.verify(snapshot=frozen(campaign)) == []


def test_nothing_is_left_in_the_work_folder(settings) -> None:
    frozen(make_settled())
    assert list(Path(settings.WORK_ROOT).iterdir()) == []


def test_a_snapshot_that_is_not_frozen_has_no_folder() -> None:
    snapshot = freezing.freeze(campaign=make_settled())
    with pytest.raises(work.Refused, match="not frozen yet"):
        freezing.local_folder(snapshot)


def test_a_chunk_of_faces_costs_a_fixed_number_of_statements(django_assert_num_queries) -> None:
    for count in (4, 12):
        snapshot = freezing.freeze(campaign=make_settled(count))
        with django_assert_num_queries(11):
            freezing.run_freeze(snapshot.pk)
