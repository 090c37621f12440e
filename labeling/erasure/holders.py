"""Snapshots that hold erased faces, and the files made from them."""

from collections.abc import Callable, Collection
from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction

from labeling import work
from labeling.models import Erasure, Export, Snapshot, Work, WorkState
from labeling.snapshots import delivering, erasing, stored
from labeling.snapshots.erasing import Held

Alive = Callable[[], None]


def touched(keys: Collection[str], alive: Alive) -> Held:
    """What snapshots hold of these faces."""
    return erasing.touched(keys, alive) if keys else Held()


def unopened(held: Held) -> list[dict[str, Any]]:
    """The snapshots that cannot be opened, as they are told: key, name, and why in English; the newest first."""
    names = Snapshot.objects.filter(pk__in=held.unopened).order_by("-pk").values_list("pk", "name")
    return [{"pk": pk, "name": name, "why": held.unopened[pk]} for pk, name in names]


def let_go(erasure: Erasure, keys: Collection[str], alive: Alive) -> None:
    """Take the faces out of all snapshots, and have the exports of these made anew.

    The faces must be gone from the database: what is frozen from now on cannot hold them. Of a snapshot that cannot be
    opened nobody knows whether it held them: its exports, which can be made anew once it is back, go too.
    """
    if not keys:
        return
    _forget_unfinished()
    # Kept first: killed in between, the next attempt still knows whose exports are to be made anew.
    _keep(erasure, touched(keys, alive).rows)
    erasure.touched["unopened"] = unopened(erasing.erase(keys, alive))
    _save(erasure)
    for entry in erasure.touched["unopened"]:
        _make_exports_anew(entry["pk"])
        alive()
    for entry in erasure.touched.get("snapshots", []):
        if not entry.get("let_go"):
            _make_exports_anew(entry["pk"])
            entry["let_go"] = True
            _save(erasure)
            alive()


def _keep(erasure: Erasure, held: dict[int, int]) -> None:
    entries = erasure.touched.setdefault("snapshots", [])
    known = {entry["pk"] for entry in entries}
    names = Snapshot.objects.filter(pk__in=held).order_by("-pk").values_list("pk", "name")
    entries += [{"pk": pk, "name": name, "faces": held[pk]} for pk, name in names if pk not in known]
    _save(erasure)


def _save(erasure: Erasure) -> None:
    Erasure.objects.filter(pk=erasure.pk).update(touched=erasure.touched)


def _forget_unfinished() -> None:
    """A freeze that runs may have read the faces while they were there: it begins anew, without them.

    What attempts that did not come to their end have left goes too. Of any campaign: a rule may take in faces of
    others, and of labelled sources.
    """
    unfinished = Snapshot.objects.exclude(state=WorkState.DONE)
    for pk in unfinished.values_list("pk", flat=True):
        with transaction.atomic():
            # Looked at again and held: what is done meanwhile keeps its files, and none begins while they go.
            row = unfinished.select_for_update(of=("self",)).filter(pk=pk).first()
            if row is None:
                continue
            if row.state == WorkState.RUNNING:
                work.begin_again(row)
            _forget_attempts(row)
            _forget_stored(row)


def _forget_stored(row: Snapshot) -> None:
    others = Snapshot.objects.exclude(pk=row.pk)
    if row.folder and not others.filter(folder=row.folder).exists():
        stored.remove_folder(row.folder)
    owned = {pack for packs in others.values_list("packs", flat=True) for pack in packs}
    for pack in set(row.packs) - owned:
        default_storage.delete(stored.pack_of(pack))
    Snapshot.objects.filter(pk=row.pk).update(folder="", packs=[])


def _make_exports_anew(snapshot: int) -> None:
    exports = Export.objects.filter(snapshot=snapshot)
    for pk in exports.values_list("pk", flat=True):
        with transaction.atomic():
            # Looked at again and held: none is begun, or done, while its files go.
            row = exports.select_for_update(of=("self",)).filter(pk=pk).first()
            if row is not None:
                _make_anew(row)


def _make_anew(row: Export) -> None:
    if row.state == WorkState.RUNNING:
        work.begin_again(row)
    _forget_attempts(row)
    delivering.forget_parts(row)
    # Equal snapshots have equal exports: all of them are made anew.
    if row.stored_as:
        default_storage.delete(row.stored_as)
    # One that failed or was stopped too, where a file of it was to be had, or lies somewhere else.
    is_due = row.state == WorkState.DONE or row.sha256 or row.written
    Export.objects.filter(pk=row.pk).update(sha256="", bytes=0, stored_as="")
    if row.is_over and is_due:
        work.restart(row, also_done=True)


def _forget_attempts(row: Work) -> None:
    stored.forget_attempts(f"{type(row).__name__.lower()}-{row.pk}")
