"""One annotator's own keys, goal and pauses."""

import pytest
from django.urls import reverse

from labeling import preferences
from labeling.expressions import SEVEN
from labeling.web.preferences import field_of
from tests.factories import make_campaign, make_user

pytestmark = pytest.mark.django_db


def save(keys: dict[str, str], goal: int = 0, pause: int = 25):
    return preferences.save(user=make_user("annotator"), keys=keys, session_goal=goal, pause_minutes=pause)


def test_without_wishes_the_keys_are_the_usual_ones() -> None:
    keys = preferences.keys_for(SEVEN, {})
    assert [keys[name] for name in SEVEN] == list("1234567")
    assert (keys["cant_tell"], keys["not_a_face"], keys["skip"], keys["undo"]) == ("c", "n", "s", "u")


def test_what_loses_its_key_to_a_wish_gets_the_next_free_one() -> None:
    keys = preferences.keys_for(SEVEN, {"happy": "1", "undo": "-"})
    assert (keys["happy"], keys["angry"], keys["undo"]) == ("1", "4", "-")
    assert len(set(keys.values())) == len(keys)


def test_a_wish_for_an_answer_the_campaign_lacks_changes_nothing() -> None:
    assert preferences.keys_for(SEVEN, {"contempt": "1"}) == preferences.keys_for(SEVEN, {})


def test_the_longest_campaign_has_a_key_for_everything_whatever_one_wishes() -> None:
    names = [*SEVEN, *(f"mood {n}" for n in range(len(preferences.KEYS) - len(SEVEN)))]
    keys = preferences.keys_for(names, {"happy": "c", "cant_tell": "q", "skip": "1"})
    assert len(set(keys.values())) == len(names) + 4


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"happy": "q", "sad": "Q"}, "is given to both happy and sad"),
        ({"happy": "qq"}, "not one character"),
        ({"happy": "\t"}, "not one character"),
        ({"happy": "z"}, "has a use of its own"),
        ({"happy": "f"}, "has a use of its own"),
        ({"happy": "m"}, "has a use of its own"),
        ({"bored": "q"}, "There is no “bored”"),
    ],
)
def test_a_key_that_cannot_serve_is_refused(keys: dict[str, str], said: str) -> None:
    with pytest.raises(preferences.CannotPrefer, match=said):
        save(keys)


@pytest.mark.parametrize(("goal", "pause"), [(-1, 25), (10**6, 25), (0, -1), (0, 10**4)])
def test_numbers_out_of_reason_are_refused(goal: int, pause: int) -> None:
    with pytest.raises(preferences.CannotPrefer):
        save({}, goal, pause)


def test_the_page_keeps_wishes_and_the_vote_page_has_them(client) -> None:
    client.force_login(make_user("annotator"))
    campaign = make_campaign(1)
    form = {"key_happy": "H", "session_goal": "200", "pause_minutes": "10"}
    assert client.post(reverse("labeling:vote_preferences"), form).status_code == 302
    page = client.get(reverse("labeling:vote", args=[campaign.pk])).content.decode()
    assert 'data-word="happy" data-key="h"' in page
    assert 'data-goal="200" data-pause="10"' in page
    assert 'value="h"' in client.get(reverse("labeling:vote_preferences")).content.decode()


def test_a_refused_wish_is_told_on_the_page(client) -> None:
    client.force_login(make_user("annotator"))
    form = {"key_happy": "h", "key_sad": "h", "session_goal": "0", "pause_minutes": "25"}
    response = client.post(reverse("labeling:vote_preferences"), form)
    assert response.status_code == 400
    assert "given to both happy and sad" in response.content.decode()


def test_more_expressions_than_keys_are_still_offered() -> None:
    names = [f"expression {n}" for n in range(40)]
    found = preferences.keys_for(names, {})
    assert [found[name] for name in names] == [*preferences.KEYS, *[""] * (40 - len(preferences.KEYS))]


def test_a_campaigns_keys_stand_between_the_usual_and_ones_own() -> None:
    keys = preferences.keys_for(SEVEN, {"sad": "9"}, {"happy": "h", "sad": "d", "cant_tell": "1"})
    assert (keys["happy"], keys["sad"], keys["cant_tell"]) == ("h", "9", "1")
    assert keys["angry"] not in ("1", "h", "9")
    assert len(set(keys.values())) == len(keys)


def test_keys_that_cannot_serve_are_passed_over() -> None:
    usual = preferences.keys_for(SEVEN, {})
    assert preferences.keys_for(SEVEN, {"happy": "f"}, {"sad": "m"}) == usual
    assert preferences.keys_for(SEVEN, {"happy": "h", "sad": "h"})["sad"] == usual["sad"]


def test_a_campaigns_own_expression_can_have_a_key_of_ones_own(client) -> None:
    campaign = make_campaign(1, expressions=["bored", "very happy"])
    user = make_user("annotator")
    client.force_login(user)
    page = client.get(reverse("labeling:vote_preferences")).content.decode()
    assert "very happy" in page
    form = {field_of("very happy"): "h", "session_goal": "0", "pause_minutes": "25"}
    assert client.post(reverse("labeling:vote_preferences"), form).status_code == 302
    assert preferences.of(user).keys == {"very happy": "h"}
    page = client.get(reverse("labeling:vote", args=[campaign.pk])).content.decode()
    assert 'data-word="very happy" data-key="h"' in page
    campaign.state = "closed"
    campaign.save()
    assert "very happy" in client.get(reverse("labeling:vote_preferences")).content.decode()


def test_expressions_of_different_campaigns_may_share_a_key_and_those_of_one_may_not() -> None:
    make_campaign(0, expressions=["bored", "keen"])
    make_campaign(0, expressions=["calm"])
    assert save({"bored": "q", "calm": "q"}).keys == {"bored": "q", "calm": "q"}
    with pytest.raises(preferences.CannotPrefer, match="given to both bored and keen"):
        save({"bored": "q", "keen": "q"})
    with pytest.raises(preferences.CannotPrefer, match="given to both calm and skip"):
        save({"calm": "q", "skip": "q"})
