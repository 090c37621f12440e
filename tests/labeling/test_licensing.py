"""Licences of media: understood as they come in, and afterwards."""

import io
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from labeling import licensing
from labeling.models import Media
from tests.factories import make_media, make_user
from tests.labeling.sources.places import fer_csv, fer_row, png, taken_in, write

pytestmark = pytest.mark.django_db


def codes() -> dict[str, str]:
    return dict(Media.objects.values_list("licence", "licence_code"))


def read_licences() -> str:
    out = io.StringIO()
    call_command("read_licences", stdout=out)
    return out.getvalue()


def test_what_comes_in_is_understood_where_it_can_be(tmp_path: Path) -> None:
    notes = "file,licence\na.png,CC BY-NC 4.0\nb.png,ask the club\n"
    files = {"a.png": png(1), "b.png": png(2), "c.png": png(3), "sources.csv": notes}
    taken_in(write(tmp_path / "in", files), licence="https://creativecommons.org/publicdomain/zero/1.0/")
    assert codes() == {
        "CC BY-NC 4.0": "cc-by-nc-4.0",
        "ask the club": "",
        "https://creativecommons.org/publicdomain/zero/1.0/": "cc0-1.0",
    }


def test_so_is_what_comes_in_as_rows_of_a_table(tmp_path: Path) -> None:
    taken_in(fer_csv(tmp_path / "t.csv", [fer_row(3, seed=1)]), licence="CC0")
    assert codes() == {"CC0": "cc0-1.0"}


def test_what_was_there_before_is_understood_by_a_command() -> None:
    for text in ("CC BY 4.0", "CC BY 4.0", "ask the club", ""):
        make_media(licence=text)
    assert read_licences() == (
        "        2  CC BY 4.0: CC BY 4.0\n"
        "        1  ask the club: not understood\n"
        "2 media understood, 1 not; these count as unknown.\n"
    )
    assert codes() == {"CC BY 4.0": "cc-by-4.0", "ask the club": "", "": ""}
    assert read_licences().endswith("0 media understood, 1 not; these count as unknown.\n")


def test_many_media_are_read_in_batches_and_stopped_reading_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(licensing, "_BATCH", 2)
    for _ in range(5):
        make_media(licence="CC0")
    make_media(licence="own work")
    reading = licensing.read_kept()
    next(reading)
    reading.close()
    assert codes() == {"CC0": "cc0-1.0", "own work": ""}
    assert [read.text for read in licensing.read_kept()] == ["own work"]
    assert codes() == {"CC0": "cc0-1.0", "own work": "own"}


def test_a_licence_that_somebody_mends_is_understood_anew(client: Client) -> None:
    media = make_media(licence="CC BY 4.0", licence_code="cc-by-4.0")
    client.force_login(make_user("admin"))
    address = reverse("admin:labeling_media_change", args=[media.pk])
    for text, code in (("CC BY-NC 4.0", "cc-by-nc-4.0"), ("ask the club", "")):
        client.post(address, {"licence": text, "author": "", "page_url": ""})
        assert codes() == {text: code}
