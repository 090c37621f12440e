"""Make a campaign, give it faces, open and close it, and see how far it is."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling import asked_about, audit, campaign_changes, licences, licensing, placing, quality_rule
from labeling.campaign_changes import change, demand_future
from labeling.campaign_queries import drawn
from labeling.campaign_settings import SETTINGS, CannotChange, CannotCreate, demand_sound, kept_keys, named
from labeling.expressions import SEVEN
from labeling.licensing import LeftOut
from labeling.models import Campaign, CampaignFace, Example, Face, Gold, Outcome, Participation
from labeling.models.campaign import LAP
from labeling.placing import Turn, chunked
from labeling.quality_rule import KeptOut
from labeling.voting import line

__all__ = [
    "Added",
    "CannotChange",
    "CannotCreate",
    "Progress",
    "add_faces",
    "asked",
    "change",
    "close",
    "close_overdue",
    "create",
    "duplicate",
    "extend",
    "name_for_copy",
    "pause",
    "place",
    "progress",
    "reopen",
]


def create(
    *,
    name: str,
    expressions: Sequence[str] = SEVEN,
    groups: Iterable[Group] = (),
    created_by: Any = None,
    by: Any = None,
    **fields: Any,
) -> Campaign:
    """A new, open campaign without faces. fields: any other column of Campaign. Raises CannotCreate.

    by: who makes it, for the record; created_by if left out.
    """
    return _made("created", groups, by or created_by, name=name, expressions=expressions, **fields)


def _made(
    verb: str, groups: Iterable[Group], by: Any, *, name: str, expressions: Sequence[str], **fields: Any
) -> Campaign:
    details = fields.pop("details", {})
    campaign = Campaign(
        name=str(name).strip(),
        expressions=named(expressions),
        keys=kept_keys(fields.pop("keys", {})),
        licence_rule=licences.kept(fields.pop("licence_rule", ())),
        quality_rule=quality_rule.kept(fields.pop("quality_rule", {})),
        created_by=by if getattr(by, "pk", None) else None,
        **fields,
    )
    demand_sound(campaign, CannotCreate)
    demand_future(campaign.deadline, CannotCreate)
    try:
        with transaction.atomic():
            campaign.save()
            campaign.groups.set(groups)
            audit.write(campaign, verb, by=by, name=campaign.name, **details)
    except IntegrityError as error:
        raise CannotCreate(_("There is a campaign of this name. Choose another."), "name") from error
    return campaign


def duplicate(*, campaign: Campaign, name: str, same_faces: bool = True, by: Any = None) -> Campaign:
    """A campaign with the same settings and examples, and the same faces without their votes; or without faces.

    It begins paused, to be looked over first. Gold faces stay gold. A deadline that has passed is left out. Raises
    CannotCreate.
    """
    fields = {setting: getattr(campaign, setting) for setting in SETTINGS if setting != "name"}
    if campaign.deadline and campaign.deadline <= timezone.now():
        fields["deadline"] = None
    with transaction.atomic():
        made = _made(
            "duplicated",
            campaign.groups.all(),
            by,
            name=name,
            state=Campaign.State.PAUSED,
            details={"original": campaign.name, "same_faces": same_faces},
            **fields,
        )
        examples = Example.objects.filter(campaign=campaign).values("face_id", "expression", "note")
        Example.objects.bulk_create(Example(campaign=made, **example) for example in examples)
        if same_faces:
            faces = Face.objects.filter(campaign_faces__campaign=campaign)
            # Those that were let in whatever their quality come along.
            add_faces(campaign=made, faces=faces, by=by, whatever_quality=True)
            _copy_gold(campaign, made, by)
    return made


def name_for_copy(campaign: Campaign) -> str:
    """A name that is free."""
    taken = set(Campaign.objects.filter(name__startswith=campaign.name[:150]).values_list("name", flat=True))
    names = (f"{campaign.name[:180]} ({n})" for n in itertools.count(2))
    return next(name for name in names if name not in taken)


def _copy_gold(campaign: Campaign, made: Campaign, by: Any) -> None:
    known = Gold.objects.filter(campaign=campaign).values_list(
        "campaign_face__face", "answer", "note", "qualification"
    )
    golden: dict[int, tuple[str, str, bool]] = {
        face: (answer, note, asked) for face, answer, note, asked in known
    }
    rows = CampaignFace.objects.filter(campaign=made, face__in=golden)
    rows.update(state=CampaignFace.State.GOLD, wanted=0, places=0)
    made_by = by if getattr(by, "pk", None) else None
    for pk, face in rows.values_list("pk", "face"):
        answer, note, qualification = golden[face]
        Gold.objects.create(
            campaign_face_id=pk,
            campaign=made,
            answer=answer,
            note=note,
            qualification=qualification,
            made_by=made_by,
        )


@dataclass(frozen=True)
class Added:
    """How many faces came into a campaign, and which did not: for what their licences do not allow, and of those whose
    licence does, for how badly they can be seen."""

    added: int
    left_out: LeftOut
    kept_out: KeptOut


def add_faces(
    *,
    campaign: Campaign,
    faces: QuerySet[Face],
    limit: int | None = None,
    by: Any = None,
    whatever_quality: bool = False,
) -> Added:
    """Ask the campaign's question about these faces too. Those that are in it stay as they are.

    Faces whose media's licence does not meet the campaign's rule are left out, and counted; so are those that its rule
    on quality keeps out, which stay listed (`kept_out.of`), but with whatever_quality. limit: so many of
    the others, at random. Until the first annotator has begun, they mix with those that are in it; later they go to the
    end of the line.
    """
    faces = faces.exclude(campaign_faces__campaign=campaign)
    left_out = licensing.left_out(faces, campaign.licence_rule)
    allowed = faces.filter(licensing.meets(campaign.licence_rule))
    rule = {} if whatever_quality else campaign.quality_rule
    kept_out = quality_rule.kept_out(allowed, rule)
    chosen = drawn(allowed.filter(quality_rule.meets(rule)), limit)
    new = chosen.order_by("pk").values_list("pk", "media").distinct()
    first_lap = not campaign_changes.has_begun(campaign)
    added = place(campaign, list(new), first_lap=first_lap)
    if added or left_out.faces or kept_out.faces:
        beside = {
            "left_out": left_out.faces,
            "kept_out": kept_out.faces,
            "whatever_quality": whatever_quality,
        }
        told: dict[str, Any] = {name: value for name, value in beside.items() if value}
        audit.write(campaign, "faces_added", by=by, faces=added, **told)
    return Added(added, left_out, kept_out)


def place(campaign: Campaign, faces: Iterable[tuple[int, int]], *, first_lap: bool) -> int:
    """Put faces (face, media) into the campaign whatever its rules say; returns how many were not in it.

    first_lap: nobody has begun, so they mix with those that are in it; else they go to the end of the line.
    """
    turns = placing.turns(campaign, faces, after_those_there=first_lap)
    return sum(_add(campaign, chunk) for chunk in chunked(turns))


@transaction.atomic
def _add(campaign: Campaign, turns: list[Turn]) -> int:
    lap = _lap_for_new_faces(campaign)
    turns = _not_erased_meanwhile(turns)
    there = CampaignFace.objects.filter(campaign=campaign, face__in=[turn.face for turn in turns])
    before = there.count()
    rows = (_row(campaign, turn, lap) for turn in turns)
    CampaignFace.objects.bulk_create(rows, ignore_conflicts=True)
    asked_about.add(campaign, [turn.face for turn in turns])
    return there.count() - before


def _not_erased_meanwhile(turns: list[Turn]) -> list[Turn]:
    """Those whose faces are still there; they stay until the transaction ends."""
    faces = Face.objects.filter(pk__in=[turn.face for turn in turns]).order_by("pk")
    there = set(faces.select_for_update(no_key=True).values_list("pk", flat=True))
    return [turn for turn in turns if turn.face in there]


def _lap_for_new_faces(campaign: Campaign) -> int:
    # The line is held first: nobody begins their walk between the question and the adding.
    line.end(campaign.pk, room=0)
    begun = Participation.objects.filter(campaign=campaign).exists()
    return line.end(campaign.pk, room=LAP) if begun else 0


def _row(campaign: Campaign, turn: Turn, lap: int) -> CampaignFace:
    return CampaignFace(
        campaign=campaign,
        face_id=turn.face,
        wanted=campaign.votes_per_face,
        places=campaign.votes_per_face,
        shuffle=lap + turn.place,
        # What is of one picture or video looks alike.
        kin=turn.media,
    )


def extend(*, campaign: Campaign, deadline: datetime, by: Any = None) -> None:
    """Move the deadline. A campaign that its deadline had closed is open again. Raises CannotChange."""
    demand_future(deadline, CannotChange)
    before = campaign.deadline
    overdue = (
        campaign.state == Campaign.State.CLOSED and before is not None and _closed_after(campaign, before)
    )
    with transaction.atomic():
        campaign_changes.apply(campaign, "extended", by, {"deadline": deadline})
        if overdue:
            reopen(campaign=campaign, by=by)


def _closed_after(campaign: Campaign, deadline: datetime) -> bool:
    return campaign.closed_at is not None and campaign.closed_at >= deadline


def pause(*, campaign: Campaign, by: Any = None) -> None:
    """Take no votes for now."""
    _move(campaign, Campaign.State.PAUSED, "paused", by, allowed=[Campaign.State.OPEN])


def reopen(*, campaign: Campaign, by: Any = None) -> None:
    """Take votes again."""
    if campaign.deadline and campaign.deadline <= timezone.now():
        raise CannotChange(_("The deadline of this campaign has passed. Extend it to open the campaign."))
    allowed = [Campaign.State.PAUSED, Campaign.State.CLOSED]
    _move(campaign, Campaign.State.OPEN, "opened", by, allowed=allowed, closed_at=None)


def close(*, campaign: Campaign, by: Any = None) -> None:
    """Take no more votes."""
    allowed = [Campaign.State.OPEN, Campaign.State.PAUSED]
    _move(campaign, Campaign.State.CLOSED, "closed", by, allowed=allowed)
    # Only now, when the move is committed: whatever vote still saw the campaign open began, and has its time, earlier.
    closed = Campaign.objects.filter(pk=campaign.pk, state=Campaign.State.CLOSED, closed_at=None)
    closed.update(closed_at=timezone.now())
    campaign.refresh_from_db()


def close_overdue() -> int:
    """Close the campaigns whose deadline has passed. Returns how many."""
    overdue = Campaign.objects.filter(~Q(state=Campaign.State.CLOSED), deadline__lte=timezone.now())
    return sum(_closed(campaign) for campaign in overdue)


def _closed(campaign: Campaign) -> bool:
    try:
        close(campaign=campaign)
    except CannotChange:
        # Somebody closed it at this moment.
        return False
    return True


def _move(
    campaign: Campaign,
    to: Campaign.State,
    verb: str,
    by: Any,
    *,
    allowed: list[Campaign.State],
    **fields: datetime | None,
) -> None:
    with transaction.atomic():
        moved = Campaign.objects.filter(pk=campaign.pk, state__in=allowed).update(state=to, **fields)
        if moved:
            audit.write(campaign, verb, by=by)
    campaign.refresh_from_db()
    if not moved:
        text = _("This campaign is {state}; it cannot become {wanted}.")
        raise CannotChange(text.format(state=campaign.get_state_display(), wanted=to.label))


@dataclass(frozen=True)
class Progress:
    """How far a campaign is. How far its people agree: labeling.campaign_figures."""

    faces: int
    settled: int
    agreed: int
    adjudicated: int
    no_consensus: int
    not_a_face: int
    votes: int
    wanted: int
    by_label: dict[str, int]
    votes_so_far: dict[int, int]


def asked(campaign: Campaign) -> QuerySet[CampaignFace]:
    """The campaign's faces but for its gold and what was erased, of which nothing is asked."""
    nothing = [CampaignFace.State.GOLD, CampaignFace.State.ERASED]
    return CampaignFace.objects.filter(campaign=campaign).exclude(state__in=nothing)


def progress(campaign: Campaign) -> Progress:
    """Figures of a campaign, in three queries whatever its size."""
    rows = asked(campaign)
    settled = Counter[str]()
    by_label = dict.fromkeys(campaign.expressions, 0)
    grouped = (
        rows.filter(state=CampaignFace.State.SETTLED).values_list("outcome", "label").annotate(Count("pk"))
    )
    for outcome, label, count in grouped:
        settled[outcome] += count
        if label:
            by_label[label] = by_label.get(label, 0) + count
    open_rows = rows.values_list("votes").annotate(Count("pk")).order_by("votes")
    votes_so_far = dict(open_rows)
    sums = rows.aggregate(wanted=Sum("wanted"), votes=Sum("votes"))
    return Progress(
        faces=sum(votes_so_far.values()),
        settled=sum(settled.values()),
        agreed=settled[Outcome.AGREED],
        adjudicated=settled[Outcome.ADJUDICATED],
        no_consensus=settled[Outcome.NO_CONSENSUS],
        not_a_face=settled[Outcome.NOT_A_FACE],
        votes=sums["votes"] or 0,
        wanted=sums["wanted"] or 0,
        by_label=by_label,
        votes_so_far=votes_so_far,
    )
