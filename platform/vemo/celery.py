"""The Celery application; workers start with `celery -A vemo worker`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vemo.settings")

app = Celery("vemo")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
