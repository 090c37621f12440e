"""What an annotator sees before the first face, and what never reaches them."""

import re
import uuid
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from labeling import own
from labeling.models import CampaignFace, Gold, Participation
from labeling.preferences import MIXED_KEY
from labeling.voting import votes
from labeling.web.vote import KEYS, LOOKS, OTHER_KEYS, buttons, words
from tests.factories import make_campaign, make_user

pytestmark = pytest.mark.django_db


def answer_one(campaign, annotator, answer: str = "happy") -> int:
    held = votes.lease(campaign=campaign, annotator=annotator, limit=1)[0].campaign_face_id
    votes.cast(
        campaign=campaign, annotator=annotator, campaign_face_id=held, answer=answer, client_key=uuid.uuid4()
    )
    return held


def test_own_progress_counts_own_votes_and_the_faces_left() -> None:
    campaign, annotator = make_campaign(3), make_user("annotator")
    answer_one(campaign, annotator)
    answer_one(campaign, make_user("annotator"))
    votes.lease(campaign=campaign, annotator=annotator, limit=1)
    assert own.progress_of(campaign=campaign, annotator=annotator) == own.OwnProgress(
        votes=1, left=2, more=False
    )


def test_a_face_others_have_completed_is_not_left() -> None:
    campaign = make_campaign(1, votes_per_face=1)
    answer_one(campaign, make_user("annotator"))
    annotator = make_user("annotator")
    assert own.progress_of(campaign=campaign, annotator=annotator).left == 0
    assert [card.waiting for card in own.campaigns_of(annotator)] == [False]


def test_a_skipped_face_is_not_left() -> None:
    campaign, annotator = make_campaign(2), make_user("annotator")
    held = votes.lease(campaign=campaign, annotator=annotator, limit=1)[0].campaign_face_id
    votes.skip(campaign=campaign, annotator=annotator, campaign_face_id=held)
    assert own.progress_of(campaign=campaign, annotator=annotator).left == 1


def test_a_closed_campaign_stays_in_the_list_of_who_voted_in_it() -> None:
    campaign, annotator = make_campaign(1), make_user("annotator")
    answer_one(campaign, annotator)
    campaign.state = "closed"
    campaign.save()
    assert [card.votes for card in own.campaigns_of(annotator)] == [1]
    assert own.campaigns_of(make_user("annotator")) == []


def test_the_list_asks_the_database_the_same_for_one_campaign_and_for_three(client) -> None:
    client.force_login(make_user("annotator"))

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(reverse("labeling:vote_home")).status_code == 200
        return len(captured)

    make_campaign(1)
    one = statements()
    make_campaign(1)
    make_campaign(1)
    assert one == 5  # session, user, own votes, own answers to gold, campaigns
    assert statements() == one


def test_keys_do_not_collide() -> None:
    keys = [*KEYS, *OTHER_KEYS.values(), *(key for _, key, _ in LOOKS), MIXED_KEY]
    assert len(set(keys)) == len(keys)


def test_the_vote_page_is_the_same_whatever_others_voted(client) -> None:
    campaign = make_campaign(2)
    client.force_login(make_user("annotator"))

    def seen() -> str:
        page = client.get(reverse("labeling:vote", args=[campaign.pk])).content.decode()
        return re.sub(r'(data-csrf|name="csrfmiddlewaretoken" value)="\w+"', "", page)

    before = seen()
    for _ in range(4):
        answer_one(campaign, make_user("annotator"), "disgust")
    assert seen() == before


def test_who_is_to_qualify_is_sent_there_first(client) -> None:
    campaign, annotator = make_campaign(2, qualification_faces=1), make_user("annotator")
    row = campaign.campaign_faces.first()
    CampaignFace.objects.filter(pk=row.pk).update(state="gold", wanted=0, places=0)
    Gold.objects.create(campaign_face=row, campaign=campaign, answer="sad", qualification=True)
    client.force_login(annotator)
    response = client.get(reverse("labeling:vote", args=[campaign.pk]))
    assert (response.status_code, response["Location"]) == (
        302,
        reverse("labeling:vote_qualify", args=[campaign.pk]),
    )
    Participation.objects.create(
        campaign=campaign, annotator=annotator, start=0, cursor=0, qualified_at=timezone.now()
    )
    assert client.get(reverse("labeling:vote", args=[campaign.pk])).status_code == 200


def test_the_instructions_are_open_until_one_has_voted(client) -> None:
    campaign, annotator = make_campaign(2, instructions="Look at the mouth."), make_user("annotator")
    client.force_login(annotator)
    opened = '<details class="hint" open'
    assert opened in client.get(reverse("labeling:vote", args=[campaign.pk])).content.decode()
    answer_one(campaign, annotator)
    assert opened not in client.get(reverse("labeling:vote", args=[campaign.pk])).content.decode()
    assert opened not in client.get(reverse("labeling:vote", args=[make_campaign(1).pk])).content.decode()


def test_the_script_is_given_every_word_it_says() -> None:
    folder = Path(finders.find("labeling/vote.js")).parent
    source = "".join(file.read_text() for file in sorted(folder.glob("vote*.js")))
    said = set(re.findall(r"\bwords\.(\w+)\b", source.replace("vote-words.js", "")))
    # Two are named by the variable that is at hand.
    assert said | {"earlier", "later"} == set(words())


def test_a_sentence_about_a_number_has_every_form_of_the_language() -> None:
    forms = words()["votes"]
    assert set(forms) == {"zero", "one", "two", "few", "many", "other"}
    assert (forms["one"], forms["other"]) == ("{votes} vote", "{votes} votes")


def test_an_icon_that_is_none_gives_way_to_the_usual_one() -> None:
    campaign = make_campaign(
        0, expressions=["happy", "keen", "bored"], icons={"keen": "sad", "happy": "nonsense"}
    )
    assert [button.icon for button in buttons(campaign, campaign.expressions, {})] == [
        "happy",
        "sad",
        "expression",
    ]


def test_who_may_not_vote_is_refused(client) -> None:
    client.force_login(make_user("manager"))
    assert client.get(reverse("labeling:vote_home")).status_code == 403
