"""What is kept in English and read in another language."""

from collections.abc import Iterator

import pytest
from django.utils.formats import number_format
from django.utils.translation import gettext, override

from labeling import expressions, sayings
from labeling.sayings import gettext_noop, said, told

_COUNTED = gettext_noop("{things:,} things in the test's own box")
_NAMED = gettext_noop("Looking at the test's own {name}")
_BECAUSE = gettext_noop("The test's own box is shut: {reason}")
_LACKING = gettext_noop("The test's own box lacks {words}.")
_PLAIN = gettext_noop("The test's own box is empty.")

GERMAN = {
    _COUNTED: "{things:,} Dinge in der Kiste des Tests",
    _NAMED: "Bei {name}",
    _BECAUSE: "Die Kiste ist zu: {reason}",
    _LACKING: "In der Kiste fehlen {words}.",
    _PLAIN: "Die Kiste ist leer.",
    "sad": "traurig",
}


@pytest.fixture
def german() -> Iterator[None]:
    sayings.speak(lambda text: GERMAN.get(text, text), lambda number: f"{number:,}".replace(",", "."))
    yield
    sayings.speak(gettext, lambda number: number_format(number, force_grouping=True))


def test_a_kept_sentence_is_told_in_the_language_of_who_reads_with_what_it_names(german: None) -> None:
    assert told("The test's own box is empty.") == "Die Kiste ist leer."
    assert told("1,234 things in the test's own box") == "1.234 Dinge in der Kiste des Tests"
    assert told("Looking at the test's own a {b}.png") == "Bei a {b}.png"


def test_a_reason_inside_a_sentence_is_told_too(german: None) -> None:
    assert told(_BECAUSE.format(reason=_PLAIN)) == "Die Kiste ist zu: Die Kiste ist leer."


def test_words_of_ours_inside_a_sentence_are_told_too(german: None) -> None:
    assert told("The test's own box lacks sad, mild joy.") == "In der Kiste fehlen traurig, mild joy."


def test_several_sentences_are_told_one_by_one_and_unknown_ones_stay(german: None) -> None:
    assert told(f"{_PLAIN} Nobody knows this. {_PLAIN}") == (
        "Die Kiste ist leer. Nobody knows this. Die Kiste ist leer."
    )
    assert told("Nobody knows this.") == "Nobody knows this."
    assert told("") == ""


def test_a_slip_of_a_translator_leaves_the_english_sentence(german: None, monkeypatch) -> None:
    monkeypatch.setitem(GERMAN, _NAMED, "Bei {nom}")
    assert told("Looking at the test's own a.png") == "Looking at the test's own a.png"


def test_a_sentence_said_at_once_writes_numbers_as_its_reader_does(german: None) -> None:
    assert said(_COUNTED, things=1234) == "1.234 Dinge in der Kiste des Tests"


def test_the_site_lends_its_own_gettext_and_numbers() -> None:
    with override("de"):
        # Of Django's own catalogue, which is there before ours is written.
        assert told("Yes") == said("Yes") == "Ja"
        assert said(_COUNTED, things=1234) == "1.234 things in the test's own box"
    assert said(_COUNTED, things=1234) == "1,234 things in the test's own box"


def test_an_expression_of_ones_own_is_nobodys_to_translate() -> None:
    with override("de"):
        assert expressions.word("mild_joy") == "mild joy"
        assert expressions.word("Yes") == "Yes"
    assert expressions.word("cant_tell") == "can't tell"
