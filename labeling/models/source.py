"""Where media come from, and the media themselves."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling.models.work import Work


class Source(Work):
    """A place media are taken from. As Work, it is the ingest of that place: item by item, restartable."""

    task = "labeling.tasks.ingest_source"
    queue = "ingest"

    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=20, help_text="A key of labeling.sources.KINDS.")
    location = models.CharField(max_length=1000, help_text="Path as the worker sees it.")
    options = models.JSONField(
        default=dict, blank=True, help_text="What the kind asks for, e.g. the FER+ CSV."
    )
    licence = models.CharField(max_length=200, blank=True, default="", help_text="Of items that name none.")
    author = models.CharField(max_length=200, blank=True, default="")
    watch_minutes = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Looked through again that often; NULL: once, and when somebody asks.",
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(Work.Meta):
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.name


class Upload(models.Model):
    """One file on its way from a browser, piece by piece; what has come stays when the way is cut.

    Its bytes lie at settings.UPLOAD_ROOT/batch/path. Files sent together, a dropped folder, share a batch, and become
    one source.
    """

    key = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    batch = models.UUIDField(db_index=True)
    path = models.CharField(max_length=1000, help_text="Relative to the batch, with /.")
    bytes = models.PositiveBigIntegerField(help_text="Announced.")
    received = models.PositiveBigIntegerField(default=0)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    source = models.ForeignKey(Source, null=True, on_delete=models.CASCADE, related_name="uploads")
    begun_at = models.DateTimeField(auto_now_add=True)
    touched_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["begun_at", "path"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "path"], name="one_upload_per_path"),
            models.CheckConstraint(
                name="received_within_announced", condition=models.Q(received__lte=models.F("bytes"))
            ),
        ]
        indexes = [models.Index(fields=["touched_at"], name="upload_by_touch")]

    def __str__(self) -> str:
        return self.path


class Media(models.Model):
    """One fetched file, known by its sha256; stored once however many sources hold it."""

    class Kind(models.TextChoices):
        IMAGE = "image", _("image")
        VIDEO = "video", _("video")

    sha256 = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=5, choices=Kind.choices)
    mime = models.CharField(max_length=100)
    stored_as = models.CharField(max_length=200, help_text="Name in the storage.")
    bytes = models.PositiveBigIntegerField()
    width = models.PositiveIntegerField(help_text="Pixels, after the EXIF or rotation flag is honoured.")
    height = models.PositiveIntegerField()
    duration_ms = models.PositiveBigIntegerField(default=0, help_text="0 for images.")
    fps = models.FloatField(default=0.0, help_text="Mean frame rate; 0 for images.")
    original_name = models.CharField(max_length=500)
    licence = models.CharField(max_length=200, blank=True, default="", help_text="As it was found.")
    licence_code = models.CharField(
        max_length=40,
        blank=True,
        default="",
        db_index=True,
        help_text="What that means: a key of labeling.licences.LICENCES; empty: unknown.",
    )
    licence_now = models.CharField(
        max_length=200, blank=True, default="", help_text="As its page said when it was last looked at."
    )
    licence_refused = models.CharField(
        max_length=200,
        blank=True,
        default="",
        help_text="What its page said when a person decided that the licence stays.",
    )
    licence_checked_at = models.DateTimeField(null=True, blank=True)
    author = models.CharField(max_length=200, blank=True, default="")
    page_url = models.CharField(max_length=2000, blank=True, default="")
    given = models.JSONField(
        default=dict,
        blank=True,
        help_text="What its source says of the whole file: label. Never shown to a voter.",
    )
    fetched_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "media"
        indexes = [models.Index(fields=["licence_code", "id"], name="media_by_licence")]

    def __str__(self) -> str:
        return self.original_name


class Item(models.Model):
    """One thing a source offers (a file, a member of a zip, a CSV row) and what became of it."""

    class State(models.TextChoices):
        FOUND = "found", _("found")
        INGESTED = "ingested", _("ingested")
        KNOWN = "known", _("already known")
        REFUSED = "refused", _("refused")

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="items")
    locator = models.CharField(max_length=1000, help_text="Path inside the source, or `row 17`.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.FOUND)
    reason = models.CharField(max_length=500, blank=True, default="", help_text="Why refused, for people.")
    media = models.ForeignKey(Media, null=True, blank=True, on_delete=models.SET_NULL, related_name="items")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["source", "locator"], name="one_item_per_locator"),
            models.CheckConstraint(
                name="refused_iff_reason",
                condition=(models.Q(state="refused") & ~models.Q(reason=""))
                | (~models.Q(state="refused") & models.Q(reason="")),
            ),
        ]
        indexes = [
            models.Index(fields=["source", "state"], name="item_by_state"),
            models.Index(fields=["source", "media"], name="item_by_media"),
        ]

    def __str__(self) -> str:
        return self.locator
