"""Faces a network doubts go back before people, and what that changed."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling import suggestions
from labeling.models import Campaign, CampaignFace, Suggestion
from labeling.refusals import Refusal
from labeling.voting import settle, votes
from training import predictions
from training.models import RelabelFace, RelabelRound, TrainingRun

NAMED_AT_MOST = 5


class CannotOpen(Refusal):
    """The round cannot be opened as asked, and nothing was changed; the message says which faces, and why."""


def doubted(*, run: TrainingRun, campaign: Campaign, limit: int | None = None) -> list[Suggestion]:
    """The settled faces on which the run disagrees most with the votes, the most doubted first."""
    return list(suggestions.doubted(campaign=campaign, origin=predictions.origin(run))[:limit])


def open_round(
    *, run: TrainingRun, campaign_face_ids: Collection[int], votes_per_face: int, opened_by: Any = None
) -> RelabelRound:
    """Put the faces back before annotators, each for votes_per_face fresh votes; all or none.

    Raises CannotOpen when a face is still being voted on, is unknown to the run, or belongs to another
    campaign than the rest.
    """
    with transaction.atomic():
        faces = _take(set(campaign_face_ids))
        opened = RelabelRound.objects.create(
            run=run, campaign=faces[0].campaign, votes_per_face=votes_per_face, opened_by=opened_by
        )
        opinions = _opinions(run, faces)
        RelabelFace.objects.bulk_create(_before(opened, face, opinions[face.pk]) for face in faces)
        votes.reopen(campaign_faces=[face.pk for face in faces], votes=votes_per_face)
    return opened


def _take(wanted: set[int]) -> list[CampaignFace]:
    """Lock the faces, so that what is written down as "before" is what the fresh votes are added to."""
    if not wanted:
        raise CannotOpen(_("No face is chosen. Tick at least one."))
    rows = CampaignFace.objects.filter(pk__in=wanted).order_by("pk")
    faces = list(rows.select_for_update(of=("self",)).select_related("campaign"))
    if gone := wanted - {face.pk for face in faces}:
        said = ngettext(
            "{count} face ({numbers}) is no longer in any campaign. Load the page again and choose anew.",
            "{count} faces ({numbers}) are no longer in any campaign. Load the page again and choose anew.",
            len(gone),
        )
        raise CannotOpen(_named(said, gone))
    if len({face.campaign_id for face in faces}) > 1:
        raise CannotOpen(_("The faces are of several campaigns. Open one round for each."))
    if faces[0].campaign.state == Campaign.State.CLOSED:
        raise CannotOpen(
            _("“{campaign}” is closed and takes no votes. Have it reopened first.").format(
                campaign=faces[0].campaign
            )
        )
    if still_open := [face for face in faces if face.state != CampaignFace.State.SETTLED]:
        said = ngettext(
            "{count} face ({numbers}) is already being voted on; nothing was opened. Leave it out.",
            "{count} faces ({numbers}) are already being voted on; nothing was opened. Leave them out.",
            len(still_open),
        )
        raise CannotOpen(_named(said, [face.face_id for face in still_open if face.face_id is not None]))
    return faces


def _named(said: str, numbers: Collection[int]) -> str:
    """The sentence with how many faces there are, and the first of them by number."""
    named = ", ".join(map(str, sorted(numbers)[:NAMED_AT_MOST]))
    more = " …" if len(numbers) > NAMED_AT_MOST else ""
    return said.format(count=len(numbers), numbers=f"{named}{more}")


def _opinions(run: TrainingRun, faces: list[CampaignFace]) -> dict[int, Suggestion]:
    origin = predictions.origin(run)
    found = Suggestion.objects.filter(origin=origin, campaign_face__in=faces).in_bulk(field_name="pk")
    opinions = {suggestion.campaign_face_id: suggestion for suggestion in found.values()}
    if unknown := [face.face_id for face in faces if face.face_id and face.pk not in opinions]:
        said = ngettext(
            "{count} face ({numbers}) is unknown to this run. Let it predict first.",
            "{count} faces ({numbers}) are unknown to this run. Let it predict first.",
            len(unknown),
        )
        raise CannotOpen(_named(said, unknown))
    return opinions


def _before(opened: RelabelRound, face: CampaignFace, opinion: Suggestion) -> RelabelFace:
    return RelabelFace(
        relabel_round=opened,
        campaign_face=face,
        voting_round=face.round + 1,
        network_label=opinion.label,
        doubt=opinion.doubt,
        outcome_before=face.outcome,
        label_before=face.label,
        agreement_before=face.agreement,
        counts_before=face.counts,
    )


@dataclass(frozen=True)
class Change:
    """One face of a round. `after` is None while votes are still to come."""

    face_id: int
    campaign_face_id: int
    network_label: str
    before: str
    after: str | None
    agreement_before: float | None
    agreement_after: float | None
    counts_before: dict[str, int] = field(default_factory=dict)
    counts_after: dict[str, int] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return self.after is not None and self.after != self.before

    @property
    def as_the_network_said(self) -> bool:
        return self.after == self.network_label


@dataclass(frozen=True)
class Changes:
    """What a round has changed so far. A face counts as before or after by its label, else its outcome."""

    faces: int
    settled: int
    changed: list[Change]
    as_the_network_said: int
    """Of the changed ones, how many took the network's label."""
    labels: list[str]
    """Rows and columns of the matrix: the campaign's expressions, then the outcomes that occur."""
    matrix: list[list[int]]
    """Settled faces by label before (rows) and after (columns)."""
    agreement_before: float | None
    agreement_after: float | None
    """Mean share of the top answer over the settled faces, 0–1."""

    @property
    def open(self) -> int:
        return self.faces - self.settled


def changes(opened: RelabelRound) -> Changes:
    """Compare each face of the round before and after its fresh votes."""
    there = opened.faces.exclude(campaign_face__state=CampaignFace.State.ERASED)
    rows = there.select_related("campaign_face__campaign").order_by("-doubt", "pk")
    every = [_change(row) for row in rows]
    settled = [change for change in every if change.after is not None]
    changed = [change for change in settled if change.changed]
    labels = _labels(opened.campaign, settled)
    pairs = Counter((change.before, change.after) for change in settled)
    return Changes(
        faces=len(every),
        settled=len(settled),
        changed=changed,
        as_the_network_said=sum(change.as_the_network_said for change in changed),
        labels=labels,
        matrix=[[pairs[before, after] for after in labels] for before in labels],
        agreement_before=_mean([change.agreement_before for change in settled]),
        agreement_after=_mean([change.agreement_after for change in settled]),
    )


def _change(row: RelabelFace) -> Change:
    face = row.campaign_face
    change = {
        "face_id": face.face_id,
        "campaign_face_id": face.pk,
        "network_label": row.network_label,
        "before": row.label_before or row.outcome_before,
        "agreement_before": row.agreement_before,
        "counts_before": row.counts_before,
    }
    if face.round > row.voting_round:
        # Re-opened once more since: what this round led to is counted from the votes up to it.
        then = settle.consensus_of(face, up_to_round=row.voting_round)
        return Change(
            **change,
            after=then.label or then.outcome,
            agreement_after=then.agreement,
            counts_after=dict(then.counts),
        )
    if face.state != CampaignFace.State.SETTLED:
        return Change(**change, after=None, agreement_after=None)
    after = face.label or face.outcome
    return Change(**change, after=after, agreement_after=face.agreement, counts_after=face.counts)


def _labels(campaign: Campaign, settled: list[Change]) -> list[str]:
    occurring = {label for change in settled for label in (change.before, change.after) if label}
    return [*campaign.expressions, *sorted(occurring - set(campaign.expressions))]


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
