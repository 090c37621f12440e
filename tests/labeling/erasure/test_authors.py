"""Erasing by author: also what counts as somebody else's, though a source named the author."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from labeling import authorship, erasure, whose
from labeling.erasure.preview import SHOWN
from labeling.models import Erasure, Media, Source
from labeling.whose import Rights
from tests.factories import make_faces, make_media, make_user
from tests.labeling.erasure.erasing import erase

pytestmark = pytest.mark.django_db
ANNS = Rights("CC BY 4.0", "Ann")
BOBS = Rights("CC BY 4.0", "Bob")
NOBODYS = Rights("CC BY-NC 4.0")


def of(rights: Rights, *said: Rights) -> Media:
    source, _ = Source.objects.get_or_create(name="second", kind="folder", location="/second")
    media = make_media(**rights.columns())
    for one in said:
        whose.hear([(media, one)], source)
        media.refresh_from_db()
    return media


def decided(media: Media, right: Rights) -> Media:
    return whose.decide(media=media, key=right.key, by=make_user("manager"))


def claimed(author: str) -> list[tuple[int, str, bool]]:
    found = erasure.preview("author", [author])
    assert found.claimed_count == len(found.claimed)
    assert all(each["author"] == author for each in found.claimed)
    return [(each["pk"], each["counts"], each["decided"]) for each in found.claimed]


def test_an_author_who_was_overruled_is_found_and_it_is_said_why() -> None:
    own, other = of(ANNS), of(BOBS)
    overruled = decided(of(ANNS, BOBS), BOBS)
    disputed = of(BOBS, ANNS)
    nobodys = decided(of(ANNS, NOBODYS), NOBODYS)
    assert claimed("Ann") == [
        (overruled.pk, "Bob", True),
        (disputed.pk, "Bob", False),
        (nobodys.pk, "", True),
    ]
    assert erasure.preview("author", ["Ann"]).media == 4
    assert claimed("Bob") == []
    assert erasure.preview("author", ["Bob"]).media == 3
    row = erase("author", ["Ann"])
    assert (row.touched["media"], row.touched["claimed_count"]) == (4, 3)
    assert list(Media.objects.all()) == [other]
    assert "Ann" not in str(Erasure.objects.values().get())
    assert not Media.objects.filter(pk=own.pk)


def test_an_author_nobody_counts_as_any_more_can_still_ask() -> None:
    (face,) = make_faces(1)
    media = of(ANNS, BOBS)
    type(face).objects.filter(pk=face.pk).update(media=media)
    decided(media, BOBS)
    assert erasure.preview("author", ["Ann"]).faces == 1
    erase("author", ["Ann"])
    with pytest.raises(erasure.CannotErase, match="no such thing"):
        erasure.preview("author", ["Ann"])


def test_an_author_written_over_in_the_admin_is_found(client: Client) -> None:
    admin = make_user("admin")
    client.force_login(admin)
    media = of(ANNS)
    address = reverse("admin:labeling_media_change", args=[media.pk])
    client.post(address, {"licence": "CC BY 4.0", "author": "Bob", "page_url": ""})
    media.refresh_from_db()
    assert (media.author, media.licence_code) == ("Bob", "cc-by-4.0")
    assert [(one.rights, one.by) for one in whose.overruled(media)] == [(ANNS, admin.pk)]
    assert claimed("Ann") == [(media.pk, "Bob", True)]
    client.post(address, {"licence": "CC BY 4.0", "author": "Ann", "page_url": ""})
    media.refresh_from_db()
    assert [one.rights for one in whose.overruled(media)] == [BOBS]
    assert claimed("Ann") == []


def test_saving_what_is_written_there_overrules_nobody(client: Client) -> None:
    client.force_login(make_user("admin"))
    media = of(ANNS)
    address = reverse("admin:labeling_media_change", args=[media.pk])
    client.post(address, {"licence": ANNS.licence, "author": ANNS.author, "page_url": ""})
    media.refresh_from_db()
    assert media.given == {}


@pytest.mark.parametrize(
    "author", ["Ann", "Nguyễn Văn Ánh", 'O"Neil', "{Ann}", "$.x", "100 %", "Ann\\", "%s", "👩🏽‍🎨", "a, b"]
)
def test_whatever_an_author_is_called(author: str) -> None:
    media = decided(of(Rights("CC BY 4.0", author), BOBS), BOBS)
    of(Rights("CC BY 4.0", "Anna"), BOBS)
    assert claimed(author) == [(media.pk, "Bob", True)]
    assert authorship.known([author, "Bob", "An", ""]) == {author, "Bob"}


def test_ten_thousand_authors_are_looked_for_at_once() -> None:
    media = decided(of(ANNS, BOBS), BOBS)
    names = ["Ann", *(f"nobody {number}" for number in range(9_999))]
    assert authorship.known(names) == {"Ann"}
    assert list(authorship.by(names)) == [media]


def test_more_claims_than_are_shown_are_counted() -> None:
    given = {whose.OVERRULED: [{"licence": "CC BY 4.0", "author": "Ann", "page_url": ""}]}
    Media.objects.bulk_create(
        Media(sha256=f"{n:064}", bytes=1, width=1, height=1, author="Bob", given=given)
        for n in range(SHOWN + 7)
    )
    found = erasure.preview("author", ["Ann"])
    assert (len(found.claimed), found.claimed_count, found.media) == (SHOWN, SHOWN + 7, SHOWN + 7)


def test_page_api_and_command_tell_it(client: Client) -> None:
    media = decided(of(ANNS, BOBS), BOBS)
    client.force_login(make_user("manager"))
    page = client.get(reverse("labeling:erasure_new"), {"scope": "author", "what": "Ann"}).content.decode()
    assert "Ann was overruled, Bob counts" in page
    assert reverse("labeling:media", args=[media.pk]) in page
    page = client.get(reverse("labeling:media", args=[media.pk])).content.decode()
    assert "scope=author&amp;what=Ann" in page
    api = APIClient()
    api.force_authenticate(make_user("manager"))
    answer = api.post("/api/v1/erasures/preview/", {"scope": "author", "what": ["Ann"]}, format="json").json()
    assert answer["claimed"] == [
        {"pk": media.pk, "name": media.original_name, "author": "Ann", "counts": "Bob", "decided": True}
    ]
    out = StringIO()
    call_command("erase", "--author", "Ann", "--dry-run", stdout=out)
    assert "counts as by Bob; somebody has decided against Ann" in out.getvalue()
