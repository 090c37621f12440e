"""What every long job has in common: one state, one owner, a heartbeat, progress."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class WorkState(models.TextChoices):
    WAITING = "waiting", _("waiting")
    RUNNING = "running", _("running")
    STOPPED = "stopped", _("stopped")
    FAILED = "failed", _("failed")
    DONE = "done", _("done")


OVER = (WorkState.STOPPED, WorkState.FAILED, WorkState.DONE)


class Work(models.Model):
    """A row a Celery task works on. `labeling.work` is the only door its state moves through.

    The broker merely wakes a worker; this row is the truth. A worker owns it while `worker` holds its
    token and `heartbeat_at` is fresh; whoever dies is found by the sweeper and its row queued again.
    """

    task: ClassVar[str]
    """The Celery task that does the work, by its full name; called with the row's primary key."""
    queue: ClassVar[str]

    state = models.CharField(max_length=8, choices=WorkState.choices, default=WorkState.WAITING)
    attempt = models.PositiveIntegerField(default=0, help_text="How often a worker has begun on it.")
    worker = models.CharField(max_length=64, blank=True, default="", help_text="The owner's token.")
    stop_asked = models.BooleanField(default=False)
    queued_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True, blank=True, help_text="Unknown while null.")
    message = models.CharField(max_length=500, blank=True, default="", help_text="What it is at, for people.")
    error = models.TextField(blank=True, default="")

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                name="%(app_label)s_%(class)s_ended_at_iff_over",
                condition=Q(state__in=OVER, ended_at__isnull=False)
                | (~Q(state__in=OVER) & Q(ended_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="%(app_label)s_%(class)s_worker_iff_running",
                condition=(Q(state="running") & ~Q(worker="")) | (~Q(state="running") & Q(worker="")),
            ),
        ]
        indexes = [models.Index(fields=["state", "heartbeat_at"], name="%(app_label)s_%(class)s_swp")]

    @property
    def is_over(self) -> bool:
        return self.state in OVER


class Pulse(models.Model):
    """When something last happened: a worker swept or was there (`labeling.attendance`), groups were written."""

    name = models.CharField(max_length=40, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
