"""Why a vote, a lease or an undo was refused."""

from typing import Any

from django.utils.translation import gettext as _

from labeling.refusals import Refusal
from labeling.rules import may_vote


class CannotVote(Refusal):
    """The vote was not counted; `code` says why.

    closed, role, answer, unknown, already, complete, erased, key, withdrawn, votes; and, of who may vote here: paused,
    group, language, qualify, cap, day.
    """

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


class CannotLease(CannotVote):
    """No face can be handed out."""


class CannotWithdraw(CannotVote):
    """The vote stands: unknown, round, late, settled, erased."""


def closed(refuse: type[CannotVote]) -> CannotVote:
    return refuse(_("This campaign takes no votes at the moment. Your earlier votes are kept."), "closed")


def demand_annotator(user: Any, refuse: type[CannotVote]) -> None:
    if not may_vote(user):
        raise refuse(_("Your account may not vote. Ask an admin for the annotator's role."), "role")
