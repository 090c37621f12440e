"""One setting as people see it: what it is, and which values it takes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from training.core.refusals import BadConfig

_KIND_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


@dataclass(frozen=True)
class Setting:
    """One field of Config. kind: int, float, str or bool. Limits are None where there are none.

    pattern: a regular expression of texts that will do beside the choices, and how such a text is written for people.
    later: configs were saved before it was there. They mean its default, which therefore changes nothing.
    """

    name: str
    kind: type
    default: Any
    about: str
    choices: tuple[Any, ...] | None = None
    pattern: tuple[str, str] | None = None
    low: float | None = None
    above: float | None = None
    high: float | None = None
    later: bool = False

    def check(self, value: object) -> None:
        """Raises BadConfig unless the value is of this kind and within the limits."""
        if type(value) is not self.kind:
            raise BadConfig(f"{self.name} is {value!r}; it must be {_KIND_NAMES[self.kind]}.")
        if self.choices is not None and value not in self.choices and not self._is_like_pattern(value):
            known = [*self.choices, *([] if self.pattern is None else self.pattern[1:])]
            raise BadConfig(f"{self.name} is {value!r}; it must be one of {', '.join(map(str, known))}.")
        if isinstance(value, int | float):
            self._check_limits(value)

    def _is_like_pattern(self, value: object) -> bool:
        return self.pattern is not None and re.fullmatch(self.pattern[0], str(value)) is not None

    def _check_limits(self, value: float) -> None:
        if not math.isfinite(value):
            raise BadConfig(f"{self.name} is {value}; it must be a finite number.")
        if self.low is not None and value < self.low:
            raise BadConfig(f"{self.name} is {value}; it must be at least {self.low}.")
        if self.above is not None and value <= self.above:
            raise BadConfig(f"{self.name} is {value}; it must be above {self.above}.")
        if self.high is not None and value > self.high:
            raise BadConfig(f"{self.name} is {value}; it must be at most {self.high}.")
