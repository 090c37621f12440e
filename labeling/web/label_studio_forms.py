"""What taking over from Label Studio needs to be told: the file, where its pictures are, then what its answers mean."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django import forms
from django.core import signing
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from labeling import expressions, labels
from labeling.expressions import OTHER_ANSWERS
from labeling.label_studio import CannotTakeIn, imports
from labeling.models import LabelStudioImport, Source
from labeling.sources.labelled.classes import CHOICES
from labeling.sources.roots import OutsideRoots, allowed

KEEP, OUT = "=keep", "=out"
"""Choices of what an answer means, besides our own: its own name; nothing, it is left out."""
SOURCES = 200
"""The newest, to choose from."""
_SALT = "label studio"
_MAX_AGE_S = 24 * 3600


class LabelStudioFile(forms.Form):
    """The file, and where the pictures are that it is about."""

    upload = forms.FileField(
        label=_("The export"),
        help_text=_("In Label Studio: Export, then JSON or JSON-MIN. Pictures are not in it."),
        widget=forms.ClearableFileInput(attrs={"accept": ".json,application/json"}),
    )
    source = forms.ModelChoiceField(
        queryset=Source.objects.none(),
        required=False,
        label=_("Source with its pictures"),
        empty_label=_("known by their web addresses"),
        help_text=_(
            "Take the pictures in first, as a source, and find their faces. Tasks are matched by the files’ names."
        ),
    )
    folder = forms.CharField(
        max_length=1000,
        required=False,
        label=_("Or a folder on the server"),
        help_text=_(
            "Where the tasks’ paths begin. Its files are known here by their content, whatever they are called."
        ),
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        newest = Source.objects.order_by("-pk").values("pk")[:SOURCES]
        self.fields["source"].queryset = Source.objects.filter(pk__in=newest).order_by("-pk")  # type: ignore[attr-defined]

    def clean_folder(self) -> str:
        folder: str = self.cleaned_data["folder"].strip()
        if not folder:
            return ""
        try:
            path = allowed(folder)
        except OutsideRoots as refusal:
            raise forms.ValidationError(str(refusal)) from refusal
        if not path.is_dir():
            raise forms.ValidationError(gettext("“{folder}” is no folder.").format(folder=folder))
        return str(path)

    def token(self, by: Any) -> str:
        """Keep the file; all that was said, for the next step, signed. Raises CannotTakeIn."""
        upload: UploadedFile[bytes] = self.cleaned_data["upload"]
        name = Path(upload.name or "export.json").name
        source: Source | None = self.cleaned_data["source"]
        kept = {
            "by": by.pk,
            "file": str(imports.keep(upload.chunks(), name=name)),
            "name": name,
            "source": source.pk if source else None,
            "folder": self.cleaned_data["folder"],
        }
        return signing.dumps(kept, salt=_SALT, compress=True)


class LabelStudioMeanings(forms.Form):
    """What each answer means; a field for each, with what its name says chosen already. And the campaign's name."""

    token = forms.CharField(widget=forms.HiddenInput)
    campaign = forms.CharField(max_length=200, required=False, label=_("Name of the campaign"))

    def __init__(self, data: Any = None, *, by: Any, token: str) -> None:
        """Raises BadSignature for a token that is none, of somebody else, or of another day, and CannotTakeIn."""
        super().__init__(data, initial={"token": token})
        self._told: dict[str, Any] = signing.loads(token, salt=_SALT, max_age=_MAX_AGE_S)
        self._by = by
        if self._told["by"] != by.pk:
            raise signing.BadSignature
        self.name: str = self._told["name"]
        self.source = Source.objects.filter(pk=self._told["source"]).first()
        try:
            self.outlook = imports.preview(
                self._file, name=self.name, source=self.source, folder=self._folder
            )
        except CannotTakeIn:
            self._file.unlink(missing_ok=True)
            raise
        earlier = self.outlook.earlier
        named = earlier.campaign.name if earlier and earlier.campaign else imports.default_name(self.name)
        self.fields["campaign"].initial = named
        words = [(name, expressions.word(name)) for name in (*CHOICES, *OTHER_ANSWERS)]
        before = {
            answer: _chosen(answer, meant) for answer, meant in (earlier.classes if earlier else {}).items()
        }
        for number, answer in enumerate(self.outlook.classes):
            own = [(KEEP, _("its own name"))] if len(answer) <= labels.LONGEST_LABEL else []
            self.fields[f"class-{number}"] = forms.ChoiceField(
                label=answer,
                required=False,
                choices=[("", _("— choose —")), *words, *own, (OUT, _("leave it out"))],
                initial=before.get(answer, self.outlook.guesses[answer]),
            )

    @property
    def _file(self) -> Path:
        return Path(self._told["file"])

    @property
    def _folder(self) -> Path | None:
        return Path(self._told["folder"]) if self._told["folder"] else None

    def clean(self) -> dict[str, Any]:
        for number, answer in enumerate(self.outlook.classes):
            if not self.cleaned_data.get(f"class-{number}"):
                self.add_error(
                    f"class-{number}",
                    gettext("Say what “{name}” means, or leave it out.").format(name=answer),
                )
        return self.cleaned_data

    @property
    def rows(self) -> list[tuple[forms.BoundField, int]]:
        """Each answer, and how often it was given."""
        return [(self[f"class-{n}"], count) for n, count in enumerate(self.outlook.classes.values())]

    def begin(self) -> LabelStudioImport:
        """Raises CannotTakeIn."""
        chosen: Mapping[str, Any] = self.cleaned_data
        meanings = {
            answer: {KEEP: answer, OUT: ""}.get(chosen[f"class-{n}"], chosen[f"class-{n}"])
            for n, answer in enumerate(self.outlook.classes)
        }
        return imports.begin(
            self._file,
            name=self.name,
            campaign_name=chosen["campaign"],
            source=self.source,
            folder=self._folder,
            classes=meanings,
            by=self._by,
        )


def _chosen(answer: str, meaning: str) -> str:
    """The choice by which this was said."""
    if meaning in (*CHOICES, *OTHER_ANSWERS):
        return meaning
    return KEEP if meaning == answer else OUT if not meaning else ""
