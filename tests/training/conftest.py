"""What the tests of the training pages share."""

import pytest

from tests.factories import make_user


@pytest.fixture
def trainer(client):
    user = make_user("trainer")
    client.force_login(user)
    return user
