"""From settled faces to a frozen snapshot."""

import shutil

import pytest
from django.core.files.storage import default_storage
from django.db import connection

from labeling import adjudication, work
from labeling.expressions import SEVEN
from labeling.models import Campaign, CampaignFace, Face, Item, Media, Snapshot, Source
from labeling.snapshots import format as snapshots
from labeling.snapshots import freezing
from labeling.voting import votes
from tests.factories import make_campaign, make_user, settle
from tests.labeling.snapshots.making import frozen, make_settled

pytestmark = pytest.mark.django_db


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


def test_a_face_decided_without_any_vote_for_an_expression_is_wholly_what_was_decided() -> None:
    campaign = make_settled()
    row = campaign.campaign_faces.all()[0]
    CampaignFace.objects.filter(pk=row.pk).update(
        counts={"cant_tell": 10}, outcome="no_consensus", label="", agreement=0.0
    )
    boss = make_user("manager")
    adjudication.adjudicate(campaign_face_id=row.pk, label="happy", reason="It smiles.", by=boss)
    rows = snapshots.read_table(freezing.local_folder(frozen(campaign))).to_pylist()
    [frozen_row] = [each for each in rows if each["face_id"] == row.face_id]
    assert frozen_row["soft_label"] == [float(name == "happy") for name in SEVEN]


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
        path.write_bytes(whole[:100] + b"?" + whole[101:])
        assert [problem.where for problem in freezing.verify(snapshot=snapshot)] == [path.name]
        path.write_bytes(whole)
    assert freezing.verify(snapshot=snapshot) == []


def test_verify_finds_another_snapshot_in_the_place() -> None:
    snapshot, other = frozen(make_settled()), frozen(make_settled())
    shutil.rmtree(freezing.local_folder(snapshot))
    shutil.copytree(freezing.local_folder(other), freezing.local_folder(snapshot))
    assert [problem.what for problem in freezing.verify(snapshot=snapshot)] == [
        "Its digest is not the one this snapshot was frozen with."
    ]


def test_a_campaign_without_consensus_is_refused_at_once() -> None:
    with pytest.raises(freezing.CannotFreeze, match="No face of this campaign has a consensus"):
        freezing.freeze(campaign=make_campaign(3))
    assert Snapshot.objects.count() == 0


def test_one_expression_alone_is_refused() -> None:
    snapshot = frozen(make_settled(labels=("happy",)))
    assert (snapshot.state, snapshot.digest) == ("failed", "")
    assert snapshot.error.startswith("A snapshot needs settled faces of at least two expressions")


def give_splits(campaign: Campaign, *names: str) -> None:
    for face, name in zip(Face.objects.order_by("pk"), names, strict=True):
        face.given = {"split": name, "label": "happy"}
        face.save()


def splits_of(snapshot: Snapshot) -> list[str]:
    """In the order the faces were found."""
    rows = snapshots.read_table(freezing.local_folder(snapshot), ["face_id", "split"]).to_pylist()
    return [row["split"] for row in sorted(rows, key=lambda row: row["face_id"])]


def test_given_splits_are_taken_and_a_picture_in_two_goes_to_the_strictest() -> None:
    campaign = make_settled(8, per_media=2)
    give_splits(
        campaign,
        *("Training", "PrivateTest"),
        *("Training", "Training"),
        *("PublicTest", "Training"),
        *("PrivateTest", "PublicTest"),
    )
    snapshot = frozen(campaign, splits="given")
    assert splits_of(snapshot) == [
        *("test", "test"),
        *("train", "train"),
        *("validation", "validation"),
        *("test", "test"),
    ]
    assert snapshot.counts["moved"] == 3
    assert "3 faces left the split they came with" in snapshot.message
    rows = snapshots.read_table(freezing.local_folder(snapshot), ["given_split"])
    assert set(rows["given_split"].to_pylist()) == {"Training", "PublicTest", "PrivateTest"}


def test_a_seed_means_nothing_to_given_splits() -> None:
    campaign = make_settled(4)
    give_splits(campaign, "Training", "Training", "PublicTest", "PrivateTest")
    first, second = frozen(campaign, splits="given", seed=1), frozen(campaign, splits="given", seed=2)
    assert first.digest == second.digest


def test_given_splits_that_are_not_there_are_refused() -> None:
    campaign = make_settled(6)
    give_splits(campaign, "Training", "train", "Holdout", "", "Training", "PrivateTest")
    third, fourth = Face.objects.order_by("pk").values_list("pk", flat=True)[2:4]
    snapshot = frozen(campaign, splits="given")
    assert (snapshot.state, snapshot.digest) == ("failed", "")
    assert snapshot.error == (
        f"2 of 6 faces came without a split of their own: face {third} (“Holdout”), face {fourth}. "
        "Freeze with drawn splits instead."
    )


def test_a_class_nobody_can_learn_is_allowed_and_noted() -> None:
    campaign = make_settled(4, labels=("happy", "sad", "sad", "fear"))
    give_splits(campaign, "Training", "Training", "Training", "PrivateTest")
    snapshot = frozen(campaign, splits="given")
    assert snapshot.state == "done"
    assert snapshot.message.startswith("No face of angry, disgust, fear, surprise, neutral to train on.")
    assert "No face in validation." in snapshot.message
    notes = snapshots.read_manifest(freezing.local_folder(snapshot)).notes
    assert " ".join(notes) == snapshot.message


def test_a_label_that_is_no_expression_any_more_is_refused() -> None:
    campaign = make_settled(4)
    Campaign.objects.filter(pk=campaign.pk).update(expressions=["happy", "angry"])
    snapshot = frozen(campaign)
    assert snapshot.error.startswith("2 faces are labelled “sad”, which is no expression of the campaign")


def test_a_face_that_is_voted_on_again_stays_out_until_it_is_settled() -> None:
    campaign = make_settled(8)
    votes.reopen(campaign_faces=[campaign.campaign_faces.all()[0].pk], votes=3)
    snapshot = frozen(campaign)
    assert snapshot.counts["left_out"] == {"open": 1}
    assert snapshots.read_manifest(freezing.local_folder(snapshot)).rows == 7


def test_votes_cast_while_freezing_are_not_half_in(monkeypatch) -> None:
    monkeypatch.setattr(snapshots, "GROUP_ROWS", 1)
    campaign = make_settled()
    snapshot = freezing.freeze(campaign=campaign)
    row = campaign.campaign_faces.all()[7]

    def vote(done: int, total: int | None, message: str) -> None:
        if message == "Freezing" and done == 1:
            settle(row, "angry")

    freezing.run_freeze(snapshot.pk, tell=vote)
    snapshot.refresh_from_db()
    assert snapshot.counts["splits"]["train"]["angry"] == 0
    assert freezing.verify(snapshot=snapshot) == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"splits": "alphabetical"}, "Splits are stratified, given, sources, not “alphabetical”"),
        ({"fractions": {}}, "Train needs a share"),
        ({"fractions": {"validation": 1.0}}, "Train needs a share"),
        ({"fractions": {"train": 1.0, "exam": 1.0}}, "Fractions are shares of train"),
        ({"fractions": {"train": 1.0, "test": -0.1}}, "none below 0"),
        ({"fractions": {"train": float("nan")}}, "Fractions are shares of train"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_at_once(rule: dict, said: str) -> None:
    campaign = make_settled(4)
    with pytest.raises(freezing.CannotFreeze, match=said):
        freezing.freeze(campaign=campaign, **rule)
    assert not campaign.snapshots.exists()


def test_the_same_shares_written_otherwise_are_the_same_rule() -> None:
    campaign = make_settled()
    percent = frozen(campaign, fractions={"test": 20, "train": 70, "validation": 10})
    shares = frozen(campaign, fractions={"train": 0.7, "validation": 0.1, "test": 0.2})
    assert percent.digest == shares.digest


def test_the_digest_knows_no_key_of_the_database() -> None:
    first = make_settled(6)
    digest = frozen(first).digest
    pks = set(Face.objects.values_list("pk", flat=True))
    copies = []
    for face in reversed(Face.objects.order_by("pk").select_related("media")):
        media, label = face.media, face.campaign_faces.get().label
        first.campaign_faces.filter(face=face).delete()
        face.delete()
        media.delete()
        media.pk = face.pk = None
        media.save()
        face.media = media
        face.save()
        copies.append((face, label))
    second = make_campaign([face for face, _ in copies])
    for face, label in copies:
        settle(second.campaign_faces.get(face=face), label)
    assert pks.isdisjoint(Face.objects.values_list("pk", flat=True))
    assert frozen(second).digest == digest


def test_a_name_is_made_up_where_none_is_given() -> None:
    campaign = make_settled(4, name="n" * 200)
    assert [frozen(campaign).name[-5:] for _ in range(2)] == ["nn v1", "nn v2"]


def test_a_snapshot_that_is_not_frozen_has_no_folder() -> None:
    snapshot = freezing.freeze(campaign=make_settled())
    with pytest.raises(work.Refused, match="not frozen yet"):
        freezing.local_folder(snapshot)


def test_a_chunk_of_faces_costs_a_fixed_number_of_statements(django_assert_num_queries, monkeypatch) -> None:
    # On a slow machine the claim is kept by statements of its own.
    monkeypatch.setattr(work.Job, "BEAT_EVERY_S", 1000.0)
    # What is read by COPY, votes and facts, is not counted.
    statements = 28 if connection.vendor == "postgresql" else 30
    for count in (4, 12):
        snapshot = freezing.freeze(campaign=make_settled(count))
        with django_assert_num_queries(statements):
            freezing.run_freeze(snapshot.pk)


def test_near_duplicates_never_straddle_drawn_splits() -> None:
    campaign = make_settled(40)
    pks = sorted(Face.objects.values_list("pk", flat=True))
    for first in range(0, 40, 4):
        Face.objects.filter(pk__in=pks[first : first + 4]).update(likeness=pks[first])
    snapshot = frozen(campaign)
    splits = dict(zip(pks, splits_of(snapshot), strict=True))
    assert all(len({splits[pk] for pk in pks[first : first + 4]}) == 1 for first in range(0, 40, 4))
    assert snapshot.rule["groups"] == ["alike", "media"]
    assert sum(snapshot.counts["certificate"]["groups"]["per_split"].values()) <= 10
    apart = dict(zip(pks, splits_of(frozen(campaign, together=["media"])), strict=True))
    assert any(len({apart[pk] for pk in pks[first : first + 4]}) > 1 for first in range(0, 40, 4))


def test_an_author_never_straddles_splits_however_the_name_is_spelt() -> None:
    campaign = make_settled(40)
    spellings = ("Zo\u00eb Ann", "zo\u00eb ann", "Zoe\u0308 Ann ", "ZOE\u0308  ANN")
    media = list(Media.objects.order_by("pk"))
    for number, one in enumerate(media):
        one.author = spellings[number % 4] if number < 12 else f"Nobody {number}"
    Media.objects.bulk_update(media, ["author"])
    snapshot = frozen(campaign, together=["author"])
    split_of = dict(
        zip(Face.objects.order_by("pk").values_list("pk", flat=True), splits_of(snapshot), strict=True)
    )
    hers = Face.objects.filter(media__in=media[:12]).values_list("pk", flat=True)
    assert len({split_of[pk] for pk in hers}) == 1
    assert sum(snapshot.counts["certificate"]["groups"]["per_split"].values()) == 29


def test_the_digest_does_not_depend_on_the_keys_that_name_a_likeness() -> None:
    campaign = make_settled(12)
    pks = sorted(Face.objects.values_list("pk", flat=True))
    Face.objects.filter(pk__in=pks[:5]).update(likeness=pks[0])
    before = frozen(campaign).digest
    Face.objects.filter(pk__in=pks[:5]).update(likeness=pks[4])
    assert frozen(campaign).digest == before


def test_what_splits_cannot_keep_together_is_refused() -> None:
    with pytest.raises(freezing.CannotFreeze, match="media, alike, author; not colour"):
        freezing.freeze(campaign=make_settled(), together=["colour"])
