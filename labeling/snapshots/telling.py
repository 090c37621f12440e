"""Say how far a job is: to its row, and to whoever started it and watches."""

from collections.abc import Callable
from functools import partial
from typing import Any

from labeling import work

Tell = Callable[[int, int | None, str], None]
"""Called with how many are done, of how many (None where nobody knows), and what is being done."""


def nobody(done: int, total: int | None, message: str) -> None:
    pass


class Telling:
    """Call it now and then in long work: it keeps the claim. Raises StopAsked or ClaimLost, as job.beat does."""

    def __init__(self, job: work.Job[Any], tell: Tell) -> None:
        self._job = job
        self._tell = tell

    def __call__(self, message: str, done: int = 0, total: int | None = None, **fields: Any) -> None:
        """fields: columns of the row, stored at once."""
        progress = {"done": done, "total": total, "message": message}
        self._job.beat(force=bool(fields), **progress, **fields)
        self._tell(done, total, message)

    def now(self, message: str, done: int = 0, total: int | None = None) -> None:
        """The same whenever the last time was: for before what must not be done once the claim is lost."""
        self._job.beat(force=True, done=done, total=total, message=message)
        self._tell(done, total, message)

    def of(self, total: int | None, message: str) -> Callable[[int], None]:
        """To be called with the number done."""
        return lambda done: self(message, done, total)

    def alive(self, message: str) -> Callable[[], None]:
        return partial(self, message)
