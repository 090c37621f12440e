"""A question about a set of faces, and where each face stands in it."""

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from labeling.expressions import SEVEN
from labeling.models.face import Face
from labeling.models.source import Source
from labeling.sayings import gettext_noop

QUESTION = gettext_noop("Which expression do you see?")
"""What campaigns ask if nothing else is said; read in the annotator's language."""
LAP = 2**31
"""The first lap of a line holds the places 0 to LAP - 1; see labeling.voting.line."""
FRONT = -(2**62)
"""Places from here to -1 are asked before all others."""


def seven() -> list[str]:
    return list(SEVEN)


class Campaign(models.Model):
    class State(models.TextChoices):
        OPEN = "open", _("open")
        PAUSED = "paused", _("paused")
        CLOSED = "closed", _("closed")

    class Rule(models.TextChoices):
        PLURALITY = "plurality", _("most votes")
        STRICT_MAJORITY = "strict_majority", _("more than half of the votes")
        MINIMUM_AGREEMENT = "minimum_agreement", _("most votes, and at least a set share")

    class Order(models.TextChoices):
        """In which order a campaign's faces are asked; see labeling.voting.line."""

        BREADTH = "breadth", _("all faces a little, everybody from another start")
        DEPTH = "depth", _("face after face, each to its end")
        BALANCED = "balanced", _("face after face, the sources in turn")

    name = models.CharField(max_length=200, unique=True)
    question = models.CharField(max_length=300, default=QUESTION)
    instructions = models.TextField(blank=True, default="")
    expressions = models.JSONField(default=seven, help_text="In the order of the keys 1, 2, 3 …")
    votes_per_face = models.PositiveSmallIntegerField(
        default=10, validators=[MinValueValidator(1), MaxValueValidator(1000)]
    )
    rule = models.CharField(max_length=20, choices=Rule.choices, default=Rule.STRICT_MAJORITY)
    minimum_agreement = models.FloatField(
        default=0.5,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="Share of all votes, 0–1.",
    )
    keys = models.JSONField(default=dict, blank=True, help_text="Answer → key, where not the usual one.")
    icons = models.JSONField(
        default=dict, blank=True, help_text="Expression → icon, where not the usual one."
    )
    mixed_allowed = models.BooleanField(default=False, help_text="An answer may name a second expression.")
    undo_minutes = models.PositiveIntegerField(
        default=60, help_text="So long an annotator may take a vote back; 0: never."
    )
    order = models.CharField(max_length=8, choices=Order.choices, default=Order.BREADTH)
    gold_share = models.FloatField(
        default=0.05,
        validators=[MinValueValidator(0.0), MaxValueValidator(0.5)],
        help_text="Share of gold among the faces handed out, 0–0.5, as long as there is some.",
    )
    qualification_faces = models.PositiveSmallIntegerField(
        default=0, help_text="Gold faces to answer before voting; 0: none."
    )
    qualification_pass = models.FloatField(
        default=0.7,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text="Share right, 0–1.",
    )
    qualification_attempts = models.PositiveSmallIntegerField(
        default=3, validators=[MinValueValidator(1)], help_text="How often one may try."
    )
    groups = models.ManyToManyField(
        "auth.Group", blank=True, related_name="+", help_text="Only their members may vote; none: everybody."
    )
    languages = models.JSONField(
        default=list, blank=True, help_text="Only who has chosen one of these; none: everybody."
    )
    daily_cap = models.PositiveIntegerField(null=True, blank=True, help_text="Votes per annotator and day.")
    cap = models.PositiveIntegerField(null=True, blank=True, help_text="Votes per annotator in all.")
    licence_rule = models.JSONField(
        default=list, blank=True, help_text="What media must allow: keys of labeling.licences.DEMANDS."
    )
    quality_rule = models.JSONField(
        default=dict, blank=True, help_text="What faces must reach: key of labeling.vision.quality → limit."
    )
    sources = models.ManyToManyField(
        Source, blank=True, editable=False, related_name="+", help_text="Those its faces are of."
    )
    deadline = models.DateTimeField(null=True, blank=True, help_text="Closes by itself then.")
    lease_seconds = models.PositiveIntegerField(default=600, validators=[MinValueValidator(1)])
    state = models.CharField(max_length=6, choices=State.choices, default=State.OPEN)
    closed_at = models.DateTimeField(
        null=True, blank=True, help_text="No vote of a closed campaign is later."
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.name


class CampaignDetector(models.Model):
    """A detector that found faces of a campaign. Kept, like Campaign.sources, as asking all its faces takes long."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="detectors", db_index=False)
    detector = models.CharField(max_length=40)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "detector"], name="a_detector_once_per_campaign")
        ]

    def __str__(self) -> str:
        return f"{self.detector} in {self.campaign}"


class Outcome(models.TextChoices):
    AGREED = "agreed", _("agreed")
    ADJUDICATED = "adjudicated", _("adjudicated")
    NO_CONSENSUS = "no_consensus", _("no consensus")
    NOT_A_FACE = "not_a_face", _("not a face")


class CampaignFace(models.Model):
    """One face in one campaign: its places, its tally, its consensus.

    Of `wanted` votes in the present round some are cast (`votes`), some are held by a lease (`leases`),
    the rest are free (`places`). The database itself keeps the sum, so eleven votes cannot be stored.
    A gold face is asked no votes (`wanted` is 0): its answer is known, and people are measured by it.
    Of an erased face the votes stay, for what they say of the people who cast them; what they were about is gone.
    """

    class State(models.TextChoices):
        OPEN = "open", _("open")
        SETTLED = "settled", _("settled")
        GOLD = "gold", _("gold")
        ERASED = "erased", _("erased")

    # No index of its own: those below begin with the campaign, and each index is paid for by every vote.
    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="campaign_faces", db_index=False
    )
    face = models.ForeignKey(
        Face, null=True, on_delete=models.CASCADE, related_name="campaign_faces", help_text="NULL: erased."
    )
    state = models.CharField(max_length=7, choices=State.choices, default=State.OPEN)
    round = models.PositiveSmallIntegerField(default=1, help_text="2 and up: re-opened for fresh votes.")
    wanted = models.PositiveSmallIntegerField(help_text="Votes asked for in this round.")
    votes = models.PositiveSmallIntegerField(default=0, help_text="Votes cast in this round.")
    leases = models.PositiveSmallIntegerField(default=0)
    places = models.PositiveSmallIntegerField(help_text="Votes nobody has cast or holds.")
    priority = models.PositiveSmallIntegerField(default=0, help_text="Above 0: asked before all others.")
    shuffle = models.BigIntegerField(help_text="Place in the campaign's line; see labeling.voting.line.")
    kin = models.BigIntegerField(
        default=0, help_text="Faces that share it look alike, so nobody gets two in a row; 0: none."
    )
    outcome = models.CharField(max_length=12, choices=Outcome.choices, blank=True, default="")
    label = models.CharField(
        max_length=40, blank=True, default="", help_text="Set exactly when agreed or adjudicated."
    )
    agreement = models.FloatField(null=True, blank=True, help_text="Share of the top answer among all votes.")
    counts = models.JSONField(default=dict, blank=True, help_text="Votes per answer, at the consensus.")
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "face"], name="a_face_once_per_campaign"),
            models.CheckConstraint(
                name="votes_leases_places_add_up", condition=Q(wanted=F("votes") + F("leases") + F("places"))
            ),
            models.CheckConstraint(
                name="settled_iff_all_votes",
                condition=Q(state="settled", votes=F("wanted"), settled_at__isnull=False)
                | Q(state="open", votes__lt=F("wanted"))
                | Q(state="gold", wanted=0)
                | Q(state="erased", votes=F("wanted")),
            ),
            models.CheckConstraint(
                name="faceless_iff_erased",
                condition=Q(state="erased", face__isnull=True) | (~Q(state="erased") & Q(face__isnull=False)),
            ),
            models.CheckConstraint(
                name="label_iff_agreed",
                condition=(Q(outcome__in=["agreed", "adjudicated"]) & ~Q(label=""))
                | (~Q(outcome__in=["agreed", "adjudicated"]) & Q(label="")),
            ),
        ]
        indexes = [
            # The queue. Not by `places`: what every lease changes must stand in no index, so that the row's new
            # version can stay on its page (PostgreSQL's HOT). Open faces without a free place are few: all held.
            models.Index(fields=["campaign", "shuffle"], name="campaign_queue", condition=Q(state="open")),
            models.Index(fields=["campaign", "state", "outcome", "label"], name="campaign_by_outcome"),
        ]

    def __str__(self) -> str:
        return f"{self.face} in {self.campaign}"


class Line(models.Model):
    """Where the end of a campaign's line is: a row of its own, as it is locked whenever a face joins the end."""

    campaign = models.OneToOneField(Campaign, primary_key=True, on_delete=models.CASCADE, related_name="+")
    end = models.PositiveBigIntegerField(help_text="The next free place; see labeling.voting.line.")

    def __str__(self) -> str:
        return f"line of {self.campaign}"


class Suggestion(models.Model):
    """What a network says of a face. Never shown to a voter before the vote."""

    campaign_face = models.ForeignKey(CampaignFace, on_delete=models.CASCADE, related_name="suggestions")
    origin = models.CharField(max_length=60, help_text="Who suggests, e.g. `run 12`.")
    label = models.CharField(max_length=40)
    probabilities: Any = models.JSONField(help_text="Expression → probability; they add up to 1.")
    doubt = models.FloatField(help_text="How strongly it disagrees with the votes, 0 to 1; higher is more.")
    made_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign_face", "origin"], name="one_suggestion_per_origin")
        ]
        indexes = [models.Index(fields=["origin", "-doubt"], name="suggestion_by_doubt")]

    def __str__(self) -> str:
        return f"{self.label} ({self.origin})"


class Adjudication(models.Model):
    """A person decided what the votes could not. The newest one of a face stands, unless it was retracted."""

    campaign_face = models.ForeignKey(CampaignFace, on_delete=models.CASCADE, related_name="adjudications")
    label = models.CharField(max_length=40, help_text="An expression, or `not_a_face`.")
    reason = models.CharField(max_length=500)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    retracted_at = models.DateTimeField(null=True, blank=True)
    retracted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.campaign_face}: {self.label}"
