"""Who may do what: one user, up to three roles, and the admin above them."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone


class User(AbstractUser):
    """A person. Roles are columns, so that checking one costs no query; is_superuser is the admin."""

    is_annotator = models.BooleanField("annotator", default=False, help_text="May vote on faces.")
    is_manager = models.BooleanField(
        "dataset manager",
        default=False,
        help_text="May ingest media, run campaigns, freeze and export snapshots.",
    )
    is_trainer = models.BooleanField(
        "ML staff", default=False, help_text="May train networks and open relabel rounds."
    )
    # Which languages there are is told by the catalogues, not by the database.
    language = models.CharField(
        max_length=16, blank=True, default="", help_text="Empty: as the browser says."
    )


class Guesses(models.Model):
    """Passwords tried for a name from an address that were not right; see vemo.accounts.guessing."""

    key = models.CharField(max_length=64, unique=True, help_text="A keyed hash of the two, in hex.")
    count = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"{self.key[:8]}: {self.count}"
