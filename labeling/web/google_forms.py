"""The part of a new source's form that asks Google for pictures."""

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from labeling.sources import google
from labeling.sources.rights import OPEN


class GooglePart(forms.Form):
    google_words = forms.CharField(max_length=200, required=False, label=_("Words to search for"))
    google_rights = forms.ChoiceField(
        required=False,
        label=_("Filter by rights"),
        choices=[
            ("", _("only what Google finds to be open, under any of these licences")),
            *google.RIGHTS.items(),
            (
                google.ANY,
                _("off: everything, also where all rights are reserved; the reason below covers it"),
            ),
        ],
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

    def google_is_unsure(self) -> bool:
        """Whether everything is asked for, though only openly licensed media may be used."""
        return bool(
            self.cleaned_data.get("google_rights") == google.ANY and self.cleaned_data.get("basis") == OPEN
        )

    def google_address(self) -> str:
        """The address of the page with what is found."""
        rights = self.cleaned_data["google_rights"]
        return google.search_address(self.cleaned_data["google_words"], [rights] if rights else [])
