"""Which campaigns a snapshot took in. Its rule names them, and names may change; its row has their keys."""

from collections.abc import Iterable
from datetime import datetime

from labeling.models import AuditEntry, Campaign, Snapshot

KEYS = "campaigns"
"""In Snapshot.counts: the keys, in the order of the rule. Rows frozen before there were any have none."""


def counted(campaigns: Iterable[Campaign]) -> dict[str, list[int]]:
    """What the snapshot's counts keep of several campaigns; of one alone its row tells."""
    keys = [each.pk for each in campaigns]
    return {KEYS: keys} if keys[1:] else {}


def keys_of(snapshot: Snapshot) -> list[int | None]:
    """The snapshot's own campaign first, then the others in the order of the rule; None where nobody can tell."""
    if kept := snapshot.counts.get(KEYS):
        return list(kept)
    others = list(snapshot.rule.get("campaigns", ()))[1:]
    named = _names_at(snapshot.created_at) if others else {}
    return [snapshot.campaign_id, *(named.get(name) for name in others)]


def campaigns_of(snapshot: Snapshot) -> list[Campaign | None]:
    """The same as rows; None where one is gone, or nobody can tell."""
    keys = keys_of(snapshot)
    found = Campaign.objects.in_bulk([key for key in keys if key is not None])
    return [None if key is None else found.get(key) for key in keys]


def _names_at(moment: datetime) -> dict[str, int]:
    """Name → key as it was then, by what is on record of changes since."""
    names: dict[int, str] = dict(Campaign.objects.filter(created_at__lte=moment).values_list("pk", "name"))
    since = AuditEntry.objects.filter(made_at__gt=moment, campaign__in=names, details__has_key="name")
    for campaign, details in since.order_by("-pk").values_list("campaign", "details"):
        names[campaign] = details["name"][0]
    return {name: pk for pk, name in names.items()}
