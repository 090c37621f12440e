"""What a manager makes of a face in a campaign: `{% load gold %}`, `{% gold_form row %}`."""

from typing import Any

from django import template
from django.template import Context

from labeling.expressions import OTHER_ANSWERS
from labeling.models import CampaignFace, Example, Gold

register = template.Library()


@register.inclusion_tag("labeling/gold_form.html", takes_context=True)
def gold_form(context: Context, row: CampaignFace) -> dict[str, Any]:
    """The forms that make a campaign face gold or an example, and back. Asks nothing if row came with its gold.

    The page's context has `examples`: campaign → Example, of the face.
    """
    gold: Gold | None = getattr(row, "gold", None)
    example: Example | None = context["examples"].get(row.campaign_id)
    untouched = row.round == 1 and not row.votes and not row.leases
    return {
        "row": row,
        "gold": gold,
        "example": example,
        "says": gold.answer if gold else example.expression if example else row.label,
        "note": gold.note if gold else example.note if example else "",
        "can_be_gold": row.state != CampaignFace.State.OPEN or untouched,
        "answers": [*row.campaign.expressions, *OTHER_ANSWERS],
        "request": context.get("request"),
        "csrf_token": context.get("csrf_token"),
    }
