"""What was erased, and why."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling.models.work import Work


class Erasure(Work):
    """A demand that pictures be gone. As Work, it is the carrying out of it.

    Of what is erased only hashes stay, in tombstones: so that it is not taken in again, and snapshots that held it can
    still be verified.
    """

    task = "labeling.tasks.carry_out_erasure"
    queue = "erasure"

    class Scope(models.TextChoices):
        MEDIA = "media", _("media")
        SOURCE = "source", _("source")
        AUTHOR = "author", _("author")
        TRACK = "track", _("track")
        FACE = "face", _("face")

    scope = models.CharField(max_length=6, choices=Scope.choices)
    what = models.JSONField(
        help_text="The keys of rows of that scope; of authors, their names until it is done."
    )
    with_media = models.BooleanField(
        default=False, help_text="Of tracks and faces: erase the media that show them too."
    )
    reason = models.CharField(max_length=500)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    planned_at = models.DateTimeField(null=True, blank=True, help_text="Its tombstones are complete.")
    touched = models.JSONField(
        default=dict, help_text="What held it: media, faces, votes, snapshots, exports, runs, files, bytes."
    )

    class Meta(Work.Meta):
        ordering = ["-pk"]
        constraints = [
            *Work.Meta.constraints,
            models.CheckConstraint(name="erasure_has_a_reason", condition=~models.Q(reason="")),
        ]

    def __str__(self) -> str:
        return f"erasure {self.pk}"


class Tombstone(models.Model):
    """The hash of something erased. The rest of it stands here only as long as the erasure needs it."""

    class Kind(models.TextChoices):
        MEDIA = "media", _("media")
        FACE = "face", _("face")

    erasure = models.ForeignKey(Erasure, on_delete=models.PROTECT, related_name="tombstones")
    kind = models.CharField(max_length=5, choices=Kind.choices)
    key = models.CharField(max_length=64, help_text="A media's sha256, or a face's face_key.")
    row = models.BigIntegerField(null=True, help_text="Its primary key, until it is gone.")
    files = models.JSONField(default=list, help_text="Names in the storage, until they are gone.")
    box = models.JSONField(
        null=True,
        help_text="Of a face whose media stays: media's sha256, time_ms, x, y, width, height; not to be found again.",
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["erasure", "kind", "key"], name="one_tombstone_per_erasure")
        ]
        indexes = [models.Index(fields=["kind", "key"], name="tombstone_by_key")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key[:12]}"
