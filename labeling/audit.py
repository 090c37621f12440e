"""The record of what managers do in a campaign: one entry a deed, written in the deed's transaction."""

from typing import Any

from django.utils.translation import gettext_noop

from labeling.models import AuditEntry, Campaign

WORDS = {
    "created": gettext_noop("made the campaign"),
    "duplicated": gettext_noop("made the campaign after another"),
    "changed": gettext_noop("changed the campaign"),
    "extended": gettext_noop("moved the deadline"),
    "faces_added": gettext_noop("added faces"),
    "faces_removed": gettext_noop("took faces out that nobody had seen"),
    "paused": gettext_noop("paused the campaign"),
    "opened": gettext_noop("opened the campaign"),
    "closed": gettext_noop("closed the campaign"),
    "annotator_paused": gettext_noop("paused an annotator"),
    "annotator_resumed": gettext_noop("let an annotator go on"),
    "votes_discarded": gettext_noop("put an annotator's votes aside"),
    "votes_restored": gettext_noop("counted an annotator's votes again"),
    "attempts_reset": gettext_noop("let an annotator try the qualification again"),
    "adjudicated": gettext_noop("decided on a face"),
    "retracted": gettext_noop("took a decision back"),
    "gold_set": gettext_noop("made a face gold"),
    "gold_removed": gettext_noop("took a face out of the gold"),
    "example_set": gettext_noop("showed a face as an example"),
    "example_removed": gettext_noop("took an example away"),
    "reopened": gettext_noop("asked for fresh votes"),
    "face_corrected": gettext_noop("corrected the box of a face nobody had seen"),
    "correction_undone": gettext_noop("undid the correction of a face's box"),
    "faces_erased": gettext_noop("erased faces for good"),
}
"""Verb → what its doer did, for people."""


def write(
    campaign: Campaign,
    verb: str,
    *,
    by: Any,
    annotator: Any = None,
    campaign_face_id: int | None = None,
    reason: str = "",
    **details: Any,
) -> AuditEntry:
    """Put a deed on record. by: a user, or None when the site did it by itself. details: JSON values, by name."""
    if verb not in WORDS:
        raise ValueError(f"“{verb}” is not a verb of the record.")
    return AuditEntry.objects.create(
        campaign=campaign,
        verb=verb,
        by=by if getattr(by, "pk", None) else None,
        annotator=annotator,
        campaign_face_id=campaign_face_id,
        reason=reason,
        details=details,
    )
