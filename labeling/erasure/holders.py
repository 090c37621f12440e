"""Snapshots that hold erased faces, and the files made from them."""

import shutil
from collections.abc import Callable, Collection
from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import QuerySet

from labeling import work
from labeling.models import Erasure, Export, Snapshot, Work, WorkState
from labeling.snapshots import stored

Alive = Callable[[], None]


def _erasing() -> Any:
    return import_module("labeling.snapshots.erasing")


def touched(keys: Collection[str], alive: Alive) -> dict[int, int]:
    """Snapshot → faces of these it holds."""
    if not keys or not Snapshot.objects.filter(state=WorkState.DONE).exists():
        return {}
    found: dict[int, int] = _erasing().touched(keys, alive)
    return found


def let_go(erasure: Erasure, keys: Collection[str], campaigns: Collection[int], alive: Alive) -> None:
    """Take the faces out of all snapshots, and have the exports of these made anew.

    The faces must be gone from the database: what is frozen from now on cannot hold them.
    """
    _forget_unfinished(Snapshot.objects.filter(campaign__in=campaigns).exclude(state=WorkState.DONE))
    for pk, faces in touched(keys, alive).items():
        # Kept first: killed between the two, the next attempt still knows whose exports are to be made anew.
        _keep(erasure, pk, faces)
        _erasing().erase(pk, keys, alive)
        alive()
    for entry in erasure.touched.get("snapshots", []):
        if not entry.get("let_go"):
            _make_exports_anew(entry["pk"])
            _forget_cached(entry["pk"])
            entry["let_go"] = True
            Erasure.objects.filter(pk=erasure.pk).update(touched=erasure.touched)
            alive()


def _keep(erasure: Erasure, pk: int, faces: int) -> None:
    entries = erasure.touched.setdefault("snapshots", [])
    if all(entry["pk"] != pk for entry in entries):
        name = Snapshot.objects.values_list("name", flat=True).get(pk=pk)
        entries.append({"pk": pk, "name": name, "faces": faces})
        Erasure.objects.filter(pk=erasure.pk).update(touched=erasure.touched)


def _forget_unfinished(snapshots: QuerySet[Snapshot]) -> None:
    """A freeze that runs may have read the faces while they were there: it begins anew, without them.

    What attempts that did not come to their end have left goes too.
    """
    for row in snapshots:
        taken = row.state == WorkState.RUNNING and work.begin_again(row, wake=False)
        _forget_attempts(row)
        others = Snapshot.objects.exclude(pk=row.pk).filter(folder=row.folder)
        if row.folder and not others.exists():
            stored.remove_folder(row.folder)
            Snapshot.objects.filter(pk=row.pk).update(folder="")
        if taken:
            work.enqueue(row)


def _make_exports_anew(snapshot: int) -> None:
    for row in Export.objects.filter(snapshot=snapshot):
        taken = row.state == WorkState.RUNNING and work.begin_again(row, wake=False)
        _forget_attempts(row)
        # Equal snapshots have equal exports: all of them are made anew.
        if row.stored_as:
            default_storage.delete(row.stored_as)
        if taken:
            work.enqueue(row)
        elif row.state == WorkState.DONE:
            work.restart(row, also_done=True)


def _forget_attempts(row: Work) -> None:
    stored.forget_attempts(f"{type(row).__name__.lower()}-{row.pk}")


def _forget_cached(snapshot: int) -> None:
    """The copy on this machine, of a storage elsewhere."""
    digest = Snapshot.objects.values_list("digest", flat=True).get(pk=snapshot)
    if digest:
        shutil.rmtree(Path(settings.SNAPSHOT_CACHE_ROOT) / digest, ignore_errors=True)
