"""The managers' pages of a campaign's annotators, one by one, and its log."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from labeling import adjudication, audit, discards, people, tasks
from labeling.models import AuditEntry, CampaignFace, Discard, Gold, GoldAnswer, Vote
from labeling.voting import votes
from tests.factories import make_campaign, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client):
    client.force_login(make_user("manager", name="Mona"))
    return client


def answer_all(campaign, person, said):
    while held := votes.lease(campaign=campaign, annotator=person, limit=20):
        for one in held:
            given = {"campaign_face_id": one.campaign_face_id, "answer": said, "client_key": uuid4()}
            votes.cast(campaign=campaign, annotator=person, **given)


@pytest.fixture
def campaign():
    campaign = make_campaign(3, votes_per_face=2)
    for name, said in (("Ada", "happy"), ("Ben", "sad")):
        answer_all(campaign, make_user(name=name), said)
    return campaign


def of(campaign, name):
    return Vote.objects.filter(campaign=campaign, annotator__username=name)[0].annotator


def page_of(campaign, person, verb=""):
    return reverse(f"labeling:{verb or 'campaign_annotator'}", args=[campaign.pk, person.pk])


def read(client, address, data=None):
    return client.get(address, data).content.decode()


def test_the_table_leads_to_each_annotators_page(manager, campaign) -> None:
    ada = of(campaign, "Ada")
    assert f'href="{page_of(campaign, ada)}"' in read(
        manager, reverse("labeling:campaign_annotators", args=[campaign.pk])
    )
    shown = read(manager, page_of(campaign, ada))
    assert "Votes by hour" in shown
    assert shown.count("face-card") == 3


def test_an_annotators_page_asks_the_same_for_one_vote_and_for_three(manager, campaign) -> None:
    other = make_campaign(1, votes_per_face=2)
    answer_all(other, of(campaign, "Ada"), "happy")
    asked = []
    for each in (other, campaign):
        with CaptureQueriesContext(connection) as captured:
            manager.get(page_of(each, of(campaign, "Ada")))
        asked.append(len(captured))
    assert asked[0] == asked[1]


def test_the_page_of_who_never_voted_says_so_and_lets_them_be_paused(manager, campaign) -> None:
    nobody = make_user()
    assert "No vote of theirs counts here" in read(manager, page_of(campaign, nobody))
    manager.post(page_of(campaign, nobody, "annotator_pause"), {"reason": "not trained yet"})
    assert people.is_paused(campaign, nobody)
    assert "Let them go on" in read(manager, page_of(campaign, nobody))
    manager.post(page_of(campaign, nobody, "annotator_resume"))
    assert not people.is_paused(campaign, nobody)


def test_a_pause_without_a_reason_is_told_on_the_page(manager, campaign) -> None:
    ada = of(campaign, "Ada")
    answer = manager.post(page_of(campaign, ada, "annotator_pause"), follow=True)
    assert "Say why" in answer.content.decode()
    assert not people.is_paused(campaign, ada)


def test_gold_answered_otherwise_than_known_is_shown(manager, campaign) -> None:
    ada, row = of(campaign, "Ada"), campaign.campaign_faces.first()
    Gold.objects.create(campaign_face=row, campaign=campaign, answer="fear")
    GoldAnswer.objects.create(
        campaign=campaign,
        campaign_face=row,
        annotator=ada,
        answer="happy",
        right=False,
        client_key=uuid4(),
        cast_at=timezone.now(),
    )
    shown = read(manager, page_of(campaign, ada))
    assert "gold: fear" in shown
    assert "right on 1 gold face" in shown


def asked(**changes):
    since = timezone.localtime(timezone.now() - timedelta(days=1))
    return {"since": since.strftime("%Y-%m-%dT%H:%M"), "reason": "hurried through", **changes}


def test_votes_are_put_aside_after_a_look_at_what_it_would_do_and_restored(manager, campaign) -> None:
    ada = of(campaign, "Ada")
    address = page_of(campaign, ada, "annotator_discard")
    shown = read(manager, address, asked(pause="on"))
    assert "votes are counted no more" in shown
    assert "is paused in this campaign, too" in shown
    assert Vote.objects.filter(annotator=ada).count() == 3
    told = manager.post(address, asked(pause="on"), follow=True).content.decode()
    assert "3 votes are put aside. 3 faces wait for other votes now." in told
    assert "hurried through" in told
    assert people.is_paused(campaign, ada)
    assert not Vote.objects.filter(annotator=ada).exists()
    back = reverse("labeling:discard_restore", args=[Discard.objects.get().pk])
    assert "3 votes count again." in manager.post(back, follow=True).content.decode()
    assert Vote.objects.filter(annotator=ada).count() == 3
    assert "count already" in manager.post(back, follow=True).content.decode()


@pytest.mark.parametrize("changes", [{"since": ""}, {"since": "yesterday"}, {"reason": ""}])
def test_a_discard_that_makes_no_sense_is_asked_for_again(manager, campaign, changes) -> None:
    address = page_of(campaign, of(campaign, "Ada"), "annotator_discard")
    for answer in (manager.get(address, asked(**changes)), manager.post(address, asked(**changes))):
        assert answer.status_code == 400
        assert "errorlist" in answer.content.decode()
    assert not Discard.objects.exists()


def test_a_date_with_no_votes_behind_it_is_told_before_and_after(manager, campaign) -> None:
    address = page_of(campaign, of(campaign, "Ada"), "annotator_discard")
    late = asked(since="2999-01-01T00:00")
    assert "No votes since then" in read(manager, address, late)
    assert "Choose an earlier date" in manager.post(address, late, follow=True).content.decode()


class TestLog:
    def log(self, client, campaign, **data):
        return read(client, reverse("labeling:campaign_log", args=[campaign.pk]), data)

    def test_an_empty_log_says_what_comes_here(self, manager) -> None:
        assert "Nothing is on record yet" in self.log(manager, make_campaign(0))

    def test_it_says_who_did_what_to_whom_and_why(self, manager, campaign) -> None:
        mona, ada = make_user("manager", "Max"), of(campaign, "Ada")
        people.pause_annotator(campaign=campaign, annotator=ada, reason="wait for a talk", by=mona)
        row = campaign.campaign_faces.first()
        adjudication.adjudicate(campaign_face_id=row.pk, label="fear", reason="wide eyes", by=mona)
        shown = self.log(manager, campaign)
        assert "<b>Max</b> paused an annotator" in shown
        assert page_of(campaign, ada) in shown
        assert "“wait for a talk”" in shown
        assert "label: fear · before: no consensus" in shown
        assert f"/faces/{row.face_id}/" in shown

    def test_a_change_is_told_as_before_and_after_and_the_site_by_its_name(self, manager, campaign) -> None:
        audit.write(campaign, "changed", by=None, votes_per_face=[2, 5], groups=[[], ["night", "day"]])
        audit.write(campaign, "changed", by=None, rule=["plurality", "strict_majority"], cap=[None, 5000])
        audit.write(campaign, "extended", by=None, deadline=[None, "2026-05-01T12:00:00+00:00"])
        shown = self.log(manager, campaign)
        assert "<b>The site</b> changed the campaign" in shown
        assert "votes per face: 2 → 5" in shown
        assert "groups: none → night, day" in shown
        assert "rule: most votes → more than half of the votes · votes per person: none → 5,000" in shown
        assert "deadline: none → 1 May 2026, 12:00" in shown

    def test_it_comes_newest_first_in_pages_that_cost_the_same(self, manager, campaign) -> None:
        with CaptureQueriesContext(connection) as empty:
            self.log(manager, campaign)
        for n in range(60):
            audit.write(campaign, "opened", by=None, reason=f"deed {n}.")
        with CaptureQueriesContext(connection) as full:
            first = self.log(manager, campaign)
        assert len(full) == len(empty)
        assert first.index("deed 59.") < first.index("deed 10.")
        assert "deed 9." not in first
        last = AuditEntry.objects.get(reason="deed 10.").pk
        rest = self.log(manager, campaign, after=last)
        assert "deed 9." in rest
        assert "deed 10." not in rest


class TestDisputes:
    def grid(self, client, campaign, **data):
        answer = client.get(reverse("labeling:campaign_disputes", args=[campaign.pk]), data)
        return [row.pk for row in answer.context["page"]]

    @pytest.fixture
    def three(self):
        campaign = make_campaign(3, votes_per_face=10)
        counts = [{"happy": 5, "sad": 5}, {"happy": 6, "neutral": 3, "sad": 1}, {"sad": 4, "fear": 6}]
        rows = list(campaign.campaign_faces.order_by("pk"))
        for row, each in zip(rows, counts, strict=True):
            CampaignFace.objects.filter(pk=row.pk).update(
                state="settled",
                votes=10,
                places=0,
                outcome="no_consensus",
                agreement=max(each.values()) / 10,
                counts=each,
                settled_at=timezone.now(),
            )
        return campaign, rows

    def test_they_are_filtered_by_the_two_answers_in_front_and_by_agreement(self, manager, three) -> None:
        campaign, (first, second, third) = three
        assert self.grid(manager, campaign) == [first.pk, second.pk, third.pk]
        assert self.grid(manager, campaign, pair="happy.sad") == [first.pk]
        assert self.grid(manager, campaign, pair="neutral.happy") == [second.pk]
        assert self.grid(manager, campaign, low=55) == [second.pk, third.pk]
        assert self.grid(manager, campaign, high=55) == [first.pk]
        assert self.grid(manager, campaign, pair="sad.sad", low="x") == [first.pk, second.pk, third.pk]

    def test_the_pairs_to_choose_from_are_those_there_are(self, manager, three) -> None:
        shown = read(manager, reverse("labeling:campaign_disputes", args=[three[0].pk]))
        assert "fear – sad (1)" in shown
        assert "happy – neutral (1)" in shown
        assert "No disputed face is like that" in read(
            manager, reverse("labeling:campaign_disputes", args=[three[0].pk]), {"low": 90}
        )


class TestDecidingOneAfterAnother:
    def at(self, campaign):
        return reverse("labeling:campaign_decide", args=[campaign.pk])

    def sent(self, row, **changes):
        return {"face": row.pk, "seen": 0, "label": "fear", "reason": "wide eyes", **changes}

    def test_a_decision_leads_to_the_next_undecided_face(self, manager, campaign) -> None:
        first, second, third = campaign.campaign_faces.order_by("pk")
        adjudication.adjudicate(campaign_face_id=second.pk, label="happy", reason="clear", by=None)
        assert manager.get(self.at(campaign)).context["row"] == first
        answer = manager.post(self.at(campaign), self.sent(first), follow=True)
        assert answer.context["row"] == third
        assert answer.context["reason"] == "wide eyes"
        first.refresh_from_db()
        assert first.label == "fear"
        assert answer.context["back"].endswith(f"face={second.pk}")
        answer = manager.post(self.at(campaign), self.sent(third), follow=True)
        assert "No undecided dispute is left here" in answer.content.decode()

    def test_a_retracted_decision_is_undecided_again_even_over_an_older_one(self, manager, campaign) -> None:
        row = campaign.campaign_faces.order_by("pk").first()
        for _ in range(2):
            adjudication.adjudicate(campaign_face_id=row.pk, label="not_a_face", reason="a wall", by=None)
        assert manager.get(self.at(campaign)).context["row"] != row
        adjudication.retract(campaign_face_id=row.pk, by=None)
        assert manager.get(self.at(campaign)).context["row"] == row

    def test_a_decision_made_meanwhile_is_shown_and_can_be_overridden(self, manager, campaign) -> None:
        row = campaign.campaign_faces.order_by("pk").first()
        other = adjudication.adjudicate(
            campaign_face_id=row.pk, label="sad", reason="mouth corners", by=make_user("manager", "Max")
        )
        answer = manager.post(self.at(campaign), self.sent(row))
        assert answer.status_code == 409
        shown = answer.content.decode()
        assert "Max has decided on this face meanwhile: “sad”" in shown
        assert f'name="seen" value="{other.pk}"' in shown
        assert (answer.context["chosen"], answer.context["reason"]) == ("fear", "wide eyes")
        manager.post(self.at(campaign), self.sent(row, seen=other.pk))
        row.refresh_from_db()
        assert row.label == "fear"

    def test_what_is_no_decision_is_told_beside_the_face(self, manager, campaign) -> None:
        row = campaign.campaign_faces.order_by("pk").first()
        answer = manager.post(self.at(campaign), self.sent(row, reason=""))
        assert answer.status_code == 400
        assert "Say why" in answer.content.decode()
        assert manager.post(self.at(campaign), self.sent(row, face="x")).status_code == 404

    def test_agreed_faces_of_both_labels_stand_beside_it_the_most_similar_first(self, manager) -> None:
        campaign = make_campaign(9, votes_per_face=10)
        rows = list(campaign.campaign_faces.order_by("pk"))
        said = [{"happy": 5, "sad": 5}] + [{"happy": 8, "sad": 2}] * 2 + [{"happy": 9, "fear": 1}] * 5
        for row, counts in zip(rows, [*said, {"sad": 10}], strict=True):
            most, votes_of_it = max(counts.items(), key=lambda pair: pair[1])
            agreed = votes_of_it > 5
            CampaignFace.objects.filter(pk=row.pk).update(
                state="settled",
                votes=10,
                places=0,
                outcome="agreed" if agreed else "no_consensus",
                label=most if agreed else "",
                agreement=votes_of_it / 10,
                counts=counts,
                settled_at=timezone.now(),
            )
        shown = manager.get(self.at(campaign), {"face": rows[0].pk}).context["likenesses"]
        assert [(like.label, len(like.faces)) for like in shown] == [("happy", 6), ("sad", 1)]
        assert [face.pk for face in shown[0].faces[:2]] == [rows[2].pk, rows[1].pk]

    def test_mixed_answers_are_told(self, manager, campaign) -> None:
        row = campaign.campaign_faces.order_by("pk").first()
        Vote.objects.filter(campaign_face=row, answer="happy").update(second="surprise")
        assert "happy with some surprise (1)" in read(manager, self.at(campaign), {"face": row.pk})

    def test_the_campaigns_keys_come_before_the_usual(self, manager, campaign) -> None:
        type(campaign).objects.filter(pk=campaign.pk).update(keys={"happy": "h"})
        assert dict(manager.get(self.at(campaign)).context["choices"])["happy"] == "h"

    def test_it_asks_the_same_for_one_dispute_and_for_three(self, manager, campaign) -> None:
        one = make_campaign(1, votes_per_face=2)
        for said in ("happy", "sad"):
            answer_all(one, make_user(), said)
        counted = []
        for each in (one, campaign):
            with CaptureQueriesContext(connection) as captured:
                manager.get(self.at(each))
            counted.append(len(captured))
        assert counted[0] == counted[1]


def test_the_faces_page_remembers_the_reason_and_tells_of_a_decision_made_meanwhile(
    manager, campaign
) -> None:
    first, second, _ = campaign.campaign_faces.order_by("pk")
    sent = {"label": "fear", "reason": "wide eyes", "seen": 0}
    manager.post(reverse("labeling:adjudicate", args=[first.pk]), sent)
    page = read(manager, reverse("labeling:face", args=[second.face_id]))
    assert 'value="wide eyes"' in page
    assert 'name="seen" value="0"' in page
    again = manager.post(reverse("labeling:adjudicate", args=[first.pk]), sent, follow=True)
    assert "Mona has decided on this face meanwhile" in again.content.decode()


def test_many_votes_are_a_workers_and_the_page_says_so(manager, campaign, monkeypatch) -> None:
    monkeypatch.setattr(discards, "AT_ONCE", 2)
    ada = of(campaign, "Ada")
    asked = {"since": "2020-01-01T00:00", "reason": "no care"}
    shown = manager.post(page_of(campaign, ada, "annotator_discard"), asked, follow=True).content.decode()
    assert "a worker moves them" in shown
    assert "A worker goes on with it" in shown
    assert Vote.objects.filter(annotator=ada).count() == 3
    tasks.carry_out_discard(Discard.objects.get().pk)
    assert "A worker goes on with it" not in read(manager, page_of(campaign, ada))
    assert not Vote.objects.filter(annotator=ada).exists()
