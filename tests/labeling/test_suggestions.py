from datetime import timedelta

import pytest
from django.utils import timezone

from labeling import suggestions
from labeling.models import CampaignFace, Suggestion
from tests.factories import make_campaign, settle

pytestmark = pytest.mark.django_db


def doubt(outcome="agreed", label="", counts=None, probabilities=None):
    return suggestions.doubt(
        outcome=outcome, label=label, counts=counts or {}, probabilities=probabilities or {}
    )


def test_doubt_of_an_agreed_face_is_what_the_network_leaves_for_other_labels():
    assert doubt("agreed", "happy", {"happy": 10}, {"happy": 0.25, "sad": 0.75}) == 0.75


def test_a_label_the_network_does_not_know_is_doubted_wholly():
    assert doubt("agreed", "contempt", {"contempt": 10}, {"happy": 1.0}) == 1.0


def test_without_consensus_doubt_is_the_distance_of_the_distributions():
    split = {"happy": 5, "sad": 5}
    assert doubt("no_consensus", "", split, {"happy": 0.5, "sad": 0.5}) == 0.0
    assert doubt("no_consensus", "", split, {"happy": 1.0, "sad": 0.0}) == 0.5
    assert doubt("no_consensus", "", split, {"angry": 1.0}) == 1.0


def test_votes_that_name_no_expression_are_no_part_of_the_distribution():
    counts = {"happy": 4, "cant_tell": 5, "not_a_face": 1}
    assert doubt("no_consensus", "", counts, {"happy": 1.0}) == 0.0


def test_there_is_nothing_to_doubt_where_no_expression_was_named():
    assert doubt("no_consensus", "", {"cant_tell": 10}, {"happy": 1.0}) == 0.0
    assert doubt("not_a_face", "", {"not_a_face": 10}, {"happy": 1.0}) == 0.0
    assert doubt("", "", {}, {"happy": 1.0}) == 0.0


def test_rounding_never_leaves_the_range():
    assert doubt("agreed", "happy", {}, {"happy": 1.0000001}) == 0.0


def faces(count=3):
    campaign = make_campaign(count)
    return campaign, list(campaign.campaign_faces.all())


def test_storing_twice_replaces_and_doubles_nothing():
    _, (face, *_) = faces()
    settle(face, "happy")
    assert suggestions.store(origin="run 1", rows=[(face.pk, {"happy": 0.9, "sad": 0.1})]) == 1
    assert suggestions.store(origin="run 1", rows=[(face.pk, {"happy": 0.2, "sad": 0.8})]) == 1
    suggestion = Suggestion.objects.get()
    assert (suggestion.label, suggestion.doubt) == ("sad", 0.8)


def test_each_origin_keeps_its_own_opinion():
    _, (face, *_) = faces()
    suggestions.store(origin="run 1", rows=[(face.pk, {"happy": 1.0})])
    suggestions.store(origin="run 2", rows=[(face.pk, {"sad": 1.0})])
    assert list(Suggestion.objects.order_by("origin").values_list("origin", "label")) == [
        ("run 1", "happy"),
        ("run 2", "sad"),
    ]


def test_faces_gone_meanwhile_are_left_out():
    _, (face, gone, *_) = faces()
    number = gone.pk
    gone.delete()
    assert suggestions.store(origin="run 1", rows=[(face.pk, {"happy": 1.0}), (number, {"sad": 1.0})]) == 1


def test_many_are_stored_in_batches(django_assert_num_queries, monkeypatch):
    monkeypatch.setattr(suggestions, "BATCH", 2)
    _, three = faces(3)
    with django_assert_num_queries(4):
        stored = suggestions.store(origin="run 1", rows=((face.pk, {"happy": 1.0}) for face in three))
    assert stored == 3


def test_the_most_doubted_come_first_and_open_faces_not_at_all():
    campaign, (first, second, third) = faces()
    settle(first, "happy")
    settle(second, "sad")
    everything = [(face.pk, {"happy": 0.7, "sad": 0.3}) for face in (first, second, third)]
    suggestions.store(origin="run 1", rows=everything)
    listed = suggestions.doubted(campaign=campaign, origin="run 1")
    assert [suggestion.campaign_face_id for suggestion in listed] == [second.pk, first.pk]


def test_faces_of_other_campaigns_and_opinions_of_others_are_not_listed():
    campaign, (face, *_) = faces()
    settle(face, "happy")
    suggestions.store(origin="run 2", rows=[(face.pk, {"sad": 1.0})])
    other = make_campaign(1)
    elsewhere = other.campaign_faces.get()
    settle(elsewhere, "happy")
    suggestions.store(origin="run 1", rows=[(elsewhere.pk, {"sad": 1.0})])
    assert list(suggestions.doubted(campaign=campaign, origin="run 1")) == []


def test_a_face_voted_on_since_is_outdated_not_doubted():
    campaign, (face, *_) = faces()
    settle(face, "happy")
    suggestions.store(origin="run 1", rows=[(face.pk, {"sad": 1.0})])
    assert suggestions.doubted(campaign=campaign, origin="run 1").count() == 1
    CampaignFace.objects.filter(pk=face.pk).update(settled_at=timezone.now() + timedelta(seconds=1))
    assert suggestions.doubted(campaign=campaign, origin="run 1").count() == 0
    assert suggestions.outdated(campaign=campaign, origin="run 1").count() == 1
