from django.apps import AppConfig
from django.utils.formats import number_format
from django.utils.translation import gettext

from labeling import sayings


class LabelingConfig(AppConfig):
    name = "labeling"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        sayings.speak(gettext, lambda number: number_format(number, force_grouping=True))
