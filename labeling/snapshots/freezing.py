"""From a campaign's settled faces to a frozen snapshot in the storage."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet

from labeling import work
from labeling.expressions import OTHER_ANSWERS
from labeling.models import Campaign, CampaignFace, Face, Item, Outcome, Snapshot, WorkState
from labeling.refusals import Refusal
from labeling.snapshots import format as snapshots
from labeling.snapshots.split import split_groups

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
STRATIFIED, GIVEN = "stratified", "given"
GIVEN_SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
"""What publishers call the splits, FER2013's names among them, and what we call them."""
_CHUNK = 1_000


class CannotFreeze(Refusal):
    """Nothing was frozen; the text says what to change."""


def freeze(
    *,
    campaign: Campaign,
    name: str = "",
    fractions: Mapping[str, float] | None = None,
    seed: int = 0,
    splits: str = STRATIFIED,
    created_by: Any = None,
) -> Snapshot:
    """Queue the freezing of what is settled in the campaign when a worker takes it up.

    fractions: split → share. splits: `stratified` draws them, `given` takes those the faces' source came with.
    Raises CannotFreeze.
    """
    wanted = dict(fractions or FRACTIONS)
    if splits not in (STRATIFIED, GIVEN):
        raise CannotFreeze(f"Splits are “{STRATIFIED}” or “{GIVEN}”, not “{splits}”.")
    if set(wanted) - set(snapshots.SPLITS) or min(wanted.values()) < 0 or not wanted.get("train"):
        raise CannotFreeze("Fractions are shares of train, validation and test; train needs some.")
    if not _settled(campaign).exists():
        raise CannotFreeze("No face of this campaign has a consensus yet. Let people vote first.")
    rule = {
        "label": "majority",
        "consensus": campaign.rule,
        "minimum_agreement": campaign.minimum_agreement,
        "splits": splits,
        "groups": "media",
        "seed": seed,
        "fractions": {split: wanted.get(split, 0.0) for split in snapshots.SPLITS},
    }
    with transaction.atomic():
        row = Snapshot.objects.create(
            campaign=campaign, name=name or _next_name(campaign), rule=rule, created_by=created_by
        )
        work.enqueue(row)
    return row


def _next_name(campaign: Campaign) -> str:
    return f"{campaign.name} v{campaign.snapshots.count() + 1}"


def run_freeze(snapshot_id: int) -> None:
    """Freeze. Killed at any instruction, the next attempt begins anew and leaves nothing half-made in sight."""
    with work.claimed(Snapshot, snapshot_id) as job:
        snapshot = job.row
        chosen = _choose(snapshot)
        folder = Path(settings.WORK_ROOT) / f"snapshot-{snapshot.pk}"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            manifest = snapshots.write(
                folder,
                _rows(chosen, snapshot, job),
                classes=snapshot.campaign.expressions,
                rule=snapshot.rule,
                left_out=_left_out(snapshot.campaign),
            )
            job.beat(force=True, message="Storing")
            name = _store(folder, manifest)
            size = sum(path.stat().st_size for path in folder.iterdir())
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        counts = {"splits": manifest.splits, "left_out": manifest.left_out}
        job.leave(WorkState.DONE, digest=manifest.digest, folder=name, bytes=size, counts=counts, message="")


def verify(*, snapshot: Snapshot) -> list[snapshots.Problem]:
    """Read every byte of the stored snapshot again; an empty list means nothing has changed."""
    folder = local_folder(snapshot)
    problems = snapshots.verify(folder)
    if not problems and snapshots.read_manifest(folder).digest != snapshot.digest:
        return [
            snapshots.Problem(snapshots.MANIFEST, "Its digest is not the one this snapshot was frozen with.")
        ]
    return problems


def local_folder(snapshot: Snapshot) -> Path:
    """The snapshot as a folder on this machine; fetched once where the storage is elsewhere. Raises Refused."""
    if snapshot.state != WorkState.DONE:
        raise work.Refused(
            f"The snapshot “{snapshot.name}” is {snapshot.get_state_display()}, not frozen yet."
        )
    try:
        return Path(default_storage.path(snapshot.folder))
    except NotImplementedError:
        return _fetched(snapshot)


def _fetched(snapshot: Snapshot) -> Path:
    folder = Path(settings.SNAPSHOT_CACHE_ROOT) / snapshot.digest
    if folder.exists():
        return folder
    part = folder.with_name(f".{snapshot.digest}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    _fetch(f"{snapshot.folder}/{snapshots.MANIFEST}", part / snapshots.MANIFEST)
    for shard in snapshots.read_manifest(part).shards:
        _fetch(f"{snapshot.folder}/{shard.name}", part / shard.name)
    if problems := snapshots.verify(part):
        raise work.Refused(f"The stored snapshot is damaged: {problems[0].where}: {problems[0].what}")
    part.rename(folder)
    return folder


def _fetch(name: str, to: Path) -> None:
    with default_storage.open(name) as source, to.open("wb") as target:
        shutil.copyfileobj(source, target)


@dataclass(frozen=True)
class _Chosen:
    """A settled face with its consensus as it stood at one moment."""

    face: int
    key: str
    media: str
    label: str
    agreement: float
    counts: dict[str, int]
    given_split: str
    split: str = ""


def _settled(campaign: Campaign) -> QuerySet[CampaignFace]:
    return CampaignFace.objects.filter(
        campaign=campaign, state=CampaignFace.State.SETTLED, outcome=Outcome.AGREED
    )


def _left_out(campaign: Campaign) -> dict[str, int]:
    rows = CampaignFace.objects.filter(campaign=campaign).order_by().values_list("state", "outcome")
    reasons = Counter(
        "open" if state == CampaignFace.State.OPEN else outcome for state, outcome in rows.iterator()
    )
    del reasons[Outcome.AGREED]
    return dict(sorted((str(reason), count) for reason, count in reasons.items()))


def _choose(snapshot: Snapshot) -> list[_Chosen]:
    """Every face to freeze, by face_key, with its split. One statement reads all votes, so they are of one moment."""
    fields = (
        "face",
        "face__media__sha256",
        "face__detector",
        "face__time_ms",
        "face__row",
        "face__x",
        "face__y",
    )
    rest = ("face__width", "face__height", "label", "agreement", "counts", "face__given")
    rows = _settled(snapshot.campaign).order_by().values_list(*fields, *rest)
    chosen = [
        _Chosen(
            face=face,
            key=snapshots.face_key(media_sha256=media, detector=detector, time_ms=time_ms, row=row, box=box),
            media=media,
            label=label,
            agreement=agreement,
            counts=counts,
            given_split=given.get("split", ""),
        )
        for face, media, detector, time_ms, row, *box, label, agreement, counts, given in rows.iterator(
            chunk_size=_CHUNK
        )
    ]
    chosen.sort(key=lambda one: one.key)
    if len({one.label for one in chosen}) < 2:
        raise work.Refused(
            "A snapshot needs settled faces of at least two expressions. Let people vote on more."
        )
    splits = (
        _given_splits(chosen) if snapshot.rule["splits"] == GIVEN else _drawn_splits(chosen, snapshot.rule)
    )
    return [replace(one, split=split) for one, split in zip(chosen, splits, strict=True)]


def _drawn_splits(chosen: Sequence[_Chosen], rule: Mapping[str, Any]) -> list[str]:
    labels, groups = [one.label for one in chosen], [one.media for one in chosen]
    return split_groups(labels, groups, rule["fractions"], rule["seed"])


def _given_splits(chosen: Sequence[_Chosen]) -> list[str]:
    """What the publisher says, but a picture that stands in several splits goes whole to the strictest of them."""
    unknown = sum(one.given_split not in GIVEN_SPLITS for one in chosen)
    if unknown:
        raise work.Refused(
            f"{unknown} of {len(chosen)} faces came without a split of their own. Freeze with drawn splits instead."
        )
    strictest: dict[str, int] = {}
    for one in chosen:
        rank = snapshots.SPLITS.index(GIVEN_SPLITS[one.given_split])
        strictest[one.media] = max(rank, strictest.get(one.media, 0))
    return [snapshots.SPLITS[strictest[one.media]] for one in chosen]


def _rows(chosen: Sequence[_Chosen], snapshot: Snapshot, job: work.Job[Snapshot]) -> Iterator[dict[str, Any]]:
    """The rows of the snapshot, a chunk of faces at a time, three statements a chunk."""
    classes: list[str] = snapshot.campaign.expressions
    for start in range(0, len(chosen), _CHUNK):
        chunk = chosen[start : start + _CHUNK]
        faces = Face.objects.select_related("media").in_bulk([one.face for one in chunk])
        sources = _sources({face.media_id for face in faces.values()})
        for number, one in enumerate(chunk, start=start + 1):
            if one.face not in faces:
                raise work.Refused("A face was deleted while its snapshot was being frozen. Start again.")
            yield _row(one, faces[one.face], sources, classes)
            job.beat(done=number, total=len(chosen), message="Freezing faces")


def _sources(media: set[int]) -> dict[int, str]:
    """The name of the source a media came from first."""
    rows = Item.objects.filter(media__in=media).order_by("-pk").values_list("media", "source__name")
    return {pk: name for pk, name in rows if pk is not None}


def _row(one: _Chosen, face: Face, sources: Mapping[int, str], classes: Sequence[str]) -> dict[str, Any]:
    votes = [one.counts.get(answer, 0) for answer in (*classes, *OTHER_ANSWERS)]
    expressions = votes[: len(classes)]
    with default_storage.open(face.crop) as file:
        image = file.read()
    return {
        "face_key": one.key,
        "face_id": face.pk,
        "image": image,
        "label": one.label,
        "label_index": classes.index(one.label),
        "votes": votes,
        "soft_label": [count / sum(expressions) for count in expressions],
        "split": one.split,
        "agreement": one.agreement,
        "media_sha256": one.media,
        "media_kind": face.media.kind,
        "time_ms": face.time_ms,
        "x": face.x,
        "y": face.y,
        "width": face.width,
        "height": face.height,
        "detector": face.detector,
        "licence": face.media.licence,
        "author": face.media.author,
        "page_url": face.media.page_url,
        "source": sources.get(face.media_id, ""),
        "given_split": one.given_split,
    }


def _store(folder: Path, manifest: snapshots.Manifest) -> str:
    """Put the folder under its digest, the manifest last: without one, nothing there counts as a snapshot."""
    name = f"snapshots/{manifest.digest}"
    if default_storage.exists(f"{name}/{snapshots.MANIFEST}"):
        return name
    for file in [*(shard.name for shard in manifest.shards), snapshots.MANIFEST]:
        if default_storage.exists(f"{name}/{file}"):
            default_storage.delete(f"{name}/{file}")
        with (folder / file).open("rb") as source:
            default_storage.save(f"{name}/{file}", File(source))
    return name
