"""Trainings, their figures, their opinions, and the rounds these opinions open."""

from django.conf import settings
from django.db import models

from labeling.models import Campaign, CampaignFace, Outcome, Snapshot, Work


class TrainingRun(Work):
    """One training of one network on one snapshot under one config."""

    task = "training.tasks.train"
    queue = "gpu"

    name = models.CharField(max_length=200)
    snapshot = models.ForeignKey(Snapshot, on_delete=models.PROTECT, related_name="runs")
    network = models.CharField(max_length=40, help_text="A key of training.core.networks.NETWORKS.")
    preset = models.CharField(max_length=40, help_text="A key of training.core.config.PRESETS.")
    config = models.JSONField(help_text="Every setting, resolved, as training.core.config.Config has them.")
    fast = models.BooleanField(
        default=False, help_text="The machine that trains chooses what is quick on it."
    )
    folder = models.CharField(max_length=200, blank=True, default="", help_text="Below settings.RUNS_ROOT.")
    epoch = models.PositiveIntegerField(default=0)
    epochs = models.PositiveIntegerField(default=0)
    validation_accuracy = models.FloatField(null=True, blank=True, help_text="Best so far, 0–1.")
    taken_up = models.JSONField(
        default=list, blank=True, help_text="When it was taken up by itself after dying: at, epoch, why."
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)
    weights_deleted_at = models.DateTimeField(
        null=True, blank=True, help_text="Since then it neither goes on nor predicts."
    )
    weights_deleted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta(Work.Meta):
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.name


class Evaluation(models.Model):
    """A run's figures on one split of its snapshot, as the core's result.json has them."""

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="evaluations")
    split = models.CharField(max_length=20)
    images = models.PositiveIntegerField()
    accuracy = models.FloatField()
    macro_f1 = models.FloatField()
    figures = models.JSONField(help_text="Interval, per-class figures, confusion matrix (true in rows) …")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "split"], name="one_evaluation_per_split")]

    def __str__(self) -> str:
        return f"{self.run} on {self.split}"


class Prediction(Work):
    """A finished run's opinion of every face of a campaign; ends as Suggestions."""

    task = "training.tasks.predict"
    queue = "gpu"

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="predictions")
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(Work.Meta):
        ordering = ["-pk"]
        constraints = [
            *Work.Meta.constraints,
            models.UniqueConstraint(fields=["run", "campaign"], name="one_prediction_per_campaign"),
        ]

    def __str__(self) -> str:
        return f"{self.run} on {self.campaign}"


class RelabelRound(models.Model):
    """Faces a run doubts, re-opened for fresh votes."""

    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="relabel_rounds")
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="relabel_rounds")
    votes_per_face = models.PositiveSmallIntegerField(help_text="Fresh votes asked of each face.")
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    opened_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"relabel round {self.pk}"


class RelabelFace(models.Model):
    """One face of a relabel round: what was held of it before. What came after is counted from its votes."""

    relabel_round = models.ForeignKey(RelabelRound, on_delete=models.CASCADE, related_name="faces")
    campaign_face = models.ForeignKey(CampaignFace, on_delete=models.CASCADE, related_name="+")
    voting_round = models.PositiveSmallIntegerField(help_text="The round of votes this opened.")
    network_label = models.CharField(max_length=40)
    doubt = models.FloatField()
    outcome_before = models.CharField(max_length=12, choices=Outcome.choices)
    label_before = models.CharField(max_length=40, blank=True, default="")
    agreement_before = models.FloatField(null=True, blank=True)
    counts_before = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["relabel_round", "campaign_face"], name="a_face_once_per_relabel_round"
            ),
            models.UniqueConstraint(
                fields=["campaign_face", "voting_round"], name="one_relabel_per_voting_round"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign_face} in {self.relabel_round}"
