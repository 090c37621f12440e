"""A field of forms."""

from typing import Any

from django import forms


class PercentField(forms.FloatField):
    """A share of 0–1, written as percent."""

    def __init__(self, *, most: float = 100, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}))
        super().__init__(min_value=0, max_value=most, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return f"{100 * value:.6g}" if isinstance(value, float) else value

    def clean(self, value: Any) -> float | None:
        percent = super().clean(value)
        return None if percent is None else round(percent / 100, 6)
