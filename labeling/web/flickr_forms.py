"""The part of a new source's form that asks for photos of Flickr."""

from django import forms
from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from labeling.sources.flickr import addresses

LONGEST = 1000
"""Characters, as a source's location."""
_SEARCH = ("flickr_text", "flickr_tags", "flickr_licences", "flickr_from", "flickr_to", "flickr_place")


class FlickrPart(forms.Form):
    flickr_page = forms.CharField(
        max_length=LONGEST,
        required=False,
        label=_("Address of a page of Flickr"),
        help_text=_("Of a photo, an album, a group, a person’s photos or a search, as the browser shows it."),
    )
    flickr_text = forms.CharField(max_length=200, required=False, label=_("Or a search: words"))
    flickr_tags = forms.CharField(max_length=200, required=False, label=_("Tags, with commas"))
    flickr_licences = forms.MultipleChoiceField(
        required=False,
        label=_("Licences"),
        choices=[(name, name) for name in addresses.LICENCES],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None: for openly licensed media all of these, else whatever Flickr has."),
    )
    flickr_from = forms.DateField(
        required=False, label=_("Taken from"), widget=forms.DateInput(attrs={"type": "date"})
    )
    flickr_to = forms.DateField(
        required=False, label=_("Taken to"), widget=forms.DateInput(attrs={"type": "date"})
    )
    flickr_place = forms.CharField(
        max_length=200,
        required=False,
        label=_("Place"),
        help_text=_("West, south, east and north edge in degrees: 105.7, 20.9, 106.0, 21.2 is Hanoi."),
    )
    flickr_most = forms.IntegerField(
        min_value=1, max_value=1_000_000, required=False, label=_("At most so many photos")
    )

    @property
    def knows_flickr(self) -> bool:
        """Whether this site has a key for it."""
        return bool(settings.FLICKR_API_KEY)

    @property
    def flickr_is_open(self) -> bool:
        names = ("flickr_page", "flickr_most", *_SEARCH)
        return any(self[name].value() or self[name].errors for name in names)

    def clean_flickr_place(self) -> str:
        place = "".join(self.cleaned_data["flickr_place"].split())
        if place and not addresses.is_box(place):
            raise forms.ValidationError(
                gettext(
                    "Name the west, south, east and north edge in degrees, with commas between them: west before east, "
                    "from −180 to 180, and south before north, from −90 to 90."
                )
            )
        return place

    def flickr_is_twofold(self) -> bool:
        """Whether both a page and a search are asked for: of the two only one can be a source."""
        return bool(self.cleaned_data.get("flickr_page")) and any(
            self.cleaned_data.get(name) for name in _SEARCH
        )

    def asks_for_flickr(self) -> bool:
        return any(self.cleaned_data.get(name) for name in ("flickr_page", *_SEARCH))

    def flickr_address(self) -> str:
        """The page's address; of a search, that of the page with its results."""
        data = self.cleaned_data
        if data["flickr_page"]:
            return str(data["flickr_page"]).strip()
        first, last = data["flickr_from"], data["flickr_to"]
        return addresses.search_address(
            {
                "text": data["flickr_text"],
                "tags": data["flickr_tags"],
                "tag_mode": "all" if "," in data["flickr_tags"] else "",
                "license": ",".join(data["flickr_licences"]),
                "min_taken_date": f"{first} 00:00:00" if first else "",
                "max_taken_date": f"{last} 23:59:59" if last else "",
                "bbox": data["flickr_place"],
            }
        )
