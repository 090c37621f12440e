"""Versions for which only what changed was read: they are what they would be if all had been read."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.core.files.storage import default_storage
from django.db import connection

from labeling import bulk, moments
from labeling.models import Campaign, CampaignFace, Face, FaceLabel, Item, Media, Snapshot, Source, Track
from labeling.snapshots import candidates, carried, erasing, freezing, renewing
from labeling.snapshots import format as snapshots
from labeling.snapshots.format import order
from tests.factories import make_faces, settle
from tests.labeling.snapshots.making import frozen, make_settled

pytestmark = pytest.mark.django_db(transaction=True)
FACES = 60


@pytest.fixture(autouse=True)
def _on_postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("Only PostgreSQL can tell which rows have changed.")


def make() -> Campaign:
    """Its first face has labels by experts, its last too."""
    campaign = make_settled(FACES, per_media=3, labels=("happy", "sad", "angry"))
    source = Source.objects.create(name="Films", kind="folder", location="/films")
    for number, media in enumerate(Media.objects.filter(faces__campaign_faces__campaign=campaign).distinct()):
        Item.objects.create(source=source, locator=str(number), media=media, state="ingested")
        track = Track.objects.create(media=media, detector="haar", number=1, shot=1, first_ms=0, last_ms=1)
        media.faces.update(track=track)
        media.faces.update(fingerprint=random.Random(number).getrandbits(62), likeness=number)
    faces = [row.face for row in campaign.campaign_faces.order_by("pk")]
    for face, column in ((faces[0], "expert"), (faces[0], "mine"), (faces[-1], "expert")):
        FaceLabel.objects.create(face=face, column=column, label="fear", origin="us")
    return campaign


@pytest.fixture
def campaign() -> Campaign:
    return make()


def is_what_reading_all_would_make(snapshot: Snapshot) -> bool:
    """Its rows, digest and counts."""
    assert freezing.verify(snapshot=snapshot) == []
    carried.forget()
    whole = frozen(snapshot.campaign, **asked(snapshot))
    assert whole.counts["read_anew"] == len(rows_of(whole))
    told = ("splits", "left_out", "moved")
    assert [whole.counts[name] for name in told] == [snapshot.counts[name] for name in told]
    proofs = [each.counts["certificate"] for each in (whole, snapshot)]
    for proof in proofs:
        proof.pop("earlier", None)
    assert proofs[0] == proofs[1]
    return whole.digest == snapshot.digest


def asked(snapshot: Snapshot) -> dict[str, Any]:
    return {"labels": snapshot.rule["labels"], "folds": snapshot.rule.get("folds", 0)}


def rows_of(snapshot: Snapshot) -> list[dict[str, Any]]:
    return snapshots.read_table(freezing.local_folder(snapshot)).to_pylist()


def first(campaign: Campaign) -> CampaignFace:
    return campaign.campaign_faces.order_by("pk")[0]


def media_of(campaign: Campaign) -> Media:
    return first(campaign).face.media


def new_face(campaign: Campaign) -> None:
    [face] = make_faces(1)
    row = CampaignFace.objects.create(campaign=campaign, face=face, wanted=10, places=10, shuffle=7)
    settle(row, "sad")


def gold(campaign: Campaign) -> None:
    campaign.campaign_faces.filter(pk=first(campaign).pk).update(
        state="gold", wanted=0, votes=0, outcome="", label=""
    )


def reopened(campaign: Campaign) -> None:
    campaign.campaign_faces.filter(pk=first(campaign).pk).update(state="open", votes=3, places=7)


def last_media(campaign: Campaign) -> Media:
    return campaign.campaign_faces.order_by("-pk")[0].face.media


def item_of_other_media(campaign: Campaign) -> None:
    Item.objects.filter(media=media_of(campaign)).update(media=last_media(campaign))


def item_refused(campaign: Campaign) -> None:
    Item.objects.filter(media=media_of(campaign)).update(state="refused", reason="Not ours.", media=None)


def item_again(campaign: Campaign) -> None:
    """Another item by the same key."""
    item = Item.objects.filter(media=media_of(campaign)).first()
    if item is not None:
        key = item.pk
        item.delete()
        source = Source.objects.create(name="Later", kind="folder", location="/later")
        Item.objects.create(pk=key, source=source, locator="1", media=last_media(campaign), state="ingested")


def label_of_another(campaign: Campaign) -> None:
    other = campaign.campaign_faces.order_by("pk")[9].face
    if not other.labels.filter(column="expert").exists():
        first(campaign).face.labels.filter(column="expert").update(face=other)


CHANGES: dict[str, tuple[Callable[[Campaign], Any], int]] = {
    "nothing": (lambda campaign: None, 0),
    "another label": (lambda campaign: settle(first(campaign), "sad"), 1),
    "another vote": (
        lambda campaign: campaign.campaign_faces.filter(pk=first(campaign).pk).update(
            counts={"happy": 9, "sad": 1}, agreement=0.9
        ),
        1,
    ),
    "a face more": (new_face, 1),
    "a face less": (lambda campaign: first(campaign).delete(), 0),
    "a face is gold now": (gold, 0),
    "a face is open again": (reopened, 1),
    "a face is gone": (lambda campaign: campaign.campaign_faces.order_by("pk")[7].face.delete(), 0),
    "another box": (lambda campaign: Face.objects.filter(pk=first(campaign).face_id).update(x=99), 1),
    "another picture group": (
        lambda campaign: Face.objects.filter(media=media_of(campaign)).update(likeness=5),
        3,
    ),
    "another hash": (
        lambda campaign: Face.objects.filter(pk=first(campaign).face_id).update(fingerprint=1),
        1,
    ),
    "another licence": (
        lambda campaign: Media.objects.filter(pk=media_of(campaign).pk).update(licence="CC0"),
        3,
    ),
    "another author": (
        lambda campaign: Media.objects.filter(pk=media_of(campaign).pk).update(author="Ada"),
        3,
    ),
    "another source": (
        lambda campaign: Item.objects.filter(media=media_of(campaign)).update(
            source=Source.objects.create(name="Else", kind="folder", location="/else")
        ),
        3,
    ),
    "a source is called something else": (lambda campaign: Source.objects.update(name="Movies"), FACES),
    "an item is gone": (lambda campaign: Item.objects.filter(media=media_of(campaign)).delete(), 3),
    "an item is of another media": (item_of_other_media, 6),
    "an item is of no media any more": (item_refused, 3),
    "an item's key is another's now": (item_again, 6),
    "another track": (lambda campaign: Track.objects.filter(media=media_of(campaign)).update(number=2), 3),
    "no track": (lambda campaign: Track.objects.filter(media=media_of(campaign)).delete(), 3),
    "an expert says something": (
        lambda campaign: FaceLabel.objects.get_or_create(
            face=campaign.campaign_faces.order_by("pk")[4].face, column="expert", label="sad", origin="us"
        ),
        1,
    ),
    "an expert says something else": (
        lambda campaign: first(campaign).face.labels.filter(column="expert").update(label="happy"),
        1,
    ),
    "a label is another face's": (label_of_another, 2),
    "an expert says nothing any more": (
        lambda campaign: first(campaign).face.labels.filter(column="expert").delete(),
        1,
    ),
}


def test_what_has_changed_is_read_and_nothing_else() -> None:
    labels = ("expert", "adjudicated", "votes")
    for change, (deed, read) in CHANGES.items():
        campaign = make()
        frozen(campaign, labels=labels, folds=3)
        deed(campaign)
        second = frozen(campaign, labels=labels, folds=3)
        assert (second.state, second.error) == ("done", ""), change
        assert second.counts["read_anew"] == read, change
        assert is_what_reading_all_would_make(second), change


def test_many_versions_one_after_another(campaign: Campaign) -> None:
    """Each is built on the last, which was built in the same way."""
    draw = random.Random(3)
    again = [name for name, (_deed, read) in CHANGES.items() if read < FACES]
    frozen(campaign)
    for _round in range(12):
        for name in draw.sample(again, draw.randrange(3)):
            CHANGES[name][0](campaign)
        snapshot = frozen(campaign)
        assert snapshot.counts["read_anew"] < FACES / 2
        assert freezing.verify(snapshot=snapshot) == []
    assert is_what_reading_all_would_make(snapshot)


@contextmanager
def another_connection() -> Iterator[Any]:
    other = connection.copy()
    other.connect()
    try:
        yield other.connection
    finally:
        other.close()


def test_a_vote_that_was_being_cast_while_it_was_frozen_is_in_the_next(campaign: Campaign) -> None:
    row = first(campaign)
    table = CampaignFace._meta.db_table
    with another_connection() as raw:
        raw.autocommit = False
        with raw.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET label = 'fear', counts = '{{\"fear\": 10}}' WHERE id = {row.pk}"
            )
            # Others come and go meanwhile: numbers of transactions grow.
            settle(campaign.campaign_faces.order_by("pk")[5], "sad")
            before = frozen(campaign)
            raw.commit()
    after = frozen(campaign)
    [old], [new] = (
        [each["label"] for each in rows_of(snapshot) if each["face_id"] == row.face_id]
        for snapshot in (before, after)
    )
    assert (old, new) == ("happy", "fear")
    assert after.counts["read_anew"] < FACES
    assert is_what_reading_all_would_make(after)


@pytest.mark.parametrize("what", ["label", "item"])
def test_what_came_while_it_was_frozen_and_went_again(
    campaign: Campaign, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = ("expert", "adjudicated", "votes")
    Item.objects.filter(media=media_of(campaign)).delete()
    made: list[Any] = []

    def read(*args: Any, **more: Any) -> Any:
        if what == "label":
            face = campaign.campaign_faces.order_by("pk")[9].face
            made.append(FaceLabel.objects.create(face=face, column="expert", label="disgust", origin="us"))
        else:
            source = Source.objects.get()
            made.append(Item.objects.create(source=source, locator="new", media=media_of(campaign)))
        return whole(*args, **more)

    whole = candidates.read
    monkeypatch.setattr(candidates, "read", read)
    frozen(campaign, labels=labels)
    monkeypatch.undo()
    made[0].delete()
    second = frozen(campaign, labels=labels)
    assert second.counts["read_anew"] < FACES
    assert is_what_reading_all_would_make(second)


def test_faces_found_elsewhere_are_nothing_to_us(campaign: Campaign) -> None:
    frozen(campaign)
    make_faces(FACES)
    assert frozen(campaign).counts["read_anew"] == 0


def test_a_table_of_order_that_was_written_to_is_not_believed(campaign: Campaign) -> None:
    frozen(campaign)
    settle(first(campaign), "sad")
    path = freezing.local_folder(frozen(campaign)) / order.NAME
    runs = pq.read_table(path).to_pandas().to_numpy()
    order.write(path, runs[::-1])
    settle(campaign.campaign_faces.order_by("pk")[3], "sad")
    third = frozen(campaign)
    assert third.counts["read_anew"] == FACES
    assert freezing.verify(snapshot=third) == []


def test_what_others_do_in_other_databases_is_nothing_to_us(campaign: Campaign) -> None:
    other = connection.copy()
    other.settings_dict["NAME"] = "postgres"
    other.connect()
    try:
        other.connection.autocommit = False
        with other.connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()")
            settle(first(campaign), "sad")
            frozen(campaign)
            settle(first(campaign), "happy")
            assert frozen(campaign).counts["read_anew"] == 1
    finally:
        other.connection.rollback()
        other.close()


def test_rows_of_other_campaigns_do_not_come_in(campaign: Campaign) -> None:
    frozen(campaign)
    other = make_settled(4)
    settle(other.campaign_faces.all()[0], "fear")
    second = frozen(campaign)
    assert second.counts["read_anew"] == 0
    assert is_what_reading_all_would_make(second)


def test_by_another_rule_all_is_read(campaign: Campaign) -> None:
    frozen(campaign)
    for rule in ({"seed": 4}, {"votes_at_least": 3}, {"labels": ("votes",)}):
        assert frozen(campaign, **rule).counts["read_anew"] == FACES


def test_where_much_has_changed_all_is_read(campaign: Campaign) -> None:
    frozen(campaign)
    campaign.campaign_faces.update(agreement=0.5)
    second = frozen(campaign)
    assert second.counts["read_anew"] == FACES
    assert is_what_reading_all_would_make(second)


def damaged(damage: str, before: Snapshot) -> None:
    """Damage what was carried by this snapshot."""
    campaign = before.campaign_id
    name = carried.name_of(campaign)
    last = carried.load(campaign, before.pk)
    assert last is not None
    assert last.read is not None
    with default_storage.open(name, "rb") as file:
        content = bytearray(file.read())
    if damage == "gone":
        default_storage.delete(name)
    elif damage == "of another version":
        carried.save(replace(last, snapshot=before.pk + 1), campaign)
    elif damage == "of another server":
        elsewhere = replace(last.read, moment=replace(last.read.moment, place="elsewhere"))
        carried.save(replace(last, read=elsewhere), campaign)
    else:
        if damage == "a bit":
            content[len(content) // 2] ^= 16
        if damage == "as if encrypted":
            content[content.rindex(b"PK\1\2") + 8] |= 1
        with default_storage.open(name, "wb") as file:
            file.write(content[: -100 if damage == "cut off" else None])


def test_what_cannot_be_trusted_is_not_used() -> None:
    for damage in (
        "gone", "cut off", "a bit", "as if encrypted", "of another version", "of another server"
    ):  # fmt: skip
        campaign = make()
        damaged(damage, frozen(campaign))
        settle(first(campaign), "sad")
        second = frozen(campaign)
        assert second.counts["read_anew"] == FACES, damage
        assert freezing.verify(snapshot=second) == [], damage


def test_what_is_carried_comes_back_as_it_was(campaign: Campaign) -> None:
    snapshot = frozen(campaign)
    last = carried.load(campaign.pk, snapshot.pk)
    assert last is not None
    carried.save(last, campaign.pk)
    again = carried.load(campaign.pk, snapshot.pk)
    for name in ("split", "fold", "group", "rows", "tested"):
        assert (getattr(last, name) == getattr(again, name)).all()
    keys = [last.faces.key(row) for row in range(FACES)]
    assert keys == [row["face_key"] for row in rows_of(snapshot)]


def test_an_erasure_forgets_what_is_carried(campaign: Campaign) -> None:
    snapshot = frozen(campaign)
    key = rows_of(snapshot)[0]["face_key"]
    erasing.erase([key])
    assert not default_storage.exists(carried.name_of(campaign.pk))


def test_a_damaged_base_is_not_built_upon(campaign: Campaign) -> None:
    before = frozen(campaign)
    shard = freezing.local_folder(before) / "faces-00000.parquet"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    settle(first(campaign), "sad")
    second = frozen(campaign)
    assert second.counts["read_anew"] == FACES
    assert freezing.verify(snapshot=second) == []


def test_a_moment_reaches_as_far_as_numbers_of_transactions_tell() -> None:
    with bulk.at_one_moment() as reader:
        assert reader is not None
        then = moments.of(reader, renewing.TABLES)
    assert then is not None
    assert then.reaches(then)
    assert then.reaches(replace(then, horizon=then.horizon + 2**30 - 1))
    assert not then.reaches(replace(then, horizon=then.horizon + 2**30))
    assert not then.reaches(replace(then, horizon=then.horizon - 1))
    assert not then.reaches(replace(then, place="elsewhere"))
