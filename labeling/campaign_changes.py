"""Change a campaign that people may be voting in, and carry the change to its faces."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling import audit, licences, placing, quality_rule
from labeling.campaign_settings import SETTINGS, CannotChange, demand_sound, kept_keys, named
from labeling.consensus.majority import majority
from labeling.expressions import word
from labeling.models import (
    Adjudication,
    Campaign,
    CampaignFace,
    DiscardedVote,
    Gold,
    Outcome,
    Participation,
    Vote,
)
from labeling.models.campaign import LAP
from labeling.placing import chunked
from labeling.voting import line, votes

Changes = dict[str, tuple[Any, Any]]
"""Setting → before and after."""


def change(*, campaign: Campaign, by: Any = None, settled_too: bool = False, **fields: Any) -> Changes:
    """Set these settings anew, and do to the faces what follows from it. Returns what differs now.

    fields: any of SETTINGS, or groups (Group rows). Votes per face can only grow: faces that are being voted on get
    the places, and with settled_too the settled ones are asked for as many fresh votes. Another rule settles all
    settled faces again; decisions of managers stand. Raises CannotChange, and changes nothing then.
    """
    return apply(campaign, "changed", by, fields, settled_too=settled_too)


def apply(
    campaign: Campaign, verb: str, by: Any, fields: dict[str, Any], *, settled_too: bool = False
) -> Changes:
    """What change does, put on record under this verb."""
    groups = fields.pop("groups", None)
    with transaction.atomic():
        held = Campaign.objects.select_for_update(of=("self",), no_key=True).get(pk=campaign.pk)
        changes = _set(held, fields)
        _demand_allowed(held, changes)
        demand_sound(held, CannotChange)
        held.save(update_fields=list(changes))
        _carry(held, changes, settled_too)
        if groups is not None:
            changes |= _set_groups(held, list(groups))
        if changes:
            details: dict[str, Any] = {
                name: [_plain(value) for value in pair] for name, pair in changes.items()
            }
            audit.write(held, verb, by=by, **details)
    campaign.refresh_from_db()
    return changes


def _set(campaign: Campaign, fields: dict[str, Any]) -> Changes:
    """Put the settings on the row; what stays as it was is left out."""
    if unknown := fields.keys() - set(SETTINGS):
        raise TypeError(f"A campaign has no setting {', '.join(sorted(unknown))}.")
    if "expressions" in fields:
        fields["expressions"] = named(fields["expressions"])
    if "keys" in fields:
        fields["keys"] = kept_keys(fields["keys"])
    if "licence_rule" in fields:
        fields["licence_rule"] = licences.kept(fields["licence_rule"])
    if "quality_rule" in fields:
        fields["quality_rule"] = quality_rule.kept(fields["quality_rule"])
    if "name" in fields:
        fields["name"] = str(fields["name"]).strip()
    before = {name: getattr(campaign, name) for name in fields}
    for name, value in fields.items():
        setattr(campaign, name, value)
    return {name: (before[name], value) for name, value in fields.items() if value != before[name]}


def _set_groups(campaign: Campaign, groups: list[Group]) -> Changes:
    before = sorted(campaign.groups.values_list("name", flat=True))
    after = sorted(group.name for group in groups)
    if before == after:
        return {}
    campaign.groups.set(groups)
    return {"groups": (before, after)}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _demand_allowed(campaign: Campaign, changes: Changes) -> None:
    if "expressions" in changes:
        _demand_without_votes(campaign, set(changes["expressions"][0]) - set(campaign.expressions))
    if "votes_per_face" in changes and changes["votes_per_face"][0] > campaign.votes_per_face:
        raise CannotChange(
            _("Votes that were given stay: votes per face can only grow from {votes}.").format(
                votes=changes["votes_per_face"][0]
            ),
            "votes_per_face",
        )
    if "order" in changes and has_begun(campaign):
        raise CannotChange(
            _("Somebody has begun already, so the order stays. Duplicate the campaign to choose another."),
            "order",
        )
    if "deadline" in changes:
        demand_future(campaign.deadline, CannotChange)


def demand_future(deadline: datetime | None, refuse: type[Any]) -> None:
    """Raise refuse for a deadline that has passed."""
    if deadline is not None and deadline <= timezone.now():
        raise refuse(_("This deadline has passed already. Choose a later one."), "deadline")


def has_begun(campaign: Campaign) -> bool:
    """Whether anybody has joined the campaign: from then on its order stays."""
    return Participation.objects.filter(campaign=campaign).exists()


def _demand_without_votes(campaign: Campaign, gone: set[str]) -> None:
    if kept := sorted(used(campaign, gone)):
        raise CannotChange(
            _("“{name}” has been answered, so it can neither go nor be renamed.").format(name=word(kept[0])),
            "expressions",
        )


def used(campaign: Campaign, expressions: set[str]) -> set[str]:
    """Those of the expressions that a vote, a decision or a gold face of the campaign names."""
    where = {"campaign_face__campaign": campaign}
    places: list[tuple[QuerySet[Any], str]] = [
        (Vote.objects.filter(campaign=campaign), "answer"),
        (Vote.objects.filter(campaign=campaign), "second"),
        (DiscardedVote.objects.filter(**where), "answer"),
        (Adjudication.objects.filter(**where), "label"),
        (Gold.objects.filter(campaign=campaign), "answer"),
    ]
    return {
        name
        for name in expressions
        if any(rows.filter(**{column: name}).order_by().exists() for rows, column in places)
    }


def _carry(campaign: Campaign, changes: Changes, settled_too: bool) -> None:
    if changes.keys() & {"rule", "minimum_agreement"}:
        resettle(campaign)
    if "votes_per_face" in changes:
        _extend(campaign, changes["votes_per_face"][0], settled_too)
    if "order" in changes:
        placing.place_again(campaign)


def _extend(campaign: Campaign, before: int, settled_too: bool) -> None:
    """More places for faces in their first round; re-opened ones have a number of their own."""
    wanted, (short, passed, settled) = campaign.votes_per_face, _locked(campaign, settled_too)
    faces = CampaignFace.objects.filter(campaign=campaign)
    # A face without a free place may have been passed by those who could answer it now: it moves to the end of the
    # line, where everybody comes by again.
    lap = line.end(campaign.pk, room=LAP) if passed else 0
    for pks in chunked(passed):
        faces.filter(pk__in=pks).update(shuffle=F("shuffle").bitand(LAP - 1) + lap)
    for pks in chunked(short):
        faces.filter(pk__in=pks).update(places=F("places") + wanted - F("wanted"), wanted=wanted)
    for pks in chunked(settled):
        votes.reopen(campaign_faces=pks, votes=wanted - before, priority=0)


def _locked(campaign: Campaign, settled_too: bool) -> tuple[list[int], list[int], list[int]]:
    """Faces short of votes, those of them without a free place, and settled ones; locked in the order of their keys."""
    short = Q(state=CampaignFace.State.OPEN, round=1, wanted__lt=campaign.votes_per_face)
    settled = Q(state=CampaignFace.State.SETTLED) & ~Q(outcome=Outcome.ADJUDICATED)
    chosen = CampaignFace.objects.filter(short | settled if settled_too else short, campaign=campaign)
    locked = chosen.select_for_update(of=("self",), no_key=True).order_by("pk")
    rows = list(locked.values_list("pk", "state", "places"))
    still_open = [(pk, places) for pk, state, places in rows if state == CampaignFace.State.OPEN]
    return (
        [pk for pk, _ in still_open],
        [pk for pk, places in still_open if not places],
        [pk for pk, state, _ in rows if state == CampaignFace.State.SETTLED],
    )


def resettle(campaign: Campaign) -> int:
    """Decide by the campaign's present rule on every face that has been decided on. Returns how many say another thing.

    From the counts kept beside each face, which are those of each person's newest answer. What a manager has decided
    stands, and so does what a manager decides meanwhile.
    """
    decided = CampaignFace.objects.filter(campaign=campaign).exclude(outcome__in=["", Outcome.ADJUDICATED])
    rows = decided.order_by("pk").values_list("pk", "outcome", "label", "counts").iterator()
    return sum(_settle_again(campaign, chunk) for chunk in chunked(rows))


Row = tuple[int, str, str, dict[str, int]]


def _settle_again(campaign: Campaign, rows: list[Row]) -> int:
    moves: dict[tuple[str, str, str, str], list[int]] = defaultdict(list)
    stands = _decided_not_a_face([pk for pk, outcome, *_ in rows if outcome == Outcome.NOT_A_FACE])
    for pk, outcome, label, counts in rows:
        found = majority(counts, rule=campaign.rule, minimum_agreement=campaign.minimum_agreement)
        if (outcome, label) != (found.outcome, found.label) and pk not in stands:
            moves[outcome, label, found.outcome, found.label].append(pk)
    return sum(_move(pks, *move) for move, pks in moves.items())


def _move(pks: list[int], outcome: str, label: str, to_outcome: str, to_label: str) -> int:
    faces = CampaignFace.objects.filter(pk__in=pks, outcome=outcome, label=label)
    return faces.update(outcome=to_outcome, label=to_label)


def _decided_not_a_face(pks: list[int]) -> set[int]:
    decisions = Adjudication.objects.filter(campaign_face__in=pks).order_by("pk")
    newest = dict(decisions.values_list("campaign_face", "retracted_at"))
    return {pk for pk, retracted_at in newest.items() if retracted_at is None}
