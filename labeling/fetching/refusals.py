"""What fetching raises. The texts are for people and kept in English (`labeling.sayings`)."""

from labeling.refusals import Refusal
from labeling.sayings import gettext_noop

_NO_TIME_LEFT = gettext_noop("Fetching it takes longer than the {seconds:,} seconds allowed (FETCH_MAX_S).")


class CannotFetch(Refusal):
    """It was not fetched, and trying again at once would change nothing.

    status: of the server's answer, if that is why; else 0.
    """

    def __init__(self, text: str, *, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Passing(CannotFetch):
    """It was not fetched now, but may be a little later.

    after_s: for how many seconds the other side asked to be left alone; None if it did not say.
    """

    def __init__(self, text: str, *, after_s: float | None = None, status: int = 0) -> None:
        super().__init__(text, status=status)
        self.after_s = after_s


class TookTooLong(CannotFetch):
    """The time allowed for one item is over."""

    def __init__(self, seconds: float) -> None:
        super().__init__(_NO_TIME_LEFT.format(seconds=round(seconds)))
