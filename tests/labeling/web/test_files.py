"""Exports are downloaded whole or in parts, to the byte."""

import hashlib
from urllib.parse import parse_qsl, urlsplit
from urllib.request import Request, urlopen

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from labeling.models import Export, Snapshot
from labeling.web import files
from tests.factories import make_campaign, make_over, make_user
from tests.labeling.sources.buckets import BUCKET, a_storage

pytestmark = pytest.mark.django_db
CONTENT = bytes(range(256)) * 3000  # more than one block


@pytest.fixture
def export() -> Export:
    return make_export()


def make_export() -> Export:
    snapshot = Snapshot.objects.create(campaign=make_campaign(), name="Spring faces")
    make_over(snapshot, digest="ab" * 32, folder="snapshots/x")
    export = Export.objects.create(snapshot=snapshot, format="imagefolder")
    name = default_storage.save("exports/x.zip", ContentFile(CONTENT))
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    make_over(export, stored_as=name, bytes=len(CONTENT), sha256=sha256)
    return export


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_user("manager"))
    return client


def download(client: Client, export: Export, **headers: str):
    response = client.get(reverse("labeling:export_download", args=[export.pk]), headers=headers)
    return response, b"".join(response) if response.streaming else response.content


def test_a_whole_file_comes_with_its_name_length_and_checksum(manager: Client, export: Export) -> None:
    response, content = download(manager, export)
    assert (response.status_code, content) == (200, CONTENT)
    assert response["Content-Length"] == str(len(CONTENT))
    assert response["Content-Disposition"] == 'attachment; filename="spring-faces-abababab-imagefolder.zip"'
    assert response["ETag"] == f'"{export.sha256}"'
    assert response["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-299999", 5, 300_000),
        ("bytes=767990-", 767_990, 768_000),
        ("bytes=-10", 767_990, 768_000),
        ("bytes=767990-99999999", 767_990, 768_000),
        ("bytes=-99999999", 0, 768_000),
        ("bytes=767990-" + "9" * 99, 767_990, 768_000),
        ("bytes=-" + "9" * 99, 0, 768_000),
    ],
)
def test_a_range_is_right_to_the_byte(
    manager: Client, export: Export, asked: str, start: int, end: int
) -> None:
    response, content = download(manager, export, range=asked)
    assert (response.status_code, content) == (206, CONTENT[start:end])
    assert response["Content-Range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert response["Content-Length"] == str(end - start)


@pytest.mark.parametrize(
    "asked", ["bytes=768000-", "bytes=999999999999-", "bytes=-0", "bytes=" + "9" * 99 + "-"]
)
def test_a_range_outside_the_file_is_refused_with_its_size(
    manager: Client, export: Export, asked: str
) -> None:
    response, _ = download(manager, export, range=asked)
    assert (response.status_code, response["Content-Range"]) == (416, f"bytes */{len(CONTENT)}")


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=0-1,5-6", "rows=0-5", "bytes=-", "bytes=" + "9" * 99])
def test_a_range_nobody_understands_gets_the_whole_file(manager: Client, export: Export, asked: str) -> None:
    response, content = download(manager, export, range=asked)
    assert (response.status_code, content) == (200, CONTENT)


def test_a_download_goes_on_only_if_the_file_is_still_the_same(manager: Client, export: Export) -> None:
    same = download(manager, export, range="bytes=10-", **{"if-range": f'"{export.sha256}"'})
    other = download(manager, export, range="bytes=10-", **{"if-range": '"of old"'})
    assert (same[0].status_code, same[1]) == (206, CONTENT[10:])
    assert (other[0].status_code, other[1]) == (200, CONTENT)


def test_an_export_that_is_not_finished_cannot_be_downloaded(manager: Client, export: Export) -> None:
    unfinished = Export.objects.create(snapshot=export.snapshot, format="fer2013")
    assert download(manager, unfinished)[0].status_code == 404


def test_a_file_gone_from_the_storage_is_not_found(manager: Client, export: Export) -> None:
    default_storage.delete(export.stored_as)
    assert download(manager, export)[0].status_code == 404


def test_a_storage_that_signs_addresses_sends_the_file_itself(manager: Client, settings) -> None:
    with a_storage() as storage:
        options = {"bucket_name": BUCKET, "location": "of/vemo", "endpoint_url": storage.url}
        keys = {"access_key": "key", "secret_key": "secret", "region_name": "us-east-1"}
        settings.STORAGES = {
            **settings.STORAGES,
            "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options | keys},
        }
        export = make_export()
        answers = [
            manager.get(reverse("labeling:export_download", args=[export.pk])),
            manager.get(reverse("api-snapshots-file", args=[export.snapshot_id, export.format])),
        ]
        for answer in answers:
            assert answer.status_code == 302
            address = urlsplit(answer["Location"])
            asked = {name.lower(): value for name, value in parse_qsl(address.query)}
            assert f"{address.scheme}://{address.netloc}" == storage.url
            assert address.path == f"/{BUCKET}/of/vemo/{export.stored_as}"
            assert {"signature", "x-amz-signature"} & asked.keys()
            assert (
                asked["response-content-disposition"]
                == 'attachment; filename="spring-faces-abababab-imagefolder.zip"'
            )
            with urlopen(answer["Location"]) as whole:
                assert whole.read() == CONTENT
            with urlopen(Request(answer["Location"], headers={"Range": "bytes=5-299999"})) as part:
                assert (part.status, part.read()) == (206, CONTENT[5:300_000])


def test_the_file_is_closed_with_the_response(manager: Client, export: Export) -> None:
    file = default_storage.open(export.stored_as)
    part = files.Part(file, 10)
    assert b"".join(part) == CONTENT[:10]
    part.close()
    assert file.closed
