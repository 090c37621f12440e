"""What the demo's simulated annotators think a face shows."""

import random
from collections.abc import Callable, Mapping, Sequence

from labeling.expressions import CANT_TELL, NOT_A_FACE
from labeling.models import Face
from labeling.sources.drawn import AUTHOR, expression_at

TAKEN_FOR = {
    "angry": "disgust",
    "disgust": "angry",
    "fear": "surprise",
    "happy": "neutral",
    "sad": "neutral",
    "surprise": "fear",
    "neutral": "sad",
    "contempt": "neutral",
}
"""Which expression people most often take for which: what FER+'s votes look like, in the small."""

Opinion = Callable[[Face], Mapping[str, float]]


def about(expressions: Sequence[str]) -> Opinion:
    """Opinions in a campaign's words: near what the face is known to show, else invented but always the same."""

    def opinion(face: Face) -> Mapping[str, float]:
        shown = known(face) or random.Random(face.crop_sha256).choice(list(expressions))
        sure = 0.95 - 0.4 * random.Random(f"sure {face.crop_sha256}").random() ** 2
        other = TAKEN_FOR.get(shown, expressions[0])
        rest = (1 - sure) / 2
        return {shown: sure, other: rest, CANT_TELL: rest * 0.7, NOT_A_FACE: rest * 0.3}

    return opinion


def known(face: Face) -> str:
    """The expression the face's source says it shows; empty if it says nothing."""
    if label := str(face.given.get("label", "")):
        return label
    drawn_here = face.media.author == AUTHOR
    return expression_at(face.media.original_name, face.time_ms) if drawn_here else ""
