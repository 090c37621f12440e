"""From a campaign's settled faces to a frozen snapshot in the storage."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils import translation
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from labeling import bulk, licensing, work
from labeling.campaign_settings import rule_problems
from labeling.licence_words import reasons
from labeling.licences import kept
from labeling.models import Campaign, Face, FaceLabel, Item, Snapshot, Source, WorkState
from labeling.refusals import Refusal
from labeling.sayings import gettext_noop, told
from labeling.snapshots import format as snapshots
from labeling.snapshots import stored
from labeling.snapshots.candidates import label_columns
from labeling.snapshots.choosing import Choice, choose, with_label
from labeling.snapshots.earlier import versions_before
from labeling.snapshots.rule import (
    ALIKE,
    GIVEN,
    GROUPS,
    MEDIA,
    MOST_FOLDS,
    SOURCES,
    STRATIFIED,
    USUAL_LABELS,
    WAYS,
    Rule,
    shares,
)
from labeling.snapshots.stored import local_folder, verify
from labeling.snapshots.telling import Tell, Telling, nobody
from labeling.storage_paths import local_path

__all__ = [
    "FRACTIONS",
    "GIVEN",
    "STRATIFIED",
    "CannotFreeze",
    "freeze",
    "local_folder",
    "preview",
    "rule_of",
    "run_freeze",
    "verify",
]

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
PREVIEWED = 200_000
"""Faces up to which a preview deals out the splits; of more it would take minutes."""
_READERS, _READERS_ELSEWHERE = 2, 16
"""Crops read at once. A bucket takes its time for each, a disk hardly any."""
_CROP = 64 * 1024
"""Bytes that most crops have at most."""
_MARGIN_S = 1.0
"""A disk's clock and ours are not the same to the millisecond."""
_MESSAGE = 500
_READING = gettext_noop("Reading the votes")
_FREEZING = gettext_noop("Freezing")
_STORING = gettext_noop("Storing")
_FACE_GONE = gettext_noop("Face {face} was deleted while it was being frozen. Start again.")
_CAMPAIGN_GONE = gettext_noop("There is no campaign “{name}” any more. Freeze without it.")
_PICTURE_GONE = gettext_noop(
    "The picture of face {face} ({name}) is not in the storage. Put it back, then go on."
)
_OTHER_PICTURE = gettext_noop(
    "The picture of face {face} ({name}) is not the one people voted on. Put it back, then go on."
)


class CannotFreeze(Refusal):
    """Nothing was frozen; the text says what to change."""


def freeze(
    *, campaign: Campaign, name: str = "", created_by: Any = None, wake: bool = True, **wanted: Any
) -> Snapshot:
    """Queue the freezing of what is settled in the campaign when a worker takes it up.

    wanted: as of `rule_of`. wake: tell a worker; without it the caller does the work. Raises CannotFreeze.
    """
    rule = rule_of(campaign=campaign, **wanted)
    _demand_faces(campaign, rule)
    with transaction.atomic():
        row = Snapshot.objects.create(
            campaign=campaign, name=name or _next_name(campaign), rule=rule.to_json(), created_by=created_by
        )
        if wake:
            work.enqueue(row)
    return row


def rule_of(
    *,
    campaign: Campaign,
    also: Collection[Campaign] = (),
    labels: Sequence[str] = USUAL_LABELS,
    labelled_sources: Collection[str] = (),
    votes_at_least: int = 0,
    agreement_at_least: float = 0.0,
    classes: Collection[str] = (),
    side_at_least: int = 0,
    licences: Collection[str] | None = None,
    sources: Collection[str] = (),
    splits: str = STRATIFIED,
    fractions: Mapping[str, float] | None = None,
    seed: int = 0,
    split_sources: Mapping[str, Collection[str]] | None = None,
    together: Collection[str] | None = None,
    folds: int = 0,
    test_stays: bool = True,
) -> Rule:
    """A rule for freezing the campaign, checked. Raises CannotFreeze.

    also: other campaigns with the same expressions. fractions: split → share, scaled to add up to 1. licences: what the
    licences of media must allow (labeling.licences.DEMANDS), the campaign's rule if left out. together: what never
    straddles splits (rule.GROUPS), always the media; drawn splits keep near-duplicates together too unless told
    otherwise. The others: see rule.Rule.
    """
    usual = (MEDIA, ALIKE) if splits == STRATIFIED else (MEDIA,)
    rule = Rule(
        consensus=campaign.rule,
        minimum_agreement=campaign.minimum_agreement,
        campaigns=tuple(each.name for each in (campaign, *also)) if also else (),
        labels=tuple(labels),
        labelled_sources=tuple(sorted(labelled_sources)),
        votes_at_least=votes_at_least,
        agreement_at_least=agreement_at_least,
        classes=tuple(name for name in campaign.expressions if name in classes),
        side_at_least=side_at_least,
        licences=tuple(kept(campaign.licence_rule if licences is None else licences)),
        sources=tuple(sorted(sources)),
        splits=splits,
        fractions=_shares(FRACTIONS if fractions is None else fractions) if splits == STRATIFIED else {},
        seed=seed if splits == STRATIFIED or folds else 0,
        split_sources={
            split: sorted(names) for split, names in sorted((split_sources or {}).items()) if names
        },
        groups=tuple(sorted({MEDIA, *(usual if together is None else together)})),
        folds=folds,
        test_stays=test_stays,
    )
    for problem in _problems(rule, campaign, also, classes):
        raise CannotFreeze(problem)
    return rule


def _problems(
    rule: Rule, campaign: Campaign, also: Collection[Campaign], classes: Collection[str]
) -> Iterator[str]:
    yield from rule_problems(rule.licences)
    if rule.splits not in WAYS:
        yield _("Splits are {known}, not “{asked}”.").format(known=", ".join(WAYS), asked=rule.splits)
    if strange := set(rule.groups) - set(GROUPS):
        yield _("Splits keep these together: {known}; not {asked}.").format(
            known=", ".join(GROUPS), asked=", ".join(sorted(strange))
        )
    if not rule.labels or len(set(rule.labels)) < len(rule.labels):
        yield _("Say whose labels count, each once: {usual}, or columns of labels.").format(
            usual=", ".join(USUAL_LABELS)
        )
    asked = set(label_columns(rule))
    if asked and (unknown := asked - set(columns_there())):
        yield _("No face has a label of “{asked}”. There are: {known}.").format(
            asked=", ".join(sorted(unknown)), known=", ".join((*USUAL_LABELS, *columns_there()))
        )
    if rule.labelled_sources and not label_columns(rule):
        yield _("Sources whose faces join by their labels need a column of labels, such as “expert”.")
    if unknown := set(classes) - set(campaign.expressions):
        yield _("The campaign has no expression {names}.").format(names=", ".join(sorted(unknown)))
    if classes and len(rule.classes) < 2:
        yield _("A snapshot needs at least two expressions.")
    if not 0 <= rule.agreement_at_least <= 1:
        yield _("The agreement asked for is a share from 0 to 1.")
    if rule.votes_at_least < 0 or rule.side_at_least < 0:
        yield _("Votes and pixels are none below 0.")
    if rule.folds and not 2 <= rule.folds <= MOST_FOLDS:
        yield _("Folds are 2 to {most}, or none.").format(most=MOST_FOLDS)
    if rule.splits == SOURCES:
        yield from _source_problems(rule)
    for each in also:
        if each.expressions != campaign.expressions:
            yield _("“{name}” asks for other expressions.").format(name=each)
    named = {name for names in rule.split_sources.values() for name in names}
    named |= {*rule.sources, *rule.labelled_sources}
    known = set(Source.objects.filter(name__in=named).values_list("name", flat=True))
    if unknown := named - known:
        yield _("There is no source “{names}”.").format(names="”, “".join(sorted(unknown)))


def columns_there() -> list[str]:
    """The columns of labels there are in the whole collection."""
    return list(FaceLabel.objects.order_by("column").values_list("column", flat=True).distinct())


def _source_problems(rule: Rule) -> Iterator[str]:
    if not rule.split_sources or not set(rule.split_sources) <= {"validation", "test"}:
        yield _("Name sources for validation or test; everything else is trained on.")
    names = [name for each in rule.split_sources.values() for name in each]
    if len(set(names)) < len(names):
        yield _("A source is named for two splits.")


def _demand_faces(campaign: Campaign, rule: Rule) -> None:
    if rule.labelled_sources or label_columns(rule):
        return
    agreed = with_label(campaign)
    if not agreed.exists():
        raise CannotFreeze(_("No face of this campaign has a consensus yet. Let people vote first."))
    if not agreed.filter(licensing.meets(rule.licences)).exists():
        raise CannotFreeze(
            _("Of no face with a consensus the licence is as asked for: {why}. Ask for less.").format(
                why=reasons(licensing.left_out(agreed, rule.licences).why)
            )
        )


def _shares(fractions: Mapping[str, float]) -> dict[str, float]:
    if not fractions.get("train"):
        raise CannotFreeze(_("Train needs a share: without it there is nothing to learn from."))
    try:
        return shares(fractions, snapshots.SPLITS)
    except ValueError as error:
        raise CannotFreeze(_("Fractions are shares of train, validation and test, none below 0.")) from error


def _next_name(campaign: Campaign) -> str:
    number = f" v{campaign.snapshots.count() + 1}"
    return campaign.name[: 200 - len(number)] + number


def preview(*, campaign: Campaign, **wanted: Any) -> Choice:
    """What `freeze` would take now, and how it would part it. Nothing is changed. Raises CannotFreeze.

    For up to PREVIEWED faces: it reads them all.
    """
    rule = rule_of(campaign=campaign, **wanted)
    if campaign.campaign_faces.count() > PREVIEWED:
        raise CannotFreeze(
            _("So many faces are not parted for a preview; freeze them, and look at what came of it.")
        )
    try:
        with translation.override("en"):
            earlier = versions_before(Snapshot(campaign=campaign))
            return choose(
                campaigns=_campaigns(campaign, rule), rule=rule, earlier=earlier, alive=lambda: None
            )
    except work.Refused as refusal:
        raise CannotFreeze(told(str(refusal))) from refusal


def _campaigns(campaign: Campaign, rule: Rule) -> list[Campaign]:
    """The campaign, and those the rule names besides. Raises Refused."""
    found = [campaign]
    for name in rule.campaigns[1:]:
        other = Campaign.objects.filter(name=name).first()
        if other is None:
            raise work.Refused(_CAMPAIGN_GONE.format(name=name))
        found.append(other)
    return found


def run_freeze(snapshot_id: int, *, tell: Tell = nobody) -> None:
    """Freeze. Killed at any instruction, the next attempt begins anew and leaves nothing half-made in sight."""
    attempts = f"snapshot-{snapshot_id}"
    with work.claimed(Snapshot, snapshot_id) as job:
        stored.forget_attempts(attempts)
        campaign, rule = job.row.campaign, Rule.of(job.row.rule)
        telling = Telling(job, tell)
        alive = telling.alive(_READING)
        choice = choose(
            campaigns=_campaigns(campaign, rule),
            rule=rule,
            earlier=versions_before(job.row, alive),
            alive=alive,
        )
        with stored.making(attempts) as folder, _base(job.row, alive) as (base, trusted):
            write = partial(_written, folder, choice, job.row, telling, base)
            manifest = write(trusted)
            if trusted and _is_damaged(manifest.digest, telling):
                # The same content was frozen before: what of it is damaged must not come from there.
                shutil.rmtree(folder)
                manifest = write(())
            added = _added_bytes(folder)
            there = _store(folder, manifest, job.row, telling)
        counts = {
            "classes": list(choice.faces.classes),
            "splits": there.splits,
            "left_out": choice.faces.left_out,
            "moved": choice.moved,
            "certificate": choice.certificate,
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


def _written(
    folder: Path,
    choice: Choice,
    snapshot: Snapshot,
    telling: Telling,
    base: Path | None,
    trusted: Collection[str],
) -> snapshots.Manifest:
    return snapshots.write_columns(
        folder,
        _chunks(choice, telling.of(len(choice.faces), _FREEZING)),
        classes=choice.faces.classes,
        rule=snapshot.rule,
        left_out=choice.faces.left_out,
        notes=choice.notes,
        certificate=choice.certificate,
        base=base,
        trusted=trusted,
        readers=_READERS_ELSEWHERE if stored.is_elsewhere() else _READERS,
    )


def _is_damaged(digest: str, telling: Telling) -> bool:
    """Whether a snapshot of this digest is stored, and not whole."""
    if stored.is_elsewhere() or not default_storage.exists(stored.folder_of(digest)):
        return False
    alive = telling.alive(_STORING)
    return bool(stored.problems_of(digest, lambda rows: alive()))


def _added_bytes(folder: Path) -> int:
    """What the storage will hold more: shards of an earlier version are links, where it is a folder."""
    files = [file.stat() for file in folder.rglob("*") if file.is_file()]
    return sum(file.st_size for file in files if stored.is_elsewhere() or file.st_nlink == 1)


@contextmanager
def _base(snapshot: Snapshot, alive: stored.Alive) -> Iterator[tuple[Path | None, Collection[str]]]:
    """The newest version of the campaign before this one, and its packs that need not be read again.

    Images that it holds are not stored again.
    """
    earlier = Snapshot.objects.filter(campaign=snapshot.campaign, state=WorkState.DONE).exclude(
        pk=snapshot.pk
    )
    base = earlier.order_by("-pk").first()
    if base is None:
        yield None, ()
        return
    with stored.rows_of(base.digest, alive) as folder:
        try:
            manifest = snapshots.read_manifest(folder)
        except snapshots.NotASnapshot:
            # Its files are damaged or of another version: everything is stored anew.
            yield None, ()
        else:
            yield folder, _untouched(base, manifest.packs)


def _untouched(base: Snapshot, packs: Collection[str]) -> Collection[str]:
    """The packs that nobody has written to since the version was frozen; elsewhere they are believed to be whole.

    Of one that a verification found damaged too, no pack is believed.
    """
    if stored.is_elsewhere():
        return packs
    last = base.verifications.filter(state=WorkState.DONE).order_by("-pk").first()
    if base.ended_at is None or (last is not None and last.problems):
        return ()
    frozen = base.ended_at.timestamp() - _MARGIN_S
    return [name for name in packs if stored.changed_at(stored.pack_of(name)) < frozen]


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


_TEXT = pa.string()
_FACE = pa.schema(
    [
        ("pk", pa.int64()), ("crop", _TEXT), ("crop_sha256", _TEXT), ("media__sha256", _TEXT), ("media__kind", _TEXT),
        *((name, pa.int64()) for name in ("time_ms", "x", "y", "width", "height")), ("detector", _TEXT),
        ("track__number", pa.int64()), ("media__licence", _TEXT), ("media__author", _TEXT), ("media__page_url", _TEXT),
        ("source", _TEXT),
    ]
)  # fmt: skip
"""source: the name of the source a media came from first."""


def _chunks(choice: Choice, done: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    """The rows of the snapshot as columns, some faces at a time, a fixed number of statements each."""
    faces, labelled = choice.faces, FaceLabel.objects.exists()
    by_votes = np.array([origin in USUAL_LABELS for origin in faces.origins])
    starts = range(0, len(faces), snapshots.GROUP_ROWS)
    chunks = [slice(start, start + snapshots.GROUP_ROWS) for start in starts]
    known = bulk.table_each((_asked(faces.face[chunk]) for chunk in chunks), _FACE)
    for chunk, found in zip(chunks, known, strict=True):
        pks = faces.face[chunk]
        rows = _in_order(found, pks)
        label, votes, origin = faces.label[chunk], faces.votes[chunk], faces.origin[chunk]
        soft = _soft_labels(votes[:, : len(faces.classes)], label, by_votes[origin])
        yield {
            "face_key": _hex(faces.keys[chunk.start * 32 : chunk.stop * 32], 64),
            "face_id": pa.array(pks),
            "image": partial(_crops, pks, rows),
            "image_sha256": rows["crop_sha256"],
            "label": _named(faces.classes, label),
            "label_index": pa.array(label, pa.int16()),
            "label_origin": _named(faces.origins, origin),
            "other_labels": _other_labels(pks.tolist()) if labelled else ["{}"] * len(pks),
            "votes": _lists(votes.astype(np.int32)),
            "soft_label": _lists(soft.astype(np.float32)),
            "split": _named(snapshots.SPLITS, choice.split[chunk]),
            "fold": pa.array(choice.fold[chunk], pa.int16()),
            "group": _hex(choice.group[chunk].astype(">u8").tobytes(), 16),
            "agreement": pa.array(faces.agreement[chunk], pa.float32()),
            "media_sha256": rows["media__sha256"],
            "media_kind": rows["media__kind"],
            "time_ms": rows["time_ms"],
            **{name: rows[name].cast(pa.int32()) for name in ("x", "y", "width", "height")},
            "detector": rows["detector"],
            "track": rows["track__number"].fill_null(0).cast(pa.int32()),
            "licence": rows["media__licence"],
            "author": rows["media__author"],
            "page_url": rows["media__page_url"],
            "source": rows["source"].fill_null(""),
            "given_split": _named(faces.given_splits, faces.given[chunk]),
        }
        done(chunk.start + len(pks))


def _asked(pks: NDArray[np.int64]) -> Any:
    """The columns of _FACE."""
    first = Item.objects.filter(media=OuterRef("media")).order_by("pk").values("source__name")[:1]
    faces: Any = Face.objects.filter(pk__in=pks.tolist()).order_by().annotate(source=Subquery(first))
    return faces.values_list(*_FACE.names)


def _in_order(found: pa.Table, pks: NDArray[np.int64]) -> dict[str, pa.Array]:
    """The columns in the order of the keys. Raises Refused for a face that is gone."""
    there = found["pk"].to_numpy()
    order = np.argsort(there)
    place = np.searchsorted(there, pks, sorter=order).clip(max=max(0, len(there) - 1))
    gone = np.ones(len(pks), np.bool_) if not len(there) else there[order[place]] != pks
    if gone.any():
        raise work.Refused(_FACE_GONE.format(face=int(pks[gone][0])))
    rows = found.take(pa.array(order[place])).combine_chunks()
    return {name: rows.column(name).chunk(0) for name in _FACE.names}


def _hex(data: bytes, digits: int) -> pa.StringArray:
    """So many digits each."""
    text = data.hex().encode()
    ends = np.arange(0, len(text) + 1, digits, dtype=np.int32)
    return pa.StringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(text))


def _named(names: Sequence[str], numbers: NDArray[np.int64]) -> pa.StringArray:
    return pa.array(names, _TEXT).take(pa.array(numbers))


def _lists(rows: NDArray[Any]) -> pa.ListArray:
    ends = np.arange(0, rows.size + 1, rows.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(rows.reshape(-1)))


def _other_labels(faces: Sequence[int]) -> list[str]:
    """Of each face column → label, of all columns there are, as JSON."""
    found: dict[int, dict[str, str]] = {}
    rows = FaceLabel.objects.filter(face__in=faces).order_by("column")
    for face, column, label in rows.values_list("face", "column", "label"):
        found.setdefault(face, {})[column] = label
    return [
        json.dumps(found[face], sort_keys=True, ensure_ascii=False) if face in found else "{}"
        for face in faces
    ]


def _soft_labels(
    votes: NDArray[np.uint32], label: NDArray[np.int64], by_votes: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Of the votes for expressions, the share of each; all for the label where it is not theirs, or there are none."""
    cast = votes.sum(axis=1)
    shared = by_votes & (cast > 0)
    shares = np.zeros(votes.shape)
    shares[np.arange(len(label)), label] = 1.0
    shares[shared] = votes[shared] / cast[shared, None]
    return shares


def _crops(
    pks: NDArray[np.int64], faces: Mapping[str, pa.Array], rows: Sequence[int]
) -> tuple[list[bytes], list[str]]:
    """The stored crops of these rows, and their sha256.

    Raises Refused where one is gone, or is not the one that people voted on.
    """
    root, which = local_path(""), pa.array(rows, pa.int64())
    names, wanted = (faces[name].take(which).to_pylist() for name in ("crop", "crop_sha256"))
    pictures: list[bytes] = []
    for row, name in zip(rows, names, strict=True):
        try:
            pictures.append(_whole(f"{root}/{name}") if root is not None else _fetched(name))
        except FileNotFoundError as gone:
            raise work.Refused(_PICTURE_GONE.format(face=pks[row], name=name)) from gone
    sha256 = hashlib.sha256
    found = [sha256(picture).hexdigest() for picture in pictures]
    if found != wanted:
        other = next(
            number for number, pair in enumerate(zip(found, wanted, strict=True)) if len(set(pair)) > 1
        )
        raise work.Refused(_OTHER_PICTURE.format(face=pks[rows[other]], name=names[other]))
    return pictures, found


def _whole(path: str) -> bytes:
    """What is in a file. Python's own way asks for more than reading takes, and so does the storage for its folder."""
    file = os.open(path, os.O_RDONLY)
    try:
        parts = [os.read(file, _CROP)]
        while len(parts[-1]) == _CROP:
            parts.append(os.read(file, _CROP))
    finally:
        os.close(file)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _fetched(name: str) -> bytes:
    with default_storage.open(name) as file:
        return bytes(file.read())
