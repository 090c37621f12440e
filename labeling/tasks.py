"""Celery's doors into labeling: each takes ids and makes one call."""

import threading
from contextlib import suppress
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.contrib.auth import get_user_model

from labeling import attendance, campaigns, discards, erasure, licence_checks, uploads, work
from labeling.label_studio import imports
from labeling.models import Discard
from labeling.snapshots import exporting, freezing, verification
from labeling.sources import faces, ingest, uploaded, watching
from labeling.voting import votes

_there = threading.Event()
_leaving = threading.Event()


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
def verify_snapshot(pk: int) -> None:
    with work.ignoring_second_deliveries():
        verification.run_verification(pk)


@shared_task
def take_in_label_studio(pk: int) -> None:
    with work.ignoring_second_deliveries():
        imports.run(pk)


@shared_task
def carry_out_erasure(pk: int) -> None:
    with work.ignoring_second_deliveries():
        erasure.carry_out(pk)


@shared_task
def carry_out_discard(pk: int) -> None:
    discards.carry_out(pk)


@shared_task
def restore_votes(pk: int, by: int) -> None:
    made = Discard.objects.select_related("campaign", "annotator").get(pk=pk)
    # Sent twice, the second finds that all count already.
    with suppress(discards.CannotDiscard):
        discards.restore(discard=made, by=get_user_model().objects.filter(pk=by).first())


@shared_task
def check_licences() -> int:
    return sum(1 for _ in licence_checks.check_pages(settings.CHECK_LICENCES_PER_HOUR))


@shared_task
def look_again() -> int:
    return watching.look_again()


@shared_task
def remove_forgotten_uploads() -> int:
    return uploads.remove_forgotten() + uploaded.release_old() + imports.remove_forgotten()


@shared_task
def sweep_work() -> int:
    return work.sweep()


@shared_task
def return_expired_leases() -> int:
    campaigns.close_overdue()
    discards.carry_out_left()
    return votes.return_expired_leases()


@worker_ready.connect
def say_that_a_worker_is_there(sender: Any, **_: Any) -> None:
    # Sent again when the broker was lost and found; once is enough.
    if not _there.is_set():
        _there.set()
        attendance.keep_saying([*sender.app.amqp.queues.consume_from], _leaving)


@worker_shutting_down.connect
def say_it_no_more(**_: Any) -> None:
    _leaving.set()
