"""From a snapshot folder to a trained network: torch and numpy only, no Django, no database, no Celery."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.core.predictor import Predictor
    from training.core.together import Ensemble

__all__ = ["Ensemble", "Predictor"]


def __getattr__(name: str) -> Any:
    # Not before it is asked for: settings are looked up without loading torch.
    if name == "Predictor":
        from training.core.predictor import Predictor

        return Predictor
    if name == "Ensemble":
        from training.core.together import Ensemble

        return Ensemble
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
