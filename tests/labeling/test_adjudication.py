"""A manager's decision on a disputed face, beside the votes."""

import threading

import pytest
from django.db import connections

from labeling import adjudication
from labeling.adjudication import CannotAdjudicate
from labeling.models import Adjudication, AuditEntry, CampaignFace
from labeling.queries import freeze_preview
from labeling.snapshots import freezing
from labeling.suggestions import doubt
from labeling.voting import votes
from tests.factories import make_campaign, make_user, settle, vote_next

pytestmark = pytest.mark.django_db


def disputed(*answers):
    """A campaign with one settled face, and who voted on it last."""
    campaign = make_campaign(1, votes_per_face=len(answers))
    person = None
    for said in answers:
        person = make_user()
        vote_next(campaign, person, said)
    return campaign, campaign.campaign_faces.get(), person


def decide(row, label="happy", reason="clear smile", by=None):
    made = adjudication.adjudicate(campaign_face_id=row.pk, label=label, reason=reason, by=by)
    row.refresh_from_db()
    return made


def says(row):
    row.refresh_from_db()
    return (row.outcome, row.label)


def test_a_decision_sets_the_label_and_leaves_what_the_votes_say():
    _, row, _ = disputed("happy", "sad")
    decide(row)
    assert says(row) == ("adjudicated", "happy")
    assert (row.agreement, row.counts) == (0.5, {"happy": 1, "sad": 1})


def test_not_a_face_is_a_decision_without_a_label():
    _, row, _ = disputed("happy", "sad")
    decide(row, "not_a_face")
    assert says(row) == ("not_a_face", "")


@pytest.mark.parametrize(
    ("label", "reason"), [("bored", "clear smile"), ("happy", " x "), ("happy", "x" * 501)]
)
def test_a_foreign_label_or_no_proper_reason_is_refused(label, reason):
    _, row, _ = disputed("happy", "sad")
    with pytest.raises(CannotAdjudicate):
        decide(row, label, reason)
    assert not Adjudication.objects.exists()


def test_an_open_or_unknown_face_cannot_be_decided():
    row = make_campaign(1).campaign_faces.get()
    with pytest.raises(CannotAdjudicate, match="being voted on"):
        decide(row)
    with pytest.raises(CannotAdjudicate, match="not in the campaign"):
        adjudication.adjudicate(campaign_face_id=0, label="happy", reason="clear smile", by=None)


def test_a_newer_decision_supersedes_the_older_which_stays_on_record():
    _, row, _ = disputed("happy", "sad")
    decide(row, "happy")
    decide(row, "sad")
    assert says(row) == ("adjudicated", "sad")
    assert [made.label for made in row.adjudications.all()] == ["sad", "happy"]


def test_taking_it_back_restores_what_the_votes_say():
    _, row, _ = disputed("happy", "happy", "sad")
    decide(row, "sad")
    decide(row, "fear")
    assert adjudication.retract(campaign_face_id=row.pk, by=None).retracted_at
    assert says(row) == ("agreed", "happy")
    with pytest.raises(CannotAdjudicate):
        adjudication.retract(campaign_face_id=row.pk, by=None)


@pytest.mark.parametrize(
    ("label", "expected"), [("fear", ("adjudicated", "fear")), ("not_a_face", ("not_a_face", ""))]
)
def test_a_decision_outlives_a_round_of_fresh_votes(label, expected):
    campaign, row, _ = disputed("happy", "sad")
    decide(row, label)
    votes.reopen(campaign_faces=[row.pk], votes=1)
    vote_next(campaign, make_user(), "sad")
    assert says(row) == expected
    assert row.counts == {"happy": 1, "sad": 2}
    adjudication.retract(campaign_face_id=row.pk, by=None)
    assert says(row) == ("agreed", "sad")


def test_a_decision_outlives_the_withdrawal_of_the_settling_vote():
    campaign, row, last = disputed("happy", "sad")
    decide(row, "fear")
    votes.withdraw(campaign=campaign, annotator=last)
    assert says(row) == ("adjudicated", "fear")
    assert row.state == CampaignFace.State.OPEN
    adjudication.retract(campaign_face_id=row.pk, by=None)
    assert says(row) == ("", "")


def test_a_snapshot_holds_adjudicated_faces_and_says_so():
    campaign = make_campaign(3)
    happy, sad, decided = campaign.campaign_faces.order_by("pk")
    settle(happy, "happy")
    settle(sad, "sad")
    settle(decided, "sad")
    decide(decided, "happy")
    fractions = {"train": 1.0, "validation": 0.0, "test": 0.0}
    choice = freezing.preview(campaign=campaign, fractions=fractions)
    assert choice.counts["train"] == {**dict.fromkeys(campaign.expressions, 0), "happy": 2, "sad": 1}
    assert "1 face carries an adjudicated label." in choice.notes


def test_a_campaign_whose_only_label_was_adjudicated_can_be_frozen():
    campaign, row, _ = disputed("happy", "sad")
    with pytest.raises(freezing.CannotFreeze):
        freezing.freeze(campaign=campaign, wake=False)
    decide(row)
    assert freezing.freeze(campaign=campaign, wake=False).campaign == campaign
    assert freeze_preview(campaign.pk, campaign.expressions).by_label["happy"] == 1


def test_a_network_doubts_an_adjudicated_label_as_it_would_an_agreed_one():
    said = {"happy": 0.25, "sad": 0.75}
    assert (
        doubt(outcome="adjudicated", label="happy", counts={"happy": 1, "sad": 1}, probabilities=said) == 0.75
    )


def test_who_took_a_decision_back_stays_on_record():
    _, row, _ = disputed("happy", "sad")
    one, other = make_user("manager"), make_user("manager")
    decide(row, by=one)
    adjudication.retract(campaign_face_id=row.pk, by=other)
    made = Adjudication.objects.get()
    assert (made.by, made.retracted_by) == (one, other)


def test_a_manager_decides_on_the_faces_page_and_takes_it_back(client):
    _, row, _ = disputed("happy", "sad")
    client.force_login(make_user("manager"))
    page = f"/faces/{row.face_id}/?campaign={row.campaign_id}"
    sent = {"label": "sad", "reason": "mouth corners down", "next": page}
    assert client.post(f"/campaign-faces/{row.pk}/adjudicate/", sent).url == page
    assert says(row) == ("adjudicated", "sad")
    assert "mouth corners down" in client.get(page).content.decode()
    client.post(f"/campaign-faces/{row.pk}/retract/", {"next": "https://elsewhere.example/"})
    assert says(row) == ("no_consensus", "")


def test_a_decision_without_a_reason_is_told_on_the_page_and_changes_nothing(client):
    _, row, _ = disputed("happy", "sad")
    client.force_login(make_user("manager"))
    answer = client.post(f"/campaign-faces/{row.pk}/adjudicate/", {"label": "sad"}, follow=True)
    assert "Say why" in answer.content.decode()
    assert answer.request["PATH_INFO"] == f"/faces/{row.face_id}/"
    assert says(row) == ("no_consensus", "")


def test_the_api_decides_within_its_campaign_alone(client):
    campaign, row, _ = disputed("happy", "sad")
    elsewhere = make_campaign(1)
    client.force_login(make_user("manager"))
    sent = {"campaign_face": row.pk, "label": "happy", "reason": "clear smile"}

    def ask(where, verb):
        return client.post(f"/api/v1/campaigns/{where.pk}/{verb}/", sent, content_type="application/json")

    assert ask(elsewhere, "adjudicate").status_code == 404
    assert ask(campaign, "adjudicate").json()["label"] == "happy"
    assert says(row) == ("adjudicated", "happy")
    assert ask(campaign, "retract").json()["retracted_at"] is not None
    assert ask(campaign, "retract").status_code == 409


def test_each_decision_and_its_withdrawal_stands_in_the_record():
    manager = make_user("manager")
    _, row, _ = disputed("happy", "sad")
    decide(row, "sad", by=manager)
    adjudication.retract(campaign_face_id=row.pk, by=manager)
    back, made = AuditEntry.objects.all()
    assert (made.verb, made.by, made.campaign_face, made.reason) == (
        "adjudicated", manager, row, "clear smile"
    )  # fmt: skip
    assert made.details == {"label": "sad", "was": "no_consensus"}
    assert (back.verb, back.by, back.details) == ("retracted", manager, {"label": "sad"})


def test_who_has_not_seen_the_newest_decision_is_told_of_it_and_may_override():
    _, row, _ = disputed("happy", "sad")
    first = decide(row, "happy", by=make_user("manager", "Ada"))
    sent = {"campaign_face_id": row.pk, "label": "sad", "reason": "mouth corners down", "by": None}
    with pytest.raises(
        adjudication.DecidedMeanwhile, match="Ada has decided on this face meanwhile: “happy”"
    ):
        adjudication.adjudicate(**sent, seen=0)
    assert says(row) == ("adjudicated", "happy")
    adjudication.adjudicate(**sent, seen=first.pk)
    assert says(row) == ("adjudicated", "sad")


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_of_two_managers_at_once_both_are_on_record_and_the_newest_stands():
    _, row, _ = disputed("happy", "sad")
    managers = [make_user("manager"), make_user("manager")]
    start, told = threading.Barrier(2), []

    def decide_at_once(manager, label):
        try:
            start.wait(10)
            for n in range(10):
                adjudication.adjudicate(
                    campaign_face_id=row.pk, label=label, reason=f"reason {n}", by=manager
                )
        except BaseException as error:
            told.append(error)
            raise
        finally:
            connections.close_all()

    work = zip(managers, ("happy", "sad"), strict=True)
    threads = [threading.Thread(target=decide_at_once, args=given) for given in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert told == []
    made = list(Adjudication.objects.order_by("pk"))
    assert len(made) == 20
    assert says(row) == ("adjudicated", made[-1].label)
    entries = AuditEntry.objects.order_by("pk")
    assert [(e.by, e.details["label"], e.reason) for e in entries] == [
        (m.by, m.label, m.reason) for m in made
    ]


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_of_two_managers_who_saw_the_same_one_decides_and_the_other_is_told():
    _, row, _ = disputed("happy", "sad")
    start, told = threading.Barrier(2), []

    def decide_as_seen(label):
        try:
            start.wait(10)
            adjudication.adjudicate(campaign_face_id=row.pk, label=label, reason="clear", by=None, seen=0)
        except CannotAdjudicate as refusal:
            told.append(refusal)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=decide_as_seen, args=[label]) for label in ("happy", "sad")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    [refusal] = told
    made = Adjudication.objects.get()
    assert refusal.newest == made
    assert says(row) == ("adjudicated", made.label)
