"""Faces whose answer is known, and what people said of them."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from labeling.models.campaign import Campaign, CampaignFace
from labeling.models.face import Face


class Gold(models.Model):
    """The known answer of a campaign's gold face. The page that shows it cannot tell it from the others."""

    campaign_face = models.OneToOneField(
        CampaignFace, primary_key=True, on_delete=models.CASCADE, related_name="gold"
    )
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="gold")
    answer = models.CharField(max_length=40)
    note = models.CharField(max_length=300, blank=True, default="", help_text="Why, for who learns by it.")
    qualification = models.BooleanField(
        default=False, help_text="Asked in the qualification, with feedback; else mixed in unannounced."
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.campaign_face}: {self.answer}"


class GoldAnswer(models.Model):
    """What one annotator said of a gold face: once unannounced (attempt 0), or once per qualification attempt."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="+", db_index=False)
    campaign_face = models.ForeignKey(CampaignFace, on_delete=models.CASCADE, related_name="gold_answers")
    annotator = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="gold_answers", db_index=False
    )
    attempt = models.PositiveSmallIntegerField(default=0)
    answer = models.CharField(max_length=40)
    second = models.CharField(max_length=40, blank=True, default="")
    right = models.BooleanField()
    client_key = models.UUIDField()
    took_ms = models.PositiveIntegerField(null=True, blank=True)
    cast_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign_face", "annotator", "attempt"], name="one_gold_answer_per_attempt"
            ),
            models.UniqueConstraint(
                fields=["annotator", "client_key"], name="one_gold_answer_per_client_key"
            ),
        ]
        indexes = [
            models.Index(fields=["campaign", "annotator", "-cast_at"], name="gold_answer_by_annotator")
        ]

    def __str__(self) -> str:
        return f"{self.annotator}: {self.answer}"


class Example(models.Model):
    """A face a campaign's instructions show for an expression."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="examples")
    face = models.ForeignKey(Face, on_delete=models.CASCADE, related_name="+")
    expression = models.CharField(max_length=40)
    note = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        ordering = ["expression", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "face"], name="an_example_once_per_campaign"),
            models.CheckConstraint(name="example_of_something", condition=~Q(expression="")),
        ]

    def __str__(self) -> str:
        return f"{self.expression}: {self.face}"
