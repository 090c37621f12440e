"""The perceived expressions, named once. Everything else reads the campaign's or the manifest's list."""

from labeling.sayings import gettext_noop, said

SEVEN = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""FER2013's seven classes in FER2013's order: index i here is `emotion` i in its CSV."""

EIGHT = (*SEVEN, "contempt")
"""The classes of FER+ (Barsoum et al. 2016)."""

CANT_TELL = "cant_tell"
NOT_A_FACE = "not_a_face"
OTHER_ANSWERS = (CANT_TELL, NOT_A_FACE)
"""What an annotator may answer besides an expression; both count as votes."""

_WORDS = {
    "angry": gettext_noop("angry"),
    "disgust": gettext_noop("disgust"),
    "fear": gettext_noop("fear"),
    "happy": gettext_noop("happy"),
    "sad": gettext_noop("sad"),
    "surprise": gettext_noop("surprise"),
    "neutral": gettext_noop("neutral"),
    "contempt": gettext_noop("contempt"),
    CANT_TELL: gettext_noop("can't tell"),
    NOT_A_FACE: gettext_noop("not a face"),
    # What becomes of a face that gets no label stands beside the labels on some pages.
    "no_consensus": gettext_noop("no consensus"),
    "open": gettext_noop("open"),
    # The drawing for expressions that have none of their own is offered by this name.
    "expression": gettext_noop("expression"),
}


def word(answer: str) -> str:
    """An answer as who asks reads it: `cant_tell` → "can't tell". A campaign's own expressions stay as written."""
    known = _WORDS.get(answer)
    return said(known) if known else answer.replace("_", " ")


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
