"""What a run's evaluation says beside accuracy, prepared for showing: calibration, people, groups, other views."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from training.models import Evaluation

SIDE = 400
"""Units of the reliability diagram, both ways."""
TRAITS = {
    "source": gettext_noop("By source"),
    "licence": gettext_noop("By licence"),
    "face_size": gettext_noop("By face size"),
    "media_faces": gettext_noop("By faces of one media"),
    "track_faces": gettext_noop("By faces of one track"),
}
WAYS = {
    "flip": gettext_noop("with its mirror image"),
    "ten-crop": gettext_noop("by ten crops"),
    "ten-copies": gettext_noop("by ten turned copies"),
}
_CLASSES = (
    gettext_noop("under 48 px"),
    gettext_noop("48–95 px"),
    gettext_noop("96–191 px"),
    gettext_noop("192 px and more"),
    gettext_noop("1 face"),
    gettext_noop("2–5 faces"),
    gettext_noop("6 faces and more"),
    gettext_noop("of no track"),
)
"""The core's names of classes, to be translated; sources and licences are names already."""


@dataclass(frozen=True)
class Bar:
    """One bin: how often the answers were right, from the bottom up."""

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True)
class Reliability:
    """bars: as the network answers. dots: at the temperature, the same bins; empty without one. unfitted: the
    temperature is 1 because none could be fitted.
    """

    bars: list[Bar]
    dots: list[tuple[float, float]]
    ece: float
    calibrated_ece: float | None
    temperature: float | None
    unfitted: bool
    said: str
    side: int = SIDE


def reliability(evaluation: Evaluation) -> Reliability | None:
    """None for evaluations of before calibration was told."""
    figures = evaluation.figures
    if "reliability" not in figures:
        return None
    calibrated = figures.get("calibrated") or {}
    said = _(
        "How sure the network is against how often it is right. Expected calibration error {ece}."
    ).format(ece=_percent(figures["ece"]))
    return Reliability(
        bars=[_bar(row) for row in figures["reliability"]],
        dots=[_dot(row) for row in calibrated.get("reliability", [])],
        ece=figures["ece"],
        calibrated_ece=calibrated.get("ece"),
        temperature=calibrated.get("temperature"),
        unfitted="unfitted" in calibrated,
        said=said,
    )


def _bar(row: Mapping[str, float]) -> Bar:
    height = round(row["accuracy"] * SIDE, 1)
    text = _("{low} to {high} sure: {right} of {faces} faces right").format(
        low=_percent(row["low"], 0),
        high=_percent(row["high"], 0),
        right=_percent(row["accuracy"]),
        faces=row["images"],
    )
    left = row["low"] * SIDE
    return Bar(round(left, 1), round(SIDE - height, 1), round(row["high"] * SIDE - left, 1), height, text)


def _dot(row: Mapping[str, float]) -> tuple[float, float]:
    return round(row["confidence"] * SIDE, 1), round(SIDE * (1 - row["accuracy"]), 1)


def _percent(share: float, digits: int = 1) -> str:
    return f"{number_format(f'{share * 100:.{digits}f}')}\u00a0%"


@dataclass(frozen=True)
class Group:
    name: str
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Trait:
    title: str
    groups: list[Group]


def traits(evaluation: Evaluation) -> list[Trait]:
    """The tables by group; a trait of which all faces have the same value says nothing and is left out."""
    by_trait: Mapping[str, Sequence[Mapping[str, Any]]] = evaluation.figures.get("groups") or {}
    return [
        Trait(_(title), [Group(_named(row["value"]), row) for row in by_trait[trait]])
        for trait, title in TRAITS.items()
        if len(by_trait.get(trait, ())) > 1
    ]


def _named(value: str | None) -> str:
    if value is None:
        return _("all others")
    return (_(value) if value in _CLASSES else value) or _("not known")


def views(evaluation: Evaluation) -> list[Group]:
    """The same faces looked at in other ways."""
    ways: Mapping[str, Mapping[str, Any]] = evaluation.figures.get("augmented") or {}
    return [Group(_(WAYS[way]) if way in WAYS else way, figures) for way, figures in ways.items()]


def worth(evaluation: Evaluation) -> str:
    """How many people the network is worth, as people read it; empty where nobody voted."""
    people = evaluation.figures.get("people")
    if not people:
        return ""
    number = number_format(f"{people['worth']['people']:.1f}")
    return _("{number} or more").format(number=number) if people["worth"]["at_least"] else number


def context(test: Evaluation) -> dict[str, Any]:
    """What training/judged.html shows beside the figures themselves."""
    return {
        "reliability": reliability(test),
        "traits": traits(test),
        "views": views(test),
        "worth": worth(test),
    }
