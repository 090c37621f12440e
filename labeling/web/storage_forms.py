"""The part of a new source's form that asks for a bucket, and how often the source is looked at."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from labeling.sources import watching
from labeling.sources.base import CannotRead
from labeling.sources.s3 import parsed
from labeling.templatetags.manage import every


def watch_choices(kind: str) -> list[tuple[Any, Any]]:
    """How often a source of that kind can be looked at, in words."""
    once = ("", pgettext_lazy("how often", "once, and when I ask"))
    return [once, *((minutes, every(minutes)) for minutes in watching.choices(kind))]


class StoragePart(forms.Form):
    s3_address = forms.CharField(
        max_length=1000,
        required=False,
        label=_("Bucket and folder"),
        help_text=_(
            "For instance s3://my-bucket/photos. Everything below it comes in; an object that is written anew under "
            "its name is a new item, and what was taken in stays."
        ),
        widget=forms.TextInput(attrs={"spellcheck": "false", "placeholder": "s3://"}),
    )
    s3_profile = forms.ChoiceField(
        required=False,
        label=_("Storage"),
        help_text=_(
            "As an operator has set it up, with its address and keys. Neither is ever asked for here."
        ),
    )
    watch = forms.TypedChoiceField(
        required=False,
        label=_("Look for new files"),
        coerce=int,
        empty_value=None,
        help_text=_(
            "A folder, a bucket, a list or a page of a site can be watched. What is still being written waits for "
            "the next look."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["s3_profile"].choices = [(name, name) for name in settings.S3_PROFILES]  # type: ignore[attr-defined]
        self.fields["watch"].choices = watch_choices("folder")  # type: ignore[attr-defined]

    @property
    def knows_s3(self) -> bool:
        """Whether an operator has named a storage."""
        return bool(settings.S3_PROFILES)

    @property
    def s3_is_open(self) -> bool:
        return bool(self["s3_address"].value() or self["s3_address"].errors)

    def asks_s3(self) -> bool:
        return bool(self.cleaned_data.get("s3_address"))

    def clean_s3_address(self) -> str:
        address: str = self.cleaned_data["s3_address"].strip()
        if address:
            try:
                parsed(address)
            except CannotRead as reason:
                raise forms.ValidationError(
                    gettext("This names no bucket. Write s3://bucket or s3://bucket/folder.")
                ) from reason
        return address
