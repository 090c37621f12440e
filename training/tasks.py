"""Celery's doors into training: each takes an id and makes one call."""

from celery import shared_task

from labeling import work
from training import predictions, runs


@shared_task
def train(pk: int) -> None:
    with work.ignoring_second_deliveries():
        runs.train(pk)


@shared_task
def predict(pk: int) -> None:
    with work.ignoring_second_deliveries():
        predictions.run_predict(pk)
