"""One annotator's own keys, goal and pauses."""

import pytest
from django.urls import reverse

from labeling import preferences
from labeling.expressions import SEVEN
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
        ({"happy": "z"}, "changes how the face looks"),
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
