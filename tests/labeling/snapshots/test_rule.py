"""What a rule lets into a snapshot, how it parts it, and what the certificate says of that."""

from collections import Counter, defaultdict
from itertools import combinations

import pytest

from labeling.models import (
    Adjudication,
    Campaign,
    CampaignFace,
    Face,
    FaceLabel,
    Item,
    Media,
    Outcome,
    Snapshot,
    Source,
)
from labeling.snapshots import format as snapshots
from labeling.snapshots import freezing
from labeling.snapshots.rule import Rule
from tests.factories import make_campaign, make_faces, settle
from tests.labeling.snapshots.making import frozen, make_settled

pytestmark = pytest.mark.django_db


def rows_of(snapshot: Snapshot) -> list[dict]:
    assert (snapshot.state, snapshot.error) == ("done", "")
    assert freezing.verify(snapshot=snapshot) == []
    return snapshots.read_table(freezing.local_folder(snapshot)).to_pylist()


def sources_of(faces: list[Face], name: str) -> Source:
    source = Source.objects.create(name=name, kind="folder", location=f"/{name}")
    Item.objects.bulk_create(
        Item(source=source, locator=str(media), media_id=media, state="ingested")
        for media in {face.media_id for face in faces}
    )
    return source


def label(faces: list[Face], word: str, column: str = "expert") -> None:
    FaceLabel.objects.bulk_create(
        FaceLabel(face=face, column=column, label=word, origin="the team") for face in faces
    )


def test_a_rule_is_kept_and_read_again() -> None:
    campaign = make_settled(4)
    rule = freezing.rule_of(campaign=campaign, folds=2, classes=["sad", "happy"], votes_at_least=3)
    assert Rule.of(rule.to_json()) == rule
    plain = freezing.rule_of(campaign=campaign).to_json()
    assert {"classes", "folds"}.isdisjoint(plain)
    assert plain["labels"] == ["adjudicated", "votes"]


# ---- labels


def test_experts_come_first_where_the_rule_says_so_and_each_row_says_whose_word_it_is() -> None:
    campaign = make_settled(20)
    rows = list(campaign.campaign_faces.select_related("face"))
    label([row.face for row in rows[:5]], "angry")
    found = rows_of(frozen(campaign, labels=["expert", "adjudicated", "votes"]))
    assert Counter(row["label_origin"] for row in found) == {"expert": 5, "votes": 15}
    by_expert = [row for row in found if row["label_origin"] == "expert"]
    assert {row["label"] for row in by_expert} == {"angry"}
    assert {row["other_labels"] for row in by_expert} == {'{"expert": "angry"}'}
    assert all(row["soft_label"][campaign.expressions.index("angry")] == 1.0 for row in by_expert)
    # What people voted is told beside it.
    assert all(sum(row["votes"]) == 10 for row in found)
    assert {row["agreement"] for row in by_expert} == {0.0}


def test_without_being_asked_an_experts_label_is_told_and_does_not_count() -> None:
    campaign = make_settled(10)
    label([campaign.campaign_faces.all()[0].face], "angry")
    found = rows_of(frozen(campaign))
    assert {row["label_origin"] for row in found} == {"votes"}
    assert Counter(row["other_labels"] for row in found) == {"{}": 9, '{"expert": "angry"}': 1}


def test_labelled_faces_of_other_sources_join() -> None:
    campaign = make_settled(10)
    others = make_faces(30)
    sources_of(others, "experts' set")
    label(others[:20], "angry")
    label(others[20:25], "bored")
    snapshot = frozen(campaign, labels=["votes", "expert"], labelled_sources=["experts' set"])
    found = rows_of(snapshot)
    assert Counter(row["label_origin"] for row in found) == {"votes": 10, "expert": 20}
    assert snapshot.counts["left_out"] == {"class": 5, "no_label": 5}
    assert {tuple(row["votes"]) for row in found if row["label_origin"] == "expert"} == {(0,) * 9}
    assert {row["source"] for row in found} == {"experts' set", ""}


def test_a_face_of_the_campaign_is_not_frozen_twice() -> None:
    campaign = make_settled(10)
    faces = list(Face.objects.all())
    sources_of(faces, "all")
    label(faces, "angry")
    snapshot = frozen(campaign, labels=["votes", "expert"], labelled_sources=["all"])
    assert len(rows_of(snapshot)) == 10
    assert snapshot.counts["left_out"] == {"twice": 10}


def test_several_campaigns_are_frozen_together() -> None:
    first, second = make_settled(8), make_settled(6)
    shared = first.campaign_faces.all()[0].face
    row = CampaignFace.objects.create(campaign=second, face=shared, wanted=10, places=10, shuffle=99)
    settle(row, "angry")
    snapshot = frozen(first, also=[second])
    found = {row["face_id"]: row["label"] for row in rows_of(snapshot)}
    assert len(found) == 14
    assert found[shared.pk] == "happy"
    assert snapshot.counts["left_out"] == {"twice": 1}
    assert snapshot.rule["campaigns"] == [first.name, second.name]


def test_an_adjudicated_label_says_so() -> None:
    campaign = make_settled(6)
    row = campaign.campaign_faces.all()[0]
    CampaignFace.objects.filter(pk=row.pk).update(outcome=Outcome.ADJUDICATED)
    Adjudication.objects.create(campaign_face=row, label="happy", reason="seen")
    assert Counter(row["label_origin"] for row in rows_of(frozen(campaign))) == {"adjudicated": 1, "votes": 5}
    alone = frozen(campaign, labels=["votes"])
    assert (len(rows_of(alone)), alone.counts["left_out"]) == (5, {"no_label": 1})


# ---- what is let in


def test_votes_agreement_size_classes_and_sources_leave_out_and_are_counted() -> None:
    campaign = make_settled(20, labels=("happy", "sad", "angry"))
    rows = list(campaign.campaign_faces.select_related("face"))
    settle(rows[0], "happy", agreement=0.5)
    CampaignFace.objects.filter(pk=rows[1].pk).update(counts={"sad": 2})
    Face.objects.filter(pk=rows[3].face_id).update(width=20)
    sources_of([row.face for row in rows[:12]], "ours")
    asked = {
        "agreement_at_least": 0.6,
        "votes_at_least": 5,
        "side_at_least": 24,
        "classes": ["sad", "happy"],
        "sources": ["ours"],
    }
    snapshot = frozen(campaign, **asked)
    assert snapshot.counts["left_out"] == {
        "class": 4,
        "few_votes": 1,
        "little_agreement": 1,
        "small": 1,
        "source": 8,
    }
    assert snapshot.counts["classes"] == ["happy", "sad"]
    assert {len(row["votes"]) for row in rows_of(snapshot)} == {4}
    assert freezing.preview(campaign=campaign, **asked).counts == snapshot.counts["splits"]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"labels": []}, "Say whose labels count"),
        ({"labels": ["votes", "votes"]}, "Say whose labels count"),
        ({"labels": ["expert"]}, "No face has a label of “expert”. There are: adjudicated, votes."),
        ({"labelled_sources": ["x"]}, "need a column of labels"),
        ({"classes": ["happy", "bored"]}, "The campaign has no expression bored."),
        ({"classes": ["happy"]}, "at least two expressions"),
        ({"agreement_at_least": 60}, "a share from 0 to 1"),
        ({"votes_at_least": -1}, "none below 0"),
        ({"folds": 1}, "Folds are 2 to 100"),
        ({"sources": ["nowhere"]}, "There is no source “nowhere”."),
        ({"splits": "sources"}, "Name sources for validation or test"),
        (
            {"splits": "sources", "split_sources": {"test": ["a"], "validation": ["a"]}},
            "named for two splits",
        ),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(wanted: dict, said: str) -> None:
    with pytest.raises(freezing.CannotFreeze, match=said):
        freezing.freeze(campaign=make_settled(4), **wanted)


def test_a_preview_says_what_a_worker_would() -> None:
    campaign = make_campaign(4)
    for row in campaign.campaign_faces.all():
        settle(row, "happy")
    with pytest.raises(freezing.CannotFreeze, match="at least two expressions"):
        freezing.preview(campaign=campaign)
    assert not Snapshot.objects.exists()


# ---- splits


def in_splits(rows: list[dict], by: str) -> dict[str, set[str]]:
    found = defaultdict(set)
    for row in rows:
        found[row[by]].add(row["split"])
    return found


def test_what_one_author_made_never_straddles() -> None:
    campaign = make_settled(60)
    for number, media in enumerate(Media.objects.order_by("pk")):
        Media.objects.filter(pk=media.pk).update(author=f"author {number % 9}")
    snapshot = frozen(campaign, together=["author"])
    rows = rows_of(snapshot)
    assert {len(splits) for splits in in_splits(rows, "author").values()} == {1}
    assert len({row["group"] for row in rows}) == 9
    assert snapshot.counts["certificate"]["groups"] == {
        "by": ["author", "media"],
        "per_split": dict(
            sorted(Counter({row["group"]: row["split"] for row in rows}.values()).items(), key=order)
        ),
        "shared": 0,
    }


def order(pair: tuple[str, int]) -> int:
    return snapshots.SPLITS.index(pair[0])


def test_sources_can_be_named_for_splits_and_groups_go_whole_to_the_strictest() -> None:
    campaign = make_settled(30)
    faces = list(Face.objects.order_by("pk"))
    sources_of(faces[:5], "studio")
    sources_of(faces[5:9], "street")
    Face.objects.filter(pk__in=[faces[0].pk, faces[20].pk]).update(likeness=faces[0].pk)
    named = {"test": ["studio"], "validation": ["street"]}
    plain = rows_of(frozen(campaign, splits="sources", split_sources=named))
    assert Counter(row["split"] for row in plain) == {"train": 21, "validation": 4, "test": 5}
    together = frozen(campaign, splits="sources", split_sources=named, together=["alike"])
    assert Counter(row["split"] for row in rows_of(together)) == {"train": 20, "validation": 4, "test": 6}
    assert together.counts["certificate"]["repeats"] == {
        "as_given": {"validation": {"same_media": 0, "alike": 0}, "test": {"same_media": 0, "alike": 1}},
        "as_frozen": {"validation": {"same_media": 0, "alike": 0}, "test": {"same_media": 0, "alike": 0}},
    }


def test_folds_part_what_is_not_tested_on_and_no_group_straddles_them() -> None:
    campaign = make_settled(80, per_media=2)
    rows = rows_of(frozen(campaign, folds=5))
    assert {row["fold"] for row in rows if row["split"] == "test"} == {-1}
    inside = [row for row in rows if row["split"] != "test"]
    counts = Counter((row["fold"], row["label"]) for row in inside)
    assert {fold for fold, _ in counts} == set(range(5))
    assert max(counts.values()) - min(counts.values()) <= 2
    folds = defaultdict(set)
    for row in inside:
        folds[row["group"]].add(row["fold"])
    assert {len(each) for each in folds.values()} == {1}


def test_more_folds_than_groups_are_refused() -> None:
    snapshot = frozen(make_settled(12, per_media=4), folds=5)
    assert snapshot.state == "failed"
    assert snapshot.error.startswith("2 groups cannot make 5 folds.")


# ---- later versions


def more_faces(campaign: Campaign, count: int) -> None:
    rows = CampaignFace.objects.bulk_create(
        CampaignFace(campaign=campaign, face=face, wanted=10, places=10, shuffle=1000 + number)
        for number, face in enumerate(make_faces(count))
    )
    for number, row in enumerate(rows):
        settle(row, ("happy", "sad")[number % 2])


def test_a_later_version_drawn_alike_leaves_every_face_where_it_was() -> None:
    campaign = make_settled(60)
    first = frozen(campaign)
    before = {row["face_key"]: row["split"] for row in rows_of(first)}
    more_faces(campaign, 20)
    after = {row["face_key"]: row["split"] for row in rows_of(frozen(campaign))}
    assert {key: after[key] for key in before} == before
    assert Counter(after.values()) == {"train": 64, "validation": 8, "test": 8}


def test_what_was_tested_on_is_never_learnt_from_later_however_it_is_drawn() -> None:
    campaign = make_settled(60)
    first = frozen(campaign)
    tested = {row["face_key"] for row in rows_of(first) if row["split"] == "test"}
    assert len(tested) == 6
    second = frozen(campaign, seed=7, fractions={"train": 0.5, "validation": 0.4, "test": 0.1})
    assert tested <= {row["face_key"] for row in rows_of(second) if row["split"] == "test"}
    third = frozen(campaign, seed=8, fractions={"train": 0.9, "validation": 0.1})
    rows = rows_of(third)
    assert {row["face_key"] for row in rows if row["split"] == "test"} >= tested
    assert third.counts["certificate"]["earlier"] == {
        "versions": [second.digest, first.digest],
        "tested_before": 6,
        "learnt_now": 0,
    }
    free = frozen(campaign, seed=9, test_stays=False)
    assert "earlier" not in free.counts["certificate"]
    assert tested != {row["face_key"] for row in rows_of(free) if row["split"] == "test"}


def test_a_group_that_grew_together_goes_to_test() -> None:
    campaign = make_settled(40)
    rows = rows_of(frozen(campaign))
    tested = next(row for row in rows if row["split"] == "test")
    learnt = next(row for row in rows if row["split"] == "train")
    Face.objects.filter(pk__in=[tested["face_id"], learnt["face_id"]]).update(likeness=1)
    after = {row["face_key"]: row["split"] for row in rows_of(frozen(campaign))}
    assert after[tested["face_key"]] == after[learnt["face_key"]] == "test"


# ---- the certificate


def test_the_certificate_finds_the_most_similar_faces_of_two_splits() -> None:
    campaign = make_settled(40)
    parts = defaultdict(list)
    for row in rows_of(frozen(campaign)):
        parts[row["split"]].append(row["face_id"])
    faces = parts["train"][:3] + parts["validation"][:2] + parts["test"][:2]
    Face.objects.update(fingerprint=None)
    hashes = dict(zip(faces, [-1, 0, -1, -8, 1023, -1, -8], strict=True))
    for face, value in hashes.items():
        Face.objects.filter(pk=face).update(fingerprint=value)
    again = frozen(campaign, folds=2)
    splits = {row["face_id"]: row["split"] for row in rows_of(again)}
    assert {split: [face for face in faces if splits[face] == split] for split in parts} == {
        "train": faces[:3],
        "validation": faces[3:5],
        "test": faces[5:],
    }
    distances = Counter(
        ((hashes[one] ^ hashes[two]) % 2**64).bit_count()
        for one, two in combinations(hashes, 2)
        if splits[one] != splits[two]
    )
    near = {str(bits): distances[bits] for bits in sorted(distances) if bits <= 8}
    similar = again.counts["certificate"]["similarity"]
    assert near == {"0": 3, "3": 5}
    assert similar == {"radius": 8, "bits": 0, "pairs": near, "compared": 7}
    said = snapshots.read_manifest(freezing.local_folder(again)).certificate
    assert said == again.counts["certificate"]
    assert set(said["class_distance"]) == {"train", "validation", "test"}
    assert all(0 <= distance < 0.2 for distance in said["class_distance"].values())


# ---- quality


def of_quality(campaign: Campaign) -> list[Face]:
    """Six faces of the campaign: blurred, dark, turned aside, not measured, and two that are good."""
    faces = list(Face.objects.filter(campaign_faces__campaign=campaign).order_by("pk"))
    good = {"sharpness": 0.5, "brightness": 0.5, "yaw": 0.0}
    for face, change in zip(
        faces, ({"sharpness": 0.1}, {"brightness": 0.1}, {"yaw": -60.0}, {}, {}, {}), strict=True
    ):
        Face.objects.filter(pk=face.pk).update(**{**good, **change})
    Face.objects.filter(pk=faces[3].pk).update(sharpness=None, brightness=None, yaw=None)
    return faces


QUALITY = {"min_sharpness": 0.3, "min_brightness": 0.2, "max_yaw": 40.0}


def test_only_faces_that_can_be_seen_well_enough() -> None:
    campaign = make_settled(6)
    faces = of_quality(campaign)
    snapshot = frozen(campaign, quality=QUALITY)
    assert {row["face_id"] for row in rows_of(snapshot)} == {face.pk for face in faces[3:]}
    assert snapshot.counts["left_out"] == {"quality": 3}
    assert snapshot.rule["quality"] == QUALITY
    assert Rule.of(snapshot.rule).quality == QUALITY
    assert frozen(campaign).digest != snapshot.digest


def test_a_labelled_source_is_asked_for_quality_too() -> None:
    campaign = make_settled(6)
    of_quality(campaign)
    others = make_faces(2, sharpness=0.1)
    sources_of(others, "Films")
    label(others, "happy")
    rule = {"labels": ["votes", "expert"], "labelled_sources": ["Films"], "quality": QUALITY}
    snapshot = frozen(campaign, **rule)
    assert snapshot.counts["left_out"] == {"quality": 5}


@pytest.mark.parametrize(
    ("quality", "said"),
    [
        ({"beauty": 1}, "Nothing called “beauty” is measured"),
        ({"max_yaw": 400.0}, "max_yaw is a number from 0 to 90"),
        ({"min_brightness": 0.8, "max_brightness": 0.2}, "above the greatest"),
    ],
)
def test_what_cannot_be_asked_of_quality_is_refused(quality: dict, said: str) -> None:
    with pytest.raises(freezing.CannotFreeze, match=said):
        freezing.freeze(campaign=make_settled(), quality=quality)
