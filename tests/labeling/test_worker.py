"""A real worker process ingests, finds faces and is killed, over the embedded broker and over Redis."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from django.utils import timezone
from kombu.utils.url import maybe_sanitize_url

from labeling import discards
from labeling.models import Face, Media, Source, WorkState
from labeling.sources import drawn
from labeling.voting import votes
from tests.factories import make_campaign, make_user
from tests.worker import ROOT, environment, wait_until, worker

pytestmark = [pytest.mark.worker, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
ALL = ("-Q", "default,ingest,vision")
FAST_SWEEP = {"HEARTBEAT_TIMEOUT_S": "3", "SWEEP_EVERY_S": "1"}
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/15")


@pytest.fixture(params=["embedded", "redis"])
def broker(request: pytest.FixtureRequest, settings) -> None:
    """Messages of this test go by that broker, from here and from the worker."""
    if request.param == "redis":
        with redis.Redis.from_url(REDIS) as server:
            try:
                server.ping()
            except redis.ConnectionError:
                pytest.skip(f"No Redis answers at {maybe_sanitize_url(REDIS)}; name one in TEST_REDIS_URL.")
            server.flushdb()
    settings.CELERY_BROKER_URL = "embedded://" if request.param == "embedded" else REDIS


def queue_ingest(folder: Path) -> Source:
    """By the command, in a process of its own, as somebody at a terminal would."""
    command = [sys.executable, "manage.py", "ingest", str(folder), "--detect", "haar"]
    subprocess.run(command, cwd=ROOT, env=environment(), check=True, capture_output=True)
    return Source.objects.get()


def test_a_worker_ingests_finds_faces_and_goes_on_after_a_kill(broker: None, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    drawn.draw_collection(folder, stills=14)
    log = tmp_path / "worker.log"
    with worker(log, *ALL, **FAST_SWEEP) as first:
        source = queue_ingest(folder)
        wait_until(Media.objects.exists, log=log)
        first.send_signal(signal.SIGKILL)
        first.wait()

    def all_done() -> bool:
        source.refresh_from_db()
        searches = [row.state for row in source.detections.all()]
        return source.is_over and searches == [WorkState.DONE]

    with worker(log, *ALL, "-B", "-s", str(tmp_path / "beat"), **FAST_SWEEP):
        wait_until(all_done, seconds=90, log=log)
    assert (source.state, source.error) == (WorkState.DONE, "")
    pictures = [path for path in folder.iterdir() if path.name != "sources.csv"]
    assert source.items.count() == Media.objects.count() == len(pictures)
    assert Face.objects.count() >= 14
    assert Source.objects.count() == 1


def test_a_worker_puts_many_votes_aside(tmp_path: Path, settings) -> None:
    settings.CELERY_BROKER_URL = "embedded://"
    campaign, annotator = make_campaign(6), make_user()
    for held in votes.lease(campaign=campaign, annotator=annotator, limit=6):
        votes.cast(
            campaign=campaign,
            annotator=annotator,
            campaign_face_id=held.campaign_face_id,
            answer="sad",
            client_key=uuid4(),
        )
    since = timezone.now() - timedelta(hours=1)
    told = discards.discard(
        campaign=campaign, annotator=annotator, since=since, reason="always sad", by=None, at_once=5
    )
    assert not told.finished
    with worker(log := tmp_path / "worker.log", "-Q", "default"):
        wait_until(lambda: not discards.unfinished(campaign), log=log)
    assert not campaign.campaign_faces.exclude(votes=0).exists()
