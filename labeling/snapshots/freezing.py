"""From a campaign's settled faces to a frozen snapshot in the storage."""

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from labeling import bulk, licensing, work
from labeling.licence_words import reasons
from labeling.models import Campaign, Snapshot, Verification, WorkState
from labeling.sayings import gettext_noop, told
from labeling.snapshots import candidates, carried, renewing, split, stored, taken_in
from labeling.snapshots import format as snapshots
from labeling.snapshots.arrays import narrow
from labeling.snapshots.asking import FRACTIONS, CannotFreeze, columns_there, demand_name, rule_of
from labeling.snapshots.carried import Carried
from labeling.snapshots.choosing import Choice, choose, with_label
from labeling.snapshots.columns import chunks
from labeling.snapshots.crops import reading
from labeling.snapshots.earlier import digests_before, newest_first, versions_before
from labeling.snapshots.renewing import Faces
from labeling.snapshots.rule import GIVEN, STRATIFIED, Rule, label_columns
from labeling.snapshots.stored import local_folder, verify
from labeling.snapshots.telling import Tell, Telling, nobody

__all__ = [
    "FRACTIONS",
    "GIVEN",
    "STRATIFIED",
    "CannotFreeze",
    "columns_there",
    "freeze",
    "local_folder",
    "preview",
    "rule_of",
    "run_freeze",
    "verify",
]

PREVIEWED = 200_000
"""Faces up to which a preview deals out the splits; of more it would take minutes."""
_READERS, _READERS_ELSEWHERE = 2, 16
"""Crops read at once. A bucket takes its time for each, a disk hardly any."""
_MESSAGE = 500
_READING = gettext_noop("Reading the votes")
_FREEZING = gettext_noop("Freezing")
_STORING = gettext_noop("Storing")
_ANEW = gettext_noop("Another version was frozen meanwhile: choosing anew")
_CAMPAIGN_GONE = gettext_noop("There is no campaign “{name}” any more. Freeze without it.")


def freeze(
    *, campaign: Campaign, name: str = "", created_by: Any = None, wake: bool = True, **wanted: Any
) -> Snapshot:
    """Queue the freezing of what is settled in the campaign when a worker takes it up.

    wanted: as of `rule_of`. wake: tell a worker; without it the caller does the work. Raises CannotFreeze.
    """
    demand_name(name)
    rule = rule_of(campaign=campaign, **wanted)
    _demand_faces(campaign, rule)
    with transaction.atomic():
        row = Snapshot.objects.create(
            campaign=campaign,
            name=name or _next_name(campaign),
            rule=rule.to_json(),
            counts=taken_in.counted([campaign, *wanted.get("also", ())]),
            created_by=created_by,
        )
        if wake:
            work.enqueue(row)
    return row


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
            faces = candidates.read([campaign, *wanted.get("also", ())], rule)
            earlier = versions_before(Snapshot(campaign=campaign), rule)
            return choose(faces=faces, rule=rule, earlier=earlier)
    except work.Refused as refusal:
        raise CannotFreeze(told(str(refusal))) from refusal


def _campaigns(snapshot: Snapshot, rule: Rule) -> list[Campaign]:
    """The snapshot's campaign, and those the rule names besides. Raises Refused."""
    found = taken_in.campaigns_of(snapshot)
    for campaign, name in zip(found[1:], rule.campaigns[1:], strict=True):
        if campaign is None:
            raise work.Refused(_CAMPAIGN_GONE.format(name=name))
    return [campaign for campaign in found if campaign is not None]


def run_freeze(snapshot_id: int, *, tell: Tell = nobody) -> None:
    """Freeze. Killed at any instruction, the next attempt begins anew and leaves nothing half-made in sight.

    Others of the campaign may be frozen at once: whoever is done second has chosen anew, knowing what the first tests
    on.
    """
    with work.claimed(Snapshot, snapshot_id) as job:
        stored.forget_attempts(_attempts(snapshot_id))
        telling = Telling(job, tell)
        while not _frozen(job, telling):
            telling(_ANEW)


def _frozen(job: work.Job[Snapshot], telling: Telling) -> bool:
    """Returns False, and leaves the job undone, if another version of the campaign was frozen meanwhile."""
    attempts = _attempts(job.row.pk)
    rule = Rule.of(job.row.rule)
    campaigns = _campaigns(job.row, rule)
    job.row.campaign = campaigns[0]
    before = digests_before(job.row)
    alive = telling.alive(_READING)
    with (
        stored.making(attempts) as folder,
        _base(job.row, alive) as base,
        bulk.at_one_moment() as reader,
    ):
        found = renewing.read(campaigns, rule, job.row, base.last, reader, alive)
        choice = choose(
            faces=found.faces, rule=rule, earlier=found.earlier, alive=alive, compared=found.compared
        )
        # What was there before is of no more use; of a million faces it takes 30 MB.
        found = replace(found, earlier=replace(found.earlier, newest=None), compared=None)
        rows = None if found.read is None else np.empty(len(choice.faces), snapshots.ROW)
        write = partial(_written, folder, choice, job.row, telling, rows, reader)
        manifest = write(base, _staying(choice, found, base))
        if base.trusted and _is_damaged(manifest.digest, telling):
            # The same content was frozen before: what of it is damaged must not come from there.
            shutil.rmtree(folder)
            manifest = write(_Base(base.folder), None)
        if digests_before(job.row) != before:
            return False
        added = _added_bytes(folder)
        there = _store(folder, manifest, job.row, telling)
    job.beat(force=True)
    _carry(choice, found, rows if _lie_alike(there, manifest) else None, there, job.row)
    counts = {
        "classes": list(choice.faces.classes),
        "splits": there.splits,
        "left_out": choice.faces.left_out,
        "moved": choice.moved,
        "certificate": choice.certificate,
        "added_bytes": added,
        "read_anew": found.read_anew,
        **taken_in.counted(campaigns),
    }
    size = stored.size_of(manifest.digest)
    with transaction.atomic():
        # Of two that are about to be done, one waits here until the other is.
        Campaign.objects.select_for_update(no_key=True).get(pk=job.row.campaign_id)
        if digests_before(job.row) != before:
            return False
        job.leave(
            WorkState.DONE,
            digest=manifest.digest,
            packs=list(there.packs),
            erased=there.erased,
            bytes=size,
            counts=counts,
            message=" ".join(choice.notes)[:_MESSAGE],
        )
    return True


def _attempts(snapshot: int) -> str:
    """What is being made for it, so that the next attempt removes what a killed one left."""
    return f"snapshot-{snapshot}"


@dataclass(frozen=True)
class _Base:
    """The newest version of the campaign before this one. trusted: its files and packs that need not be read again.

    last: what its freezing has left, if all of it lies as it was left.
    """

    folder: Path | None = None
    trusted: Collection[str] = ()
    last: Carried | None = None


@contextmanager
def _base(snapshot: Snapshot, alive: stored.Alive) -> Iterator[_Base]:
    base = newest_first(snapshot).first()
    if base is None:
        yield _Base()
        return
    with stored.rows_of(base.digest, alive) as folder:
        try:
            manifest = snapshots.read_manifest(folder)
        except snapshots.NotASnapshot:
            # Its files are damaged or of another version: everything is stored anew.
            yield _Base()
            return
        last = carried.load(base.campaign_id, base.pk, alive, _attempts(snapshot.pk))
        if last is None or _is_doubted(base):
            yield _Base(folder)
            return
        trusted = last.untouched(base.digest)
        can_stay = last.manifest == carried.manifest_sha256(folder) and trusted.issuperset(manifest.packs)
        if can_stay and last.faces is not None and snapshots.base_of(folder, trusted).can_stay:
            yield _Base(folder, trusted, last)
        else:
            yield _Base(folder, trusted)


def _is_doubted(base: Snapshot) -> bool:
    """Whether a verification found damage in any version of the campaign since this one was last known to be whole.

    They share files: nothing is believed then.
    """
    done = Verification.objects.filter(state=WorkState.DONE)
    whole = done.filter(snapshot=base, problems=[]).order_by("-ended_at").first()
    since = whole.ended_at if whole is not None else base.ended_at
    others = done.filter(snapshot__campaign=base.campaign_id, ended_at__gt=since)
    return others.exclude(problems=[]).exists()


def _staying(choice: Choice, found: Faces, base: _Base) -> snapshots.Staying | None:
    """The rows that are what they were in the base: faces that have not changed, in the same place."""
    last, before, faces = base.last, found.before, choice.faces
    if last is None or before is None or found.fresh is None:
        return None
    stays = ~found.fresh
    for now, then in ((choice.split, last.split), (choice.fold, last.fold), (choice.group, last.group)):
        stays[stays] = now[stays] == then[before[stays]]
    at = np.flatnonzero(stays)
    counts = split.count(faces.label[at], choice.split[at], len(faces.classes), len(snapshots.SPLITS))
    return snapshots.Staying(last.rows, before[at], at, counts, before[~stays], faces.keys)


def _written(
    folder: Path,
    choice: Choice,
    snapshot: Snapshot,
    telling: Telling,
    rows: snapshots.Rows | None,
    reader: bulk.Reader | None,
    base: _Base,
    staying: snapshots.Staying | None,
) -> snapshots.Manifest:
    which = np.ones(len(choice.faces), np.bool_)
    if staying is not None:
        which[staying.at] = False
    wanted = np.flatnonzero(which)
    with reading() as crops:
        return snapshots.write_columns(
            folder,
            chunks(choice, wanted, crops, telling.of(len(wanted), _FREEZING), reader),
            classes=choice.faces.classes,
            rule=snapshot.rule,
            left_out=choice.faces.left_out,
            notes=choice.notes,
            certificate=choice.certificate,
            base=base.folder,
            trusted=base.trusted,
            readers=_READERS_ELSEWHERE if stored.is_elsewhere() else _READERS,
            staying=staying,
            rows=rows,
        )


def _lie_alike(one: snapshots.Manifest, other: snapshots.Manifest) -> bool:
    """Whether the rows and images of both lie in the same files, at the same places."""
    files = [(each.shards, each.order, each.packs, each.erased) for each in (one, other)]
    return files[0] == files[1]


def _carry(
    choice: Choice, found: Faces, rows: snapshots.Rows | None, there: snapshots.Manifest, snapshot: Snapshot
) -> None:
    """Keep for the next freezing what this one read, and wrote. rows: None if they lie elsewhere than they were put."""
    rule, digest = Rule.of(snapshot.rule), there.digest
    # All that is ever tested on, also where nothing else can be carried: should files of this version be damaged.
    kept: dict[str, Any] = {"tested": found.earlier.tested_with(choice.faces, choice.split)}
    if rows is not None and found.read is not None:
        kept |= {
            "read": found.read,
            "faces": choice.faces,
            "split": narrow(choice.split),
            "fold": narrow(choice.fold),
            "group": choice.group,
            "rows": rows,
        }
    with stored.rows_of(digest) as folder:
        manifest = carried.manifest_sha256(folder)
    left = Carried(
        snapshot=snapshot.pk,
        rule=rule.to_json(),
        expressions=list(snapshot.campaign.expressions),
        allowed=renewing.allowed(rule),
        versions=list(dict.fromkeys((digest, *found.earlier.digests))),
        manifest=manifest,
        files=carried.signatures(digest, there),
        similarity=choice.certificate["similarity"],
        **kept,
    )
    carried.save(left, snapshot.campaign_id, _attempts(snapshot.pk))


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
        try:
            stored.put_snapshot(folder, manifest.digest, alive=lambda: telling.now(_STORING))
        except work.ClaimLost:
            _forget_ownerless(snapshot.pk, name, manifest.packs)
            raise
    there = stored.manifest_of(manifest.digest)
    telling(_STORING, packs=list(there.packs))
    _forget_others(before, there, set(manifest.packs))
    return there


def _forget_ownerless(pk: int, folder: str, packs: Collection[str]) -> None:
    """Remove what was stored after an erasure had the row let go of its files, unless a snapshot has them."""
    with transaction.atomic():
        # Held: the next attempt names its files before it stores them, and waits here to do so.
        Snapshot.objects.select_for_update(of=("self",)).filter(pk=pk).first()
        rows = Snapshot.objects.all()
        if not rows.filter(folder=folder).exists():
            stored.remove_folder(folder)
        owned = {pack for each in rows.values_list("packs", flat=True) for pack in each}
        for pack in set(packs) - owned:
            default_storage.delete(stored.pack_of(pack))


def _forget_others(before: Snapshot, there: snapshots.Manifest, packs: set[str]) -> None:
    """Remove what killed attempts stored before votes changed, unless another snapshot has it."""
    name = stored.folder_of(there.digest)
    others = Snapshot.objects.exclude(pk=before.pk)
    if before.folder and before.folder != name and not others.filter(folder=before.folder).exists():
        stored.remove_folder(before.folder)
    owned = {pack for each in others.values_list("packs", flat=True) for pack in each}
    for pack in (set(before.packs) | packs) - set(there.packs) - owned:
        default_storage.delete(stored.pack_of(pack))
