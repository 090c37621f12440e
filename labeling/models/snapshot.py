"""Frozen dataset versions, and the files made from them."""

from django.conf import settings
from django.db import models

from labeling.models.campaign import Campaign
from labeling.models.work import Work


class Snapshot(Work):
    """A frozen, content-addressed dataset version. As Work, it is the freezing of it."""

    task = "labeling.tasks.freeze_snapshot"
    queue = "export"

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="snapshots")
    name = models.CharField(max_length=200)
    rule = models.JSONField(
        default=dict, help_text="Fractions, seed, how splits are made; part of the digest."
    )
    digest = models.CharField(max_length=64, blank=True, default="", help_text="sha256 over the content.")
    folder = models.CharField(max_length=200, blank=True, default="", help_text="Name in the storage.")
    bytes = models.PositiveBigIntegerField(default=0)
    packs = models.JSONField(
        default=list, help_text="Names of the packs its images lie in; other snapshots may share them."
    )
    erased = models.PositiveIntegerField(default=0, help_text="Faces that were erased after it was frozen.")
    counts = models.JSONField(
        default=dict, help_text="{split: {class: faces}} and what was left out, by reason."
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(Work.Meta):
        ordering = ["-pk"]
        constraints = [
            *Work.Meta.constraints,
            models.CheckConstraint(
                name="snapshot_done_iff_digest",
                condition=(models.Q(state="done") & ~models.Q(digest=""))
                | (~models.Q(state="done") & models.Q(digest="")),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Export(Work):
    """A snapshot written in somebody's format, as one file.

    sha256 and bytes are those of the file stored_as, once it lies there whole, also while it is made again or after
    that failed; empty: there is none to be had.
    """

    WHOLE = "whole"
    """In `written`: the files lie there, all of them."""

    task = "labeling.tasks.write_export"
    queue = "export"

    snapshot = models.ForeignKey(Snapshot, on_delete=models.CASCADE, related_name="exports")
    format = models.CharField(max_length=40, help_text="A key of labeling.snapshots.exports.FORMATS.")
    options = models.JSONField(
        default=dict,
        blank=True,
        help_text="words: what the dataset card is told (card.QUESTIONS); to, profile: where its files go besides.",
    )
    written = models.JSONField(
        default=list,
        blank=True,
        help_text="[{to, profile, state, erased}]: every place its files were ever written to; see snapshots.places.",
    )
    taking = models.JSONField(
        default=dict,
        blank=True,
        help_text="{folder, bytes}: what its worker fills just now, and how much will be in it; see snapshots.room.",
    )
    stored_as = models.CharField(max_length=200, blank=True, default="")
    sha256 = models.CharField(max_length=64, blank=True, default="")
    bytes = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(Work.Meta):
        ordering = ["-pk"]
        constraints = [
            *Work.Meta.constraints,
            models.UniqueConstraint(fields=["snapshot", "format"], name="one_export_per_format"),
        ]

    def __str__(self) -> str:
        return f"{self.snapshot} as {self.format}"

    @property
    def also_at(self) -> list[str]:
        """Where its files lie besides: only what was really written."""
        return [each["to"] for each in self.written if each["state"] == self.WHOLE]


class Verification(Work):
    """A snapshot read again, every byte. As Work, it is the reading; done, it says what was found."""

    task = "labeling.tasks.verify_snapshot"
    queue = "export"

    snapshot = models.ForeignKey(Snapshot, on_delete=models.CASCADE, related_name="verifications")
    problems = models.JSONField(default=list, help_text="[{where, what}]; empty: nothing has changed.")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(Work.Meta):
        ordering = ["-pk"]
        constraints = [
            *Work.Meta.constraints,
            models.UniqueConstraint(
                fields=["snapshot"],
                name="one_verification_at_a_time",
                condition=models.Q(state__in=["waiting", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return f"verification of {self.snapshot}"
