"""Which faces a gallery shows: by where they come from, how they look, and what people and networks say of them."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Least
from django.db.models.lookups import GreaterThanOrEqual, LessThan, LessThanOrEqual

from labeling.models import CampaignFace, Face, FaceLabel, Item, Media, Outcome, Suggestion
from labeling.vision.quality import Limits

UNKNOWN = "unknown"
"""Stands for media whose licence is not understood."""
ANY, NONE = "*", "-"
"""Stand for faces with and without an expert's label."""
GOOD = "good"
"""Stands for faces that nothing speaks against."""
QUALITIES = ("small", "blurred", "dark", "bright", "flat", "cut_off", "turned", "nodding", "tilted")
"""The codes of labeling.vision.quality.reasons."""
STATES = [choice for choice in CampaignFace.State.choices if choice[0] != CampaignFace.State.ERASED]
"""Of the faces of a campaign that can be shown."""
_NONE = Q(pk__in=[])
_LABELLED = [Outcome.AGREED, Outcome.ADJUDICATED]


@dataclass(frozen=True)
class FaceFilter:
    """What a gallery shows. Empty fields filter nothing; from `state` on they need a campaign."""

    source: int | None = None
    licence: str = ""
    """A key of labeling.licences.LICENCES, or UNKNOWN."""
    detector: str = ""
    track: str = ""
    """yes, no, or the key of one track."""
    quality: str = ""
    """One of QUALITIES, or GOOD."""
    min_size: int | None = None
    """Pixels of the shorter side of the face's box."""
    max_size: int | None = None
    alike: str = ""
    """yes (others are like it), or the name of one group of near-duplicates."""
    expert: str = ""
    """What an expert says it shows: ANY label, NONE at all, or one label; in the column EXPERT."""
    left_out: str = ""
    """kept, out or all; empty is all where a campaign, a track or a group is asked for, else kept."""
    campaign: int | None = None
    state: str = ""
    outcome: str = ""
    label: str = ""
    min_agreement: int | None = None
    """Percent."""
    max_agreement: int | None = None
    opinion: str = ""
    """differs or agrees: whether a network says something else than the label."""

    @property
    def asks_a_campaign(self) -> bool:
        return self.campaign is not None

    @property
    def goes_by_media(self) -> bool:
        """In the order of the media, whose faces are then read one after another; else in that of the faces."""
        return bool(self.source or self.licence)

    @property
    def shows(self) -> str:
        """kept, out or all."""
        whole = self.asks_a_campaign or self.track.isdigit() or self.alike.isdigit()
        return self.left_out or ("all" if whole else "kept")


def faces(wanted: FaceFilter) -> QuerySet[Face]:
    """The faces, of any campaign or none."""
    if wanted.asks_a_campaign:
        return Face.objects.filter(pk__in=campaign_faces(wanted).order_by().values("face"))
    return Face.objects.filter(_of_the_face(wanted))


def campaign_faces(wanted: FaceFilter, *, keys: Q | None = None) -> QuerySet[CampaignFace]:
    """The faces as the campaign has them. keys: what else is known of the faces' keys, as a condition on faces."""
    rows = CampaignFace.objects.filter(_in_the_campaign(wanted))
    if wanted.goes_by_media:
        return rows.filter(_of_the_face(wanted, "face__"))
    of_the_face = _of_the_face(wanted)
    # Of two joined tables the database knows the range of keys only where it is said of both.
    return rows.filter(face__in=Face.objects.filter(of_the_face, keys or Q())) if of_the_face else rows


def labels_alone(wanted: FaceFilter) -> QuerySet[FaceLabel] | None:
    """Of a filter that asks for an expert's label and nothing else: the labels, one for each face; else None.

    To count: labelled faces may lie among all others, and of these the database would read most.
    """
    alone = FaceFilter(expert=wanted.expert, left_out=wanted.left_out)
    if wanted != alone or wanted.expert in ("", NONE) or wanted.shows == "out":
        return None
    given = FaceLabel.objects.filter(column=FaceLabel.EXPERT)
    if wanted.expert != ANY:
        given = given.filter(label=wanted.expert)
    if wanted.shows == "all":
        return given
    # Few are left out, and an index holds just these.
    return given.filter(~Exists(Face.objects.filter(~Q(left_out=""), pk=OuterRef("face"))))


def in_source(source_pk: int, at: str = "") -> Q:
    """For faces: those whose media is in the source."""
    return Q(**{f"{at}media__in": media_keys(source_pk)})


def media_keys(source_pk: int) -> QuerySet[Item, int | None]:
    """The keys of a source's media."""
    # As a list to be in, not as an EXISTS per row: for that SQLite walks the whole source each time.
    return (
        Item.objects.filter(source=source_pk, media__isnull=False).order_by().values_list("media", flat=True)
    )


def poor(code: str, at: str = "", limits: Limits | None = None) -> Q:
    """Faces against which this code speaks: labeling.vision.quality.reasons, in SQL. Raises KeyError.

    What was not measured speaks against nobody. at: the way to the face, such as `face__`.
    """
    chosen = limits or Limits()
    return {
        "small": _side(LessThan, chosen.min_side, at),
        "blurred": _below(f"{at}sharpness", chosen.min_sharpness),
        "dark": _below(f"{at}brightness", chosen.min_brightness),
        "bright": _above(f"{at}brightness", chosen.max_brightness),
        "flat": _below(f"{at}contrast", chosen.min_contrast),
        "cut_off": _above(f"{at}outside", chosen.max_outside),
        "turned": _beyond(f"{at}yaw", chosen.max_yaw),
        "nodding": _beyond(f"{at}pitch", chosen.max_pitch),
        "tilted": _beyond(f"{at}roll", chosen.max_roll),
    }[code]


def _side(lookup: Any, pixels: int | None, at: str) -> Q:
    if pixels is None:
        return _NONE
    return Q(lookup(Least(F(f"{at}width"), F(f"{at}height")), Value(pixels)))


def _below(column: str, least: float | None) -> Q:
    return _NONE if least is None else Q(**{f"{column}__lt": least})


def _above(column: str, most: float | None) -> Q:
    return _NONE if most is None else Q(**{f"{column}__gt": most})


def _beyond(column: str, most: float | None) -> Q:
    return _NONE if most is None else _above(column, most) | _below(column, -most)


def _of_the_face(wanted: FaceFilter, at: str = "") -> Q:
    found = Q()
    if wanted.source:
        found &= in_source(wanted.source, at)
        # Said too, so that the media before all of these are not walked through.
        found &= Q(**{f"{at}media__gte": Subquery(media_keys(wanted.source).order_by("media")[:1])})
    if wanted.licence:
        code = "" if wanted.licence == UNKNOWN else wanted.licence
        media = Media.objects.filter(licence_code=code).values("pk")
        found &= Q(**{f"{at}media__in": media.order_by()})
        found &= Q(**{f"{at}media__gte": Subquery(media.order_by("pk")[:1])})
    if wanted.detector:
        found &= Q(**{f"{at}detector": wanted.detector})
    if wanted.track:
        found &= _of_track(wanted.track, at)
    if wanted.quality:
        found &= _of_quality(wanted.quality, at)
    if wanted.min_size is not None:
        found &= _side(GreaterThanOrEqual, wanted.min_size, at)
    if wanted.max_size is not None:
        found &= _side(LessThanOrEqual, wanted.max_size, at)
    if wanted.alike:
        found &= _alike(wanted.alike, at)
    if wanted.expert:
        found &= _of_expert(wanted.expert, at)
    if wanted.shows != "all":
        is_kept = Q(**{f"{at}left_out": ""})
        found &= is_kept if wanted.shows == "kept" else ~is_kept
    return found


def _of_expert(expert: str, at: str) -> Q:
    given = FaceLabel.objects.filter(column=FaceLabel.EXPERT)
    if expert in (ANY, NONE):
        has_one = Q(Exists(given.filter(face=OuterRef(f"{at}pk" if not at else at.removesuffix("__")))))
        return has_one if expert == ANY else ~has_one
    return Q(**{f"{at}in" if at else "pk__in": given.filter(label=expert).order_by().values("face")})


def _of_track(track: str, at: str) -> Q:
    if track.isdigit():
        return Q(**{f"{at}track": int(track)})
    return Q(**{f"{at}track__isnull": track == "no"})


def _of_quality(code: str, at: str) -> Q:
    if code != GOOD:
        return poor(code, at)
    found = Q()
    for against in QUALITIES:
        found &= ~poor(against, at)
    return found


def _alike(alike: str, at: str) -> Q:
    if alike.isdigit():
        return Q(**{f"{at}likeness": int(alike)})
    # A group has others than the face that names it.
    return Q(**{f"{at}likeness__in": followers().values("likeness")})


def followers() -> QuerySet[Face]:
    """The faces of groups of near-duplicates but for the one in each that names it."""
    return Face.objects.filter(likeness__lt=F("pk")).order_by()


def _in_the_campaign(wanted: FaceFilter) -> Q:
    found = Q(campaign=wanted.campaign, face__isnull=False)  # else it was erased
    # All that is known is said, state and outcome too: the index campaign_by_outcome has them before the label.
    if wanted.state:
        found &= Q(state=wanted.state)
    elif wanted.outcome or wanted.label:
        found &= Q(state__in=CampaignFace.State.values)
    if wanted.outcome:
        found &= Q(outcome=wanted.outcome)
    elif wanted.label:
        found &= Q(outcome__in=_LABELLED)
    if wanted.label:
        found &= Q(label=wanted.label)
    if wanted.min_agreement is not None:
        found &= Q(agreement__gte=wanted.min_agreement / 100)
    if wanted.max_agreement is not None:
        found &= Q(agreement__lte=wanted.max_agreement / 100)
    if wanted.opinion:
        others = Suggestion.objects.filter(campaign_face=OuterRef("pk"))
        same = others.filter(label=OuterRef("label"))
        found &= ~Q(label="") & Q(
            Exists(same if wanted.opinion == "agrees" else others.exclude(label=OuterRef("label")))
        )
    return found
