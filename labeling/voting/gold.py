"""Gold in the queue: faces whose answer is known, handed out and answered like any other.

Nothing an annotator is sent tells them apart: a lease, an id of the same kind, the same replies. They ask for no votes
(a gold face is either settled already, or of the state GOLD and wants none), so their leases and answers stand in no
face's tally, and "exactly N" is untouched.
"""

import random
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from labeling.models import CampaignFace, Gold, GoldAnswer, Lease, Skip, Vote

CHOICES = 64
"""So many gold faces are looked at together for some the annotator has not met."""


def is_gold(row: CampaignFace) -> bool:
    """Whether an answer on this locked face is one to its gold. An open face is asked its campaign's question."""
    if row.state == CampaignFace.State.OPEN:
        return False
    return Gold.objects.filter(campaign_face=row, qualification=False).exists()


def share_out(share: float, need: int) -> int:
    """How many of the next `need` faces are gold: each with this probability, on its own."""
    return sum(random.random() < share for _ in range(need))


def hidden(campaign: Any, annotator: Any) -> QuerySet[CampaignFace]:
    """Gold this annotator has never met in the campaign."""
    mine = {"campaign_face": OuterRef("pk"), "annotator": annotator}
    return CampaignFace.objects.filter(
        ~Exists(GoldAnswer.objects.filter(**mine)),
        ~Exists(Vote.objects.filter(**mine)),
        ~Exists(Skip.objects.filter(**mine)),
        ~Exists(Lease.objects.filter(**mine)),
        gold__campaign=campaign,
        gold__qualification=False,
        state__in=[CampaignFace.State.GOLD, CampaignFace.State.SETTLED],
    )


def draw(campaign: Any, annotator: Any, count: int) -> list[CampaignFace]:
    """Gold faces for the annotator, locked; fewer if there are fewer. Whatever others have locked is left out."""
    # The gold first, as it is little: asked of the faces, the database might look through all of them.
    there = list(Gold.objects.filter(campaign=campaign, qualification=False).values_list("pk", flat=True))
    random.shuffle(there)
    for first in range(0, len(there), CHOICES):
        some = hidden(campaign, annotator).filter(pk__in=there[first : first + CHOICES])
        if found := list(some.values_list("pk", flat=True)):
            return _locked(campaign, annotator, random.sample(found, min(count, len(found))))
    return []


def _locked(campaign: Any, annotator: Any, chosen: list[int]) -> list[CampaignFace]:
    rows = hidden(campaign, annotator).filter(pk__in=chosen).order_by("pk")
    locked = list(rows.select_for_update(of=("self",), no_key=True, skip_locked=True))
    # Asked again under the lock: a manager may have taken one out meanwhile.
    still = set(
        Gold.objects.filter(campaign_face__in=locked, qualification=False).values_list("pk", flat=True)
    )
    return [row for row in locked if row.pk in still]


def drop_leases(row: CampaignFace) -> None:
    """Before a settled face, locked, is opened: who held it as gold holds it no more."""
    Lease.objects.filter(campaign_face=row).delete()
