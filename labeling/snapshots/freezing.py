"""From a campaign's settled faces to a frozen snapshot in the storage."""

import hashlib
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.translation import gettext as _

from labeling import licensing, work
from labeling.campaign_settings import rule_problems
from labeling.licence_words import reasons
from labeling.licences import kept
from labeling.models import Campaign, Face, Item, Snapshot, WorkState
from labeling.refusals import Refusal
from labeling.sayings import gettext_noop
from labeling.snapshots import format as snapshots
from labeling.snapshots import stored
from labeling.snapshots.choosing import (
    GIVEN,
    GROUPS,
    MEDIA,
    STRATIFIED,
    Choice,
    Chosen,
    choose,
    with_label,
)
from labeling.snapshots.stored import local_folder, verify
from labeling.snapshots.telling import Tell, Telling, nobody

__all__ = [
    "FRACTIONS",
    "GIVEN",
    "STRATIFIED",
    "CannotFreeze",
    "freeze",
    "local_folder",
    "run_freeze",
    "verify",
]

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
_CHUNK = 500
_MESSAGE = 500
_READING = gettext_noop("Reading the votes")
_FREEZING = gettext_noop("Freezing")
_STORING = gettext_noop("Storing")
_FACE_GONE = gettext_noop("Face {face} was deleted while it was being frozen. Start again.")
_PICTURE_GONE = gettext_noop(
    "The picture of face {face} ({name}) is not in the storage. Put it back, then go on."
)
_OTHER_PICTURE = gettext_noop(
    "The picture of face {face} ({name}) is not the one people voted on. Put it back, then go on."
)


class CannotFreeze(Refusal):
    """Nothing was frozen; the text says what to change."""


def freeze(
    *,
    campaign: Campaign,
    name: str = "",
    fractions: Mapping[str, float] | None = None,
    seed: int = 0,
    splits: str = STRATIFIED,
    licences: Collection[str] | None = None,
    together: Collection[str] | None = None,
    created_by: Any = None,
    wake: bool = True,
) -> Snapshot:
    """Queue the freezing of what is settled in the campaign when a worker takes it up.

    fractions: split → share, scaled to add up to 1. splits: `stratified` draws them, `given` takes those the faces'
    source came with. licences: what the licences of media must allow (labeling.licences.DEMANDS), the campaign's
    rule if left out; faces that do not meet it stay out. together: what never straddles splits (choosing.GROUPS),
    always the media; drawn splits keep near-duplicates together too unless told otherwise. wake: tell a worker;
    without it the caller does the work. Raises CannotFreeze.
    """
    if splits not in (STRATIFIED, GIVEN):
        raise CannotFreeze(
            _("Splits are “{stratified}” or “{given}”, not “{asked}”.").format(
                stratified=STRATIFIED, given=GIVEN, asked=splits
            )
        )
    usual = GROUPS if splits == STRATIFIED else ()
    kept_together = {MEDIA, *(usual if together is None else together)}
    if not kept_together <= set(GROUPS):
        raise CannotFreeze(
            _("Splits keep these together: {known}; not {asked}.").format(
                known=", ".join(GROUPS), asked=", ".join(sorted(kept_together - set(GROUPS)))
            )
        )
    asked = kept(campaign.licence_rule if licences is None else licences)
    _demand_faces(campaign, asked)
    rule: dict[str, Any] = {
        "label": "majority",
        "consensus": campaign.rule,
        "minimum_agreement": campaign.minimum_agreement,
        "splits": splits,
        "groups": sorted(kept_together),
    }
    shares = _shares(FRACTIONS if fractions is None else fractions)
    if asked:
        rule["licences"] = asked
    if splits == STRATIFIED:
        rule |= {"seed": seed, "fractions": shares}
    with transaction.atomic():
        row = Snapshot.objects.create(
            campaign=campaign, name=name or _next_name(campaign), rule=rule, created_by=created_by
        )
        if wake:
            work.enqueue(row)
    return row


def _demand_faces(campaign: Campaign, licences: Collection[str]) -> None:
    for problem in rule_problems(licences):
        raise CannotFreeze(problem)
    agreed = with_label(campaign)
    if not agreed.exists():
        raise CannotFreeze(_("No face of this campaign has a consensus yet. Let people vote first."))
    if not agreed.filter(licensing.meets(licences)).exists():
        raise CannotFreeze(
            _("Of no face with a consensus the licence is as asked for: {why}. Ask for less.").format(
                why=reasons(licensing.left_out(agreed, licences).why)
            )
        )


def _shares(fractions: Mapping[str, float]) -> dict[str, float]:
    """Of every split, adding up to 1: 8, 1, 1 is the same rule as 0.8, 0.1, 0.1."""
    known = set(fractions) <= set(snapshots.SPLITS)
    if not known or not all(math.isfinite(share) and share >= 0 for share in fractions.values()):
        raise CannotFreeze(_("Fractions are shares of train, validation and test, none below 0."))
    if not fractions.get("train"):
        raise CannotFreeze(_("Train needs a share: without it there is nothing to learn from."))
    total = sum(fractions.values())
    return {split: round(fractions.get(split, 0.0) / total, 9) for split in snapshots.SPLITS}


def _next_name(campaign: Campaign) -> str:
    number = f" v{campaign.snapshots.count() + 1}"
    return campaign.name[: 200 - len(number)] + number


def run_freeze(snapshot_id: int, *, tell: Tell = nobody) -> None:
    """Freeze. Killed at any instruction, the next attempt begins anew and leaves nothing half-made in sight."""
    attempts = f"snapshot-{snapshot_id}"
    with work.claimed(Snapshot, snapshot_id) as job:
        stored.forget_attempts(attempts)
        campaign, rule = job.row.campaign, job.row.rule
        telling = Telling(job, tell)
        choice = choose(campaign=campaign, rule=rule, alive=telling.alive(_READING))
        with stored.making(attempts) as folder, _base(job.row, telling.alive(_READING)) as base:
            manifest = snapshots.write(
                folder,
                _rows(choice, job.row, telling.of(len(choice.faces), _FREEZING)),
                classes=campaign.expressions,
                rule=rule,
                left_out=choice.left_out,
                notes=choice.notes,
                base=base,
                unseen=stored.is_elsewhere(),
            )
            added = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            there = _store(folder, manifest, job.row, telling)
        counts = {
            "classes": campaign.expressions,
            "splits": there.splits,
            "left_out": choice.left_out,
            "moved": choice.moved,
            "groups": choice.groups,
            "added_bytes": added,
        }
        job.leave(
            WorkState.DONE,
            digest=manifest.digest,
            packs=list(there.packs),
            erased=there.erased,
            bytes=stored.size_of(manifest.digest),
            counts=counts,
            message=" ".join(choice.notes)[:_MESSAGE],
        )


@contextmanager
def _base(snapshot: Snapshot, alive: stored.Alive) -> Iterator[Path | None]:
    """The newest version of the campaign before this one: images it holds are not stored again."""
    earlier = Snapshot.objects.filter(campaign=snapshot.campaign, state=WorkState.DONE).exclude(
        pk=snapshot.pk
    )
    base = earlier.order_by("-pk").first()
    if base is None:
        yield None
        return
    with stored.rows_of(base.digest, alive) as folder:
        try:
            snapshots.read_manifest(folder)
        except snapshots.NotASnapshot:
            # Its files are damaged or of another version: everything is stored anew.
            yield None
        else:
            yield folder


def _store(
    folder: Path, manifest: snapshots.Manifest, snapshot: Snapshot, telling: Telling
) -> snapshots.Manifest:
    """Put the folder under its digest, unless the same content was frozen before and is whole.

    Returns what is stored: the same content, perhaps in other packs, or with faces erased meanwhile.
    """
    name = stored.folder_of(manifest.digest)
    before = Snapshot.objects.get(pk=snapshot.pk)
    # The row names the files before they are there: what a killed attempt stores is never without an owner.
    telling(_STORING, folder=name, packs=sorted({*before.packs, *manifest.packs}))
    alive = telling.alive(_STORING)
    if stored.problems_of(manifest.digest, lambda rows: alive()):
        stored.put_snapshot(folder, manifest.digest, alive=alive)
    there = stored.manifest_of(manifest.digest)
    telling(_STORING, packs=list(there.packs))
    _forget_others(before, there, set(manifest.packs))
    return there


def _forget_others(before: Snapshot, there: snapshots.Manifest, packs: set[str]) -> None:
    """Remove what killed attempts stored before votes changed, unless another snapshot has it."""
    name = stored.folder_of(there.digest)
    others = Snapshot.objects.exclude(pk=before.pk)
    if before.folder and before.folder != name and not others.filter(folder=before.folder).exists():
        stored.remove_folder(before.folder)
    owned = {pack for each in others.values_list("packs", flat=True) for pack in each}
    for pack in (set(before.packs) | packs) - set(there.packs) - owned:
        default_storage.delete(stored.pack_of(pack))


def _rows(choice: Choice, snapshot: Snapshot, done: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    """The rows of the snapshot, a chunk of faces at a time, a fixed number of statements a chunk."""
    # A picture is read only where no earlier version holds it.
    for start in range(0, len(choice.faces), _CHUNK):
        chunk = choice.faces[start : start + _CHUNK]
        faces = Face.objects.select_related("media", "track").in_bulk([one.face for one in chunk])
        sources = _sources({face.media_id for face in faces.values()})
        for number, one in enumerate(chunk, start=start):
            if one.face not in faces:
                raise work.Refused(_FACE_GONE.format(face=one.face))
            face = faces[one.face]
            row = _row(one, face, sources.get(face.media_id, ""), snapshot)
            yield row | {"split": choice.splits[number], "group": choice.group_names[number]}
            done(number + 1)


def _sources(media: set[int]) -> dict[int, str]:
    """The name of the source a media came from first."""
    rows = Item.objects.filter(media__in=media).order_by("-pk").values_list("media", "source__name")
    return {pk: name for pk, name in rows if pk is not None}


def _soft_label(votes: Sequence[int], label: int) -> list[float]:
    """Of the votes for expressions, the share of each; all for the label where a manager decided without any."""
    if not any(votes):
        return [float(index == label) for index in range(len(votes))]
    return [count / sum(votes) for count in votes]


def _row(one: Chosen, face: Face, source: str, snapshot: Snapshot) -> dict[str, Any]:
    classes: list[str] = snapshot.campaign.expressions
    return {
        "face_key": one.key,
        "face_id": face.pk,
        "image": partial(_picture, face),
        "image_sha256": face.crop_sha256,
        "label": one.label,
        "label_index": classes.index(one.label),
        "label_origin": "adjudicated" if one.adjudicated else "votes",
        "votes": one.votes,
        "soft_label": _soft_label(one.votes[: len(classes)], classes.index(one.label)),
        "agreement": one.agreement,
        "media_sha256": one.media,
        "media_kind": face.media.kind,
        "time_ms": face.time_ms,
        "x": face.x,
        "y": face.y,
        "width": face.width,
        "height": face.height,
        "detector": face.detector,
        "track": face.track.number if face.track else 0,
        "licence": face.media.licence,
        "author": face.media.author,
        "page_url": face.media.page_url,
        "source": source,
        "given_split": one.given_split,
    }


def _picture(face: Face) -> bytes:
    """The stored crop as it is. Raises Refused where it is gone or is not the one that people voted on."""
    try:
        with default_storage.open(face.crop) as file:
            picture: bytes = file.read()
    except FileNotFoundError as gone:
        raise work.Refused(_PICTURE_GONE.format(face=face.pk, name=face.crop)) from gone
    if hashlib.sha256(picture).hexdigest() != face.crop_sha256:
        raise work.Refused(_OTHER_PICTURE.format(face=face.pk, name=face.crop))
    return picture
