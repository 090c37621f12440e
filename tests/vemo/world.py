"""One small world in which every endpoint of the API has something real to work on."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import crc32

from django.contrib.auth.models import Group
from django.utils import timezone

from labeling import adjudication, campaigns, discards, examples, gold, suggestions
from labeling.models import Campaign, CampaignFace, Item, LabelStudioImport, Source, Vote, WorkState
from labeling.rules import may_vote
from labeling.snapshots import exporting, freezing
from labeling.sources import faces as detections
from labeling.voting import votes
from tests.factories import make_campaign, make_faces, make_over, make_user
from tests.training.making import finish, make_run
from training import predictions, relabeling
from training.models import TrainingRun

ANSWERS = ("happy", "happy", "sad", "sad", "not_a_face", "cant_tell")


def _voted(panel: list[Any]) -> Campaign:
    """Six settled faces, two open ones of which one has a vote, and three that only the gold uses."""
    campaign = make_campaign(8, votes_per_face=len(panel), mixed_allowed=True)
    *settled, begun, _ = campaign.campaign_faces.all()
    for row, answer in [*zip(settled, ANSWERS, strict=True), (begun, "fear")]:
        for person in panel if row != begun else panel[:1]:
            votes.cast(
                campaign=campaign,
                annotator=person,
                campaign_face_id=row.pk,
                answer=answer,
                client_key=uuid4(),
                took_ms=700,
            )
    return campaign


def _put_aside(person: Any, boss: Any) -> Campaign:
    """A paused campaign of two faces, in which this person's one vote was put aside."""
    campaign = make_campaign(2)
    row = campaign.campaign_faces.earliest("pk")
    votes.cast(
        campaign=campaign, annotator=person, campaign_face_id=row.pk, answer="happy", client_key=uuid4()
    )
    since = timezone.now() - timedelta(days=1)
    discards.discard(campaign=campaign, annotator=person, since=since, reason="Pressed one key.", by=boss)
    campaigns.pause(campaign=campaign, by=boss)
    return campaign


def _source(root: Path) -> Source:
    """One that is done, with an item of each fate."""
    source = Source.objects.create(name="pictures", kind="folder", location=str(root))
    make_over(source)
    [face] = make_faces(1)
    Item.objects.create(source=source, locator="a.png", state="ingested", media=face.media)
    Item.objects.create(source=source, locator="b.png", state="refused", reason="It is no picture.")
    detections.detect_in(source=source)
    return source


def make_world(me: Any, root: Path) -> dict[str, list[Any]]:
    """Parameter or field of the API → real values for it; a path's own are under `campaigns`, `runs`, ….

    me: who is going to ask; one of the annotators, whatever the role allows. root: an import folder.
    """
    boss = make_user("admin")
    panel = [me if may_vote(me) else make_user(), make_user(), make_user()]
    campaign = _voted(panel)
    begun = _put_aside(panel[2], boss)
    rows = list(campaign.campaign_faces.order_by("pk"))
    known = make_faces(3)
    gold.set_gold(campaign=campaign, face=known[0].pk, answer="happy", by=boss)
    gold.set_gold(campaign=campaign, face=known[1].pk, answer="sad", qualification=True, by=boss)
    examples.set_example(campaign=campaign, face=known[2].pk, expression="happy", by=boss)
    adjudication.adjudicate(campaign_face_id=rows[5].pk, label="happy", reason="It smiles.", by=boss)
    snapshot = freezing.freeze(campaign=campaign)
    freezing.run_freeze(snapshot.pk)
    snapshot.refresh_from_db()
    exporting.export(snapshot=snapshot, format="fer2013")
    run = finish(make_run(snapshot), [(rows[0].face_id, "happy", "sad")], classes=campaign.expressions)
    predictions.predict(run=run)
    source = _source(root)
    return {
        "campaigns": [campaign.pk, begun.pk],
        "faces": [known[0].pk, rows[0].face_id],
        "media": [rows[0].face.media_id],
        "snapshots": [snapshot.pk],
        "runs": [run.pk, make_run(snapshot).pk],
        "relabel-rounds": [_round(run, rows)],
        "sources": [source.pk],
        "annotator": [panel[1].username, panel[2].username],
        "answer": ["happy", "cant_tell"],
        "campaign": [campaign.pk],
        "campaign_face": [row.pk for row in rows],
        "campaign_faces": [[rows[1].pk, rows[2].pk]],
        "client_key": [str(vote.client_key) for vote in Vote.objects.filter(annotator=me)[:2]],
        "detector": ["haar"],
        "discard": [begun.discards.get().pk],
        "expression": ["sad"],
        "expressions": [["happy", "sad"]],
        "face": [row.face_id for row in rows] + [face.pk for face in known],
        "format": ["fer2013", "imagefolder"],
        "groups": [[Group.objects.create(name="class of May").pk]],
        "label": ["happy", "not_a_face"],
        "languages": [["en"]],
        "label-studio": [_label_studio(source)],
        "location": [str(root)],
        "network": ["resnet18"],
        "preset": ["quick"],
        "run": [run.pk],
        "second": ["sad", ""],
        "settings": [{}],
        "snapshot": [snapshot.pk],
        "since": [snapshot.pk],
        "what": [[rows[0].face.media_id], [rows[1].face_id]],
        "source": [source.pk],
    }


def _label_studio(source: Source) -> int:
    """One that failed, and may go on."""
    row = LabelStudioImport.objects.create(file_name="export.json", sha256="0" * 64, source=source)
    make_over(row, WorkState.FAILED, error="None of its pictures is known here.")
    return int(row.pk)


def _round(run: TrainingRun, rows: list[CampaignFace]) -> int:
    """The network doubts all the settled faces; the first is before people again."""
    settled = [row for row in rows if row.state == CampaignFace.State.SETTLED]
    probabilities = dict.fromkeys(run.snapshot.campaign.expressions, 1 / 7)
    suggestions.store(origin=predictions.origin(run), rows=[(row.pk, probabilities) for row in settled])
    opened = relabeling.open_round(run=run, campaign_face_ids=[settled[0].pk], votes_per_face=2)
    return int(opened.pk)


def real(world: Mapping[str, list[Any]], name: str, drawn: Any, salt: str) -> Any:
    """A real value of that name in seven of eight cases, else what was drawn; always the same for the same salt."""
    values = [value for value in world.get(name, []) if type(value) is type(drawn)]
    chance = crc32(f"{name} {salt}".encode("utf-8", "surrogatepass"))
    return values[chance // 8 % len(values)] if values and chance % 8 else drawn
