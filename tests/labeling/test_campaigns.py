"""A campaign's life, its faces, and the figures of its page."""

import math
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db.models import Max
from django.utils import timezone

from labeling import campaign_figures, campaigns, disputes
from labeling.campaign_queries import campaign_rows
from labeling.models import Campaign, CampaignFace, Example, Face, Gold, Item, Source
from labeling.models.campaign import LAP
from labeling.preferences import KEYS
from labeling.voting import votes
from tests.factories import make_campaign, make_faces, make_user

pytestmark = pytest.mark.django_db


def vote_on(campaign: Campaign, answers: dict[int, list[str]]) -> None:
    """Cast these answers on the n-th face, each by another person."""
    rows = list(campaign.campaign_faces.order_by("pk").values_list("pk", flat=True))
    people = [make_user() for _ in range(max(len(given) for given in answers.values()))]
    for n, given in answers.items():
        for annotator, answer in zip(people, given, strict=False):
            votes.cast(
                campaign=campaign,
                annotator=annotator,
                campaign_face_id=rows[n],
                answer=answer,
                client_key=uuid4(),
            )


def test_a_new_campaign_is_open_and_asks_ten_people_for_one_of_seven() -> None:
    campaign = campaigns.create(name=" First ", created_by=make_user("manager"))
    assert (campaign.name, campaign.state, campaign.votes_per_face) == ("First", "open", 10)
    assert (campaign.rule, len(campaign.expressions)) == ("strict_majority", 7)
    other = campaigns.create(name="Second", expressions=[" at ease", "ill\n at  ease"])
    assert other.expressions == ["at ease", "ill at ease"]


@pytest.mark.parametrize(
    ("expressions", "said"),
    [
        (["happy"], "at least two expressions"),
        (["happy", " "], "at least two expressions"),
        (["happy", "happy"], "“happy” is named twice"),
        (["happy", "not_a_face"], "“not a face” is always offered"),
        (["happy", "=cmd|' /C calc'!A0"], "begins with =, which spreadsheets take for a formula"),
        (["happy", "@sad"], "begins with @, which spreadsheets"),
        ([f"look {n}" for n in range(len(KEYS) + 1)], f"keys for {len(KEYS)} expressions"),
        (["happy", "x" * 41], "more than 40 characters"),
        (["happy", "s\x07ad"], "character that cannot be seen"),
    ],
)
def test_expressions_that_cannot_be_told_apart_are_refused(expressions: list[str], said: str) -> None:
    with pytest.raises(campaigns.CannotCreate, match=said) as refused:
        campaigns.create(name="x", expressions=expressions)
    assert (refused.value.field, Campaign.objects.count()) == ("expressions", 0)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"votes_per_face": 0}, "greater than or equal to 1"),
        ({"rule": "loudest"}, "not a valid choice"),
        ({"minimum_agreement": 1.5}, "less than or equal to 1"),
        ({"gold_share": 0.6}, "less than or equal to 0.5"),
        ({"qualification_attempts": 0}, "greater than or equal to 1"),
        ({"keys": {"happy": "q", "sad": "Q"}}, "“q” is given to both happy and sad"),
        ({"keys": {"happy": "z"}}, "“z” changes how the face looks"),
        ({"keys": {"happy": "ab"}}, "not one character"),
        ({"keys": {"contempt": "q"}}, "no “contempt” to choose a key for"),
        ({"icons": {"happy": "skull"}}, "no icon “skull”"),
        ({"icons": {"contempt": "sad"}}, "no “contempt” to choose an icon for"),
        ({"languages": ["xx"]}, "does not speak “xx”"),
        ({"cap": 0}, "With 0 nobody could vote"),
        ({"cap": 5, "daily_cap": 6}, "more votes in a day than in all"),
        ({"deadline": timezone.now() - timedelta(minutes=1)}, "has passed already"),
    ],
)
def test_a_campaign_that_cannot_work_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(campaigns.CannotCreate, match=said):
        campaigns.create(name="x", **fields)


def test_a_name_is_given_once() -> None:
    campaigns.create(name="x")
    with pytest.raises(campaigns.CannotCreate, match="There is a campaign of this name"):
        campaigns.create(name="x")


def test_faces_are_added_once_however_often_one_adds_them() -> None:
    campaign = campaigns.create(name="x", votes_per_face=3)
    make_faces(3)
    assert campaigns.add_faces(campaign=campaign, faces=Face.objects.all()).added == 3
    places = list(campaign.campaign_faces.values_list("face", "shuffle"))
    make_faces(2)
    assert campaigns.add_faces(campaign=campaign, faces=Face.objects.all()).added == 2
    assert campaigns.add_faces(campaign=campaign, faces=Face.objects.all()).added == 0
    assert list(campaign.campaign_faces.values_list("face", "shuffle"))[:3] == places
    assert set(campaign.campaign_faces.values_list("wanted", "places", "votes")) == {(3, 3, 0)}


def test_a_face_found_by_two_joins_is_added_once() -> None:
    campaign = campaigns.create(name="x")
    make_faces(2, per_media=2)
    twice = Face.objects.filter(media__faces__isnull=False)
    assert twice.count() == 4
    assert campaigns.add_faces(campaign=campaign, faces=twice).added == 2


def test_faces_added_later_reach_those_who_are_through_already() -> None:
    campaign, annotator = make_campaign(2), make_user()
    first = votes.lease(campaign=campaign, annotator=annotator, limit=9)
    make_faces(3)
    assert campaigns.add_faces(campaign=campaign, faces=Face.objects.all()).added == 3
    assert len(first) == 2
    assert len(votes.lease(campaign=campaign, annotator=annotator, limit=9)) == 5


def test_a_campaign_pauses_closes_and_opens_again() -> None:
    campaign = make_campaign()
    for verb, state in (
        (campaigns.pause, "paused"),
        (campaigns.reopen, "open"),
        (campaigns.close, "closed"),
        (campaigns.reopen, "open"),
    ):
        verb(campaign=campaign)
        assert Campaign.objects.get().state == state
    with pytest.raises(campaigns.CannotChange, match="This campaign is open; it cannot become open"):
        campaigns.reopen(campaign=campaign)


def deeds(campaign: Campaign) -> list[str]:
    return list(campaign.audit.order_by("pk").values_list("verb", flat=True))


def test_what_was_done_is_on_record_with_who_did_it() -> None:
    manager = make_user("manager")
    make_faces(2)
    campaign = campaigns.create(name="x", created_by=manager)
    campaigns.add_faces(campaign=campaign, faces=Face.objects.all(), by=manager)
    campaigns.add_faces(campaign=campaign, faces=Face.objects.all(), by=manager)
    campaigns.pause(campaign=campaign, by=manager)
    campaigns.reopen(campaign=campaign, by=manager)
    campaigns.close(campaign=campaign, by=manager)
    assert deeds(campaign) == ["created", "faces_added", "paused", "opened", "closed"]
    assert campaign.audit.get(verb="faces_added").details == {"faces": 2}
    assert set(campaign.audit.values_list("by", flat=True)) == {manager.pk}


def test_a_deadline_closes_a_campaign_and_a_later_one_opens_it_again() -> None:
    campaign, later = make_campaign(1), make_campaign(1, deadline=timezone.now() + timedelta(hours=1))
    Campaign.objects.filter(pk=campaign.pk).update(deadline=timezone.now() - timedelta(seconds=1))
    assert campaigns.close_overdue() == 1
    assert campaigns.close_overdue() == 0
    campaign.refresh_from_db()
    later.refresh_from_db()
    assert (campaign.state, later.state) == ("closed", "open")
    assert campaign.closed_at >= campaign.deadline
    assert campaign.audit.get().by is None
    with pytest.raises(campaigns.CannotChange, match="Extend it"):
        campaigns.reopen(campaign=campaign)
    campaigns.extend(campaign=campaign, deadline=timezone.now() + timedelta(days=1))
    assert (campaign.state, campaign.closed_at) == ("open", None)
    assert deeds(campaign) == ["closed", "extended", "opened"]


def test_what_was_closed_by_hand_stays_closed_when_its_deadline_moves() -> None:
    campaign = make_campaign(1, deadline=timezone.now() + timedelta(hours=1))
    campaigns.close(campaign=campaign)
    campaigns.extend(campaign=campaign, deadline=timezone.now() + timedelta(hours=2))
    assert campaign.state == "closed"
    with pytest.raises(campaigns.CannotChange, match="passed already"):
        campaigns.extend(campaign=campaign, deadline=timezone.now() - timedelta(hours=2))


def test_a_copy_has_the_settings_and_faces_without_votes_and_begins_paused() -> None:
    group = Group.objects.create(name="class of May")
    campaign = make_campaign(3, votes_per_face=2, keys={"happy": "h"}, order="depth")
    vote_on(campaign, {0: ["happy", "sad"], 1: ["happy"]})
    campaigns.change(campaign=campaign, groups=[group], languages=["en"])
    rows = list(campaign.campaign_faces.order_by("pk"))
    gold = rows[2]
    CampaignFace.objects.filter(pk=gold.pk).update(state="gold", wanted=0, places=0)
    Gold.objects.create(campaign_face=gold, campaign=campaign, answer="fear", note="the brows")
    Example.objects.create(campaign=campaign, face=rows[0].face, expression="happy")
    made = campaigns.duplicate(campaign=campaign, name="copy")
    assert (made.state, made.keys, made.languages, made.order) == ("paused", {"happy": "h"}, ["en"], "depth")
    assert list(made.groups.all()) == [group]
    assert sorted(made.campaign_faces.values_list("state", "votes", "wanted")) == [
        ("gold", 0, 0),
        ("open", 0, 2),
        ("open", 0, 2),
    ]
    copied = made.gold.get()
    assert (copied.campaign_face.face, copied.answer, copied.note) == (gold.face, "fear", "the brows")
    assert made.examples.get().expression == "happy"
    assert deeds(made) == ["duplicated", "faces_added"]
    bare = campaigns.duplicate(campaign=campaign, name="bare", same_faces=False)
    assert bare.campaign_faces.count() == 0
    with pytest.raises(campaigns.CannotCreate, match="of this name"):
        campaigns.duplicate(campaign=campaign, name="bare")


def test_gold_faces_are_no_part_of_the_progress() -> None:
    campaign = make_campaign(2, votes_per_face=3)
    gold = campaign.campaign_faces.first()
    CampaignFace.objects.filter(pk=gold.pk).update(state="gold", wanted=0, places=0)
    found = campaigns.progress(campaign)
    assert (found.faces, found.wanted, found.votes_so_far) == (1, 3, {0: 1})
    assert [(row.faces, row.wanted) for row in campaign_rows([campaign])] == [(1, 3)]


def source_of(faces: list[Face]) -> Source:
    source = Source.objects.create(name="s", kind="folder", location="/s")
    Item.objects.bulk_create(
        Item(source=source, locator=str(face.pk), state="ingested", media=face.media) for face in faces
    )
    return source


def test_faces_of_one_media_are_kin() -> None:
    make_faces(4, per_media=2)
    campaign = campaigns.create(name="x")
    campaigns.add_faces(campaign=campaign, faces=Face.objects.all())
    kin = campaign.campaign_faces.values_list("kin", "face__media")
    assert all(own == media for own, media in kin)


def test_in_a_balanced_campaign_the_sources_take_turns() -> None:
    large, small = make_faces(6), make_faces(2)
    sources = [source_of(large), source_of(small)]
    source_of(large)  # the same media again: they stay with the source known longest
    campaign = campaigns.create(name="x", order="balanced")
    campaigns.add_faces(campaign=campaign, faces=Face.objects.filter(pk__lt=small[0].pk + 1))
    campaigns.add_faces(campaign=campaign, faces=Face.objects.all())
    turns = [
        source
        for source, _ in campaign.campaign_faces.filter(face__media__items__source__in=sources)
        .order_by("shuffle")
        .values_list("face__media__items__source", "shuffle")
    ]
    assert sorted(turns[:2]) == sorted(turns[2:4]) == [source.pk for source in sources]
    assert turns[4:] == [sources[0].pk] * 4
    assert campaign.campaign_faces.aggregate(top=Max("shuffle"))["top"] < 6 * 256


def test_faces_added_to_a_balanced_campaign_later_take_turns_at_the_end() -> None:
    source_of(make_faces(2))
    campaign, annotator = campaigns.create(name="x", order="balanced"), make_user()
    campaigns.add_faces(campaign=campaign, faces=Face.objects.all())
    assert len(votes.lease(campaign=campaign, annotator=annotator, limit=9)) == 2
    source_of(make_faces(2))
    source_of(make_faces(2))
    campaigns.add_faces(campaign=campaign, faces=Face.objects.all())
    late = campaign.campaign_faces.filter(shuffle__gte=LAP).order_by("shuffle")
    of = list(late.values_list("face__media__items__source", flat=True))
    assert (len(of), len(set(of[:2])), len(set(of[2:]))) == (4, 2, 2)
    assert len(votes.lease(campaign=campaign, annotator=annotator, limit=9)) == 6


def test_progress_says_how_far_it_is_and_what_came_out() -> None:
    campaign = make_campaign(5, votes_per_face=3, rule="plurality")
    vote_on(
        campaign,
        {
            0: ["happy", "happy", "happy"],
            1: ["happy", "sad", "sad"],
            2: ["fear", "angry", "happy"],
            3: ["not_a_face", "not_a_face", "happy"],
            4: ["fear"],
        },
    )
    progress = campaigns.progress(campaign)
    assert (progress.faces, progress.settled, progress.agreed) == (5, 4, 2)
    assert (progress.no_consensus, progress.not_a_face) == (1, 1)
    assert (progress.votes, progress.wanted) == (13, 15)
    assert {label: count for label, count in progress.by_label.items() if count} == {"happy": 1, "sad": 1}
    assert progress.votes_so_far == {1: 1, 3: 4}
    reliability = campaign_figures.reliability(campaign)
    assert reliability.agreement.value == pytest.approx((3 + 1 + 0 + 1) / 12)
    # By Fleiss' formula: shares of happy 6, sad 2, fear 1, angry 1, not a face 2 of 12 votes.
    chance = (36 + 4 + 1 + 1 + 4) / 144
    assert reliability.kappa.value == pytest.approx((5 / 12 - chance) / (1 - chance))


def test_of_no_votes_nothing_is_said() -> None:
    campaign = make_campaign(2)
    progress, reliability = campaigns.progress(campaign), campaign_figures.reliability(campaign)
    assert math.isnan(reliability.kappa.value)
    assert math.isnan(reliability.agreement.value)
    assert (progress.settled, progress.votes, progress.wanted) == (0, 0, 20)


@pytest.mark.parametrize("faces", [1, 3])
def test_progress_takes_three_queries_however_many_faces(faces: int, django_assert_num_queries: Any) -> None:
    campaign = make_campaign(faces, votes_per_face=2)
    vote_on(campaign, {n: ["happy", "sad"] for n in range(faces)})
    with django_assert_num_queries(3):
        campaigns.progress(campaign)


def test_disputes_come_in_the_order_of_disagreement_and_without_the_undisputed() -> None:
    campaign = make_campaign(4, votes_per_face=3, rule="plurality")
    vote_on(campaign, {0: ["happy"] * 3, 1: ["happy", "sad", "sad"], 2: ["fear", "angry", "sad"], 3: ["sad"]})
    rows = list(CampaignFace.objects.order_by("pk"))
    assert list(disputes.disputes(campaign)) == [rows[2], rows[1]]


def test_a_face_that_was_erased_while_faces_were_chosen_does_not_come_in() -> None:
    campaign = make_campaign()
    gone, there = make_faces(2)
    chosen = [(face.pk, face.media_id) for face in (gone, there)]
    gone.delete()
    assert campaigns.place(campaign, chosen, first_lap=True) == 1
    assert [row.face_id for row in campaign.campaign_faces.all()] == [there.pk]
