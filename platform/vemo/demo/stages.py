"""The stages of the loop. Each goes on where an earlier demo stopped, and does nothing twice."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command

from labeling import campaign_figures, campaigns, examples, gold, work
from labeling.expressions import EIGHT, SEVEN
from labeling.management.progress import ProgressLine
from labeling.models import (
    Campaign,
    CampaignFace,
    Detection,
    Face,
    Item,
    Snapshot,
    Source,
    Vote,
    Work,
    WorkState,
)
from labeling.snapshots import exporting, freezing
from labeling.snapshots.exports import FORMATS
from labeling.sources import drawn, ingest
from labeling.voting import simulate
from training import metrics, predictions, relabeling, runs
from training.models import RelabelRound, TrainingRun
from vemo.demo import opinions, people

VOTES = 10
DOUBTED = 24
FRESH_VOTES = 5
LESSONS = 21
"""Faces the demo's own campaign teaches by: about half of them examples, the others gold."""
NETWORK = "resnet18"


class DemoStopped(Exception):
    """The loop cannot go on with these media; the text says why and what to do."""


@dataclass
class Demo:
    """One run of the loop. data: the user's own media, None for drawn ones."""

    out: Any
    data: Path | None = None
    rows: tuple[int, int] | None = None
    ferplus: str = ""

    def run(self) -> None:
        """From media to a second snapshot. Raises DemoStopped where the media do not suffice for a stage."""
        self.people = people.accounts()
        self.programs = people.programs()
        source = self.media()
        campaign = self.campaign(source)
        self.votes(campaign, "Votes", seed=0)
        self.lessons(campaign)
        first = self.snapshot(campaign, "first")
        run = self.training(first)
        self.relabel(run, campaign)
        self.snapshot(campaign, "second")

    # ---- media and faces ---------------------------------------------------------------------------------------
    def media(self) -> Source:
        folder = self.data or self._drawn()
        begun = time.monotonic()
        options: dict[str, Any] = {"detect": self._detectors(), **({} if self.data else {"basis": "own"})}
        if self.data and self.data.suffix.lower() == ".csv":
            options = {"rows": list(self.rows)} if self.rows else {}
            options |= {"ferplus": self.ferplus} if self.ferplus else {}
        try:
            source = ingest.resume_or_add(
                location=str(folder.resolve()), options=options, created_by=self.people["manager"]
            )
        except ingest.CannotAdd as refusal:
            raise DemoStopped(str(refusal)) from refusal
        self.follow(source, "Ingest")
        refused = source.items.filter(state=Item.State.REFUSED)
        media = source.items.exclude(media=None).values("media").distinct().count()
        self.say(
            "Ingest", f"{source.items.count():,} items, {media:,} media, {refused.count():,} refused", begun
        )
        for item in refused[:5]:
            self.say("", f"refused {item.locator}: {item.reason}")
        for detection in Detection.objects.filter(source=source).order_by("pk"):
            begun = time.monotonic()
            self.follow(detection, f"Find faces ({detection.detector})")
            found = (
                Face.objects.filter(detector=detection.detector, media__items__source=source)
                .distinct()
                .count()
            )
            self.say(f"Find faces ({detection.detector})", f"{found:,} faces in {media:,} media", begun)
        return source

    def _drawn(self) -> Path:
        folder = Path(settings.VEMO_HOME) / "demo" / "drawn"
        begun = time.monotonic()
        drawn.draw_collection(folder)
        self.say("Draw media", "made-up people with seven expressions: nobody's rights are touched", begun)
        return folder

    def _detectors(self) -> list[str]:
        return ["haar", "yunet"] if settings.YUNET_MODEL else ["haar"]

    # ---- votes -------------------------------------------------------------------------------------------------
    def campaign(self, source: Source) -> Campaign:
        begun = time.monotonic()
        faces = Face.objects.filter(media__items__source=source).distinct()
        detector = "haar" if faces.filter(detector="haar").exists() else ""
        faces = faces.filter(detector=detector) if detector else faces
        if not faces.exists():
            raise DemoStopped(
                "No face was found in these media, so there is nothing to vote on. Try other pictures."
            )
        replayed = faces.filter(given__has_key="votes").exists()
        rules = {"expressions": EIGHT, "rule": "plurality"} if replayed else {"expressions": SEVEN}
        campaign = self._named(f"Demo: {source.name}", **rules)
        added = campaigns.add_faces(campaign=campaign, faces=faces).added
        own = self._named(f"Your turn: {source.name}", **rules)
        campaigns.add_faces(campaign=own, faces=faces)
        total = campaign.campaign_faces.count()
        self.say("Campaign", f"“{campaign}”: {total:,} faces, {added:,} new, {VOTES} votes each", begun)
        return campaign

    def _named(self, name: str, **fields: Any) -> Campaign:
        there = Campaign.objects.filter(name=name[:200]).first()
        return there or campaigns.create(
            name=name[:200], votes_per_face=VOTES, created_by=self.people["manager"], **fields
        )

    def votes(self, campaign: Campaign, title: str, *, seed: int) -> None:
        begun = time.monotonic()
        wanted = simulate.votes_wanted(campaign)
        line = ProgressLine(title)

        def tell(done: int) -> None:
            line(done, max(done, wanted), "votes")

        given = Face.objects.filter(campaign_faces__campaign=campaign, given__has_key="votes").exists()
        reopened = campaign.campaign_faces.filter(round__gt=1).exists()
        if given and not reopened:
            cast = simulate.replay(campaign=campaign, annotators=self.programs, progress=tell)
            how = "the votes that came with the faces, cast again"
        else:
            opinion = opinions.about(campaign.expressions)
            cast = simulate.simulate(
                campaign=campaign, annotators=self.programs, opinion=opinion, seed=seed, progress=tell
            )
            how = (
                "by ten simulated annotators"
                if self._knows(campaign)
                else "INVENTED: nobody looked at the faces"
            )
        self.say(title, f"{cast:,} votes, {how}", begun)
        progress = campaigns.progress(campaign)
        agreed = campaign_figures.reliability(campaign).kappa.value
        kappa = "–" if math.isnan(agreed) else f"{agreed:.2f}"
        self.say(
            "Consensus",
            f"{progress.agreed:,} agreed, {progress.no_consensus:,} without consensus, {progress.not_a_face:,} no "
            f"face; Fleiss' kappa {kappa}",
        )

    def lessons(self, campaign: Campaign) -> None:
        """The faces people agreed on most teach whoever votes next: examples, a qualification, hidden gold."""
        begun = time.monotonic()
        own = Campaign.objects.get(name=campaign.name.replace("Demo: ", "Your turn: ", 1))
        if own.gold.exists() or Vote.objects.filter(campaign=own).exists():
            return
        by = self.people["manager"]
        alike = gold.candidates(campaign, limit=LESSONS)
        for place, found in enumerate(alike):
            if place % 2:
                examples.set_example(campaign=own, face=found.face, expression=found.answer, by=by)
            else:
                gold.set_gold(campaign=own, face=found.face, answer=found.answer, by=by)
        self.say(
            "Gold", f"{own.gold.count()} faces with a known answer, {own.examples.count()} examples", begun
        )

    def _knows(self, campaign: Campaign) -> bool:
        row = campaign.campaign_faces.select_related("face__media").first()
        return row is not None and row.face is not None and bool(opinions.known(row.face))

    # ---- snapshots ---------------------------------------------------------------------------------------------
    def snapshot(self, campaign: Campaign, which: str) -> Snapshot:
        begun = time.monotonic()
        name = f"{campaign.name}, {which}"[:200]
        snapshot = Snapshot.objects.filter(name=name, campaign=campaign).first()
        try:
            snapshot = snapshot or freezing.freeze(
                campaign=campaign, name=name, created_by=self.people["manager"]
            )
        except freezing.CannotFreeze as refusal:
            raise DemoStopped(str(refusal)) from refusal
        self.follow(snapshot, "Freeze")
        problems = freezing.verify(snapshot=snapshot)
        if problems:
            raise DemoStopped(f"The snapshot is damaged: {problems[0].where}: {problems[0].what}")
        sizes = {split: sum(classes.values()) for split, classes in snapshot.counts["splits"].items()}
        parts = ", ".join(f"{split} {count:,}" for split, count in sizes.items())
        self.say("Freeze", f"{snapshot.digest[:12]}: {parts}; verified", begun)
        begun = time.monotonic()
        exports = [exporting.export(snapshot=snapshot, format=format) for format in FORMATS]
        for export in exports:
            self.follow(export, f"Export {export.format}")
        sizes_text = ", ".join(f"{export.format} {export.bytes / 1e6:.1f} MB" for export in exports)
        self.say("Export", sizes_text, begun)
        return snapshot

    # ---- training ----------------------------------------------------------------------------------------------
    def training(self, snapshot: Snapshot) -> TrainingRun:
        begun = time.monotonic()
        run = TrainingRun.objects.filter(snapshot=snapshot).order_by("pk").first()
        run = run or runs.start(
            snapshot=snapshot, network=NETWORK, preset="quick", created_by=self.people["trainer"]
        )
        self.follow(run, "Train")
        device = next(
            event["device"] for event in metrics.read(runs.folder(run)) if event["event"] == "begin"
        )
        self.say("Train", f"{run.network}, {run.epoch} epochs on {device}", begun)
        for evaluation in run.evaluations.filter(split="test"):
            low, high = evaluation.figures["accuracy_interval"]
            self.say(
                "Evaluate",
                f"test accuracy {evaluation.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}), "
                f"macro F1 {evaluation.macro_f1:.2f}, on {evaluation.images:,} faces",
            )
        return run

    def relabel(self, run: TrainingRun, campaign: Campaign) -> None:
        begun = time.monotonic()
        opened = RelabelRound.objects.filter(run=run).first()
        if opened is None:
            self.follow(predictions.predict(run=run, campaign=campaign), "Predict")
            self.say("Predict", f"{campaign.campaign_faces.count():,} faces seen by the network", begun)
            begun = time.monotonic()
            doubted = relabeling.doubted(run=run, campaign=campaign, limit=DOUBTED)
            if not doubted:
                raise DemoStopped("The network doubts no face, so there is nothing to ask again.")
            opened = relabeling.open_round(
                run=run,
                campaign_face_ids=[suggestion.campaign_face_id for suggestion in doubted],
                votes_per_face=FRESH_VOTES,
                opened_by=self.people["trainer"],
            )
        count = opened.faces.count()
        self.say("Relabel round", f"{count} doubted faces, {FRESH_VOTES} fresh votes each", begun)
        # Another seed: who looks again draws a fresh answer.
        self.votes(campaign, "Fresh votes", seed=1)
        changed = sum(
            row.label_before != row.campaign_face.label
            for row in opened.faces.select_related("campaign_face").filter(
                campaign_face__state=CampaignFace.State.SETTLED
            )
        )
        self.say("", f"{changed} of {count} faces have another consensus now")

    # ---- telling -----------------------------------------------------------------------------------------------
    def follow(self, row: Work, title: str) -> None:
        """See the row through to its end, as a worker does it. Raises DemoStopped if it fails."""
        if row.state in (WorkState.FAILED, WorkState.STOPPED):
            work.restart(row)
        line = ProgressLine(title)
        while not row.is_over:
            time.sleep(0.2)
            row.refresh_from_db()
            line(row.done, row.total, row.message)
        if row.state != WorkState.DONE:
            raise DemoStopped(f"{title}: {row.error or 'it was stopped.'}")

    def say(self, stage: str, what: str, begun: float | None = None) -> None:
        """One line; seconds behind it when begun is given."""
        took = f"{time.monotonic() - begun:7.1f} s" if begun is not None else " " * 9
        clear = "\r\x1b[2K" if self.out.isatty() else ""
        self.out.write(f"{clear}{stage:<22}{took}  {what}\n")
        self.out.flush()


def prepare() -> None:
    """The database, as this version wants it."""
    call_command("migrate", verbosity=0, interactive=False)
