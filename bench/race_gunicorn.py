"""gunicorn's settings for bench.voting_race: a worker that takes a killed one's place answers at once.

The pages' addresses are read with the first request, which takes half a second: here before the workers are forked.
"""

from typing import Any

preload_app = True
worker_class = "gthread"
workers = 4
threads = 4


def when_ready(server: Any) -> None:
    from django.urls import get_resolver

    # Read once, kept in the process.
    assert get_resolver().url_patterns
