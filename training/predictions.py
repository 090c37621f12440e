"""A finished network looks at every face of a campaign."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.translation import gettext as _

from labeling import suggestions, work
from labeling.expressions import word
from labeling.models import Campaign, CampaignFace, WorkState
from labeling.refusals import Refusal
from labeling.sayings import gettext_noop
from training import child, evaluations, runs
from training.models import Prediction, TrainingRun

CHUNK = 256
"""Crops per row group: what is in memory at once."""
IMAGES = pa.schema([("key", pa.string()), ("image", pa.binary())])
LOG = "predict-log.txt"
Tell = Callable[[int, int], None]
"""Called with (faces done, faces in all) as the work goes on."""
_LOOKED = gettext_noop("{faces:,} faces.")
_MISSING = gettext_noop("Faces without a picture, left out: {faces:,}.")
_UNKNOWN = gettext_noop("The network was not trained on {labels}.")
_UNASKED = gettext_noop("The campaign does not ask for {labels}.")
_COLLECTING = gettext_noop("Collecting faces: {done:,} of {total:,}.")
_NO_FACES = gettext_noop("The campaign has no face with a picture. Add faces to it first.")
_LOOKING = gettext_noop("The network is looking at the faces.")
_KILLED = gettext_noop("The network's process was killed by signal {signal:,}; it looks again.")
_KILLED_EACH_TIME = gettext_noop(
    "The network's process was killed {times:,} times, the last time by signal {signal:,}, perhaps for want of memory. "
    "Look into the machine's own log, then ask the network again. Its log ends:\n{log}"
)
_ENDED = gettext_noop("The prediction ended with exit code {code:,}. Its log ends:\n{log}")
_KEEPING = gettext_noop("Keeping opinions: {done:,} of {total:,}.")


class CannotPredict(Refusal):
    """The network cannot be asked about this campaign; the message says why."""


def origin(run: TrainingRun) -> str:
    """Under which name the run's opinions are kept among the suggestions."""
    return f"run {run.pk}"


def predict(*, run: TrainingRun, campaign: Campaign | None = None) -> Prediction:
    """Ask the run about every face of the campaign (by default the one its snapshot was frozen from).

    Asked again, it looks again: faces and votes may have come in. Raises CannotPredict for a run that is
    not done, or when network and campaign have no expression in common.
    """
    campaign = campaign or run.snapshot.campaign
    if run.state != WorkState.DONE:
        raise CannotPredict(
            _("“{run}” is {state}; only a finished run can predict.").format(
                run=run, state=run.get_state_display()
            )
        )
    known = evaluations.classes(run)
    if not set(known) & set(campaign.expressions):
        raise CannotPredict(
            _(
                "“{run}” tells {known} apart, “{campaign}” asks for {asked}: nothing in common. "
                "Choose another run or campaign."
            ).format(run=run, known=_words(known), campaign=campaign, asked=_words(campaign.expressions))
        )
    with transaction.atomic():
        if TrainingRun.objects.select_for_update().get(pk=run.pk).weights_deleted_at:
            raise CannotPredict(_("The weights of “{run}” were deleted. Choose another run.").format(run=run))
        prediction, made = Prediction.objects.get_or_create(run=run, campaign=campaign)
        if made:
            work.enqueue(prediction)
        elif prediction.is_over:
            work.restart(prediction, also_done=True)
    return prediction


def _words(labels: list[str]) -> str:
    return ", ".join(map(word, labels)) or _("nothing")


def differences(run: TrainingRun, campaign: Campaign) -> str:
    """In words, which expressions only one of network and campaign has; empty if none."""
    known, asked = evaluations.classes(run), campaign.expressions
    unknown = [label for label in asked if label not in known]
    unasked = [label for label in known if label not in asked]
    said = []
    if unknown:
        said.append(_UNKNOWN.format(labels=_words(unknown)))
    if unasked:
        said.append(_UNASKED.format(labels=_words(unasked)))
    return " ".join(said)


def run_predict(prediction_id: int, *, tell: Tell | None = None) -> None:
    """Write the crops out, let the core look at them, keep what it says.

    Killed anywhere, it is done anew from the start, with the same end: the opinions replace themselves.
    """
    with work.claimed(Prediction, prediction_id) as job:
        prediction = job.row
        home = runs.folder(prediction.run) / f"prediction-{prediction.pk}"
        home.mkdir(parents=True, exist_ok=True)
        images, answers = home / "faces.parquet", home / "opinions.parquet"
        written, missing = _write_images(job, images)
        _ask_core(job, images, answers)
        _keep(job, answers, written, tell)
        images.unlink()
        job.leave(WorkState.DONE, message=_summary(prediction, written, missing), done=written, total=written)


def _summary(prediction: Prediction, written: int, missing: int) -> str:
    said = [_LOOKED.format(faces=written)]
    if missing:
        said.append(_MISSING.format(faces=missing))
    return " ".join([*said, differences(prediction.run, prediction.campaign)]).strip()[:500]


def _write_images(job: work.Job[Prediction], path: Path) -> tuple[int, int]:
    """All crops of the campaign into one file, renamed when whole. Returns (written, missing)."""
    faces = CampaignFace.objects.filter(campaign=job.row.campaign, face__isnull=False).order_by("pk")
    total, written, missing = faces.count(), 0, 0
    part = path.with_suffix(".part")
    with pq.ParquetWriter(part, IMAGES) as writer:
        for chunk in _chunks(faces.values_list("pk", "face__crop").iterator(chunk_size=CHUNK)):
            pictures = [(str(pk), data) for pk, crop in chunk if (data := _read(crop)) is not None]
            keys, images = zip(*pictures, strict=True) if pictures else ((), ())
            writer.write_table(pa.table({"key": keys, "image": images}, schema=IMAGES))
            written += len(pictures)
            missing += len(chunk) - len(pictures)
            job.beat(message=_COLLECTING.format(done=written, total=total), done=0, total=total)
    if not written:
        raise work.Refused(_NO_FACES)
    part.replace(path)
    return written, missing


def _chunks(rows: Iterator[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    chunk = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _read(name: str) -> bytes | None:
    try:
        with default_storage.open(name) as file:
            return bytes(file.read())
    except FileNotFoundError:
        return None


def _ask_core(job: work.Job[Prediction], images: Path, answers: Path) -> None:
    log = images.parent / LOG
    log.unlink(missing_ok=True)
    process = child.start("predict", runs.folder(job.row.run), images, answers, log=log)
    code = child.follow(process, lambda: job.beat(message=_LOOKING))
    last = "\n".join(log.read_text(errors="replace").strip().splitlines()[-12:])
    if code < 0:
        raise work.Killed(
            _KILLED.format(signal=-code),
            lambda times: _KILLED_EACH_TIME.format(times=times, signal=-code, log=last),
        )
    if code:
        raise work.Refused(_ENDED.format(code=code, log=last))


def _keep(job: work.Job[Prediction], answers: Path, total: int, tell: Tell | None) -> None:
    classes = evaluations.classes(job.row.run)
    stored = 0
    with pq.ParquetFile(answers) as file:
        for batch in file.iter_batches(batch_size=suggestions.BATCH, columns=["key", "probabilities"]):
            keys, rows = batch.column("key").to_pylist(), batch.column("probabilities").to_pylist()
            stored += suggestions.store(
                origin=origin(job.row.run),
                rows=(
                    (int(key), dict(zip(classes, row, strict=True)))
                    for key, row in zip(keys, rows, strict=True)
                ),
            )
            job.beat(message=_KEEPING.format(done=stored, total=total), done=stored)
            if tell:
                tell(stored, total)
