from uuid import uuid4

import pytest
from django.urls import reverse

from labeling import suggestions
from labeling.models import Campaign, CampaignFace, Outcome
from labeling.voting import votes
from tests.factories import make_campaign, make_user
from tests.training.making import finish, make_run, make_snapshot
from training import predictions, queries, relabeling
from training.models import RelabelFace, RelabelRound

pytestmark = pytest.mark.django_db


@pytest.fixture
def panel():
    return [make_user() for _ in range(3)]


def vote(campaign, annotator, face, answer):
    votes.cast(
        campaign=campaign,
        annotator=annotator,
        campaign_face_id=face.pk,
        answer=answer,
        client_key=uuid4(),
    )


def voted_campaign(panel, *answers):
    """One face per answers list, each voted on by the panel."""
    campaign = make_campaign(len(answers), votes_per_face=len(panel))
    faces = list(campaign.campaign_faces.all())
    for face, given in zip(faces, answers, strict=True):
        for annotator, answer in zip(panel, given, strict=True):
            vote(campaign, annotator, face, answer)
    return campaign, list(campaign.campaign_faces.all())


def doubting_run(campaign, faces, label="sad"):
    run = finish(make_run(make_snapshot(campaign)))
    suggestions.store(
        origin=predictions.origin(run), rows=[(face.pk, {label: 0.9, "happy": 0.1}) for face in faces]
    )
    return run


def open_round(run, faces, count=3, **more):
    return relabeling.open_round(
        run=run, campaign_face_ids=[face.pk for face in faces], votes_per_face=count, **more
    )


def test_a_round_keeps_what_was_held_before_and_asks_for_fresh_votes(panel):
    campaign, (face,) = voted_campaign(panel, ["happy", "happy", "sad"])
    manager = make_user("trainer")
    opened = open_round(doubting_run(campaign, [face]), [face], opened_by=manager)
    row = RelabelFace.objects.get(relabel_round=opened)
    assert (row.label_before, row.outcome_before, row.voting_round) == ("happy", Outcome.AGREED, 2)
    assert row.counts_before == {"happy": 2, "sad": 1}
    assert (row.network_label, row.doubt) == ("sad", 0.9)
    face.refresh_from_db()
    assert (face.state, face.round, face.wanted, face.places) == (CampaignFace.State.OPEN, 2, 3, 3)
    assert (opened.campaign, opened.opened_by) == (campaign, manager)


def test_faces_being_voted_on_are_refused_by_number_and_nothing_is_opened(panel):
    campaign, faces = voted_campaign(panel, ["happy"] * 3, ["happy"] * 3)
    run = doubting_run(campaign, faces)
    open_round(run, faces[:1])
    with pytest.raises(
        relabeling.CannotOpen, match=rf"1 face \({faces[0].face_id}\) is already being voted on"
    ):
        open_round(run, faces)
    faces[1].refresh_from_db()
    assert faces[1].state == CampaignFace.State.SETTLED
    assert RelabelRound.objects.count() == 1


def test_no_face_is_no_round(panel):
    campaign, faces = voted_campaign(panel, ["happy"] * 3)
    with pytest.raises(relabeling.CannotOpen, match="Tick at least one"):
        open_round(doubting_run(campaign, faces), [])


def test_faces_that_are_gone_are_refused(panel):
    campaign, faces = voted_campaign(panel, ["happy"] * 3)
    run = doubting_run(campaign, faces)
    CampaignFace.objects.all().delete()
    with pytest.raises(relabeling.CannotOpen, match="no longer in any campaign"):
        open_round(run, faces)


def test_faces_of_two_campaigns_are_refused(panel):
    campaign, faces = voted_campaign(panel, ["happy"] * 3)
    _, others = voted_campaign(panel, ["happy"] * 3)
    run = doubting_run(campaign, faces + others)
    with pytest.raises(relabeling.CannotOpen, match="several campaigns"):
        open_round(run, faces + others)


def test_faces_the_run_has_not_seen_are_refused(panel):
    campaign, faces = voted_campaign(panel, ["happy"] * 3, ["sad"] * 3)
    run = doubting_run(campaign, faces[:1])
    with pytest.raises(relabeling.CannotOpen, match="Let it predict first"):
        open_round(run, faces)


def test_a_closed_campaign_takes_no_round(panel):
    campaign, faces = voted_campaign(panel, ["happy"] * 3)
    run = doubting_run(campaign, faces)
    Campaign.objects.filter(pk=campaign.pk).update(state=Campaign.State.CLOSED)
    with pytest.raises(relabeling.CannotOpen, match="is closed"):
        open_round(run, faces)


def test_many_refused_faces_are_counted_and_some_named():
    said = "{count} faces ({numbers})"
    assert relabeling._named(said, [3, 1]) == "2 faces (1, 3)"
    assert relabeling._named(said, range(1, 8)) == "7 faces (1, 2, 3, 4, 5 …)"


def test_changes_compare_before_and_after_the_fresh_votes(panel):
    campaign, faces = voted_campaign(panel, ["happy"] * 3, ["happy"] * 3, ["happy", "happy", "sad"])
    opened = open_round(doubting_run(campaign, faces), faces)
    assert (relabeling.changes(opened).settled, relabeling.changes(opened).agreement_after) == (0, None)
    for annotator in panel:
        vote(campaign, annotator, faces[0], "sad")
        vote(campaign, annotator, faces[1], "happy")
    changes = relabeling.changes(opened)
    assert (changes.faces, changes.settled, changes.open) == (3, 2, 1)
    assert [(change.before, change.after) for change in changes.changed] == [("happy", "sad")]
    assert changes.as_the_network_said == 1
    happy, sad = changes.labels.index("happy"), changes.labels.index("sad")
    assert (changes.matrix[happy][sad], changes.matrix[happy][happy]) == (1, 1)
    assert (changes.agreement_before, changes.agreement_after) == (1.0, 1.0)


def test_an_outcome_without_label_has_its_own_row_or_column(panel):
    campaign, faces = voted_campaign(panel, ["happy", "sad", "fear"])
    assert faces[0].outcome == Outcome.NO_CONSENSUS
    opened = open_round(doubting_run(campaign, faces), faces)
    for annotator in panel:
        vote(campaign, annotator, faces[0], "not_a_face")
    changes = relabeling.changes(opened)
    assert changes.labels[7:] == ["no_consensus", "not_a_face"]
    assert changes.matrix[7][8] == 1


def test_a_later_round_does_not_rewrite_what_an_earlier_one_changed(panel):
    campaign, faces = voted_campaign(panel, ["happy"] * 3)
    run = doubting_run(campaign, faces)
    first = open_round(run, faces)
    for annotator in panel:
        vote(campaign, annotator, faces[0], "sad")
    second = open_round(run, faces)
    assert relabeling.changes(first).changed[0].after == "sad"
    assert relabeling.changes(second).settled == 0
    for annotator in panel:
        vote(campaign, annotator, faces[0], "fear")
    assert relabeling.changes(first).changed[0].after == "sad"
    assert [(c.before, c.after) for c in relabeling.changes(second).changed] == [("sad", "fear")]


def test_the_pages_button_opens_the_round_and_leads_to_it(client, panel):
    campaign, faces = voted_campaign(panel, ["happy"] * 3, ["happy"] * 3)
    run = doubting_run(campaign, faces)
    client.force_login(make_user("trainer"))
    address = reverse("training:relabel_open", args=[run.pk])
    answer = client.post(address, {"campaign_face": [faces[0].pk], "votes_per_face": 2})
    opened = RelabelRound.objects.get()
    assert answer.url == reverse("training:relabel_round", args=[opened.pk])
    assert list(opened.faces.values_list("campaign_face", flat=True)) == [faces[0].pk]
    assert opened.votes_per_face == 2
    again = client.post(address, {"campaign_face": [faces[0].pk], "votes_per_face": 2}, follow=True)
    assert "already being voted on" in again.content.decode()
    nothing = client.post(address, {"votes_per_face": 0, "campaign_face": "x"}, follow=True)
    assert "from 1 to 1,000" in nothing.content.decode()
    assert RelabelRound.objects.count() == 1


def test_the_page_of_a_round_shows_the_matrix_and_the_changed_faces(client, panel):
    campaign, faces = voted_campaign(panel, ["happy"] * 3, ["happy"] * 3)
    opened = open_round(doubting_run(campaign, faces), faces)
    client.force_login(make_user("trainer"))
    address = reverse("training:relabel_round", args=[opened.pk])
    assert "Waiting for votes" in client.get(address).content.decode()
    for annotator in panel:
        vote(campaign, annotator, faces[0], "sad")
    body = client.get(address).content.decode()
    assert reverse("labeling:crop", args=[faces[0].face_id]) in body
    assert reverse("labeling:crop", args=[faces[1].face_id]) not in body
    assert "as it is now" in body


def test_the_list_of_rounds_counts_settled_faces_in_fixed_queries(client, panel, django_assert_num_queries):
    campaign, faces = voted_campaign(panel, *[["happy"] * 3] * 3)
    run = doubting_run(campaign, faces)
    client.force_login(make_user("trainer"))
    address = reverse("training:relabel_rounds")
    open_round(run, faces[:1])
    with django_assert_num_queries(4):
        client.get(address)
    open_round(run, faces[1:2])
    open_round(run, faces[2:])
    for annotator in panel:
        vote(campaign, annotator, faces[2], "sad")
    with django_assert_num_queries(4):
        client.get(address)
    counted = [(row.face_count, row.settled_count) for row in queries.rounds_for_list()]
    assert counted == [(1, 1), (1, 0), (1, 0)]
