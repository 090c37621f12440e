"""From a campaign's settled faces to a frozen snapshot in the storage."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils import translation
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from labeling import licensing, work
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
        with stored.making(attempts) as folder, _base(job.row, alive) as base:
            manifest = snapshots.write_columns(
                folder,
                _chunks(choice, telling.of(len(choice.faces), _FREEZING)),
                classes=choice.faces.classes,
                rule=job.row.rule,
                left_out=choice.faces.left_out,
                notes=choice.notes,
                certificate=choice.certificate,
                base=base,
                unseen=stored.is_elsewhere(),
                readers=_READERS_ELSEWHERE if stored.is_elsewhere() else _READERS,
            )
            added = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
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


_FACE = (
    "crop", "crop_sha256", "media__sha256", "media__kind", "time_ms", "x", "y", "width", "height",
    "detector", "track__number", "media__licence", "media__author", "media__page_url", "source",
)  # fmt: skip
"""source: the name of the source a media came from first."""


def _chunks(choice: Choice, done: Callable[[int], None]) -> Iterator[dict[str, list[Any]]]:
    """The rows of the snapshot as columns, some faces at a time, a fixed number of statements each."""
    faces, read, labelled = choice.faces, _reader(), FaceLabel.objects.exists()
    names, classes = np.array(snapshots.SPLITS, object), np.array(faces.classes, object)
    origins, given_splits = np.array(faces.origins, object), np.array(faces.given_splits, object)
    by_votes = np.array([origin in USUAL_LABELS for origin in faces.origins])
    for start in range(0, len(faces), snapshots.GROUP_ROWS):
        chunk = slice(start, start + snapshots.GROUP_ROWS)
        pks = faces.face[chunk].tolist()
        known = _faces(pks)
        labels = _other_labels(pks) if labelled else {}
        label, votes = faces.label[chunk], faces.votes[chunk]
        yield {
            "face_key": [faces.key(row) for row in range(start, start + len(pks))],
            "face_id": pks,
            "image": [
                partial(read, *face) for face in zip(pks, known["crop"], known["crop_sha256"], strict=True)
            ],
            "image_sha256": known["crop_sha256"],
            "label": classes[label].tolist(),
            "label_index": label.tolist(),
            "label_origin": origins[faces.origin[chunk]].tolist(),
            "other_labels": [labels.get(pk, "{}") for pk in pks],
            "votes": votes.tolist(),
            "soft_label": _soft_labels(votes[:, : len(classes)], label, by_votes[faces.origin[chunk]]),
            "split": names[choice.split[chunk]].tolist(),
            "fold": choice.fold[chunk].tolist(),
            "group": [f"{group:016x}" for group in choice.group[chunk].tolist()],
            "agreement": faces.agreement[chunk].tolist(),
            "media_sha256": known["media__sha256"],
            "media_kind": known["media__kind"],
            **{name: known[name] for name in ("time_ms", "x", "y", "width", "height", "detector")},
            "track": [number or 0 for number in known["track__number"]],
            "licence": known["media__licence"],
            "author": known["media__author"],
            "page_url": known["media__page_url"],
            "source": [name or "" for name in known["source"]],
            "given_split": given_splits[faces.given[chunk]].tolist(),
        }
        done(start + len(pks))


def _faces(pks: Sequence[int]) -> dict[str, list[Any]]:
    """The columns of _FACE, in the order of the keys. Raises Refused for a face that is gone."""
    first = Item.objects.filter(media=OuterRef("media")).order_by("pk").values("source__name")[:1]
    faces: Any = Face.objects.filter(pk__in=pks).order_by().annotate(source=Subquery(first))
    found = {row[0]: row[1:] for row in faces.values_list("pk", *_FACE)}
    for pk in pks:
        if pk not in found:
            raise work.Refused(_FACE_GONE.format(face=pk))
    return dict(zip(_FACE, map(list, zip(*(found[pk] for pk in pks), strict=True)), strict=True))


def _other_labels(faces: Sequence[int]) -> dict[int, str]:
    """Face → column → label, of all columns there are, as JSON."""
    found: dict[int, dict[str, str]] = {}
    rows = FaceLabel.objects.filter(face__in=faces).order_by("column")
    for face, column, label in rows.values_list("face", "column", "label"):
        found.setdefault(face, {})[column] = label
    return {face: json.dumps(labels, sort_keys=True, ensure_ascii=False) for face, labels in found.items()}


def _soft_labels(
    votes: NDArray[np.uint32], label: NDArray[np.int64], by_votes: NDArray[np.bool_]
) -> list[list[float]]:
    """Of the votes for expressions, the share of each; all for the label where it is not theirs, or there are none."""
    cast = votes.sum(axis=1)
    shared = by_votes & (cast > 0)
    shares = np.zeros(votes.shape)
    shares[np.arange(len(label)), label] = 1.0
    shares[shared] = votes[shared] / cast[shared, None]
    found: Any = shares.tolist()
    return list(found)


def _reader() -> Callable[[int, str, str], bytes]:
    """Reads the stored crop of a face. Raises Refused where it is gone, or is not the one that people voted on."""
    root = stored.local_path("")

    def read(face: int, crop: str, sha256: str) -> bytes:
        try:
            if root is not None:
                # It is asked for its folder once: it would look at each name for longer than reading takes.
                with open(f"{root}/{crop}", "rb", buffering=0) as file:
                    picture = file.read()
            else:
                with default_storage.open(crop) as file:
                    picture = file.read()
        except FileNotFoundError as gone:
            raise work.Refused(_PICTURE_GONE.format(face=face, name=crop)) from gone
        if hashlib.sha256(picture).hexdigest() != sha256:
            raise work.Refused(_OTHER_PICTURE.format(face=face, name=crop))
        return bytes(picture)

    return read
