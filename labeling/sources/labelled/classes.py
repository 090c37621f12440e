"""What the names of classes and splits in somebody's set mean here. Pure."""

import re
from collections.abc import Mapping

from labeling.expressions import EIGHT, SEVEN

_WORDS: Mapping[str, tuple[str, ...]] = {
    "angry": ("anger", "mad", "wut", "wütend", "wuetend", "ärger", "aerger", "verärgert", "zorn", "zornig"),
    "disgust": ("disgusted", "ekel", "angeekelt", "abscheu"),
    "fear": ("fearful", "afraid", "scared", "angst", "ängstlich", "aengstlich", "furcht"),
    "happy": ("happiness", "joy", "joyful", "smile", "smiling", "freude", "fröhlich", "froehlich", "glücklich",
              "gluecklich", "froh"),
    "sad": ("sadness", "traurig", "trauer", "traurigkeit"),
    "surprise": ("surprised", "überraschung", "ueberraschung", "überrascht", "ueberrascht", "erstaunt"),
    "neutral": ("neutrality", "neutrally", "no expression", "ausdruckslos"),
    "contempt": ("contemptuous", "verachtung"),
}  # fmt: skip
MEANINGS = {word: name for name, words in _WORDS.items() for word in (name, *words)}
_SPLITS = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "publictest": "validation",
    "test": "test", "testing": "test", "privatetest": "test",
}  # fmt: skip
_NUMBERED = re.compile(r"\d+[ _.:-]+(?=\D)")


def guessed(name: str, *, numbers: bool = False) -> str:
    """The expression that a class is named after, in English or German; empty if nobody can tell.

    numbers: whether 0 to 6 are FER2013's classes in FER2013's order, which only somebody who knows the set can say.
    """
    plain = " ".join(name.strip().lower().replace("_", " ").split())
    if numbers and re.fullmatch("[0-6]", plain):
        return SEVEN[int(plain)]
    return MEANINGS.get(plain) or MEANINGS.get(_NUMBERED.sub("", plain, count=1), "")


def split_of(name: str) -> str:
    """train, validation or test; empty if it is the name of none."""
    return _SPLITS.get(name.strip().lower(), "")


CHOICES = EIGHT
"""What a class can be said to mean; besides, it can keep its own name, or be left out."""
