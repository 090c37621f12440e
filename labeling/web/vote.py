"""The annotator's room: the campaigns one may vote in, and the page one votes on."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, ngettext
from django.views.decorators.cache import never_cache

from labeling import examples, own, preferences, qualification
from labeling.expressions import OTHER_ANSWERS
from labeling.models import Campaign
from labeling.preferences import KEYS, LOOK_KEYS, MIXED_KEY, OTHER_KEYS
from labeling.qualification import Step
from labeling.rules import may_vote
from labeling.templatetags.look import DRAWN
from labeling.web.doors import door

__all__ = ["KEYS", "LOOKS", "OTHER_KEYS", "vote", "vote_home"]

LOOK_WORDS = {
    "zoom": gettext_lazy("Twice as large"),
    "contrast": gettext_lazy("More contrast"),
    "context": gettext_lazy("Whole picture"),
    "frames": gettext_lazy("The video's second around the face"),
}
LOOKS = [(look, key, LOOK_WORDS[look]) for look, key in LOOK_KEYS.items()]
"""Other looks at the face: what it does, its key, its words."""
REASONS = (
    gettext_noop("too blurred"),
    gettext_noop("too small"),
    gettext_noop("disturbing"),
    gettext_noop("I know this person"),
    gettext_noop("other"),
)
"""Why a face may be skipped, in the order of the keys 1 … 5; what is stored are these words."""
_SAMPLES = {"zero": 0, "one": 1, "two": 2, "few": 3, "many": 11, "other": 100}
"""A number of each of the categories in which browsers (Intl.PluralRules) sort the numbers of any language."""


@dataclass(frozen=True)
class Button:
    """One answer: the name that is stored, its key ("" for none) and its drawing."""

    answer: str
    key: str
    icon: str


@door(may_vote)
def vote_home(request: HttpRequest) -> HttpResponse:
    return render(request, "labeling/vote_home.html", {"campaigns": own.campaigns_of(request.user)})


# Kept by the browser, the page would come back with the counts of when it was first opened.
@never_cache
@door(may_vote)
def vote(request: HttpRequest, campaign_pk: int) -> HttpResponse:
    campaign = get_object_or_404(Campaign, pk=campaign_pk)
    open_now = campaign.state == Campaign.State.OPEN
    if open_now and qualification.state(campaign, request.user).step in (Step.TO_DO, Step.FAILED):
        return redirect("labeling:vote_qualify", campaign.pk)
    shown = examples.of(campaign)
    progress = own.progress_of(campaign=campaign, annotator=request.user)
    wishes = preferences.of(request.user)
    keys = preferences.keys_for(campaign.expressions, wishes.keys, campaign.keys)
    context = {
        "campaign": campaign,
        "answers": buttons(campaign, campaign.expressions, keys),
        "others": buttons(campaign, OTHER_ANSWERS, keys),
        "keys": keys,
        "mixed_key": MIXED_KEY,
        "wishes": wishes,
        "looks": LOOKS,
        "reasons": REASONS,
        "words": words(),
        "progress": progress,
        "examples": shown,
        # Who has not voted here yet sees first what there is to know.
        "introduce": not progress.votes and bool(campaign.instructions or shown),
    }
    return render(request, "labeling/vote.html", context)


def buttons(campaign: Campaign, names: Any, keys: dict[str, str]) -> list[Button]:
    """The answers in their order, each with its key and the campaign's drawing, else the usual one."""
    return [Button(name, keys.get(name, ""), _icon(name, campaign.icons.get(name, ""))) for name in names]


def _icon(name: str, chosen: str) -> str:
    return next((icon for icon in (chosen, name) if icon in DRAWN), "expression")


def words() -> dict[str, Any]:
    """What the page's script says, by its own names for it, in the reader's language."""
    return {
        "face": _("The face to judge"),
        "fetching": _("Fetching faces …"),
        "looking": _("Looking for faces …"),
        "noConnection": _("No connection. Trying again …"),
        "answered": _("{answer}."),
        "nextFace": _("{said} Next face."),
        "skipped": _("Skipped."),
        "skippedBecause": _("Skipped: {reason}."),
        "takeBack": _("Take back: {answer}"),
        "takenBack": _("Taken back: {answer}."),
        "refused": _("The server did not take that."),
        "notCounted": _("Your answer “{answer}” was not counted. {why}"),
        "signedOut": _("You are signed out. What you answered waits here."),
        "signIn": _("Sign in again"),
        "votes": _forms(lambda n: ngettext("{votes} vote", "{votes} votes", n)),
        "saved": _("Saved here, will be sent: {votes}."),
        "keepOpen": _("Keep this page open. Still to be sent: {votes}."),
        "noContext": _("This picture can't be shown just now."),
        "contextAlt": _("The whole picture, with the face to judge in a frame"),
        "noSecond": _("This face is from a picture, or its video can't be shown just now."),
        "second": _("The second around the face"),
        "earlier": _("Earlier"),
        "later": _("Later"),
        "moments": [_("½ s before"), _("¼ s before"), _("this face"), _("¼ s after"), _("½ s after")],
        "mixedFirst": _("Mixed: first the stronger one"),
        "mixedSecond": _("Mostly {answer}, with some …"),
        "mixedOver": _("One expression again."),
        "both": _("{answer} + {second}"),
        "noFaces": _("No faces just now"),
        "enough": {
            "day": _("Enough for today"),
            "cap": _("That was your share"),
            "qualify": _("A qualification first"),
        },
        **_care(),
    }


def _care() -> dict[str, Any]:
    """The goal of a sitting, and a word to rest the eyes."""
    return {
        "goal": _("{votes} of {goal} this sitting"),
        "reached": _forms(
            lambda n: ngettext(
                "{goal} vote: your goal for this sitting. Thank you; stop or go on as you like.",
                "{goal} votes: your goal for this sitting. Thank you; stop or go on as you like.",
                n,
            )
        ),
        "pause": _forms(
            lambda n: ngettext(
                "You have looked at faces for {minutes} minute. Rest your eyes a moment; the faces wait.",
                "You have looked at faces for {minutes} minutes. Rest your eyes a moment; the faces wait.",
                n,
            )
        ),
    }


def _forms(said: Any) -> dict[str, str]:
    """A sentence about a number in every form the reader's language has for it."""
    return {category: said(number) for category, number in _SAMPLES.items()}
