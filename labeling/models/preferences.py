"""How one annotator likes to work."""

from django.conf import settings
from django.db import models


class Preferences(models.Model):
    """Choices of one person's own, for all campaigns."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="preferences"
    )
    keys = models.JSONField(default=dict, blank=True, help_text="Answer or action → key.")
    session_goal = models.PositiveIntegerField(default=0, help_text="Votes a sitting; 0 for none.")
    pause_minutes = models.PositiveSmallIntegerField(
        default=25, help_text="A reminder to rest the eyes, so often; 0 for none."
    )

    def __str__(self) -> str:
        return f"preferences of {self.user}"
