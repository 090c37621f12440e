"""The gallery's filter: out of the address, as a form, and as chips that each take one part of it away."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling import expressions, gallery_queries, labels
from labeling.face_filter import ANY, GOOD, NONE, STATES, UNKNOWN, FaceFilter
from labeling.licences import LICENCES
from labeling.models import Campaign, CampaignFace, Outcome, Source
from labeling.quality_words import REASON_WORDS

CHOICES = 200
"""Sources and campaigns offered; older ones are reached from their own pages."""
OF_CAMPAIGN = ("state", "outcome", "label", "min_agreement", "max_agreement", "opinion")
"""What means nothing without a campaign."""
QUALITY_WORDS: dict[str, str | Promise] = {
    GOOD: gettext_lazy("nothing against them"),
    **REASON_WORDS,
}
TRACKS: dict[str, str | Promise] = {"yes": gettext_lazy("on a track"), "no": gettext_lazy("on none")}
ALIKE: dict[str, str | Promise] = {"yes": gettext_lazy("with others like it")}
EXPERT: dict[str, str | Promise] = {ANY: gettext_lazy("any"), NONE: gettext_lazy("none")}
LEFT_OUT: dict[str, str | Promise] = {
    "kept": gettext_lazy("not shown"),
    "out": gettext_lazy("only these"),
    "all": gettext_lazy("shown too"),
}
OPINIONS: dict[str, str | Promise] = {
    "differs": gettext_lazy("says something else"),
    "agrees": gettext_lazy("says the same"),
}
NAMES: dict[str, str | Promise] = {
    "source": gettext_lazy("Source"),
    "licence": gettext_lazy("Licence"),
    "detector": gettext_lazy("Detector"),
    "track": gettext_lazy("Track"),
    "quality": gettext_lazy("Quality"),
    "min_size": gettext_lazy("Pixels, from"),
    "max_size": gettext_lazy("to"),
    "alike": gettext_lazy("Near-duplicates"),
    "expert": gettext_lazy("Expert label"),
    "left_out": gettext_lazy("Left-out faces"),
    "campaign": gettext_lazy("Campaign"),
    "state": gettext_lazy("State"),
    "outcome": gettext_lazy("Outcome"),
    "label": gettext_lazy("Label"),
    "min_agreement": gettext_lazy("Agreement in %, from"),
    "max_agreement": gettext_lazy("to"),
    "opinion": gettext_lazy("A network"),
}
"""How the form calls each part."""
CHIP_NAMES: dict[str, str | Promise] = NAMES | {
    "min_size": gettext_lazy("Size"),
    "max_size": gettext_lazy("Size"),
    "min_agreement": gettext_lazy("Agreement"),
    "max_agreement": gettext_lazy("Agreement"),
}
GROUPS: tuple[tuple[str | Promise, tuple[str, ...]], ...] = (
    (gettext_lazy("Where from"), ("source", "licence", "detector", "track")),
    (gettext_lazy("How it looks"), ("quality", "min_size", "max_size", "alike", "left_out")),
    (gettext_lazy("What people say"), ("expert", "campaign", *OF_CAMPAIGN)),
)


def read(query: QueryDict) -> FaceFilter:
    """The filter in an address; what makes no sense there filters nothing."""
    campaign = _number(query, "campaign")
    asked = query if campaign else QueryDict()
    return FaceFilter(
        source=_number(query, "source"),
        licence=_one_of((*LICENCES, UNKNOWN), query.get("licence")),
        detector=query.get("detector", "")[:40],
        track=_one_of(("yes", "no"), query.get("track")) or _key(query, "track"),
        quality=_one_of(QUALITY_WORDS, query.get("quality")),
        min_size=_number(query, "min_size", most=100_000),
        max_size=_number(query, "max_size", most=100_000),
        alike=_one_of(ALIKE, query.get("alike")) or _key(query, "alike"),
        expert=query.get("expert", "")[:40],
        left_out=_one_of(LEFT_OUT, query.get("left_out")),
        campaign=campaign,
        state=_one_of(CampaignFace.State.values, asked.get("state")),
        outcome=_one_of(Outcome.values, asked.get("outcome")),
        label=asked.get("label", "")[:40],
        min_agreement=_number(asked, "min_agreement", most=100),
        max_agreement=_number(asked, "max_agreement", most=100),
        opinion=_one_of(OPINIONS, asked.get("opinion")),
    )


def _number(query: QueryDict, name: str, most: int = 2**53) -> int | None:
    text = query.get(name, "")
    sound = text.isascii() and text.isdigit() and len(text) < 16 and int(text) <= most
    return int(text) if sound else None


def _key(query: QueryDict, name: str) -> str:
    number = _number(query, name)
    return "" if number is None else str(number)


def _one_of(values: Any, asked: str | None) -> str:
    return asked if asked is not None and asked in values else ""


def address(query: QueryDict, *, without: tuple[str, ...] = ()) -> str:
    """The filter as a query string, without the place in the pages."""
    kept = QueryDict(mutable=True)
    for name in NAMES:
        if name not in without and (value := query.get(name)):
            kept[name] = value
    return kept.urlencode()


@dataclass(frozen=True)
class Field:
    """One part of the form: a choice, or a number where there is nothing to choose from."""

    name: str
    label: str | Promise
    value: str
    options: list[tuple[str, str | Promise]] = field(default_factory=list)
    empty: str = ""
    """What choosing nothing is called."""
    most: int = 0


@dataclass(frozen=True)
class Chip:
    name: str | Promise
    value: str
    without: str
    """The filter's address without it."""


class Offered:
    """What there is to choose from: five statements, however much that is."""

    def __init__(self, wanted: FaceFilter) -> None:
        self._wanted = wanted
        self._sources = dict(Source.objects.values_list("pk", "name")[:CHOICES])
        self._campaigns = {campaign.pk: campaign for campaign in Campaign.objects.all()[:CHOICES]}
        self._detectors = gallery_queries.detectors()
        self._licences = gallery_queries.licence_codes()
        self._experts = labels.all_labels()

    @property
    def campaigns(self) -> list[Campaign]:
        return list(self._campaigns.values())

    @property
    def open_campaigns(self) -> list[Campaign]:
        return [each for each in self.campaigns if each.state != Campaign.State.CLOSED]

    def groups(self) -> list[tuple[str | Promise, list[Field]]]:
        """The form, part by part; what needs a campaign only with one."""
        hidden = () if self._wanted.asks_a_campaign else OF_CAMPAIGN
        return [
            (title, [self._field(name) for name in names if name not in hidden]) for title, names in GROUPS
        ]

    def _field(self, name: str) -> Field:
        value = getattr(self._wanted, name)
        text = "" if value is None else str(value)
        if name in ("min_size", "max_size", "min_agreement", "max_agreement"):
            return Field(name, NAMES[name], text, most=100 if "agreement" in name else 100_000)
        options = self._options(name)
        if text and text not in dict(options):
            options = [*options, (text, self._words(name, text))]
        empty = _("any or none") if name == "campaign" else _("any")
        if name == "left_out":
            usual = FaceFilter(
                campaign=self._wanted.campaign, track=self._wanted.track, alike=self._wanted.alike
            ).shows
            options = [option for option in options if option[0] != usual or text == usual]
            empty = str(LEFT_OUT[usual])
        return Field(name, NAMES[name], text, options, empty)

    def _options(self, name: str) -> list[tuple[str, str | Promise]]:
        offers: dict[str, Callable[[], list[tuple[str, str | Promise]]]] = {
            "source": lambda: [(str(pk), word) for pk, word in self._sources.items()],
            "licence": self._licence_options,
            "detector": lambda: [(name, name) for name in self._detectors],
            "track": lambda: list(TRACKS.items()),
            "quality": lambda: list(QUALITY_WORDS.items()),
            "alike": lambda: list(ALIKE.items()),
            "expert": self._expert_options,
            "left_out": lambda: list(LEFT_OUT.items()),
            "campaign": lambda: [(str(pk), each.name) for pk, each in self._campaigns.items()],
            "state": lambda: list(STATES),
            "outcome": lambda: list(Outcome.choices),
            "label": self._label_options,
            "opinion": lambda: list(OPINIONS.items()),
        }
        return offers[name]()

    def _licence_options(self) -> list[tuple[str, str | Promise]]:
        known = [(code, licence_word(code)) for code in self._licences if code]
        return [*known, (UNKNOWN, _("not known"))] if "" in self._licences else [*known]

    def _expert_options(self) -> list[tuple[str, str | Promise]]:
        words = [(name, expressions.word(name)) for name in self._experts]
        return [*EXPERT.items(), *words] if words else []

    def _label_options(self) -> list[tuple[str, str | Promise]]:
        chosen = self._campaigns.get(self._wanted.campaign or 0)
        return [(name, expressions.word(name)) for name in chosen.expressions] if chosen else []

    def chips(self, query: QueryDict) -> list[Chip]:
        """What is filtered, in words."""
        found = []
        for name in NAMES:
            value = getattr(self._wanted, name)
            if value not in (None, ""):
                gone = (name, *OF_CAMPAIGN) if name == "campaign" else (name,)
                words = self._words(name, str(value))
                found.append(Chip(CHIP_NAMES[name], words, address(query, without=gone)))
        return found

    def _words(self, name: str, value: str) -> str:
        numbers = {
            "min_size": _("{n} pixels or more"),
            "max_size": _("{n} pixels or less"),
            "min_agreement": _("{n} % or more"),
            "max_agreement": _("{n} % or less"),
        }
        if name in numbers:
            return numbers[name].format(n=value)
        if name == "label" or (name == "expert" and value not in EXPERT):
            return expressions.word(value)
        single = {
            "source": _("one source"),
            "campaign": _("one campaign"),
            "track": _("one track"),
            "alike": _("one group"),
            "licence": licence_word(value),
        }
        return str(dict(self._options(name)).get(value, single.get(name, value)))


def licence_word(code: str) -> str:
    """The name of a licence by its code, or UNKNOWN, as people read it."""
    known = LICENCES.get(code)
    return _(known.name) if known else _("not known")
