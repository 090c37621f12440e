"""The Celery application; workers start with `celery -A vemo worker`."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vemo.settings")
TRANSPORT_ALIASES["embedded"] = "vemo.broker:Transport"

app = Celery("vemo")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
