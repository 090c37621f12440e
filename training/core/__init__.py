"""From a snapshot folder to a trained network: torch and numpy only, no Django, no database, no Celery."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.core.predictor import Predictor

__all__ = ["Predictor"]


def __getattr__(name: str) -> Any:
    # Not before it is asked for: settings are looked up without loading torch.
    if name == "Predictor":
        from training.core.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
