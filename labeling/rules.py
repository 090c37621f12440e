"""Who may do what in labeling: predicates, cheap enough to ask in every request."""

from typing import Any


def may_vote(user: Any) -> bool:
    return bool(user.is_authenticated and user.is_active and (user.is_annotator or user.is_superuser))


def may_manage(user: Any) -> bool:
    return bool(user.is_authenticated and user.is_active and (user.is_manager or user.is_superuser))


def may_see_labels(user: Any) -> bool:
    """Consensus, votes in sum and the pictures behind them: managers and ML staff, never a mere annotator."""
    return may_manage(user) or bool(user.is_authenticated and user.is_active and user.is_trainer)
