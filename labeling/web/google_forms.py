"""The part of a new source's form that asks Google for pictures."""

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from labeling.sources import google


class GooglePart(forms.Form):
    google_words = forms.CharField(max_length=200, required=False, label=_("Words to search for"))
    google_rights = forms.ChoiceField(
        required=False,
        label=_("Filter by rights"),
        choices=[("", _("by the reason below")), *google.RIGHTS.items()],
        help_text=_("What Google takes a page to say. Look at the page itself before you pass a picture on."),
    )
    google_most = forms.IntegerField(
        min_value=1, max_value=google.LISTED, required=False, label=_("At most so many pictures")
    )

    @property
    def knows_google(self) -> bool:
        """Whether this site has a key and a search engine for it."""
        return bool(settings.GOOGLE_API_KEY and settings.GOOGLE_CX)

    @property
    def google_is_open(self) -> bool:
        names = ("google_words", "google_rights", "google_most")
        return any(self[name].value() or self[name].errors for name in names)

    def asks_google(self) -> bool:
        return bool(self.cleaned_data.get("google_words"))

    def google_address(self) -> str:
        """The address of the page with what is found."""
        rights = self.cleaned_data["google_rights"]
        return google.search_address(self.cleaned_data["google_words"], [rights] if rights else [])
