"""A decent server on loopback."""

from collections.abc import Iterator

import pytest

from tests.labeling.fetching.asking import BODY
from tests.labeling.fetching.servers import Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as one:
        one.answers["/file"] = lambda far: far.say(200, BODY)
        yield one
