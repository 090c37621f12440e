"""Faces, and the searches that found them."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Least
from django.utils.translation import gettext_lazy as _

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


class Track(models.Model):
    """The faces of one person through one shot of a video, as one detector found them."""

    media = models.ForeignKey(Media, on_delete=models.CASCADE, related_name="tracks")
    detector = models.CharField(max_length=40)
    number = models.PositiveIntegerField(help_text="From 1, in the order in which they begin.")
    shot = models.PositiveIntegerField(help_text="Of the video, from 1.")
    first_ms = models.PositiveBigIntegerField()
    last_ms = models.PositiveBigIntegerField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["media", "detector", "number"], name="one_track_per_number")
        ]

    def __str__(self) -> str:
        return f"track {self.number} of {self.media}"


class FaceQuerySet(models.QuerySet["Face"]):
    def kept(self) -> "FaceQuerySet":
        """Without those that are left out; see Face.left_out."""
        return self.filter(left_out="")


class Face(models.Model):
    """One crop found in a media; what people vote on."""

    class LeftOut(models.TextChoices):
        """Why a face is not offered to campaigns. It stays listed, and can be taken back."""

        TRACK = "track", _("others of its track are sharper or show more")
        PERSON = "person", _("somebody left it out")
        CORRECTED = "corrected", _("its box was corrected: another face stands for it")

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
    track = models.ForeignKey(Track, null=True, blank=True, on_delete=models.SET_NULL, related_name="faces")
    left_out = models.CharField(max_length=10, choices=LeftOut.choices, blank=True, default="")
    # Not indexed as a whole: few faces have one.
    replaced_by = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="replaces",
        db_index=False,
        help_text="The face with the corrected box.",
    )
    # As labeling.vision.quality measures them. NULL: not measured.
    sharpness = models.FloatField(
        null=True, blank=True, help_text="0.4 to 0.6 where sharp, 0.2 where blurred."
    )
    brightness = models.FloatField(null=True, blank=True, help_text="Mean grey value, 0 to 1.")
    contrast = models.FloatField(null=True, blank=True, help_text="Deviation of the grey values, 0 to 0.5.")
    outside = models.FloatField(null=True, blank=True, help_text="Share beyond the picture's edge, 0 to 1.")
    yaw = models.FloatField(null=True, blank=True, help_text="Degrees; above 0 looks to the right.")
    pitch = models.FloatField(null=True, blank=True, help_text="Degrees; above 0 looks up.")
    roll = models.FloatField(null=True, blank=True, help_text="Degrees; above 0 leans clockwise.")
    landmarks = models.JSONField(
        null=True,
        blank=True,
        help_text="Five points as [x, y] in the picture: eyes, nose, corners of the mouth.",
    )
    fingerprint = models.BigIntegerField(
        null=True, blank=True, help_text="Perceptual hash of the crop; its bits as a signed number."
    )
    likeness = models.BigIntegerField(
        null=True,
        blank=True,
        db_index=True,
        help_text="Near-duplicates share it: the smallest key among them. NULL: not compared yet.",
    )
    found_at = models.DateTimeField(auto_now_add=True)

    objects = FaceQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["media", "detector", "time_ms", "row", "x", "y", "width", "height"],
                name="one_face_per_box",
            ),
            models.CheckConstraint(
                name="replaced_only_if_corrected", condition=Q(replaced_by=None) | Q(left_out="corrected")
            ),
        ]
        # For the gallery, which walks by key. Those of conditions that few faces meet hold only these; their limits are
        # a little wider than those of labeling.vision.quality, so that these may move without the index.
        indexes = [
            models.Index(fields=["detector", "id"], name="face_by_detector"),
            # Labels that come from elsewhere name faces by their pictures.
            models.Index(fields=["crop_sha256"], name="face_by_crop"),
            models.Index(Least("width", "height"), "id", name="face_by_size"),
            models.Index(fields=["id"], name="face_left_out", condition=~Q(left_out="")),
            models.Index(
                fields=["replaced_by"], name="face_corrected", condition=Q(replaced_by__isnull=False)
            ),
            models.Index(fields=["id"], name="face_on_track", condition=Q(track__isnull=False)),
            models.Index(fields=["likeness", "id"], name="face_alike", condition=Q(likeness__lt=F("id"))),
            models.Index(fields=["id"], name="face_blurred", condition=Q(sharpness__lt=0.25)),
            models.Index(fields=["id"], name="face_dark", condition=Q(brightness__lt=0.2)),
            models.Index(fields=["id"], name="face_bright", condition=Q(brightness__gt=0.8)),
            models.Index(fields=["id"], name="face_flat", condition=Q(contrast__lt=0.1)),
            models.Index(fields=["id"], name="face_cut_off", condition=Q(outside__gt=0.1)),
            models.Index(fields=["id"], name="face_turned", condition=Q(yaw__gt=40) | Q(yaw__lt=-40)),
            models.Index(fields=["id"], name="face_nodding", condition=Q(pitch__gt=30) | Q(pitch__lt=-30)),
            models.Index(fields=["id"], name="face_tilted", condition=Q(roll__gt=45) | Q(roll__lt=-45)),
            # For campaigns, whose rules have limits of their own: the few faces that fail one are found without reading
            # the others. Faces that are sharp, upright and so on stand in none; a rule that keeps out even these keeps
            # out so many that they are met on the way.
            models.Index(fields=["sharpness"], name="face_by_sharpness", condition=Q(sharpness__lt=0.4)),
            models.Index(
                fields=["brightness"],
                name="face_by_brightness",
                condition=Q(brightness__lt=0.3) | Q(brightness__gt=0.7),
            ),
            models.Index(fields=["contrast"], name="face_by_contrast", condition=Q(contrast__lt=0.15)),
            models.Index(fields=["outside"], name="face_by_outside", condition=Q(outside__gt=0.05)),
            models.Index(fields=["yaw"], name="face_by_yaw", condition=Q(yaw__gt=20) | Q(yaw__lt=-20)),
            models.Index(
                fields=["pitch"], name="face_by_pitch", condition=Q(pitch__gt=15) | Q(pitch__lt=-15)
            ),
            models.Index(fields=["roll"], name="face_by_roll", condition=Q(roll__gt=10) | Q(roll__lt=-10)),
        ]

    def __str__(self) -> str:
        return f"face {self.pk}"


class FaceLabel(models.Model):
    """What somebody other than voters says a face shows; kept apart from votes, and never shown to a voter.

    Each face has one label a column: `expert`, or a name of the team's own.
    """

    EXPERT = "expert"

    face = models.ForeignKey(Face, on_delete=models.CASCADE, related_name="labels")
    column = models.CharField(max_length=40, default=EXPERT)
    label = models.CharField(max_length=40, help_text="As it was given; campaigns match it by name.")
    origin = models.CharField(max_length=200, help_text="Whose word it is: a set, a team, a paper.")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    given_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["face", "column"], name="one_label_per_column"),
            models.CheckConstraint(name="a_label_says_something", condition=~Q(label="") & ~Q(column="")),
        ]
        indexes = [
            models.Index(fields=["column", "label", "face"], name="face_label_by_word"),
            models.Index(fields=["column", "face"], name="face_label_by_face"),
        ]

    def __str__(self) -> str:
        return f"{self.face}: {self.label} ({self.column})"
