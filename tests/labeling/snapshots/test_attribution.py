"""Whose the media of an export are."""

import csv
import io
import zipfile
from datetime import UTC, datetime

import pytest
from django.core.files.storage import default_storage

from labeling import work
from labeling.models import Item, Media, Source
from labeling.snapshots import exporting
from labeling.snapshots.exports import attribution, card
from labeling.sources import rights
from tests.labeling.snapshots.making import make_settled
from tests.labeling.snapshots.test_exporting import exported

pytestmark = pytest.mark.django_db

FETCHED = datetime(2026, 3, 4, 5, 6, 7, 890, tzinfo=UTC)


def lines_of(name: str, inside: str = "media.csv") -> list[dict[str, str]]:
    with default_storage.open(name) as file:
        data = zipfile.ZipFile(file).read(inside)
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_each_media_is_named_once_with_all_its_licence_asks_for() -> None:
    campaign = make_settled(12, per_media=3)
    media = list(Media.objects.order_by("pk"))
    Media.objects.update(fetched_at=FETCHED)
    Media.objects.filter(pk=media[0].pk).update(
        licence="CC BY-NC 2.0", author="=Ann", page_url="https://a.example/1", given={"title": "At the sea"}
    )
    Media.objects.filter(pk=media[1].pk).update(licence="ask the club")
    source = Source.objects.create(name="Photos", kind="folder", location="/s")
    Item.objects.create(source=source, locator="a", state="ingested", media=media[0])
    row = exported(campaign, "attribution")
    lines = lines_of(row.stored_as)
    assert len(lines) == len(media) == 4
    found = {line["media_sha256"]: line for line in lines}
    assert found[media[0].sha256] == {
        "media_sha256": media[0].sha256,
        "title": "At the sea",
        "author": "'=Ann",
        "licence": "CC BY-NC 2.0",
        "licence_name": "CC BY-NC 2.0",
        "licence_url": "https://creativecommons.org/licenses/by-nc/2.0/",
        "page_url": "https://a.example/1",
        "source": "Photos",
        "basis": "",
        "fetched_at": "2026-03-04T05:06:07Z",
    }
    other = found[media[1].sha256]
    assert (other["licence"], other["licence_name"], other["title"]) == (
        "ask the club",
        "",
        media[1].original_name,
    )


def test_the_basis_of_each_source_goes_along_and_no_note() -> None:
    campaign = make_settled(12, per_media=3)
    media = list(Media.objects.order_by("pk"))

    def bring(one: Media, **options: str) -> None:
        made = Source.objects.create(name="Photos", kind="folder", location="/s", options=options)
        Item.objects.create(source=made, locator="a", state="ingested", media=one)

    bring(media[0], basis="open", basis_note="Ask Jane Roe, +43 1 555")
    bring(media[0], basis="consent", basis_note="Jane Roe keeps them")
    bring(media[0], basis="open")
    bring(media[0])
    bring(media[1], basis="consent")
    bring(media[2])
    bring(media[2], basis="no such basis")
    row = exported(campaign, "attribution")
    found = {line["media_sha256"]: line["basis"] for line in lines_of(row.stored_as)}
    assert [found[one.sha256] for one in media] == ["consent;open", "consent", "", ""]
    with default_storage.open(row.stored_as) as file:
        archive = zipfile.ZipFile(file)
        assert not any(b"Jane Roe" in archive.read(name) for name in archive.namelist())
        card_text = archive.read("README.md").decode()
    assert "| nobody has said why, or it is gone | 2 |" in card_text
    assert f"| {card.BASES['consent']} | 1 |" in card_text
    assert f"| {card.BASES['consent']}; {card.BASES['open']} | 1 |" in card_text
    assert card_text.index("nobody has said why") < card_text.index(card.BASES["consent"])


def test_a_card_has_words_for_every_basis() -> None:
    assert list(card.BASES) == list(rights.BASES)


def test_an_imagefolder_brings_the_same_table_along() -> None:
    campaign = make_settled(12, per_media=3)
    Media.objects.update(licence="CC0")
    table, folder = exported(campaign, "attribution"), exported(campaign, "imagefolder")
    lines = lines_of(folder.stored_as, "media.csv")
    assert lines == lines_of(table.stored_as)
    assert {line["licence_url"] for line in lines} == {"https://creativecommons.org/publicdomain/zero/1.0/"}
    pictures = lines_of(folder.stored_as, "attribution.csv")
    assert {line["media_sha256"] for line in pictures} == {line["media_sha256"] for line in lines}


@pytest.mark.parametrize("format", ["attribution", "imagefolder"])
def test_made_again_from_media_read_in_other_parts_it_has_the_same_bytes(
    format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = exported(make_settled(12), format)
    first = row.sha256
    monkeypatch.setattr(attribution, "_ROWS", 5)
    work.restart(row, also_done=True)
    exporting.run_export(row.pk)
    row.refresh_from_db()
    assert row.sha256 == first


def test_what_the_site_no_longer_knows_of_a_media_stays_empty() -> None:
    campaign = make_settled(12)
    Media.objects.update(licence="CC0", author="Ann")
    row = exported(campaign, "attribution")
    campaign.campaign_faces.all().delete()
    Media.objects.all()[:1].get().delete()
    work.restart(row, also_done=True)
    exporting.run_export(row.pk)
    row.refresh_from_db()
    gone = [line for line in lines_of(row.stored_as) if not line["title"]]
    assert [(line["author"], line["licence_name"], line["fetched_at"]) for line in gone] == [
        ("Ann", "CC0 1.0", "")
    ]
