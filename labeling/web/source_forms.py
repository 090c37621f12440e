"""What a new source needs to be told."""

import secrets
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.text import get_valid_filename
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from labeling import sources, uploads
from labeling.models import Source
from labeling.sayings import gettext_noop, said
from labeling.sources import ingest, rights
from labeling.sources.roots import OutsideRoots, allowed
from labeling.vision import detectors
from labeling.web.flickr_forms import FlickrPart
from labeling.web.google_forms import GooglePart
from labeling.web.storage_forms import StoragePart
from labeling.web.youtube_forms import YouTubePart

DETECTOR_NAMES = {
    "haar": _("Viola–Jones cascade, as in the paper"),
    "yunet": _("YuNet, a small network"),
}
ELSEWHERE = (
    "location", "addresses", "s3_address", "flickr_page", "flickr_text", "flickr_tags", "flickr_licences",
    "flickr_from", "flickr_to", "flickr_place", "google_words", "youtube_page", "youtube_words",
)  # fmt: skip
"""The fields that name where media are, if these are no files of the browser's."""
_TOO_LARGE = gettext_noop("This file is larger than {most:,} MB. Put it on the server and name its path.")


def detectors_offered() -> list[str]:
    """The detectors that can run here: YuNet only where its model file is."""
    return detectors.available(settings.YUNET_MODEL)


def basis_note() -> forms.CharField:
    return forms.CharField(
        max_length=rights.LONGEST_NOTE,
        required=False,
        label=_("More about that"),
        help_text=_(
            "For instance the number of the contract, or where the consents are kept. It is shown to managers."
        ),
    )


def bases() -> list[tuple[str, Any]]:
    """The reasons to choose from, none of them chosen."""
    return [("", _("— choose —")), *rights.BASES.items()]


def no_larger(upload: "UploadedFile[bytes]") -> None:
    """Raises ValidationError for a file that is too large to be sent in one piece."""
    if (upload.size or 0) > settings.MAX_UPLOAD_BYTES:
        raise forms.ValidationError(said(_TOO_LARGE, most=settings.MAX_UPLOAD_BYTES // 1024**2))


class NewSource(FlickrPart, GooglePart, YouTubePart, StoragePart):
    location = forms.CharField(
        max_length=1000,
        required=False,
        label=_("Path on the server"),
        help_text=_(
            "A folder, a zip, a picture, a video, a FER2013 CSV or a list of web addresses, as the server sees it."
        ),
    )
    upload = forms.FileField(
        required=False,
        label=_("Or a file from here"),
        help_text=_("A zip, a picture, a video, a FER2013 CSV or a list of web addresses."),
        validators=[no_larger],
    )
    batch = forms.UUIDField(required=False, widget=forms.HiddenInput)
    """What uploads.js has sent beforehand, in pieces."""
    addresses = forms.CharField(
        required=False,
        label=_("Or web addresses"),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text=_(
            "One a line. To say beside each whose it is, make it a CSV with the columns url, licence, author, "
            "page and title, and choose it as a file."
        ),
    )
    basis = forms.ChoiceField(
        label=_("Why these media may be used"),
        error_messages={"required": _("Say why these media may be used; nothing is taken in before.")},
        help_text=_("Asked of everything. That something can be seen on the network is no licence."),
    )
    basis_note = basis_note()
    kind = forms.ChoiceField(
        required=False, label=_("Kind"), help_text=_("Left to the path, it is nearly always right.")
    )
    name = forms.CharField(
        max_length=200, required=False, label=_("Name"), help_text=_("Empty: the file's own name.")
    )
    licence = forms.CharField(
        max_length=200,
        required=False,
        label=_("Licence"),
        help_text=_(
            "Of what names none itself, for instance CC BY 4.0. A sources.csv beside the files wins."
        ),
    )
    author = forms.CharField(max_length=200, required=False, label=_("Author"))
    ferplus = forms.CharField(
        max_length=1000,
        required=False,
        label=_("FER+ vote CSV"),
        help_text=_("For a FER2013 CSV only: the ten votes per row of Barsoum et al. 2016."),
    )
    first_row = forms.IntegerField(min_value=1, required=False, label=_("From row"))
    last_row = forms.IntegerField(min_value=1, required=False, label=_("To row"))
    detectors = forms.MultipleChoiceField(
        required=False, label=_("Then find faces with"), widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = [("", _("what the path says")), *((name, sources.KIND_WORDS[name]) for name in sources.KINDS)]
        offered = [(name, DETECTOR_NAMES.get(name, name)) for name in detectors_offered()]
        self.fields["kind"].choices = kinds  # type: ignore[attr-defined]
        self.fields["basis"].choices = bases()  # type: ignore[attr-defined]
        self.fields["detectors"].choices = offered  # type: ignore[attr-defined]
        self.fields["detectors"].initial = ["haar"]

    def clean_location(self) -> str:
        return self._path("location")

    def clean_ferplus(self) -> str:
        return self._path("ferplus")

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if self.errors:
            return data
        asked = self.asks_for_flickr() + self.asks_google() + self.asks_youtube() + self.asks_s3()
        fetched = bool(data.get("addresses")) + asked
        here = (data.get("location"), data.get("upload"), data.get("batch"))
        if sum(map(bool, here)) + fetched != 1:
            raise forms.ValidationError(
                gettext(
                    "Name a path on the server, choose a file, write web addresses, name a bucket, or ask Flickr, "
                    "YouTube or Google: one of these."
                )
            )
        if self.flickr_is_twofold():
            self.add_error("flickr_page", gettext("Name a page or what to search for, not both."))
        if self.asks_google() and self.google_is_unsure():
            self.add_error(
                "google_rights",
                gettext(
                    "Without this filter not all are openly licensed: choose a licence here, or another reason."
                ),
            )
        if data.get("first_row") and data.get("last_row") and data["last_row"] < data["first_row"]:
            self.add_error("last_row", gettext("The last row comes before the first."))
        return data

    def add(self, by: Any) -> Source:
        """The source asked for. Raises CannotAdd, and what uploads.become_source raises."""
        wanted, batch = self.wanted(), self.cleaned_data["batch"]
        if batch:
            return uploads.become_source(by=by, batch=batch, **wanted)
        return ingest.add(**wanted, created_by=by)

    def wanted(self) -> dict[str, Any]:
        """The arguments of ingest.add; a file in the form is stored first. Of a batch there is no location."""
        data = self.cleaned_data
        place: dict[str, Any]
        if data["batch"]:
            place = {"kind": data["kind"]}
        elif data["addresses"]:
            place = {"kind": "web", "location": str(_kept_addresses(data["addresses"]))}
        elif self.asks_for_flickr():
            place = {"kind": "flickr", "location": self.flickr_address()}
        elif self.asks_google():
            place = {"kind": "google", "location": self.google_address()}
        elif self.asks_youtube():
            place = {"kind": "youtube", "location": self.youtube_address()}
        elif self.asks_s3():
            place = {"kind": "s3", "location": data["s3_address"]}
        else:
            place = {"kind": data["kind"], "location": data["location"] or str(keep(data["upload"]))}
        return {
            **place,
            "name": data["name"] or (gettext("Web addresses") if data["addresses"] else ""),
            "licence": data["licence"],
            "author": data["author"],
            "watch_minutes": data["watch"],
            "options": self._options(),
        }

    def _options(self) -> dict[str, Any]:
        data = self.cleaned_data
        options: dict[str, Any] = {name: data[name] for name in ("ferplus", "basis", "basis_note")}
        if self.asks_for_flickr() or self.asks_google():
            options["most"] = data["flickr_most" if self.asks_for_flickr() else "google_most"]
        elif self.asks_youtube():
            options |= self.youtube_options()
        elif self.asks_s3():
            options["profile"] = data["s3_profile"]
        options["detect"] = data["detectors"]
        if data["first_row"] or data["last_row"]:
            options["rows"] = [data["first_row"] or 1, data["last_row"]]
        return {name: value for name, value in options.items() if value}

    def _path(self, name: str) -> str:
        location: str = self.cleaned_data[name].strip()
        if not location or (name == "location" and sources.is_elsewhere("", location)):
            return location
        try:
            return str(allowed(location))
        except OutsideRoots as refusal:
            raise forms.ValidationError(str(refusal)) from refusal


def keep(upload: "UploadedFile[bytes]") -> Path:
    """Write an upload, block by block, to a folder of its own, where the worker finds it."""
    path = _own_folder() / get_valid_filename(Path(upload.name or "upload").name)
    with path.open("wb") as file:
        for block in upload.chunks():
            file.write(block)
    return path


def _kept_addresses(text: str) -> Path:
    path = _own_folder() / "addresses.txt"
    path.write_text(text, newline="\n")
    return path


def _own_folder() -> Path:
    folder: Path = settings.UPLOAD_ROOT / secrets.token_hex(8)
    folder.mkdir(parents=True)
    return folder
