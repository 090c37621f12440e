"""Which faces a filter finds."""

from typing import Any

import numpy as np
import pytest

from labeling import gallery_queries, suggestions
from labeling.face_filter import GOOD, QUALITIES, FaceFilter, campaign_faces, faces, poor
from labeling.models import CampaignFace, Face, Item, Media, Source, Track
from labeling.vision.quality import Quality, reasons
from tests.factories import make_campaign, make_faces, make_media, settle

pytestmark = pytest.mark.django_db


def found(**wanted: Any) -> list[int]:
    return [face.pk for face in gallery_queries.gallery(FaceFilter(**wanted))]


def keys(rows: list[Face]) -> list[int]:
    return [face.pk for face in rows]


def set_on(face: Face, **fields: Any) -> None:
    Face.objects.filter(pk=face.pk).update(**fields)


def test_quality_in_sql_is_quality_as_it_is_measured() -> None:
    dice = np.random.default_rng(3)
    rows = make_faces(60)
    judged: dict[int, tuple[str, ...]] = {}
    for face in rows:
        width, height = (int(side) for side in dice.integers(20, 60, 2))
        values = {
            "sharpness": float(dice.uniform(0.1, 0.5)),
            "brightness": float(dice.uniform(0, 1)),
            "contrast": float(dice.uniform(0, 0.2)),
            "outside": float(dice.uniform(0, 0.5)),
            "yaw": float(dice.uniform(-90, 90)),
            "pitch": float(dice.uniform(-90, 90)),
            "roll": float(dice.uniform(-90, 90)),
        }
        set_on(face, width=width, height=height, **values)
        judged[face.pk] = reasons(Quality(side=min(width, height), **values))
    for code in QUALITIES:
        assert set(found(quality=code)) == {pk for pk, codes in judged.items() if code in codes}
    assert set(found(quality=GOOD)) == {pk for pk, codes in judged.items() if not codes}


def test_what_was_not_measured_speaks_against_nobody() -> None:
    (face,) = make_faces(1)
    assert found(quality=GOOD) == [face.pk]
    assert not any(found(quality=code) for code in QUALITIES)


def test_an_unknown_code_is_an_error() -> None:
    with pytest.raises(KeyError):
        poor("ugly")


def test_faces_are_filtered_by_licence_and_by_its_lack() -> None:
    free, unknown = make_faces(2)
    Media.objects.filter(pk=free.media_id).update(licence_code="cc-by-4.0")
    assert found(licence="cc-by-4.0") == [free.pk]
    assert found(licence="unknown") == [unknown.pk]


def test_faces_are_filtered_by_track() -> None:
    first, second, alone = make_faces(3)
    media = make_media(kind="video")
    tracks = [
        Track.objects.create(media=media, detector="haar", number=n, shot=1, first_ms=0, last_ms=9)
        for n in (1, 2)
    ]
    set_on(first, track=tracks[0])
    set_on(second, track=tracks[1], left_out="track")
    assert found(track="yes") == [first.pk]
    assert found(track="no") == [alone.pk]
    # Of one track all are shown, those left out too.
    assert found(track=str(tracks[1].pk)) == [second.pk]


def test_faces_are_filtered_by_the_shorter_side() -> None:
    small, large = make_faces(2)
    set_on(small, width=90, height=30)
    set_on(large, width=60, height=200)
    assert found(min_size=31) == [large.pk]
    assert found(max_size=30) == [small.pk]
    assert found(min_size=30, max_size=60) == [small.pk, large.pk]


def test_left_out_faces_are_shown_where_they_are_asked_for_or_belong() -> None:
    kept, out = make_faces(2)
    set_on(out, left_out="person")
    assert found() == [kept.pk]
    assert found(left_out="out") == [out.pk]
    assert found(left_out="all") == [kept.pk, out.pk]
    campaign = make_campaign([kept, out])
    assert found(campaign=campaign.pk) == [kept.pk, out.pk]
    assert found(campaign=campaign.pk, left_out="kept") == [kept.pk]


def test_faces_are_filtered_by_whether_others_are_like_them() -> None:
    first, second, lonely, new = make_faces(4)
    set_on(first, likeness=first.pk)
    set_on(second, likeness=first.pk)
    set_on(lonely, likeness=lonely.pk)
    assert found(alike="yes") == keys([first, second])
    assert found(alike=str(lonely.pk)) == [lonely.pk]
    assert new.pk in found()


def test_faces_are_filtered_by_agreement() -> None:
    campaign = make_campaign(3)
    low, high, still_open = campaign.campaign_faces.order_by("pk")
    settle(low, "sad", agreement=0.6)
    settle(high, "sad", agreement=0.9)
    assert found(campaign=campaign.pk, min_agreement=60) == [low.face_id, high.face_id]
    assert found(campaign=campaign.pk, max_agreement=89) == [low.face_id]
    assert still_open.face_id in found(campaign=campaign.pk)


def test_faces_are_filtered_by_a_networks_opinion() -> None:
    campaign = make_campaign(3)
    same, other, still_open = campaign.campaign_faces.order_by("pk")
    settle(same, "happy")
    settle(other, "sad")
    opinion = {"happy": 0.9, "sad": 0.1}
    suggestions.store(origin="run 1", rows=[(row.pk, opinion) for row in (same, other, still_open)])
    assert found(campaign=campaign.pk, opinion="differs") == [other.face_id]
    assert found(campaign=campaign.pk, opinion="agrees") == [same.face_id]


def test_filters_of_faces_and_of_a_campaign_are_asked_together() -> None:
    campaign = make_campaign(3)
    blurred_happy, sharp_happy, blurred_sad = campaign.campaign_faces.order_by("pk")
    for row, label, sharpness in (
        (blurred_happy, "happy", 0.1),
        (sharp_happy, "happy", 0.5),
        (blurred_sad, "sad", 0.1),
    ):
        settle(row, label)
        Face.objects.filter(pk=row.face_id).update(sharpness=sharpness)
    wanted = FaceFilter(campaign=campaign.pk, label="happy", quality="blurred")
    assert [row.pk for row in campaign_faces(wanted)] == [blurred_happy.pk]
    assert [row.pk for row in faces(wanted)] == [blurred_happy.face_id]
    assert gallery_queries.gallery_count(wanted) == 1


def test_a_campaigns_faces_come_in_the_order_they_were_found() -> None:
    rows = make_faces(3)
    campaign = make_campaign(rows[::-1])
    assert found(campaign=campaign.pk) == keys(rows)
    wanted = FaceFilter(campaign=campaign.pk)
    assert gallery_queries.neighbours(wanted, rows[1].pk) == (rows[0].pk, rows[2].pk)
    assert [face.pk for face in gallery_queries.gallery(wanted, after=rows[0].pk)] == keys(rows[1:])
    assert CampaignFace.objects.filter(campaign=campaign).first().face_id == rows[2].pk


def test_what_there_is_to_choose_from() -> None:
    make_faces(2, detector="haar")
    make_faces(1, detector="yunet")
    Media.objects.filter(pk=Media.objects.first().pk).update(licence_code="cc0-1.0")
    assert gallery_queries.detectors() == ["haar", "yunet"]
    assert gallery_queries.licence_codes() == ["", "cc0-1.0"]


def test_pages_of_a_source_go_by_media() -> None:
    """A second search may have found more in the first picture than those that came before."""
    source = Source.objects.create(name="album", kind="folder", location="/x")
    first, second = make_faces(2)
    (later,) = make_faces(1, media=first.media, x=9)
    for face in (first, second):
        Item.objects.create(source=source, locator=str(face.pk), media=face.media)
    ordered = keys([first, later, second])
    campaign = make_campaign([first, second, later])
    for wanted in (FaceFilter(source=source.pk), FaceFilter(source=source.pk, campaign=campaign.pk)):
        assert [face.pk for face in gallery_queries.gallery(wanted)] == ordered
        for n, face in enumerate(ordered):
            behind = gallery_queries.gallery(wanted, after=face)
            assert [row.pk for row in behind] == ordered[n + 1 :]
        assert gallery_queries.neighbours(wanted, later.pk) == (first.pk, second.pk)
