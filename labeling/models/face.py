"""Faces, and the searches that found them."""

from django.db import models

from labeling.models.source import Media, Source
from labeling.models.work import Work


class Detection(Work):
    """One search for faces: one detector over all media of one source."""

    task = "labeling.tasks.detect_faces"
    queue = "vision"

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="detections")
    detector = models.CharField(max_length=40, help_text="A key of labeling.vision.detectors.DETECTORS.")
    settings = models.JSONField(
        default=dict, blank=True, help_text="Frames per second, margin, minimum size …"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(Work.Meta):
        ordering = ["-pk"]
        constraints = [
            *Work.Meta.constraints,
            models.UniqueConstraint(fields=["source", "detector"], name="one_detection_per_detector"),
        ]

    def __str__(self) -> str:
        return f"{self.detector} on {self.source}"


class Scan(models.Model):
    """One detector has been over one media: done once, also when nothing was found."""

    media = models.ForeignKey(Media, on_delete=models.CASCADE, related_name="scans")
    detector = models.CharField(max_length=40)
    frames = models.PositiveIntegerField(default=1)
    faces = models.PositiveIntegerField(default=0)
    milliseconds = models.PositiveIntegerField(default=0)
    problem = models.CharField(
        max_length=500, blank=True, default="", help_text="E.g. a broken tail, for people."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["media", "detector"], name="one_scan_per_detector")]

    def __str__(self) -> str:
        return f"{self.detector} on {self.media}"


class Face(models.Model):
    """One crop found in a media; what people vote on."""

    media = models.ForeignKey(Media, on_delete=models.CASCADE, related_name="faces")
    detector = models.CharField(max_length=40)
    score = models.FloatField(help_text="The detector's own confidence; not comparable across detectors.")
    frame = models.PositiveIntegerField(default=0, help_text="Frame number in the video; 0 for images.")
    time_ms = models.PositiveBigIntegerField(default=0, help_text="Presentation time; 0 for images.")
    x = models.IntegerField(help_text="Box in pixels of the upright picture.")
    y = models.IntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    row = models.PositiveIntegerField(default=0, help_text="Row of a table source, from 1; 0 for none.")
    crop = models.CharField(max_length=200, help_text="Name in the storage; PNG, box plus margin.")
    crop_sha256 = models.CharField(max_length=64)
    crop_width = models.PositiveIntegerField()
    crop_height = models.PositiveIntegerField()
    given = models.JSONField(
        default=dict,
        blank=True,
        help_text="What the source itself says: label, votes, split. Never shown to a voter.",
    )
    found_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["media", "detector", "time_ms", "row", "x", "y", "width", "height"],
                name="one_face_per_box",
            )
        ]

    def __str__(self) -> str:
        return f"face {self.pk}"
