"""The annotator's room: the campaigns one may vote in, and the page one votes on."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from labeling import own, preferences
from labeling.expressions import OTHER_ANSWERS
from labeling.models import Campaign
from labeling.preferences import KEYS, LOOK_KEYS, OTHER_KEYS
from labeling.rules import may_vote
from labeling.web.doors import door

__all__ = ["KEYS", "LOOKS", "OTHER_KEYS", "vote", "vote_home"]

LOOK_WORDS = {"zoom": "Twice as large", "contrast": "More contrast", "context": "Whole picture"}
LOOKS = [(look, key, LOOK_WORDS[look]) for look, key in LOOK_KEYS.items()]
"""Other looks at the face: what it does, its key, its words."""
REASONS = ("too blurred", "too small", "disturbing", "I know this person", "other")
"""Why a face may be skipped, in the order of the keys 1 … 5; what is stored are these words."""
WORDS = {
    "skipped": "Skipped.",
    "skippedBecause": "Skipped: {reason}.",
    "noContext": "This picture can't be shown just now.",
    "goal": "{votes} of {goal} this sitting",
    "reached": "{goal} votes: your goal for this sitting. Thank you; stop or go on as you like.",
    "pause": "You have looked at faces for {minutes} minutes. Rest your eyes a moment; the faces wait.",
    "contextAlt": "The whole picture, with the face to judge in a frame",
}
"""What the page's script says, by its own names for it."""


@door(may_vote)
def vote_home(request: HttpRequest) -> HttpResponse:
    return render(request, "labeling/vote_home.html", {"campaigns": own.campaigns_of(request.user)})


@door(may_vote)
def vote(request: HttpRequest, campaign_pk: int) -> HttpResponse:
    campaign = get_object_or_404(Campaign, pk=campaign_pk)
    wishes = preferences.of(request.user)
    keys = preferences.keys_for(campaign.expressions, wishes.keys)
    context = {
        "campaign": campaign,
        "answers": [(name, keys[name]) for name in campaign.expressions],
        "others": [(name, keys[name]) for name in OTHER_ANSWERS],
        "keys": keys,
        "wishes": wishes,
        "looks": LOOKS,
        "reasons": REASONS,
        "words": WORDS,
        "progress": own.progress_of(campaign=campaign, annotator=request.user),
    }
    return render(request, "labeling/vote.html", context)
