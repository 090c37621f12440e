"""The perceived expressions, named once. Everything else reads the campaign's or the manifest's list."""

SEVEN = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""FER2013's seven classes in FER2013's order: index i here is `emotion` i in its CSV."""

EIGHT = (*SEVEN, "contempt")
"""The classes of FER+ (Barsoum et al. 2016)."""

CANT_TELL = "cant_tell"
NOT_A_FACE = "not_a_face"
OTHER_ANSWERS = (CANT_TELL, NOT_A_FACE)
"""What an annotator may answer besides an expression; both count as votes."""

_WORDS = {CANT_TELL: "can't tell"}


def word(answer: str) -> str:
    """An answer as people read it: `cant_tell` → "can't tell"."""
    return _WORDS.get(answer, answer.replace("_", " "))


FERPLUS_ANSWERS = {
    "neutral": "neutral",
    "happiness": "happy",
    "surprise": "surprise",
    "sadness": "sad",
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "contempt": "contempt",
    "unknown": CANT_TELL,
    "NF": NOT_A_FACE,
}
"""The columns of the FER+ vote table, and what we call these answers."""


def known_as(label: str) -> str:
    """A label somebody else wrote, in our words where we have one; else as it was written."""
    plain = label.strip().lower()
    ours = {column.lower(): answer for column, answer in FERPLUS_ANSWERS.items()}
    return plain if plain in EIGHT else ours.get(plain, label.strip())
