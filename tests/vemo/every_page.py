"""Real small objects behind every page of the site, and the pages' addresses with them. No name has a letter in it:
what a page shows of them is data, and is told from words by that."""

from dataclasses import dataclass
from typing import Any

from labeling import adjudication, suggestions
from labeling.expressions import SEVEN
from labeling.models import (
    Campaign,
    CampaignFace,
    Detection,
    Erasure,
    Export,
    Item,
    LabelStudioImport,
    Media,
    Scan,
    Skip,
    Snapshot,
    Source,
    WorkState,
)
from tests.factories import make_campaign, make_faces, make_over, make_user, make_votes, settle
from tests.training.making import finish, make_run, settled_faces
from tests.vemo.test_roles import DOORS
from training import predictions, relabeling
from training.models import Prediction, RelabelRound, TrainingRun
from vemo.accounts.models import User

COUNTS = {
    "classes": ["happy", "sad"],
    "splits": {
        "train": {"happy": 8, "sad": 4},
        "validation": {"happy": 1, "sad": 0},
        "test": {"happy": 1, "sad": 1},
    },
    "left_out": {"open": 3, "no_consensus": 2},
}


@dataclass(frozen=True)
class World:
    """One of everything, and the admin who looks at it."""

    admin: User
    annotator: User
    source: Source
    campaign: Campaign
    face: CampaignFace
    snapshot: Snapshot
    run: TrainingRun
    round: RelabelRound
    erasure: Erasure
    label_studio: LabelStudioImport

    def of(self, name: str) -> dict[str, int]:
        """The arguments of a page's address."""
        keys = {
            "campaign_pk": self.campaign.pk,
            "campaign_face_pk": self.face.pk,
            "annotator_pk": self.annotator.pk,
            "user_pk": self.annotator.pk,
            "person_pk": self.annotator.pk,
            "face_pk": self.face.face_id,
            "face_key": "0" * 64,
            "name": "result.json",
            "pk": self._pk(name),
        }
        return {argument: keys[argument] for argument in DOORS[name] if argument in keys}

    def _pk(self, name: str) -> int:
        media = self.source.items.exclude(media=None).first().media  # type: ignore[union-attr]
        rows: dict[str, Any] = {
            "source": self.source,
            "media": media,
            "thumbnail": media,
            "face": self.face.face,
            "crop": self.face.face,
            "snapshot": self.snapshot,
            "run": self.run,
            "relabel": self.round,
            "erasure": self.erasure,
            "label": self.label_studio,
        }
        what = name.rpartition(":")[2].removeprefix("lineage_").partition("_")[0]
        return int(rows.get(what, self.campaign).pk)


def make_world() -> World:
    annotators = [make_user("annotator", f"⁑{n}") for n in range(3)]
    admin = make_user("admin", "★")
    source = _source(admin)
    campaign, faces = _campaign(admin, annotators)
    snapshot = Snapshot.objects.create(
        campaign=campaign, name="▣1", rule={"seed": 7, "splits": "stratified"}, created_by=admin
    )
    make_over(snapshot, digest="0123456789" * 6 + "0123", folder="snapshots/1", bytes=5_000, counts=COUNTS)
    Snapshot.objects.create(campaign=campaign, name="▣2", rule={"seed": 7, "splits": "stratified"})
    export = Export.objects.create(snapshot=snapshot, format="imagefolder")
    make_over(export, stored_as="exports/1", sha256="0" * 64, bytes=1_234)
    run, opened = _trained(snapshot, campaign, admin)
    erasure = _erasure(snapshot, admin)
    Media.objects.update(original_name="1.2")
    label_studio = _label_studio(source, campaign, admin)
    return World(
        admin, annotators[0], source, campaign, faces[0], snapshot, run, opened, erasure, label_studio
    )


def _label_studio(source: Source, campaign: Campaign, admin: User) -> LabelStudioImport:
    refused = [{"task": 3, "reason": "Nobody chose one answer."}]
    row = LabelStudioImport.objects.create(
        file_name="▤1",
        sha256="0" * 64,
        source=source,
        folder="/1",
        classes={"1": "happy", "2": "", "3": "not_a_face"},
        campaign_name=campaign.name,
        campaign=campaign,
        taken={"labelled": 0, "cast": 4, "again": 1, "people": 2, "refused": refused, "left": 1},
        created_by=admin,
    )
    make_over(row, message="Votes: 4, on faces: 2. Tasks not taken: 1.")
    return row


def _source(admin: User) -> Source:
    source = Source.objects.create(name="#1", kind="folder", location="/1", created_by=admin)
    media = make_faces(2, per_media=2)[0].media
    Item.objects.create(source=source, locator="1", state="ingested", media=media)
    Item.objects.create(source=source, locator="2", state="known", media=media)
    Item.objects.create(source=source, locator="3", state="refused", reason="This is a link, not a file.")
    make_over(source)
    make_over(Detection.objects.create(source=source, detector="haar"))
    make_over(Detection.objects.create(source=source, detector="yunet"), WorkState.FAILED)
    Scan.objects.create(media=media, detector="haar", faces=2, milliseconds=462)
    make_over(Source.objects.create(name="#2", kind="zip", location="/2"), WorkState.FAILED)
    Source.objects.create(name="#3", kind="file", location="/3")
    return source


def _campaign(admin: User, annotators: list[User]) -> tuple[Campaign, list[CampaignFace]]:
    campaign = make_campaign(
        8, name="▲1", question="?", instructions="1", expressions=list(SEVEN), votes_per_face=3
    )
    faces = list(campaign.campaign_faces.order_by("pk"))
    for person, answers in zip(
        annotators, ("happy sad fear", "happy neutral sad", "happy cant_tell not_a_face"), strict=True
    ):
        make_votes(faces[:3], person, answers.split(), every_s=30, took_ms=900)
    settle(faces[0], "happy")
    settle(faces[3], "sad", agreement=0.67)
    for face in faces[1:3]:
        CampaignFace.objects.filter(pk=face.pk).update(
            state="settled", votes=3, leases=0, places=0, outcome="no_consensus", agreement=0.34,
            counts={"sad": 1, "neutral": 1, "cant_tell": 1}, settled_at=campaign.created_at,
        )  # fmt: skip
    Skip.objects.create(
        campaign_face=faces[4],
        annotator=annotators[0],
        round=1,
        reason="too blurred",
        skipped_at=campaign.created_at,
    )
    adjudication.adjudicate(campaign_face_id=faces[1].pk, label="sad", reason="1 2 3", by=admin)
    make_campaign(0, name="▲2", question="?")
    Campaign.objects.filter(pk=make_campaign(1, name="▲3", question="?").pk).update(state="closed")
    Campaign.objects.filter(pk=make_campaign(1, name="▲4", question="?").pk).update(state="paused")
    return campaign, faces


def _trained(snapshot: Snapshot, campaign: Campaign, admin: User) -> tuple[TrainingRun, RelabelRound]:
    faces = make_faces(4)
    doubted = make_campaign(faces, name="▲5", question="?", votes_per_face=2)
    rows = settled_faces(doubted, "happy")
    judged = [(face.pk, "happy", "sad") for face in faces[:2]] + [(faces[2].pk, "happy", "happy")]
    run = finish(make_run(snapshot, name="§1", created_by=admin), judged)
    for state in (WorkState.FAILED, WorkState.STOPPED):
        make_over(make_run(snapshot, name="§2"), state)
    make_run(snapshot, name="§3")
    for about in (campaign, doubted):
        make_over(Prediction.objects.create(run=run, campaign=about), message="4 faces.")
    opinion = dict.fromkeys(SEVEN, 0.05) | {"sad": 0.7}
    suggestions.store(origin=predictions.origin(run), rows=((row.pk, opinion) for row in rows))
    shown = campaign.campaign_faces.filter(state="settled")
    suggestions.store(origin=predictions.origin(run), rows=((row.pk, opinion) for row in shown))
    opened = relabeling.open_round(
        run=run, campaign_face_ids=[rows[0].pk, rows[1].pk], votes_per_face=2, opened_by=admin
    )
    settle(rows[0], "sad")
    return run, opened


def _erasure(snapshot: Snapshot, admin: User) -> Erasure:
    """Of two faces of a media that stays, whose original is the site's reader's to delete."""
    touched = {
        "media": 1,
        "faces": 2,
        "votes": 3,
        "files": 4,
        "bytes": 5_000,
        "pictures_stay": 1,
        "originals": ["/1/1.2"],
        "originals_count": 1,
        "snapshots": [{"pk": snapshot.pk, "name": snapshot.name, "faces": 2}],
    }
    erasure = Erasure.objects.create(scope="face", what=[1, 2], reason="1 2 3", by=admin, touched=touched)
    make_over(erasure, message="Erased: media 1, faces 2.")
    return erasure
