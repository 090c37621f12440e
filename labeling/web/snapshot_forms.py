"""What a new snapshot needs to be told."""

import json
from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from labeling import quality_rule
from labeling.expressions import word
from labeling.licences import DEMANDS
from labeling.models import Campaign, Source
from labeling.quality_rule import REASONS
from labeling.snapshots import freezing
from labeling.snapshots.asking import LONGEST_NAME, TESTED, name_problem
from labeling.snapshots.rule import ALIKE, AUTHOR, GIVEN, MOST_FOLDS, SOURCES, STRATIFIED, USUAL_LABELS, VOTES
from labeling.web.quality_forms import PREFIX, QualityPart

SPLITS = ("train", "validation", "test")
QUALITY = tuple(PREFIX + name for name in REASONS if name != "min_side")


def _ticks(label: Any, help_text: Any = "") -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        required=False, label=label, help_text=help_text, widget=forms.CheckboxSelectMultiple
    )


class NewSnapshot(QualityPart):
    """Of the campaign chosen: the choices are the expressions, sources and columns of labels there are."""

    # Asked among the others.
    quality_min_side = None  # type: ignore[assignment]

    campaign = forms.ModelChoiceField(
        Campaign.objects.all(), label=_("Campaign"), empty_label=_("Choose a campaign")
    )
    name = forms.CharField(
        max_length=LONGEST_NAME, required=False, label=_("Name"), help_text=_("Empty: the campaign's name.")
    )
    splits = forms.ChoiceField(
        choices=[
            (STRATIFIED, _("Drawn, so that each class is parted alike")),
            (GIVEN, _("As the source gives them (FER2013's Usage column)")),
            (SOURCES, _("By source: some are tested on, the others learnt from")),
        ],
        initial=STRATIFIED,
        label=_("Splits"),
    )
    train = forms.FloatField(
        min_value=0, max_value=100, initial=80, label=_("Train"), help_text=_("Percent of the faces.")
    )
    validation = forms.FloatField(min_value=0, max_value=100, initial=10, label=_("Validation"))
    test = forms.FloatField(min_value=0, max_value=100, initial=10, label=_("Test"))
    seed = forms.IntegerField(
        min_value=0,
        max_value=2**31 - 1,
        initial=0,
        label=_("Seed"),
        help_text=_("The same seed draws the same splits."),
    )
    validation_sources = _ticks(_("Sources to validate on"))
    test_sources = _ticks(_("Sources to test on"))
    together = forms.MultipleChoiceField(
        choices=[
            (ALIKE, _("faces that show nearly the same")),
            (AUTHOR, _("all that one author has made or uploaded")),
        ],
        required=False,
        label=_("Kept in one split"),
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Everything of one picture or video always is. Links add up, over any detour."),
    )
    folds = forms.IntegerField(
        min_value=0,
        max_value=MOST_FOLDS,
        initial=0,
        required=False,
        label=_("Folds"),
        help_text=_("For predictions on faces a network has not learnt from; 0: none."),
    )
    test_stays = forms.BooleanField(
        required=False,
        initial=True,
        label=_("A face once in test stays in test"),
        help_text=_("So that figures of two versions can be compared. Drawn splits stay as they were, too."),
    )
    labels = forms.ChoiceField(label=_("Whose label counts"), initial=json.dumps(USUAL_LABELS))
    also = forms.ModelMultipleChoiceField(
        Campaign.objects.none(),
        required=False,
        label=_("Other campaigns that ask the same"),
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Of a face in several the first one counts."),
    )
    labelled_sources = _ticks(
        _("Sources with labels of their own"),
        _("Their faces join by these labels alone, without votes."),
    )
    votes_at_least = forms.IntegerField(
        min_value=0, max_value=1000, initial=0, required=False, label=_("Votes, at least")
    )
    agreement_at_least = forms.FloatField(
        min_value=0,
        max_value=100,
        initial=0,
        required=False,
        label=_("Agreement, at least"),
        help_text=_("Percent of the votes for the label."),
    )
    side_at_least = forms.IntegerField(
        min_value=0,
        max_value=100_000,
        initial=0,
        required=False,
        label=_("Shorter side, at least"),
        help_text=_("Pixels of the face."),
    )
    classes = _ticks(_("Only these classes"), _("None ticked: all."))
    sources = _ticks(_("Only faces from these sources"), _("None ticked: all."))
    licences = forms.MultipleChoiceField(
        choices=[(key, _(demand.sentence)) for key, demand in DEMANDS.items()],
        required=False,
        label=_("Only media of which this is sure"),
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "None ticked: any licence. A licence that is not known, or not understood, meets nothing."
        ),
    )

    FOLDED = {
        "labels_part": ("labels", "also", "labelled_sources"),
        "faces_part": (
            "votes_at_least",
            "agreement_at_least",
            "side_at_least",
            "classes",
            "sources",
            *QUALITY,
        ),
        "splits_part": ("seed", "together", "folds", "test_stays"),
        "rights_part": ("licences",),
    }
    """Parts of the page that are folded until something in them is asked for."""

    def __init__(self, *args: Any, campaign: Campaign | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        columns = freezing.columns_there()
        self._offer("labels", _orders(columns))
        sources = [(name, name) for name in _source_names()]
        for name in ("sources", "validation_sources", "test_sources"):
            self._offer(name, sources)
        self._offer("labelled_sources", [(name, name) for name in _labelled_sources()] if columns else [])
        if campaign is None:
            return
        self._offer("classes", [(name, word(name)) for name in campaign.expressions])
        same = [
            each.pk
            for each in Campaign.objects.exclude(pk=campaign.pk).only("pk", "expressions")
            if each.expressions == campaign.expressions
        ]
        also = self.fields["also"]
        assert isinstance(also, forms.ModelMultipleChoiceField)
        also.queryset = Campaign.objects.filter(pk__in=same)

    def _offer(self, name: str, choices: list[tuple[str, Any]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    @property
    def opened(self) -> dict[str, bool]:
        """Which folded parts are open: those in which something is asked for, or is wrong."""
        return {
            part: any(self._asks(name) or name in self.errors for name in names)
            for part, names in self.FOLDED.items()
        }

    def _asks(self, name: str) -> bool:
        usual = {"together": [ALIKE], "test_stays": True, "labels": json.dumps(USUAL_LABELS)}
        value = self[name].value()
        return bool(self.is_bound and value not in (usual.get(name), None, "", "0", 0, []))

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        parts = [data.get(name) for name in SPLITS]
        if data.get("splits") == STRATIFIED and None not in parts:
            if abs(sum(part or 0 for part in parts) - 100) > 1e-6:
                raise forms.ValidationError(_("Train, validation and test must add up to 100 percent."))
            if not parts[0]:
                self.add_error("train", _("Train needs a share: without it there is nothing to learn from."))
        if problem := name_problem(data.get("name", "")):
            self.add_error("name", problem)
        if len(data.get("classes") or []) == 1:
            self.add_error("classes", _("A snapshot needs at least two expressions."))
        if data.get("folds") == 1:
            self.add_error("folds", _("Folds are 2 or more; 0: none."))
        if data.get("labelled_sources") and set(json.loads(data.get("labels", "[]"))) <= set(USUAL_LABELS):
            self.add_error(
                "labels", _("Sources whose faces join by their labels need a column of labels that counts.")
            )
        for problem in quality_rule.problems(self.quality_rule()):
            self.add_error("quality_max_brightness", problem)
        if data.get("splits") == SOURCES:
            self._clean_sources(*(set(data.get(f"{split}_sources") or []) for split in TESTED))
        elif any(data.get(f"{split}_sources") for split in TESTED):
            self.add_error("splits", _("Sources are ticked for splits, but splits are not made by source."))
        return data

    def _clean_sources(self, validated: set[str], tested: set[str]) -> None:
        if not validated | tested:
            self.add_error("test_sources", _("Tick the sources to test on; all others are learnt from."))
        if both := validated & tested:
            self.add_error(
                "test_sources", _now("Ticked for both splits: {names}.").format(names=", ".join(sorted(both)))
            )

    def rule(self) -> dict[str, Any]:
        """The arguments of freezing.freeze and freezing.preview that make the rule."""
        data = self.cleaned_data
        drawn = data["splits"] == STRATIFIED
        return {
            "campaign": data["campaign"],
            "also": list(data["also"]),
            "labels": json.loads(data["labels"]),
            "labelled_sources": data["labelled_sources"],
            "votes_at_least": data["votes_at_least"] or 0,
            "agreement_at_least": (data["agreement_at_least"] or 0) / 100,
            "side_at_least": data["side_at_least"] or 0,
            "quality": self.quality_rule(),
            "classes": data["classes"],
            "sources": data["sources"],
            "licences": data["licences"],
            "splits": data["splits"],
            "fractions": {name: data[name] / 100 for name in SPLITS} if drawn else None,
            "seed": data["seed"],
            "split_sources": {split: data[f"{split}_sources"] for split in TESTED},
            "together": data["together"],
            "folds": data["folds"] or 0,
            "test_stays": data["test_stays"],
        }

    def wanted(self) -> dict[str, Any]:
        """The arguments of freezing.freeze."""
        return {**self.rule(), "name": self.cleaned_data["name"]}


def _orders(columns: Iterable[str]) -> list[tuple[str, Any]]:
    """Orders in which words count, as people ask for them. Their values are JSON: a column may have any name."""
    orders: list[tuple[tuple[str, ...], str]] = [
        (USUAL_LABELS, _now("Votes, and where somebody decided a dispute, that")),
        ((VOTES,), _now("Votes alone")),
    ]
    for name in columns:
        orders += [
            ((name, *USUAL_LABELS), _now("“{column}” first, votes elsewhere").format(column=name)),
            ((*USUAL_LABELS, name), _now("Votes first, “{column}” elsewhere").format(column=name)),
            ((name,), _now("“{column}” alone").format(column=name)),
        ]
    return [(json.dumps(order), words) for order, words in orders]


def _source_names() -> list[str]:
    return list(Source.objects.order_by("name").values_list("name", flat=True).distinct())


def _labelled_sources() -> list[str]:
    labelled = Source.objects.filter(items__media__faces__labels__isnull=False)
    return list(labelled.order_by("name").values_list("name", flat=True).distinct())
