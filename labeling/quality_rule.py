"""What a campaign asks of how well its faces can be seen, and what that means for faces."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from labeling.face_filter import poor
from labeling.models import Face
from labeling.vision.quality import Limits, Quality

REASONS = {
    "min_side": "small",
    "min_sharpness": "blurred",
    "min_brightness": "dark",
    "max_brightness": "bright",
    "min_contrast": "flat",
    "max_outside": "cut_off",
    "max_yaw": "turned",
    "max_pitch": "nodding",
    "max_roll": "tilted",
}
"""What may be asked (a field of labeling.vision.quality.Limits) → the code of what speaks against who fails it."""
RANGES: dict[str, tuple[float, float]] = {
    "min_side": (1, 10_000),
    "min_sharpness": (0, 1),
    "min_brightness": (0, 1),
    "max_brightness": (0, 1),
    "min_contrast": (0, 0.5),
    "max_outside": (0, 1),
    "max_yaw": (0, 90),
    "max_pitch": (0, 90),
    "max_roll": (0, 180),
}
"""Pixels, shares and degrees, as labeling.vision.quality.Quality has them."""
MEASURES = {
    "min_sharpness": "sharpness",
    "min_brightness": "brightness",
    "max_brightness": "brightness",
    "min_contrast": "contrast",
    "max_outside": "outside",
    "max_yaw": "yaw",
    "max_pitch": "pitch",
    "max_roll": "roll",
}
"""What is asked → the column of a face that may not be measured. The side of the box always is."""
Rule = Mapping[str, float]


@dataclass(frozen=True)
class KeptOut:
    """Faces that a rule on quality keeps out.

    why: code → how many of them it speaks against; several may speak against one. unmeasured: faces that pass, though
    something that is asked for was not measured of them.
    """

    faces: int = 0
    why: dict[str, int] = field(default_factory=dict)
    unmeasured: int = 0


def kept(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The rule as it is kept: whole pixels as whole numbers, nothing that is not asked for."""
    return {name: _number(name, value) for name, value in rule.items() if value not in (None, "")}


def _number(name: str, value: Any) -> Any:
    whole = name == "min_side" and isinstance(value, float) and value.is_integer()
    return int(value) if whole else value


def problems(rule: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the rule."""
    if not isinstance(rule, Mapping):
        yield _("The rule on quality is a list of names, each with a number.")
        return
    for name, value in rule.items():
        if name not in REASONS:
            text = _("Nothing called “{name}” is measured; choose of {known}.")
            yield text.format(name=name, known=", ".join(REASONS))
            continue
        low, high = RANGES[name]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not low <= value <= high or (name == "min_side" and not isinstance(value, int)):
            text = _("{name} is a number from {low} to {high}, not {value}.")
            yield text.format(name=name, low=f"{low:g}", high=f"{high:g}", value=value)
            return
    if rule.get("min_brightness", 0) > rule.get("max_brightness", 1):
        yield _("The least brightness is above the greatest: no face meets both.")


def limits(rule: Rule) -> Limits:
    """What is not asked for is None."""
    return Limits(**{name: rule.get(name) for name in REASONS})  # type: ignore[arg-type]


def meets(rule: Rule) -> Q:
    """Of faces: those against which nothing the rule asks for speaks. What was not measured speaks against none."""
    found = Q()
    for name in rule:
        found &= ~poor(REASONS[name], limits=limits(rule))
    return found


def fails(rule: Rule, code: str = "", at: str = "") -> Q:
    """Of faces: those that the rule keeps out; with a code, for that reason.

    at: the way to the face, such as `face__`.
    """
    asked = [reason for name, reason in REASONS.items() if name in rule and code in ("", reason)]
    found = Q(pk__in=[])
    for reason in asked:
        found |= poor(reason, at, limits(rule))
    return found


def kept_out(faces: QuerySet[Face], rule: Rule) -> KeptOut:
    """How many of the faces the rule keeps out, and why; in one statement, in none without a rule."""
    # Each once, whatever tables the choice of faces has joined.
    return counted(Face.objects.filter(pk__in=faces.order_by().values("pk")), rule)


def counted(faces: QuerySet[Face], rule: Rule) -> KeptOut:
    """`kept_out`, of faces that the query has once each; they may be the first so many."""
    if not rule:
        return KeptOut()
    asked = {REASONS[name]: Count("pk", filter=fails({name: value})) for name, value in rule.items()}
    unknown = Q()
    for column in {MEASURES[name] for name in rule if name in MEASURES}:
        unknown |= Q(**{f"{column}__isnull": True})
    if unknown:
        # Not with a condition that nothing meets: of the first so many faces Django then counts none at all.
        asked["unmeasured"] = Count("pk", filter=unknown & meets(rule))
    counts = faces.aggregate(every=Count("pk", filter=fails(rule)), **asked)
    why = {code: counts[code] for code in REASONS.values() if counts.get(code)}
    return KeptOut(counts["every"], why, counts.get("unmeasured", 0))


def measured(face: Face, limits: Limits | None = None) -> Quality:
    """How well the face can be seen; what was not measured passes for good by these limits, or the usual ones."""
    limits = limits or Limits()
    return Quality(
        side=min(face.width, face.height),
        sharpness=_or(face.sharpness, limits.min_sharpness),
        brightness=_or(face.brightness, limits.min_brightness),
        contrast=_or(face.contrast, limits.min_contrast),
        outside=_or(face.outside, limits.max_outside),
        yaw=face.yaw,
        pitch=face.pitch,
        roll=face.roll,
    )


def _or(value: float | None, passing: float | None) -> float:
    return value if value is not None else passing or 0.0
