"""The part of a new source's form that asks for videos of YouTube."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from labeling.sources.roots import OutsideRoots, allowed
from labeling.sources.youtube import addresses
from labeling.sources.youtube.wanted import DEFAULT_HEIGHT

LONGEST = 1000
"""Characters, as a source's location."""
FOUND_BY_SEARCH = 50
"""So many videos of a search, if nobody says how many: YouTube's searches have no end."""
_HEIGHTS = (360, 480, 720, 1080, 1440, 2160)


class YouTubePart(forms.Form):
    youtube_page = forms.CharField(
        max_length=LONGEST,
        required=False,
        label=_("Address of a page of YouTube"),
        help_text=_("Of a video, a playlist or a channel, as the browser shows it."),
    )
    youtube_words = forms.CharField(max_length=200, required=False, label=_("Or a search: words"))
    youtube_most = forms.IntegerField(
        min_value=1,
        max_value=100_000,
        required=False,
        label=_("At most so many videos"),
        help_text=_("Empty: all of a playlist or channel, 50 of a search."),
    )
    youtube_height = forms.TypedChoiceField(
        required=False,
        coerce=int,
        empty_value=None,
        initial=DEFAULT_HEIGHT,
        label=_("Tallest picture"),
        choices=[(height, f"{height}p") for height in _HEIGHTS],
        help_text=_("Lines of the picture. Faces far from the camera need more; the sound is left out."),
    )
    youtube_cookies = forms.CharField(
        max_length=LONGEST,
        required=False,
        label=_("File of cookies"),
        help_text=_(
            "A cookies.txt on the server, of somebody who is signed in to YouTube: only where YouTube asks for it. "
            "Whoever can read this file can act as that person there."
        ),
    )

    @property
    def youtube_is_open(self) -> bool:
        names = ("youtube_page", "youtube_words", "youtube_most", "youtube_cookies")
        return any(self[name].value() or self[name].errors for name in names)

    def clean_youtube_cookies(self) -> str:
        path: str = self.cleaned_data["youtube_cookies"].strip()
        try:
            return str(allowed(path)) if path else ""
        except OutsideRoots as refusal:
            raise forms.ValidationError(str(refusal)) from refusal

    def clean_youtube_words(self) -> str:
        words: str = self.cleaned_data["youtube_words"].strip()
        if words and self.cleaned_data.get("youtube_page"):
            raise forms.ValidationError(gettext("Name a page or words to search for, not both."))
        return words

    def asks_youtube(self) -> bool:
        return bool(self.cleaned_data.get("youtube_page") or self.cleaned_data.get("youtube_words"))

    def youtube_address(self) -> str:
        """The page's address; of a search, that of the page with what it finds."""
        page = str(self.cleaned_data["youtube_page"]).strip()
        return page or addresses.search_address(self.cleaned_data["youtube_words"])

    def youtube_options(self) -> dict[str, Any]:
        data = self.cleaned_data
        most = data["youtube_most"] or (FOUND_BY_SEARCH if data["youtube_words"] else None)
        return {
            "most": most,
            "height": data["youtube_height"] or DEFAULT_HEIGHT,
            "cookies": data["youtube_cookies"],
        }
