from labeling.models.audit import AuditEntry, Discard, DiscardedVote
from labeling.models.campaign import (
    Adjudication,
    Campaign,
    CampaignDetector,
    CampaignFace,
    Line,
    Outcome,
    Suggestion,
)
from labeling.models.erasure import Erasure, Tombstone
from labeling.models.face import Detection, Face, FaceLabel, Scan, Track
from labeling.models.gold import Example, Gold, GoldAnswer
from labeling.models.label_studio import LabelStudioImport
from labeling.models.preferences import Preferences
from labeling.models.rights import RightsDecision
from labeling.models.snapshot import Export, Snapshot, Verification
from labeling.models.source import Item, Media, Source, Upload
from labeling.models.vote import Lease, Participation, Skip, Vote, WithdrawnKey
from labeling.models.work import OVER, Pulse, Work, WorkState

__all__ = [
    "OVER",
    "Adjudication",
    "AuditEntry",
    "Campaign",
    "CampaignDetector",
    "CampaignFace",
    "Detection",
    "Discard",
    "DiscardedVote",
    "Erasure",
    "Example",
    "Export",
    "Face",
    "FaceLabel",
    "Gold",
    "GoldAnswer",
    "Item",
    "LabelStudioImport",
    "Lease",
    "Line",
    "Media",
    "Outcome",
    "Participation",
    "Preferences",
    "Pulse",
    "RightsDecision",
    "Scan",
    "Skip",
    "Snapshot",
    "Source",
    "Suggestion",
    "Tombstone",
    "Track",
    "Upload",
    "Verification",
    "Vote",
    "WithdrawnKey",
    "Work",
    "WorkState",
]
