"""What people labelled in Label Studio, on its way here."""

from django.conf import settings
from django.db import models

from labeling.models.campaign import Campaign
from labeling.models.source import Source
from labeling.models.work import Work


class LabelStudioImport(Work):
    """A file out of Label Studio. As Work, it is the taking in of it."""

    task = "labeling.tasks.take_in_label_studio"
    queue = "ingest"

    file = models.CharField(max_length=500, blank=True, help_text="Where it lies; empty once it is taken in.")
    file_name = models.CharField(max_length=200, help_text="What it was called.")
    sha256 = models.CharField(max_length=64, help_text="Of what it says, however it was written down.")
    source = models.ForeignKey(
        Source,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Whose pictures' names the tasks mean.",
    )
    folder = models.CharField(max_length=1000, blank=True, default="", help_text="Where their paths begin.")
    classes = models.JSONField(default=dict, help_text="Answer there → what it means here; empty: left out.")
    campaign_name = models.CharField(max_length=200, blank=True, default="")
    campaign = models.ForeignKey(
        Campaign, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", help_text="Of votes."
    )
    taken = models.JSONField(
        default=dict,
        help_text="labelled, cast, again, people: counts; refused: [{task, reason}], the first ones; left: count.",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(Work.Meta):
        ordering = ["-pk"]
        constraints = [
            *Work.Meta.constraints,
            models.UniqueConstraint(
                fields=["sha256"],
                name="one_import_of_a_file_at_a_time",
                condition=models.Q(state__in=["waiting", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return f"import of {self.file_name}"
