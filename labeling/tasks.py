"""Celery's doors into labeling: each takes ids and makes one call."""

from celery import shared_task

from labeling import campaigns, work
from labeling.snapshots import exporting, freezing
from labeling.sources import faces, ingest
from labeling.voting import votes


@shared_task
def ingest_source(pk: int) -> None:
    with work.ignoring_second_deliveries():
        ingest.ingest(pk)


@shared_task
def detect_faces(pk: int) -> None:
    with work.ignoring_second_deliveries():
        faces.find_faces(pk)


@shared_task
def freeze_snapshot(pk: int) -> None:
    with work.ignoring_second_deliveries():
        freezing.run_freeze(pk)


@shared_task
def write_export(pk: int) -> None:
    with work.ignoring_second_deliveries():
        exporting.run_export(pk)


@shared_task
def sweep_work() -> int:
    return work.sweep()


@shared_task
def return_expired_leases() -> int:
    campaigns.close_overdue()
    return votes.return_expired_leases()
