"""One annotator's own page of one campaign: figures, where they differ from the others, and what they answered."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from labeling import own
from labeling.expressions import OTHER_ANSWERS, word
from labeling.models import Campaign
from labeling.rules import may_vote
from labeling.voting import votes
from labeling.web.doors import door


@dataclass(frozen=True)
class Cell:
    """So many faces of which the others say one thing and oneself said another, or the same."""

    faces: int
    alike: bool


@dataclass(frozen=True)
class Row:
    label: str
    cells: list[Cell]


@door(may_vote)
@require_safe
def vote_mine(request: HttpRequest, campaign_pk: int) -> HttpResponse:
    campaign = get_object_or_404(Campaign, pk=campaign_pk)
    found = own.statistics(campaign, request.user)
    names = own.answers_shown(campaign, found.confusion)
    before = request.GET.get("before", "")
    context = {
        "campaign": campaign,
        "figures": found,
        "seconds": None if found.median_ms is None else found.median_ms / 1000,
        "differences": [_sentence(one) for one in found.differences],
        "names": names,
        "matrix": [_row(name, names, found.confusion[name]) for name in names if name in found.confusion],
        "answers": (*campaign.expressions, *OTHER_ANSWERS),
        "enough": own.ENOUGH_FACES,
        "before": before,
        "history": own.history(campaign, request.user, before=before),
    }
    return render(request, "labeling/vote_mine.html", context)


@door(may_vote)
@require_POST
def vote_change(request: HttpRequest, campaign_pk: int) -> HttpResponse:
    """{key, answer, second?, before?}: the answer of this key becomes another, and the same part is shown again."""
    campaign = get_object_or_404(Campaign, pk=campaign_pk)
    answer, second = request.POST.get("answer", ""), request.POST.get("second", "")
    try:
        key = UUID(request.POST.get("key", ""))
        own.demand_open(campaign, request.user, key)
        votes.change(campaign=campaign, annotator=request.user, client_key=key, answer=answer, second=second)
    except votes.CannotVote as refusal:
        messages.error(request, str(refusal))
    except ValueError:
        messages.error(request, _("There is no such vote of yours."))
    else:
        messages.success(request, _("Changed to “{answer}”.").format(answer=_both(answer, second)))
    before = request.POST.get("before", "")
    address = reverse("labeling:vote_mine", args=[campaign.pk])
    return redirect(f"{address}?before={before}#history" if own.is_cursor(before) else f"{address}#history")


def _both(answer: str, second: str) -> str:
    both = _("{answer} + {second}")
    return both.format(answer=word(answer), second=word(second)) if second else word(answer)


def _sentence(one: own.Difference) -> str:
    text = _("You often answer “{own}” where most others say “{others}”: {times} of {of} times.")
    return text.format(own=word(one.own), others=word(one.others), times=one.times, of=one.of)


def _row(label: str, names: list[str], counts: dict[str, int]) -> Row:
    return Row(label, [Cell(counts.get(name, 0), name == label) for name in names])
