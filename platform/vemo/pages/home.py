"""What home offers: for each role, what to do next."""

from dataclasses import dataclass
from typing import Any

from labeling import attendance, own
from labeling.campaign_queries import CampaignRow, campaign_rows
from labeling.models import Campaign, Snapshot, Source
from labeling.own import OwnCampaign
from labeling.queries import SourceCard, source_cards
from labeling.rules import may_manage, may_vote
from training.models import TrainingRun
from training.rules import may_train

NEWEST = 4


@dataclass(frozen=True)
class Home:
    """None: not for this person's roles. Empty: nothing there yet, and the page says what to do first."""

    voting: list[OwnCampaign] | None = None
    sources: list[SourceCard] | None = None
    campaigns: list[CampaignRow] | None = None
    snapshots: list[Snapshot] | None = None
    runs: list[TrainingRun] | None = None
    workers_are_silent: bool = False
    nothing: bool = False


def home_of(user: Any) -> Home:
    """In a fixed number of statements per role."""
    votes, manages, trains = may_vote(user), may_manage(user), may_train(user)
    return Home(
        voting=own.campaigns_of(user) if votes else None,
        sources=source_cards(list(Source.objects.all()[:NEWEST])) if manages else None,
        campaigns=campaign_rows(list(Campaign.objects.all()[:NEWEST])) if manages else None,
        snapshots=list(Snapshot.objects.select_related("campaign")[:NEWEST]) if manages or trains else None,
        runs=list(TrainingRun.objects.select_related("snapshot")[:NEWEST]) if trains else None,
        workers_are_silent=attendance.is_silent() if manages or trains else False,
        nothing=not (votes or manages or trains),
    )
