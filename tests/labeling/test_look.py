"""How answers, votes and times are shown."""

from datetime import timedelta

import pytest
from django.utils import timezone

from labeling.templatetags import look


def test_a_vote_bar_lays_the_votes_end_to_end_most_first() -> None:
    assert look.segments({"sad": 1, "happy": 3, "fear": 0}) == [
        look.Segment("happy", 3, 0.0, 75.0),
        look.Segment("sad", 1, 75.0, 25.0),
    ]


def test_a_vote_bar_says_its_votes_in_words_too() -> None:
    bar = look.vote_bar({"cant_tell": 2, "happy": 8})
    assert 'aria-label="Votes: happy 8, can&#x27;t tell 2"' in bar
    assert "style=" not in bar


def test_a_face_without_votes_has_an_empty_bar() -> None:
    assert "No votes yet" in look.vote_bar({})
    assert "No votes yet" in look.vote_bar(None)


def test_an_expression_of_ones_own_has_no_fixed_colour_but_a_word() -> None:
    chip = look.answer_chip("mild_<b>joy")
    assert chip == '<span class="chip chip-quiet">mild &lt;b&gt;joy</span>'
    assert "#expression" in look.answer_icon("mild_joy")


@pytest.mark.parametrize(
    ("share", "shown"), [(0.634, "63 %"), (0.0, "0 %"), (None, "–"), (float("nan"), "–")]
)
def test_a_share_is_shown_in_percent_or_as_a_dash(share: float | None, shown: str) -> None:
    assert look.percent(share) == shown


def test_times_are_relative_with_the_exact_time_at_hand() -> None:
    moment = timezone.now() - timedelta(hours=2, minutes=5)
    shown = look.ago(moment)
    assert ">2\xa0hours ago<" in shown
    assert f'datetime="{moment.isoformat()}"' in shown
    assert ">just now<" in look.ago(timezone.now())
    assert look.ago(None) == "–"


def test_label_bars_link_to_the_faces_of_the_label() -> None:
    bars = look.label_bars({"happy": 4, "mild joy": 1}, "/campaigns/1/faces/")["bars"]
    assert [(bar.share, bar.href) for bar in bars] == [
        (1.0, "/campaigns/1/faces/?label=happy"),
        (0.25, "/campaigns/1/faces/?label=mild+joy"),
    ]


@pytest.mark.parametrize(
    ("number", "digits", "shown"), [(270712.4, 0, "270,712"), (0.634, 2, "0.63"), (float("nan"), 0, "–")]
)
def test_a_big_figure_has_separators(number: float, digits: int, shown: str) -> None:
    assert look.figure(number, digits) == shown


def test_votes_are_listed_most_first_and_none_of_nobody() -> None:
    assert look.most_first({"angry": 2, "fear": 0, "sad": 7}) == [("sad", 7), ("angry", 2)]


def test_what_comes_within_the_minute_comes_in_a_moment() -> None:
    assert look.soon(timezone.now() + timedelta(seconds=30)) == "in a moment"
    assert look.soon(timezone.now() + timedelta(hours=3, minutes=5)) == "in 3\xa0hours"
