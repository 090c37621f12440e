"""Why nothing is erased."""

from labeling.refusals import Refusal


class CannotErase(Refusal):
    """Nothing was erased; the text says what to change."""
