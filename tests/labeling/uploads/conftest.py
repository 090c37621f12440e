"""Who sends files, and where these lie."""

from pathlib import Path

import pytest
from django.test import Client

from tests.factories import make_user


@pytest.fixture(autouse=True)
def folder(settings) -> Path:
    """However full the disk of the tests is."""
    settings.UPLOAD_KEEP_FREE_BYTES = 0
    return Path(settings.UPLOAD_ROOT)


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager", name="maria"))
    return client
