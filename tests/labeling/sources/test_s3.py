"""Media out of a bucket, from moto's server on loopback."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from labeling.fetching.buckets import BadProfile, profiles
from labeling.models import Media, Source
from labeling.sources import ingest, watching
from labeling.sources.base import CannotAdd, CannotRead
from labeling.sources.places import guess_kind
from labeling.sources.s3 import parsed
from tests.factories import make_user
from tests.labeling.sources.buckets import BUCKET, Storage, a_storage, says
from tests.labeling.sources.places import again, png, reasons, states, taken_in

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[3]
OWN = {"basis": "own"}
PLACE = f"s3://{BUCKET}/photos"


@pytest.fixture
def storage(settings) -> Iterator[Storage]:
    with a_storage() as one:
        settings.S3_PROFILES = {"lab": one.profile()}
        settings.S3_FIRST_PAUSE_S = 0.01
        yield one


def names(told: dict[str, str]) -> dict[str, str]:
    """Without the ETags."""
    return {locator.rpartition(" #")[0] or locator: value for locator, value in told.items()}


def failed(location: str = PLACE, **fields: object) -> str:
    source = ingest.add(location=location, **{"options": OWN, **fields})  # type: ignore[arg-type]
    ingest.ingest(source.pk)
    source.refresh_from_db()
    assert source.state == "failed"
    return source.error


def test_an_address_names_a_bucket_and_a_folder_in_it() -> None:
    assert guess_kind("s3://some-bucket/a") == "s3"
    assert parsed("s3://some-bucket") == parsed("s3://some-bucket/") == ("some-bucket", "")
    assert parsed("s3://some-bucket/a/b") == parsed("s3://some-bucket/a/b/") == ("some-bucket", "a/b/")
    for address in (
        "s3://",
        "s3:///a",
        "http://some-bucket",
    ):
        with pytest.raises(CannotRead, match="names no bucket"):
            parsed(address)
    for address in (
        "s3://Big",
        "s3://a",
        "s3://user@host/x",
        "s3://a..b",
        "s3://host:80/x",
    ):
        with pytest.raises(CannotRead, match="is no bucket's name: these have 3 to 63"):
            parsed(address)


def test_what_lies_below_the_prefix_comes_in_with_its_notes(storage: Storage) -> None:
    storage.put(
        {
            "photos/a.png": png(1),
            "photos/deep/b c.png": png(2),
            "photos/deep/sources.csv": "file,licence,author\nb c.png,CC0,Ada\n",
            "photos/.hidden.png": png(3),
            "photos/folder/": b"",
            "photos/text.txt": "words",
            "photosnot/c.png": png(4),
            "d.png": png(5),
        }
    )
    source = taken_in(PLACE, options=OWN, licence="CC BY 4.0")
    assert source.kind == "s3"
    assert names(states(source)) == {
        "a.png": "ingested", "deep/b c.png": "ingested", "text.txt": "refused",
    }  # fmt: skip
    assert "The content is text" in names(reasons(source))["text.txt"]
    assert dict(Media.objects.values_list("original_name", "licence")) == {
        "a.png": "CC BY 4.0", "b c.png": "CC0",
    }  # fmt: skip


def test_listed_page_by_page_and_each_object_fetched_once(storage: Storage) -> None:
    storage.put({f"photos/.{n:04}.png": b"hidden" for n in range(999)})
    storage.put({f"photos/{n:04}.png": png(n % 7) for n in range(20)})
    source = taken_in(PLACE, options=OWN)
    assert len(states(source)) == 20
    assert storage.asked[f"/{BUCKET}"] == 2
    again(source)
    fetched = [count for path, count in storage.asked.items() if path.endswith(".png")]
    assert (len(fetched), set(fetched)) == (20, {1})


def test_an_object_written_anew_is_a_new_item_and_the_old_one_stays(storage: Storage) -> None:
    storage.put({"photos/a.png": png(1), "photos/b.png": png(2)})
    source = taken_in(PLACE, options=OWN)
    storage.put({"photos/a.png": png(3)})
    again(source)
    assert sorted(name.rpartition(" #")[0] for name in states(source)) == ["a.png", "a.png", "b.png"]
    assert Media.objects.count() == 3
    assert storage.asked[f"/{BUCKET}/photos/b.png"] == 1


def test_an_object_that_changes_between_list_and_fetch_waits_for_the_next_look(storage: Storage) -> None:
    storage.put({"photos/a.png": png(1)})
    path = f"/{BUCKET}/photos/a.png"
    storage.faults[path] = [lambda far: far.say(200, png(9), ETag='"another"')]
    source = taken_in(PLACE, options=OWN)
    assert states(source) == {}
    assert source.message == "0 items in; 1 are still being written and wait for the next look"
    again(source)
    assert names(states(source)) == {"a.png": "ingested"}


def test_a_busy_storage_is_asked_again(storage: Storage) -> None:
    storage.put({"photos/a.png": png(1)})
    storage.faults[f"/{BUCKET}"] = [says(503, "SlowDown"), says(500, "InternalError")]
    storage.faults[f"/{BUCKET}/photos/a.png"] = [
        says(429, "TooManyRequests", Retry_After="0"),
        lambda far: far.say(200, png(1)[:40], Content_Length="4000"),
        says(503, "ServiceUnavailable"),
    ]
    source = taken_in(PLACE, options=OWN)
    assert names(states(source)) == {"a.png": "ingested"}
    assert (storage.asked[f"/{BUCKET}"], storage.asked[f"/{BUCKET}/photos/a.png"]) == (3, 4)


def test_an_object_that_cannot_be_had_is_refused_and_the_others_come_in(storage: Storage) -> None:
    storage.put({f"photos/{name}.png": png(n) for n, name in enumerate("abcde")})
    where = f"/{BUCKET}/photos"
    storage.faults[f"{where}/a.png"] = [says(403, "AccessDenied")]
    storage.faults[f"{where}/b.png"] = [says(404, "NoSuchKey")]
    storage.faults[f"{where}/c.png"] = [says(403, "InvalidObjectState")]
    storage.faults[f"{where}/d.png"] = [says(500, "InternalError")] * 6
    source = taken_in(PLACE, options=OWN)
    assert names(states(source))["e.png"] == "ingested"
    assert names(reasons(source)) == {
        "a.png": "The storage does not let us read this object.",
        "b.png": "The bucket has no such object any more.",
        "c.png": "The object lies in an archive of the storage. Restore it there first.",
        "d.png": "The storage “lab” is busy or broken (status 500). It was tried 6 times.",
    }


@pytest.mark.parametrize(
    ("status", "code", "why"),
    [
        (403, "AccessDenied", "does not let us see the bucket"),
        (403, "InvalidAccessKeyId", r"does not accept our keys \(InvalidAccessKeyId\)"),
        (403, "SignatureDoesNotMatch", "does not accept our keys"),
        (400, "ExpiredToken", "have expired"),
        (403, "RequestTimeTooSkewed", "our clock is wrong"),
        (301, "PermanentRedirect", "in another region"),
        (418, "Teapot", "says: Teapot, status 418"),
        (403, "Forbidden", "does not let us see the bucket"),
    ],
)
def test_why_a_bucket_cannot_be_listed(storage: Storage, status: int, code: str, why: str) -> None:
    storage.faults[f"/{BUCKET}"] = [says(status, code)]
    error = failed()
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(error)
    assert "secret" not in error


def test_there_is_no_such_bucket(storage: Storage) -> None:
    assert "There is no bucket “not-there” at the storage “lab”." in failed("s3://not-there/x")


def test_keys_that_expire_half_way_end_the_look_and_the_next_goes_on(storage: Storage) -> None:
    storage.put({f"photos/{n}.png": png(n) for n in range(4)})
    storage.faults[f"/{BUCKET}/photos/2.png"] = [says(400, "ExpiredToken")]
    assert "have expired" in failed()
    source = Source.objects.get()
    assert sorted(states(source).values()) == ["found", "found", "ingested", "ingested"]
    again(source)
    assert set(states(source).values()) == {"ingested"}
    assert storage.asked[f"/{BUCKET}/photos/0.png"] == 1


def test_a_storage_that_is_away_ends_the_look_and_watching_goes_on(storage: Storage, settings) -> None:
    storage.put({"photos/a.png": png(1)})
    settings.S3_PROFILES = {"lab": storage.profile(endpoint_url="http://127.0.0.1:9")}
    error = failed(watch_minutes=15)
    assert "The storage “lab” cannot be reached (EndpointConnectionError). It was tried 6 times." in error
    source = Source.objects.get()
    assert watching.next_look(source) is not None
    settings.S3_PROFILES = {"lab": storage.profile()}
    Source.objects.update(ended_at=timezone.now() - timedelta(minutes=6))
    assert watching.look_again() == 1
    ingest.ingest(source.pk)
    assert names(states(source)) == {"a.png": "ingested"}


def test_what_is_too_long_or_no_media_is_not_fetched_to_its_end(storage: Storage, settings) -> None:
    settings.MAX_MEDIA_BYTES = 100_000
    storage.put({"photos/long.png": png(1) + bytes(200_000), "photos/page.png": "<html>" + "x" * 3_000_000})
    source = taken_in(PLACE, options=OWN)
    told = names(reasons(source))
    assert told["long.png"] == "It is longer than the 100,000 bytes allowed."
    assert "The content is text" in told["page.png"]


def test_a_public_bucket_is_asked_without_a_signature(storage: Storage, settings) -> None:
    storage.put({"photos/a.png": png(1)})
    settings.S3_PROFILES = {"open": storage.profile(name="open", key="", secret="")}
    storage.client.put_bucket_acl(Bucket=BUCKET, ACL="public-read")
    storage.client.put_object_acl(Bucket=BUCKET, Key="photos/a.png", ACL="public-read")
    taken_in(PLACE, options=OWN)
    assert not any("Authorization" in headers for headers in storage.headers_seen)


def test_no_address_and_no_key_comes_from_who_asks(storage: Storage, settings) -> None:
    for options, why in (
        ({}, "say on what basis"),
        ({**OWN, "endpoint_url": "http://127.0.0.1:22"}, "has no option “endpoint_url”"),
        ({**OWN, "profile": "other"}, "the option profile is lab, not 'other'"),
    ):
        with pytest.raises(CannotAdd, match=why):
            ingest.add(location=PLACE, options=options)
    settings.S3_PROFILES = {"lab": storage.profile(buckets=("allowed-one",))}
    with pytest.raises(CannotAdd, match="reads the buckets allowed-one, not"):
        ingest.add(location=PLACE, options=OWN)
    settings.S3_PROFILES = {"a": storage.profile(name="a"), "b": storage.profile(name="b")}
    with pytest.raises(CannotAdd, match="the option profile is a, b, not ''"):
        ingest.add(location=PLACE, options=OWN)
    settings.S3_PROFILES = {}
    with pytest.raises(CannotAdd, match="knows no storage"):
        ingest.add(location=PLACE, options=OWN)
    assert not storage.asked


def test_the_profiles_are_read_and_errors_show_none_of_their_secrets() -> None:
    text = '{"lab": {"endpoint_url": "https://s3.lab.example:9000", "key": "K", "secret": "S", "buckets": ["b"]}}'
    lab = profiles(text)["lab"]
    assert (lab.endpoint_url, lab.key, lab.buckets) == ("https://s3.lab.example:9000", "K", ("b",))
    assert "'S'" not in repr(lab)
    assert profiles("") == {}
    for bad in (
        "{", "[]", '{"a b": {}}', '{"a": {"secrets": "hush"}}', '{"a": {"endpoint_url": "ftp://x", "key": "hush"}}',
        '{"a": {"endpoint_url": "https://x", "key": "hush"}}', '{"a": {"endpoint_url": "https://u:hush@x"}}',
        '{"a": {"endpoint_url": "https://x", "buckets": "hush"}}', '{"a": "hush"}',
    ):  # fmt: skip
        with pytest.raises(BadProfile) as refusal:
            profiles(bad)
        assert "hush" not in str(refusal.value)


def test_the_form_and_the_api_take_an_address(client, storage: Storage) -> None:
    client.force_login(make_user("manager"))
    storage.put({"photos/a.png": png(1)})
    page = client.get("/sources/new/").content.decode()
    assert 'name="s3_address"' in page
    answer = client.post("/sources/new/", {"s3_address": PLACE, "s3_profile": "lab", "watch": "15"})
    assert "Say why these media may be used" in answer.content.decode()
    asked = {"s3_address": PLACE, "s3_profile": "lab", "basis": "own", "watch": "15"}
    assert client.post("/sources/new/", asked).status_code == 302
    source = Source.objects.get()
    assert (source.kind, source.location, source.watch_minutes) == ("s3", PLACE, 15)
    assert source.options == {"basis": "own", "profile": "lab"}
    body = {"location": PLACE, "options": {**OWN, "profile": "lab"}}
    assert client.post("/api/v1/sources/", body, content_type="application/json").status_code == 201


def test_without_a_profile_the_form_says_what_is_to_be_set(client, settings) -> None:
    client.force_login(make_user("manager"))
    settings.S3_PROFILES = {}
    page = client.get("/sources/new/").content.decode()
    assert 'name="s3_address"' not in page
    assert "S3_PROFILES" in page


@pytest.mark.once
@pytest.mark.slow
def test_a_process_killed_for_good_is_succeeded_by_another(storage: Storage, tmp_path: Path) -> None:
    storage.put({f"photos/{n:03}.png": png(n % 50, (320, 240)) for n in range(60)})
    told = {"lab": {"endpoint_url": storage.url, "key": "key", "secret": "secret"}}
    environment = {
        **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        "VEMO_HOME": str(tmp_path / "home"),
        "HEARTBEAT_TIMEOUT_S": "1",
        "S3_PROFILES": json.dumps(told),
    }
    command = [sys.executable, "manage.py", "ingest", PLACE, "--basis", "own", "--in-process"]
    migrate = [sys.executable, "manage.py", "migrate", "-v0"]
    subprocess.run(migrate, cwd=ROOT, env=environment, check=True, timeout=120)
    for wanted in (5, 30):
        child = subprocess.Popen(command, cwd=ROOT, env=environment)
        _wait_for_items(tmp_path / "home" / "vemo.sqlite3", wanted)
        child.send_signal(signal.SIGKILL)
        assert child.wait(30) == -signal.SIGKILL
    last = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert last.returncode == 0, last.stderr
    assert "50 media, 0 faces; 10 items were known already, 0 refused." in last.stdout
    fetched = [count for path, count in storage.asked.items() if path.endswith(".png")]
    # Only what was on its way when the process died is fetched a second time.
    assert sum(fetched) <= 60 + 2


def _wait_for_items(database: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        query = "SELECT count(*) FROM labeling_item WHERE state IN ('ingested', 'known')"
        while connection.execute(query).fetchone()[0] < count:
            assert time.monotonic() < deadline
            time.sleep(0.005)
