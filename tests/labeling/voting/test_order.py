"""Everybody's own order: stable, different, fair, and never two kin in a row while others are left."""

import itertools

import pytest

from labeling.models import Campaign, CampaignFace
from labeling.voting import votes
from labeling.voting.order import WINDOW, Ahead, luck, ranked
from tests.factories import make_campaign, make_faces, make_user
from tests.labeling.voting.test_line import answer, leased
from vemo.accounts.models import User


def ahead(count: int, *kin: int) -> list[Ahead]:
    kins = itertools.cycle(kin or (0,))
    return [Ahead(pk=100 + n, face=n, place=n, votes=0, round=1, kin=next(kins)) for n in range(count)]


def test_the_dice_are_even_and_everybody_s_own() -> None:
    thrown = [luck(77, pk) for pk in range(20_000)]
    assert 0 <= min(thrown) < 0.001 < 0.999 < max(thrown) < 1
    assert sum(thrown) / len(thrown) == pytest.approx(0.5, abs=0.01)
    assert thrown[:50] == [luck(77, pk) for pk in range(50)] != [luck(78, pk) for pk in range(50)]


def test_a_face_is_overtaken_by_its_neighbours_only() -> None:
    for salt in range(50):
        places = [face.place for face in ranked(ahead(60), salt=salt, last_kin=0)]
        assert sorted(places) == list(range(60))
        assert all(abs(place - rank) <= WINDOW for rank, place in enumerate(places))


def test_kin_are_kept_apart_while_others_are_left() -> None:
    for salt in range(50):
        faces = [*ahead(6, 1), *(Ahead(200 + n, n, 6 + n, 0, 1, 2 + n) for n in range(6))]
        kin = [face.kin for face in ranked(faces, salt=salt, last_kin=1)]
        assert kin[0] != 1
        assert not any(a == b for a, b in itertools.pairwise(kin[:11]))


def test_kin_that_are_half_of_what_is_left_come_at_every_other_turn() -> None:
    for salt in range(50):
        faces = [*ahead(4, 1), *(Ahead(200 + n, n, 4 + n, 0, 1, 0) for n in range(3))]
        assert [face.kin for face in ranked(faces, salt=salt, last_kin=0)] == [1, 0, 1, 0, 1, 0, 1]


def test_of_kin_alone_all_are_handed_out() -> None:
    assert len(ranked(ahead(5, 9), salt=1, last_kin=9)) == 5


def through(campaign: Campaign, annotator: User) -> list[int]:
    met = []
    while faces := leased(campaign, annotator):
        met += faces
        answer(campaign, annotator, faces[0])
    return met


@pytest.mark.django_db
@pytest.mark.parametrize("order", Campaign.Order.values)
def test_no_two_people_see_the_same_order_and_all_see_every_face(order: str) -> None:
    campaign = make_campaign(30, order=order)
    orders = [through(campaign, make_user()) for _ in range(4)]
    assert all(len(set(met)) == len(met) == 30 for met in orders)
    assert len(set(map(tuple, orders))) == 4


@pytest.mark.django_db
def test_depth_first_completes_faces_at_the_head_of_the_line() -> None:
    campaign = make_campaign(100, votes_per_face=3, order="depth")
    for _ in range(3):
        annotator = make_user()
        for _ in range(40):
            answer(campaign, annotator, leased(campaign, annotator)[0])
    settled = campaign.campaign_faces.filter(state="settled").count()
    assert settled >= 40 - 2 * WINDOW
    first = list(campaign.campaign_faces.order_by("shuffle").values_list("votes", flat=True))
    assert sum(first[:60]) == 120
    assert first[60:] == [0] * 40


@pytest.mark.django_db
@pytest.mark.parametrize("_again", range(5))
def test_faces_of_one_media_never_follow_each_other(_again: int) -> None:
    campaign, annotator = make_campaign(make_faces(40, per_media=4)), make_user()
    for row in campaign.campaign_faces.select_related("face"):
        CampaignFace.objects.filter(pk=row.pk).update(kin=row.face.media_id)
    kin = dict(campaign.campaign_faces.values_list("pk", "kin"))
    met = [kin[pk] for pk in through(campaign, annotator)]
    assert len(set(met)) == 10
    assert not any(a == b for a, b in itertools.pairwise(met))


@pytest.mark.django_db
def test_leases_of_five_are_handed_out_in_one_s_own_order_too() -> None:
    campaign, annotator = make_campaign(30), make_user()
    five = leased(campaign, annotator, 5)
    assert leased(campaign, annotator, 5) == five
    assert [leased.campaign_face_id for leased in votes.lease(campaign=campaign, annotator=annotator)] == five
