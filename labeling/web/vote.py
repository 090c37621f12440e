"""The annotator's room: the campaigns one may vote in, and the page one votes on."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from labeling import own
from labeling.expressions import OTHER_ANSWERS
from labeling.models import Campaign
from labeling.rules import may_vote
from labeling.web.doors import door

KEYS = "1234567890qwertyiopadfghjklbm"
"""The keys of a campaign's expressions, in order: digits first, then letters that mean nothing else here."""
OTHER_KEYS = dict(zip(OTHER_ANSWERS, "cn", strict=True))
LOOKS = (
    ("zoom", "z", "Twice as large"),
    ("contrast", "v", "More contrast"),
    ("context", "x", "Whole picture"),
)
"""Other looks at the face: what it does, its key, its words."""
REASONS = ("too blurred", "too small", "disturbing", "I know this person", "other")
"""Why a face may be skipped, in the order of the keys 1 … 5; what is stored are these words."""
WORDS = {
    "skipped": "Skipped.",
    "skippedBecause": "Skipped: {reason}.",
    "noContext": "This picture can't be shown just now.",
    "contextAlt": "The whole picture, with the face to judge in a frame",
}
"""What the page's script says, by its own names for it."""


@door(may_vote)
def vote_home(request: HttpRequest) -> HttpResponse:
    return render(request, "labeling/vote_home.html", {"campaigns": own.campaigns_of(request.user)})


@door(may_vote)
def vote(request: HttpRequest, campaign_pk: int) -> HttpResponse:
    campaign = get_object_or_404(Campaign, pk=campaign_pk)
    context = {
        "campaign": campaign,
        "answers": list(zip(campaign.expressions, KEYS, strict=False)),
        "others": list(OTHER_KEYS.items()),
        "looks": LOOKS,
        "reasons": REASONS,
        "words": WORDS,
        "progress": own.progress_of(campaign=campaign, annotator=request.user),
    }
    return render(request, "labeling/vote.html", context)
