from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from labeling import lineage
        from labeling.erasure import remains
        from training.erasing import OfTraining
        from training.lineage import LISTED, made_of

        remains.register(OfTraining())
        lineage.register(made_of, LISTED)
