"""What goes of an erased face, and what stays."""

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from labeling import erasure
from labeling.models import (
    Adjudication,
    AuditEntry,
    Campaign,
    CampaignFace,
    Erasure,
    Example,
    Face,
    Gold,
    Item,
    Lease,
    Media,
    Source,
    Suggestion,
    Tombstone,
    Track,
    Vote,
)
from labeling.voting.integrity import check
from tests.factories import make_campaign, make_faces, make_media, make_user, make_votes, settle
from tests.labeling.erasure.erasing import erase

pytestmark = pytest.mark.django_db


def test_a_media_goes_with_its_faces_and_files() -> None:
    faces = make_faces(4, per_media=2)
    media, other = faces[0].media, faces[2].media
    row = erase("media", [media.pk])
    assert not Media.objects.filter(pk=media.pk).exists()
    assert not default_storage.exists(media.stored_as)
    assert not any(default_storage.exists(face.crop) for face in faces[:2])
    assert default_storage.exists(other.stored_as)
    assert all(default_storage.exists(face.crop) for face in faces[2:])
    assert list(Face.objects.order_by("pk")) == faces[2:]
    assert row.touched["media"] == 1
    assert row.touched["faces"] == 2
    assert row.touched["files"] == 3


def test_only_hashes_stay_of_it() -> None:
    (face,) = make_faces(1)
    row = erase("media", [face.media.pk])
    stones = row.tombstones.order_by("kind")
    assert [(stone.kind, stone.row, stone.files, stone.box) for stone in stones] == [
        ("face", None, [], None),
        ("media", None, [], None),
    ]
    assert stones[1].key == face.media.sha256


def test_a_file_that_another_face_shows_stays() -> None:
    one, other = make_faces(2)
    Face.objects.filter(pk=other.pk).update(crop=one.crop, crop_sha256=one.crop_sha256)
    erase("face", [one.pk])
    assert default_storage.exists(one.crop)
    erase("face", [other.pk])
    assert not default_storage.exists(one.crop)


def test_a_face_goes_and_its_media_stays() -> None:
    (face,) = make_faces(1)
    row = erase("face", [face.pk])
    assert Media.objects.filter(pk=face.media_id).exists()
    assert default_storage.exists(face.media.stored_as)
    assert row.touched["pictures_stay"] == 1
    assert row.tombstones.get().box == {
        "media": face.media.sha256,
        "time_ms": 0,
        "x": 0,
        "y": 0,
        "width": 48,
        "height": 48,
    }


def test_with_media_the_picture_goes_too() -> None:
    faces = make_faces(2, per_media=2)
    erase("face", [faces[0].pk], with_media=True)
    assert not Media.objects.exists()
    assert not Face.objects.exists()


def test_the_same_face_as_another_detector_found_it_goes_too() -> None:
    (face,) = make_faces(1)
    twin = {"media": face.media, "detector": "yunet", "x": 2, "width": 46, "crop": "crops/none.png"}
    Face.objects.create(
        **twin,
        y=0,
        height=48,
        score=1.0,
        crop_sha256="",
        crop_width=1,
        crop_height=1,
    )
    assert erasure.preview("face", [face.pk]).faces == 2
    erase("face", [face.pk])
    assert not Face.objects.exists()


def test_a_track_goes_with_its_faces() -> None:
    media = make_media()
    track = Track.objects.create(media=media, detector="haar", number=1, shot=1, first_ms=0, last_ms=200)
    other = Track.objects.create(media=media, detector="haar", number=2, shot=1, first_ms=0, last_ms=200)
    gone = make_faces(2, per_media=2, media=media, track=track)
    (stays,) = make_faces(1, media=media, track=other, x=300)
    assert len(gone) == 2
    erase("track", [track.pk])
    assert list(Face.objects.all()) == [stays]
    assert list(Track.objects.all()) == [other]


def test_an_authors_media_go_and_so_does_the_name() -> None:
    mine, other = make_media(author="Ann Author"), make_media(author="Bo")
    row = erase("author", ["Ann Author"])
    assert list(Media.objects.all()) == [other]
    assert len(row.what[0]) == 64
    assert "Ann" not in str(row.what)
    assert not default_storage.exists(mine.stored_as)


def test_of_a_source_all_it_brought_goes_and_it_brings_no_more() -> None:
    source = Source.objects.create(name="S", kind="web", location="https://a.example/", watch_minutes=5)
    mine, other = make_media(), make_media()
    item = Item.objects.create(source=source, locator="1", state="ingested", media=mine)
    row = erase("source", [source.pk])
    item.refresh_from_db()
    source.refresh_from_db()
    assert list(Media.objects.all()) == [other]
    day = timezone.localdate(row.created_at).isoformat()
    assert (item.state, item.reason, item.media) == ("refused", f"Erased on {day}: Asked to", None)
    assert source.watch_minutes is None
    assert source.state == "stopped"


@pytest.fixture
def voted() -> Campaign:
    """A face settled with ten votes, one open with a vote and a lease, one gold, one untouched."""
    campaign = make_campaign(4)
    rows = list(campaign.campaign_faces.order_by("pk"))
    people = [make_user() for _ in range(10)]
    for person in people:
        make_votes(rows[:1], person, ["happy"])
    settle(rows[0], "happy")
    make_votes(rows[1:2], people[0], ["sad"])
    CampaignFace.objects.filter(pk=rows[1].pk).update(votes=1, leases=1, places=8)
    now = timezone.now()
    Lease.objects.create(
        campaign=campaign, campaign_face=rows[1], annotator=people[1], taken_at=now, expires_at=now
    )
    CampaignFace.objects.filter(pk=rows[2].pk).update(state="gold", wanted=0, places=0)
    Gold.objects.create(campaign_face=rows[2], campaign=campaign, answer="sad", note="clearly sad")
    Suggestion.objects.create(campaign_face=rows[0], origin="run 1", label="sad", probabilities={}, doubt=1)
    Adjudication.objects.create(campaign_face=rows[0], label="happy", reason="this is Bob")
    AuditEntry.objects.create(
        campaign=campaign, verb="adjudicated", campaign_face=rows[0], reason="this is Bob"
    )
    Example.objects.create(campaign=campaign, face=rows[1].face, expression="sad")
    return campaign


def test_votes_stay_and_what_they_were_about_goes(voted: Campaign) -> None:
    faces = [row.face_id for row in voted.campaign_faces.order_by("pk")]
    row = erase("face", faces[:3])
    rows = list(voted.campaign_faces.order_by("pk"))
    assert [(one.state, one.face_id, one.votes, one.wanted, one.places, one.leases) for one in rows[:3]] == [
        ("erased", None, 10, 10, 0, 0),
        ("erased", None, 1, 1, 0, 0),
        ("erased", None, 0, 0, 0, 0),
    ]
    assert all((one.outcome, one.label, one.counts) == ("", "", {}) for one in rows[:3])
    assert rows[3].state == "open"
    assert Vote.objects.count() == 11
    assert not any(model.objects.exists() for model in (Lease, Gold, Suggestion, Example))
    assert Adjudication.objects.get().reason == ""
    assert "Bob" not in str(list(AuditEntry.objects.values()))
    assert row.touched["votes"] == 11
    assert row.touched["campaigns"] == {str(voted.pk): 3}


def test_the_record_of_the_campaign_tells_it_once(voted: Campaign) -> None:
    by = make_user("manager")
    face = voted.campaign_faces.first()
    row = erase("face", [face.face_id], by=by)
    entry = AuditEntry.objects.get(verb="faces_erased")
    assert (entry.campaign, entry.by, entry.reason) == (voted, by, "Asked to")
    assert entry.details == {"erasure": row.pk, "faces": 1}


def test_a_campaign_keeps_its_sums(voted: Campaign) -> None:
    erase("face", [row.face_id for row in voted.campaign_faces.order_by("pk")[:3]])
    assert set(check(voted).values()) == {0}


def test_what_is_gone_already_is_no_error() -> None:
    (face,) = make_faces(1)
    first = erasure.demand("face", [face.pk], reason="Asked to")
    second = erasure.demand("media", [face.media_id], reason="Asked to")
    erasure.carry_out(second.pk)
    erasure.carry_out(first.pk)
    first.refresh_from_db()
    assert first.state == "done"
    assert "faces" not in first.touched
    assert Tombstone.objects.count() == 2


@pytest.mark.parametrize(
    ("scope", "what", "reason", "why"),
    [
        ("face", [7], "Asked to", "no such thing"),
        ("face", [], "Asked to", "Say what"),
        ("author", ["Nobody"], "Asked to", "no such thing"),
        ("author", [""], "Asked to", "no such thing"),
        ("person", [7], "Asked to", "can be erased"),
        ("face", ["7"], "Asked to", "by its number"),
        ("media", None, "  ", "Say why"),
        ("media", None, "x" * 401, "at most"),
    ],
)
def test_a_demand_that_cannot_be_is_refused(
    scope: str, what: list[object] | None, reason: str, why: str
) -> None:
    what = [make_media().pk] if what is None else what
    with pytest.raises(erasure.CannotErase, match=why):
        erasure.demand(scope, what, reason=reason)
    assert not Erasure.objects.exists()
