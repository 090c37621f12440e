"""Sentences that are kept in English and read in other languages. Pure: the site lends its gettext.

Workers write into the database what they are at, what went wrong and why an item was refused, for readers they do
not know; so they write English, and `told` gives it in the language of who reads. Modules that know no Django speak
the same way. A sentence with fields is a constant of its module, so that it is known wherever it is read:

    _TOO_LONG = gettext_noop("It has {bytes:,} bytes; {most:,} are allowed.")
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from string import Formatter
from typing import Any

WHOLE_NUMBER = ","
"""The format of a field that stands for a whole number, as in `{faces:,}`; other fields are texts."""
REASON = "reason"
"""The field that holds a sentence of its own."""
WORDS = "words"
"""The field that holds words of ours, with commas between them: expressions, splits."""


def _as_it_is(text: str) -> str:
    return text


@dataclass
class _Voice:
    """How sentences and numbers are said to the one who asks just now."""

    translate: Callable[[str], str] = _as_it_is
    grouped: Callable[[int], str] = "{:,}".format


class _Number(int):
    """A whole number whose thousands stand apart as the reader writes them."""

    def __format__(self, spec: str) -> str:
        return _voice.grouped(int(self)) if spec == WHOLE_NUMBER else super().__format__(spec)


_voice = _Voice()
_patterns: dict[str, "re.Pattern[str]"] = {}
_BETWEEN_SENTENCES = re.compile(r"(?<=\.) (?=\S)")


def speak(translate: Callable[[str], str], grouped: Callable[[int], str]) -> None:
    """Say sentences and whole numbers with these functions from now on; they find out the reader's language."""
    _voice.translate, _voice.grouped = translate, grouped


def gettext_noop(sentence: str) -> str:
    """Mark a sentence for the translators (it is how makemessages finds it) and return it as it is.

    With fields, it will also be known again once they are filled in.
    """
    fields = [name for _, name, _, _ in Formatter().parse(sentence) if name is not None]
    if fields:
        _patterns[sentence] = _pattern(sentence)
    return sentence


def said(sentence: str, **values: Any) -> str:
    """The sentence in the reader's language, its fields filled in. For what is said to somebody at once."""
    numbers = {name: _Number(value) for name, value in values.items() if type(value) is int}
    return _voice.translate(sentence).format(**{**values, **numbers})


def told(text: str) -> str:
    """A kept text in the reader's language, sentence by sentence; what nobody knows stays as it is."""
    whole = _told(text)
    if whole is not None:
        return whole
    parts = _BETWEEN_SENTENCES.split(text)
    return " ".join(_told(part) or part for part in parts) if len(parts) > 1 else text


def _told(text: str) -> str | None:
    translated = _voice.translate(text) if text else text
    if translated != text:
        return translated
    for sentence, pattern in _patterns.items():
        found = pattern.fullmatch(text)
        if found:
            return _filled(sentence, found)
    return None


def _filled(sentence: str, found: "re.Match[str]") -> str | None:
    """None where a translation asks for a field that there is not: a slip there takes no page down."""
    values: dict[str, Any] = {}
    formats = {name: spec for _, name, spec, _ in Formatter().parse(sentence) if name}
    for name, text in found.groupdict().items():
        values[name] = int(text.replace(",", "")) if formats[name] == WHOLE_NUMBER else _value(name, text)
    try:
        return said(sentence, **values)
    except (LookupError, ValueError):
        return None


def _value(field: str, text: str) -> str:
    if field == WORDS:
        return ", ".join(_voice.translate(word) for word in text.split(", "))
    return told(text) if field == REASON else text


def _pattern(sentence: str) -> "re.Pattern[str]":
    parts = []
    for literal, name, spec, _ in Formatter().parse(sentence):
        parts.append(re.escape(literal))
        if name is not None:
            parts.append(f"(?P<{name}>{r'-?[0-9][0-9,]*' if spec == WHOLE_NUMBER else '.+?'})")
    return re.compile("".join(parts), re.DOTALL)
