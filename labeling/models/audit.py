"""Who changed what in a campaign, and the votes that were put aside."""

from django.conf import settings
from django.db import models

from labeling.models.campaign import Campaign, CampaignFace


class AuditEntry(models.Model):
    """One deed of a manager in a campaign. Written with the deed, in its transaction; never changed."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="audit")
    verb = models.CharField(max_length=40, help_text="A key of labeling.audit.WORDS.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    annotator = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", help_text="Whom."
    )
    campaign_face = models.ForeignKey(
        CampaignFace, null=True, on_delete=models.SET_NULL, related_name="+", help_text="Which face."
    )
    reason = models.CharField(max_length=500, blank=True, default="")
    details = models.JSONField(default=dict, help_text="What was changed, by name.")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["campaign", "-id"], name="audit_by_campaign")]

    def __str__(self) -> str:
        return f"{self.verb} in {self.campaign}"


class Discard(models.Model):
    """One annotator's votes of a campaign from a date on, put aside together."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="discards")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    since = models.DateTimeField()
    reason = models.CharField(max_length=500)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    restored_at = models.DateTimeField(null=True, blank=True)
    restored_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"votes of {self.annotator} in {self.campaign}"


class DiscardedVote(models.Model):
    """A vote put aside: all that is needed to count it again."""

    discard = models.ForeignKey(Discard, on_delete=models.CASCADE, related_name="votes")
    campaign_face = models.ForeignKey(CampaignFace, on_delete=models.CASCADE, related_name="discarded_votes")
    round = models.PositiveSmallIntegerField()
    answer = models.CharField(max_length=40)
    second = models.CharField(max_length=40, blank=True, default="")
    client_key = models.UUIDField()
    took_ms = models.PositiveIntegerField(null=True, blank=True)
    cast_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["discard", "campaign_face", "round"], name="a_vote_discarded_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.answer} on {self.campaign_face}"
