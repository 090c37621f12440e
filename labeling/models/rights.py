"""What people decided of whose media are."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling.models.source import Media


class RightsDecision(models.Model):
    """One decision on whose a media is. Written with the deed, in its transaction; never changed.

    It may name people, so it goes with its media when that is erased.
    """

    class Kind(models.TextChoices):
        SOURCES = "sources", _("which of its sources is right")
        TAKEN = "taken", _("the licence its page names now counts")
        KEPT = "kept", _("the licence stays as it was, whatever its page names now")
        BY_HAND = "by_hand", _("written down by hand")

    media = models.ForeignKey(Media, on_delete=models.CASCADE, related_name="decisions")
    kind = models.CharField(max_length=7, choices=Kind.choices)
    was = models.JSONField(help_text="What counted: licence, author, page_url.")
    now = models.JSONField(help_text="What counts since.")
    page_says = models.CharField(
        max_length=200,
        blank=True,
        default="",
        help_text="The licence its page named when that was decided on.",
    )
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["media", "-id"], name="decision_by_media")]

    def __str__(self) -> str:
        return f"{self.kind} of media {self.media_id}"
