"""Migrations that move rows, over real ones: forward, back, and forward again."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps.registry import Apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE, AFTER = "0017_face_limits", "0018_places_and_room_of_exports"
SUM = "5" * 64


def migrate(name: str) -> Apps:
    """Bring labeling to this migration, and what stands on it along. Returns the models as they are there."""
    executor = MigrationExecutor(connection)
    executor.migrate([("labeling", name)])
    return MigrationExecutor(connection).loader.project_state([("labeling", name)]).apps


@pytest.fixture(autouse=True)
def all_migrations_afterwards() -> Iterator[None]:
    yield
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def export(snapshot: Any, kind: str, state: str, options: dict[str, Any]) -> None:
    over = state in ("done", "failed", "stopped")
    type(snapshot)._meta.apps.get_model("labeling", "Export").objects.create(
        snapshot=snapshot,
        format=kind,
        options=options,
        state=state,
        ended_at=timezone.now() if over else None,
        stored_as="exports/1.zip",
        sha256=SUM,
        bytes=700,
    )


def test_exports_know_afterwards_where_they_were_written_and_whether_they_are_whole() -> None:
    old = migrate(BEFORE)
    campaign = old.get_model("labeling", "Campaign").objects.create(name="c", expressions=["happy", "sad"])
    snapshot = old.get_model("labeling", "Snapshot").objects.create(campaign=campaign, name="s")
    export(snapshot, "imagefolder", "done", {"to": "/mnt/sets", "words": {"purpose": "trial"}})
    export(snapshot, "parquet", "failed", {"to": "s3://sets/one", "profile": "lab"})
    export(snapshot, "coco", "done", {"words": {}})
    export(snapshot, "votes", "waiting", {})

    def rows(apps: Apps) -> dict[str, Any]:
        found = apps.get_model("labeling", "Export").objects.all()
        return {row.format: (row.written, row.taking, row.sha256, row.bytes) for row in found}

    known = {
        "imagefolder": (
            [{"to": "/mnt/sets", "profile": "", "erased": 0, "state": "whole"}], {}, SUM, 700,
        ),
        "parquet": (
            [{"to": "s3://sets/one", "profile": "lab", "erased": 0, "state": "begun"}], {}, "", 0,
        ),
        "coco": ([], {}, SUM, 700),
        "votes": ([], {}, "", 0),
    }  # fmt: skip
    assert rows(migrate(AFTER)) == known

    back = migrate(BEFORE).get_model("labeling", "Export").objects.order_by("pk")
    assert list(back.values_list("format", "sha256", "options__to")) == [
        ("imagefolder", SUM, "/mnt/sets"),
        ("parquet", "", "s3://sets/one"),
        ("coco", SUM, None),
        ("votes", "", None),
    ]
    assert rows(migrate(AFTER)) == known
