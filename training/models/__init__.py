from training.models.run import Evaluation, Prediction, RelabelFace, RelabelRound, TrainingRun

__all__ = ["Evaluation", "Prediction", "RelabelFace", "RelabelRound", "TrainingRun"]
