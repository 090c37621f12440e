"""What pages and answers tell of an erasure beside its row."""

from collections.abc import Collection
from typing import Any

from labeling.erasure import scope
from labeling.models import Campaign, Erasure


def sample(scope_: str, what: Collection[Any], with_media: bool, most: int) -> list[int]:
    """Some of the faces that would go."""
    faces = scope.faces(scope_, what, with_media)
    return list(faces.order_by("pk").values_list("pk", flat=True)[:most])


def campaigns_of(erasure: Erasure) -> list[dict[str, Any]]:
    """The campaigns that lost faces, each with its key, name, and how many."""
    lost = {int(pk): faces for pk, faces in erasure.touched.get("campaigns", {}).items()}
    names = Campaign.objects.filter(pk__in=lost).order_by("-pk").values_list("pk", "name")
    return [{"pk": pk, "name": name, "faces": lost[pk]} for pk, name in names]
