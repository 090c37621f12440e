"""What a campaign asks of how well its faces can be seen, in its form."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from labeling.models import Campaign
from labeling.quality_rule import RANGES, REASONS, kept
from labeling.web.percent import PercentField

PREFIX = "quality_"


def _number(name: str, label: Any, help_text: Any = "") -> forms.FloatField:
    low, high = RANGES[name]
    return forms.FloatField(
        required=False,
        min_value=low,
        max_value=high,
        label=label,
        help_text=help_text,
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )


def _percent(name: str, label: Any, help_text: Any = "") -> PercentField:
    return PercentField(required=False, most=100 * RANGES[name][1], label=label, help_text=help_text)


class QualityPart(forms.Form):
    """Empty fields ask for nothing."""

    quality_min_side = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=10_000,
        label=gettext_lazy("Least side, in pixels"),
        help_text=gettext_lazy("The shorter one of the box."),
    )
    quality_min_sharpness = _number(
        "min_sharpness",
        gettext_lazy("Least sharpness"),
        gettext_lazy("0.5 is sharp, 0.2 blurred."),
    )
    quality_min_brightness = _percent(
        "min_brightness", gettext_lazy("Least brightness, in %"), gettext_lazy("Of the grey values’ mean.")
    )
    quality_max_brightness = _percent(
        "max_brightness", gettext_lazy("Most brightness, in %"), gettext_lazy("Of the grey values’ mean.")
    )
    quality_min_contrast = _percent(
        "min_contrast", gettext_lazy("Least contrast, in %"), gettext_lazy("6 is hardly any, 20 is usual.")
    )
    quality_max_outside = _percent(
        "max_outside", gettext_lazy("Most cut off, in %"), gettext_lazy("Of the face, by the edge.")
    )
    quality_max_yaw = _number(
        "max_yaw",
        gettext_lazy("Most turn aside, in °"),
        gettext_lazy("0 from the front, 90 aside."),
    )
    quality_max_pitch = _number(
        "max_pitch", gettext_lazy("Most up or down, in °"), gettext_lazy("Known to some ten degrees.")
    )
    quality_max_roll = _number(
        "max_roll", gettext_lazy("Most tilt, in °"), gettext_lazy("Of the head to a side.")
    )

    def quality_fields(self) -> list[forms.BoundField]:
        return [self[PREFIX + name] for name in REASONS if PREFIX + name in self.fields]

    @property
    def quality_rule_there(self) -> bool:
        """Whether anything is asked for, or was asked for wrongly."""
        return any(field.value() not in (None, "") or field.errors for field in self.quality_fields())

    def quality_rule(self) -> dict[str, Any]:
        """The rule, as far as it is sound."""
        return kept({name: self.cleaned_data.get(PREFIX + name) for name in REASONS})


def initial(campaign: Campaign) -> dict[str, Any]:
    """A campaign's rule as the fields show it."""
    return {
        PREFIX + name: value if name == "min_side" else float(value)
        for name, value in campaign.quality_rule.items()
    }
