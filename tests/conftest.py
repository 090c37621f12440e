"""What every test stands on: an own storage folder, an own broker folder, examples without a deadline."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from django.db import connections
from django.utils import translation

# Databases and files take what they take on a busy machine: no example is late.
hypothesis.settings.register_profile("vemo", deadline=None)
hypothesis.settings.load_profile("vemo")


@pytest.fixture(autouse=True)
def own_folders(settings, tmp_path: Path) -> None:
    settings.STORAGES = {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "storage")},
        },
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    # Static files come from the tree, found when asked for: no test waits for a scan of all of them.
    settings.STATIC_ROOT = None
    settings.WHITENOISE_AUTOREFRESH = True
    settings.WORK_ROOT = tmp_path / "work"
    settings.UPLOAD_ROOT = tmp_path / "uploads"
    settings.RUNS_ROOT = tmp_path / "runs"
    settings.SNAPSHOT_CACHE_ROOT = tmp_path / "snapshot-cache"
    settings.EMBEDDED_BROKER_ROOT = tmp_path / "broker"


@pytest.fixture(autouse=True)
def own_language() -> Iterator[None]:
    """A request leaves its language with the thread, and the next test asks in none."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite in a file, so that a worker process can open the tests' database too."""
    database = connections["default"].settings_dict
    if database["ENGINE"].endswith("sqlite3"):
        database["TEST"]["NAME"] = str(tmp_path_factory.getbasetemp() / "tests.sqlite3")


ONCE = (
    "tests/browser/",
    "tests/journeys/",
    "tests/training/core/",
    "tests/labeling/vision/",
    "tests/labeling/consensus/",
)
"""What the database's kind cannot change."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(ONCE):
            item.add_marker(pytest.mark.once)
