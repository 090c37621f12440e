"""Celery's doors into training: each takes an id and makes one call."""

from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down

from labeling import work
from training import child, predictions, runs


@shared_task
def train(pk: int) -> None:
    with work.ignoring_second_deliveries():
        runs.train(pk)


@shared_task
def predict(pk: int) -> None:
    with work.ignoring_second_deliveries():
        predictions.run_predict(pk)


@worker_shutting_down.connect
def put_trainings_back(**_: Any) -> None:
    # A worker told to end waits for its tasks, and a training may take days: it goes back into the queue instead.
    child.let_go()
