"""What a new labelled set needs to be told: first where it is and whose labels they are, then what its classes mean."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.core import signing
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from labeling import expressions, labels, uploads
from labeling.models import Source
from labeling.sources import ingest, places
from labeling.sources.base import CannotAdd, CannotRead
from labeling.sources.labelled.classes import CHOICES, guessed
from labeling.sources.labelled.place import LabelledPlace, Survey
from labeling.sources.roots import OutsideRoots, allowed
from labeling.sources.s3 import SCHEME
from labeling.web.source_forms import DETECTOR_NAMES, bases, basis_note, detectors_offered, keep, no_larger
from labeling.web.storage_forms import watch_choices

KIND = "labelled"
MOST_CLASSES = 200
KEEP, OUT = "=keep", "=out"
"""Choices of what a class means, besides the expressions: its own name; nothing, it is left out."""
_SALT = "labelled set"
_MAX_AGE_S = 24 * 3600


class LabelledSet(forms.Form):
    """Where the set is and whose labels it holds."""

    location = forms.CharField(
        max_length=1000,
        required=False,
        label=_("Path on the server, or bucket"),
        help_text=_(
            "A folder or zip with a folder per class, or with a labels.csv; the CSV itself, its pictures beside it; "
            "or s3://bucket/folder."
        ),
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )
    profile = forms.ChoiceField(
        required=False, label=_("Storage"), help_text=_("For a bucket: as an operator has set it up.")
    )
    batch = forms.UUIDField(required=False, widget=forms.HiddenInput)
    upload = forms.FileField(
        required=False,
        label=_("Or a zip from here"),
        help_text=_("With a folder per class, or a labels.csv."),
        validators=[no_larger],
    )
    origin = forms.CharField(
        max_length=labels.LONGEST_ORIGIN,
        label=_("Whose labels they are"),
        help_text=_(
            "Who said so, or the set’s name and year. It is kept with each label; a table’s column origin wins."
        ),
    )
    column = forms.CharField(
        max_length=labels.LONGEST_COLUMN,
        required=False,
        label=_("Column"),
        help_text=_(
            "A face has one label a column. Empty: expert. Name another to keep a second opinion apart."
        ),
    )
    table = forms.CharField(
        max_length=500,
        required=False,
        label=_("Table inside the set"),
        help_text=_(
            "A CSV of path, label, and if you like split and origin; its paths begin at its own folder. Empty: "
            "labels.csv, if there is one."
        ),
    )
    numbers = forms.BooleanField(
        required=False,
        label=_("Classes 0 to 6 are FER2013’s: angry, disgust, fear, happy, sad, surprise, neutral"),
    )
    faces = forms.ChoiceField(required=False, label=_("What the pictures show"))
    basis = forms.ChoiceField(
        label=_("Why these media may be used"),
        help_text=_(
            "Who shares a labelled set says in its terms what it is for: research only, no passing on, no faces in "
            "print. Read them first; the people shown have rights of their own."
        ),
    )
    basis_note = basis_note()
    name = forms.CharField(max_length=200, required=False, label=_("Name"))
    licence = forms.CharField(max_length=200, required=False, label=_("Licence"))
    author = forms.CharField(max_length=200, required=False, label=_("Author"))
    watch = forms.TypedChoiceField(
        required=False, label=_("Look for new files"), coerce=int, empty_value=None
    )

    def __init__(self, *args: Any, by: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._by = by
        self.place = ""
        whole = ("", _("Each picture is a face, cut out already"))
        searched = [(name, said_faces(DETECTOR_NAMES.get(name, name))) for name in detectors_offered()]
        self._choose("faces", [whole, *searched])
        self._choose("basis", bases())
        self._choose("profile", [(name, name) for name in settings.S3_PROFILES])
        self._choose("watch", watch_choices(KIND))

    def _choose(self, name: str, choices: list[tuple[Any, Any]]) -> None:
        self.fields[name].choices = choices  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if self.errors:
            return data
        if sum(map(bool, (data.get("location"), data.get("upload"), data.get("batch")))) != 1:
            raise forms.ValidationError(gettext("Name a path or a bucket, or send files: one of these."))
        try:
            self.place = self._location(data)
        except (OutsideRoots, CannotAdd, uploads.NotThere, uploads.Unfinished) as refusal:
            raise forms.ValidationError(str(refusal)) from refusal
        return data

    def _location(self, data: Mapping[str, Any]) -> str:
        if data["batch"]:
            return uploads.location_of(by=self._by, batch=data["batch"])
        if data["upload"]:
            return str(keep(data["upload"]))
        location: str = data["location"].strip()
        return location if location.lower().startswith(SCHEME) else str(allowed(location))

    def options(self) -> dict[str, Any]:
        data = self.cleaned_data
        names = ("origin", "column", "table", "numbers", "faces", "basis", "basis_note")
        options = {name: data[name] for name in names if data[name]}
        if self.place.lower().startswith(SCHEME) and data["profile"]:
            options["profile"] = data["profile"]
        return options

    def survey(self) -> Survey:
        """The classes of the set. Raises CannotAdd, CannotRead."""
        fields = places.checked(KIND, self.place, self.options())
        with places.opened(KIND, fields["location"], fields["options"], _unheard) as place:
            assert isinstance(place, LabelledPlace)
            found = place.survey()
        if not found.classes:
            raise CannotRead(
                gettext("There is no class in it: neither a folder with pictures nor a table that names any.")
            )
        if len(found.classes) > MOST_CLASSES:
            raise CannotRead(
                gettext("It names {count} different classes. Is the right column called label?").format(
                    count=len(found.classes)
                )
            )
        return found

    def token(self, found: Survey) -> str:
        """All that was said, for the next step, signed."""
        data = self.cleaned_data
        kept = {
            "by": self._by.pk,
            "batch": str(data["batch"]) if data["batch"] else "",
            "location": self.place,
            # Named, so that a folder that comes beside that of the table later does not hide it.
            "options": {**self.options(), **({"table": found.table} if "/" in found.table else {})},
            "classes": found.classes,
            "complete": found.complete,
            **{name: data[name] for name in ("name", "licence", "author", "watch")},
        }
        return signing.dumps(kept, salt=_SALT, compress=True)


def said_faces(detector: Any) -> str:
    return gettext("Find the face with {detector}; the label goes to the only one").format(detector=detector)


def _unheard(*, message: str = "") -> None:
    """Nobody watches."""


class Meanings(forms.Form):
    """What each class means; a field for each, with what its name says chosen already."""

    token = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, by: Any, token: str) -> None:
        """Raises BadSignature for a token that is none, of somebody else, or of another day."""
        super().__init__(data, initial={"token": token})
        self.told: dict[str, Any] = signing.loads(token, salt=_SALT, max_age=_MAX_AGE_S)
        self._by = by
        if self.told["by"] != by.pk:
            raise signing.BadSignature
        words = [(name, expressions.word(name)) for name in CHOICES]
        for number, (name, pictures) in enumerate(self.told["classes"].items()):
            own = [(KEEP, _("its own name"))] if 0 < len(name) <= labels.LONGEST_LABEL else []
            field = forms.ChoiceField(
                label=name or "–",
                required=False,
                choices=[("", _("— choose —")), *words, *own, (OUT, _("leave it out"))],
                initial=guessed(name, numbers=self.told["options"].get("numbers", False)),
                help_text=str(pictures),
            )
            self.fields[f"class-{number}"] = field

    def clean(self) -> dict[str, Any]:
        for number, name in enumerate(self.told["classes"]):
            if not self.cleaned_data.get(f"class-{number}"):
                self.add_error(
                    f"class-{number}", gettext("Say what “{name}” means, or leave it out.").format(name=name)
                )
        return self.cleaned_data

    @property
    def rows(self) -> list[tuple[forms.BoundField, int]]:
        """Each class, with its pictures."""
        return [(self[f"class-{n}"], count) for n, count in enumerate(self.told["classes"].values())]

    def add(self) -> Source:
        """Begin to take the set in. Raises CannotAdd, CannotWatch, and what uploads.become_source raises."""
        told, chosen = self.told, self.cleaned_data
        meanings = {name: self._meaning(name, chosen[f"class-{n}"]) for n, name in enumerate(told["classes"])}
        wanted = {
            "kind": KIND,
            "name": told["name"],
            "licence": told["licence"],
            "author": told["author"],
            "watch_minutes": told["watch"],
            "options": {**told["options"], "classes": meanings},
        }
        if told["batch"]:
            return uploads.become_source(by=self._by, batch=UUID(told["batch"]), **wanted)
        return ingest.add(location=told["location"], created_by=self._by, **wanted)

    def _meaning(self, name: str, chosen: str) -> str:
        return {KEEP: name, OUT: ""}.get(chosen, chosen)
