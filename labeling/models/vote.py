"""One annotator and one face: held, answered, or passed on."""

from django.conf import settings
from django.db import models

from labeling.models.campaign import FRONT, Campaign, CampaignFace


class Participation(models.Model):
    """How far one annotator has come through one campaign's queue.

    The cursor is why leasing stays point work: nobody walks again over the faces already answered.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="participations")
    annotator = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="participations"
    )
    start = models.PositiveIntegerField(help_text="Where in the first lap this annotator begins.")
    cursor = models.BigIntegerField(help_text="No face before it is left for this annotator.")
    wrapped = models.BooleanField(default=False, help_text="Has passed the end of the first lap.")
    front = models.BigIntegerField(
        default=FRONT, help_text="The same as cursor, among the faces asked before all others."
    )
    last_kin = models.BigIntegerField(default=0, help_text="Of the face handed out last.")
    qualified_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Qualification rounds begun.")
    paused_at = models.DateTimeField(
        null=True, blank=True, help_text="A manager lets them vote no more for now."
    )
    joined_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "annotator"], name="one_participation_per_annotator")
        ]

    def __str__(self) -> str:
        return f"{self.annotator} in {self.campaign}"


class Lease(models.Model):
    """One annotator's short hold on one face: a place kept free for the vote."""

    # Neither index nor constraint of its own: campaign_face implies it, and every lease would pay.
    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    campaign_face = models.ForeignKey(
        CampaignFace, on_delete=models.CASCADE, related_name="held_by", db_index=False
    )
    # Protected: who goes takes no lease along unseen, as the face would keep counting it.
    annotator = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="leases", db_index=False
    )
    taken_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign_face", "annotator"], name="one_lease_per_annotator")
        ]
        # None by expires_at: there are no more leases than people times a handful, and the sweep reads them all.
        indexes = [models.Index(fields=["annotator", "campaign"], name="lease_by_annotator")]

    def __str__(self) -> str:
        return f"{self.annotator} holds {self.campaign_face}"


class Vote(models.Model):
    """One annotator's answer on one face in one round."""

    # Without indexes of their own: the constraints below begin with these, and every vote pays for each. Nor
    # has the campaign a constraint: campaign_face implies it.
    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    campaign_face = models.ForeignKey(
        CampaignFace, on_delete=models.CASCADE, related_name="cast", db_index=False
    )
    annotator = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="votes", db_index=False
    )
    round = models.PositiveSmallIntegerField()
    answer = models.CharField(max_length=40)
    second = models.CharField(
        max_length=40, blank=True, default="", help_text="The weaker expression of a mixed answer."
    )
    client_key = models.UUIDField(help_text="Chosen by the client; the same key again is the same vote.")
    took_ms = models.PositiveIntegerField(
        null=True, blank=True, help_text="Seen to answered, as the client says."
    )
    cast_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign_face", "annotator", "round"], name="one_vote_per_annotator_and_round"
            ),
            models.UniqueConstraint(fields=["annotator", "client_key"], name="one_vote_per_client_key"),
        ]
        indexes = [models.Index(fields=["annotator", "campaign", "-cast_at"], name="vote_by_annotator")]

    def __str__(self) -> str:
        return f"{self.annotator}: {self.answer}"


class WithdrawnKey(models.Model):
    """The client key of a vote that was taken back: a late copy of its request is not counted."""

    annotator = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    client_key = models.UUIDField()
    withdrawn_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["annotator", "client_key"], name="a_key_withdrawn_once")
        ]

    def __str__(self) -> str:
        return str(self.client_key)


class Skip(models.Model):
    """One annotator passed one face on; it is not offered to them again in this round."""

    campaign_face = models.ForeignKey(CampaignFace, on_delete=models.CASCADE, related_name="skips")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="skips")
    round = models.PositiveSmallIntegerField()
    reason = models.CharField(max_length=200, blank=True, default="")
    skipped_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign_face", "annotator", "round"], name="one_skip_per_annotator_and_round"
            )
        ]

    def __str__(self) -> str:
        return f"{self.annotator} skipped {self.campaign_face}"
