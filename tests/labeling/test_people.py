"""Pausing an annotator in a campaign."""

import pytest

from labeling import people
from labeling.models import AuditEntry, Lease, Participation
from labeling.voting import votes
from tests.factories import make_campaign, make_user


@pytest.mark.django_db
class TestPausing:
    def test_who_is_paused_holds_nothing_and_gets_nothing(self):
        campaign, person, manager = make_campaign(3), make_user(), make_user("manager")
        votes.lease(campaign=campaign, annotator=person, limit=2)
        people.pause_annotator(campaign=campaign, annotator=person, reason="wait for a talk", by=manager)
        assert not Lease.objects.exists()
        assert set(campaign.campaign_faces.values_list("places", flat=True)) == {10}
        with pytest.raises(votes.CannotLease) as refusal:
            votes.lease(campaign=campaign, annotator=person)
        assert refusal.value.code == "paused"
        entry = AuditEntry.objects.get()
        assert (entry.verb, entry.by, entry.annotator) == ("annotator_paused", manager, person)
        assert (entry.reason, entry.details) == ("wait for a talk", {"held": 2})

    def test_who_never_voted_can_be_paused_before_they_begin(self):
        campaign, person = make_campaign(1), make_user()
        people.pause_annotator(campaign=campaign, annotator=person, reason="not yet trained", by=None)
        assert people.is_paused(campaign, person)
        assert Participation.objects.count() == 1

    def test_going_on_hands_faces_out_again(self):
        campaign, person = make_campaign(1), make_user()
        people.pause_annotator(campaign=campaign, annotator=person, reason="wait", by=None)
        people.resume_annotator(campaign=campaign, annotator=person, by=None)
        assert len(votes.lease(campaign=campaign, annotator=person)) == 1
        assert [entry.verb for entry in AuditEntry.objects.all()] == ["annotator_resumed", "annotator_paused"]

    def test_nothing_is_done_twice_and_nothing_without_a_reason(self):
        campaign, person = make_campaign(1), make_user()
        with pytest.raises(people.CannotPause, match="Say why"):
            people.pause_annotator(campaign=campaign, annotator=person, reason=" ", by=None)
        with pytest.raises(people.CannotPause, match="not paused"):
            people.resume_annotator(campaign=campaign, annotator=person, by=None)
        people.pause_annotator(campaign=campaign, annotator=person, reason="wait", by=None)
        with pytest.raises(people.CannotPause, match="paused in this campaign already"):
            people.pause_annotator(campaign=campaign, annotator=person, reason="wait", by=None)
        assert AuditEntry.objects.count() == 1
