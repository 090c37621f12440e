"""Who may do what in training."""

from typing import Any


def may_train(user: Any) -> bool:
    return bool(user.is_authenticated and user.is_active and (user.is_trainer or user.is_superuser))
