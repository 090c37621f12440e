"""Imported before anything of `labeling.sources`, which needs the site's settings even where no database is asked."""

import os
import sys
from pathlib import Path

import django

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "platform"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vemo.settings")
django.setup()
