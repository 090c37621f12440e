"""Whose a media is where several sources say it: as wholes, and for a person to decide where they disagree."""

from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from labeling import campaigns, licence_checks, licensing, whose
from labeling.models import Face, FaceLabel, Media, Source
from labeling.whose import CannotDecide, Rights, Saying
from tests.factories import make_faces, make_media, make_user
from tests.labeling.sources.places import png, taken_in, write

pytestmark = pytest.mark.django_db
ANNS = Rights("CC BY 4.0", "Ann")
OTHERS = Rights("CC BY-NC 4.0", "", "https://other.example/1")


@pytest.fixture
def source() -> Source:
    return Source.objects.create(name="second", kind="folder", location="/second")


def of(rights: Rights) -> Media:
    return make_media(**rights.columns())


def heard(media: Media, *said: Rights, source: Source) -> Media:
    for one in said:
        whose.hear([(media, one)], source)
        media.refresh_from_db()
    return media


def folder(root: Path, heading: str, line: str) -> Path:
    return write(root, {"a.png": png(1), "sources.csv": f"{heading}\na.png,{line}\n"})


# ---- taken together ----


@pytest.mark.parametrize(
    ("kept", "said", "counts"),
    [
        (Rights(), OTHERS, OTHERS),
        (Rights(page_url="https://a.example/1.png"), ANNS, ANNS),
        (Rights(), Rights(page_url="https://a.example/1.png"), Rights(page_url="https://a.example/1.png")),
        # What says the same and more counts whole; what says less, or only where a file lies, says nothing.
        (
            ANNS,
            Rights("CC BY 4.0", "Ann", "https://a.example"),
            Rights("CC BY 4.0", "Ann", "https://a.example"),
        ),
        (ANNS, Rights("CC BY", "Ann", "https://a.example"), ANNS),
        (ANNS, Rights(page_url="https://list.example/1.png"), ANNS),
        (ANNS, Rights("https://creativecommons.org/licenses/by/4.0/"), ANNS),
        (ANNS, Rights("CC BY 4.0", "ann"), ANNS),
        (Rights("", "Ann"), ANNS, ANNS),
    ],
)
def test_what_one_source_says_counts_as_a_whole(
    source: Source, kept: Rights, said: Rights, counts: Rights
) -> None:
    media = heard(of(kept), said, source=source)
    assert whose.of_media(media) == counts
    assert media.licence_code == counts.columns()["licence_code"]
    assert whose.said_otherwise(media) == []
    assert not whose.disputed()


@pytest.mark.parametrize(
    ("kept", "said", "code"),
    [
        (ANNS, OTHERS, ""),
        (ANNS, Rights("ask the club"), ""),
        (ANNS, Rights("CC BY 4.0", "Bob"), "cc-by-4.0"),
        (ANNS, Rights("", "Bob"), "cc-by-4.0"),
        (Rights("", "Ann", "https://a.example"), Rights("CC BY 4.0"), ""),
    ],
)
def test_where_sources_disagree_the_first_stays_and_both_are_kept(
    source: Source, kept: Rights, said: Rights, code: str
) -> None:
    media = heard(of(kept), said, said, kept, source=source)
    assert whose.of_media(media) == kept
    assert whose.said_otherwise(media) == [Saying(said, source.pk)]
    assert media.licence_code == code
    assert list(whose.disputed()) == [media]


def test_what_another_page_said_is_said_of_the_new_page_no_more(source: Source) -> None:
    media = make_media(**Rights("", "Ann", "https://a.example").columns(), licence_now="CC0")
    heard(media, Rights("CC BY 4.0", "Ann", "https://b.example"), source=source)
    assert (media.page_url, media.licence_now) == ("https://b.example", "")


# ---- as media come in ----


def test_the_same_bytes_under_another_licence_are_in_no_campaign_that_demands_one(tmp_path: Path) -> None:
    taken_in(folder(tmp_path / "one", "file,licence,author", "CC BY 4.0,Ann"))
    second = taken_in(folder(tmp_path / "two", "file,licence,page_url", f"CC BY-NC 4.0,{OTHERS.page_url}"))
    media = Media.objects.get()
    assert whose.of_media(media) == ANNS
    assert whose.said_otherwise(media) == [Saying(OTHERS, second.pk)]
    make_faces(1, media=media)
    made = campaigns.create(name="For sale", licence_rule=["no_nc"])
    assert campaigns.add_faces(campaign=made, faces=Face.objects.all()).added == 0


def test_so_it_is_of_labelled_pictures(tmp_path: Path) -> None:
    for name, licence in (("one", "CC BY 4.0"), ("two", "CC BY-NC 4.0")):
        write(tmp_path / name, {"happy/a.png": png(1)})
        options = {"basis": "licensed", "origin": "the experts"}
        taken_in(tmp_path / name, kind="labelled", options=options, licence=licence)
    media = Media.objects.get()
    assert [one.rights.licence for one in whose.said_otherwise(media)] == ["CC BY-NC 4.0"]
    assert (media.licence, media.licence_code) == ("CC BY 4.0", "")
    assert FaceLabel.objects.count() == 1


def test_so_it_is_of_rows_of_a_table(tmp_path: Path) -> None:
    pixels = " ".join(["7"] * 48 * 48)
    for name, licence in (("one.csv", "CC BY 4.0"), ("two.csv", "CC BY-NC 4.0")):
        path = tmp_path / name
        path.write_text(f"emotion,pixels,Usage\n3,{pixels},Training\n")
        taken_in(path, kind="fer2013", licence=licence)
    assert [one.rights.licence for one in whose.said_otherwise(Media.objects.get())] == ["CC BY-NC 4.0"]


def test_licences_read_anew_leave_out_what_sources_disagree_on(source: Source) -> None:
    media = heard(of(ANNS), OTHERS, source=source)
    assert list(licensing.read_kept()) == []
    call_command("read_licences")
    media.refresh_from_db()
    assert media.licence_code == ""


def test_a_page_that_says_what_was_said_first_has_not_changed(source: Source) -> None:
    media = heard(of(Rights("CC BY 4.0", "", "https://a.example")), OTHERS, source=source)
    media.licence_now = "https://creativecommons.org/licenses/by/4.0/"
    media.save()
    assert not licence_checks.has_changed(media)
    assert not licence_checks.changed()


# ---- deciding ----


@pytest.mark.parametrize("right", [ANNS, OTHERS])
def test_a_manager_sees_both_and_decides(client: Client, source: Source, right: Rights) -> None:
    manager = make_user("manager")
    client.force_login(manager)
    media = heard(of(ANNS), OTHERS, source=source)
    address = reverse("labeling:media", args=[media.pk])
    page = client.get(reverse("labeling:licences_changed")).content.decode()
    assert address in page
    assert "CC BY 4.0, Ann" in page
    assert "CC BY-NC 4.0, author not known" in page
    page = client.get(address).content.decode()
    assert "Which is right?" in page
    # Its licence is understood; that it counts for nothing meanwhile is said in the question.
    assert "not understood" not in page
    answer = client.post(reverse("labeling:media_whose", args=[media.pk]), {"said": right.key})
    assert answer.url == address
    media.refresh_from_db()
    assert whose.of_media(media) == right
    assert media.licence_code == right.columns()["licence_code"]
    (wrong,) = whose.overruled(media)
    assert (wrong.rights, wrong.by) == (OTHERS if right == ANNS else ANNS, manager.pk)
    page = client.get(address).content.decode()
    assert "Which is right?" not in page
    assert "Overruled" in page
    page = client.get(reverse("labeling:licences_changed")).content.decode()
    assert 'id="disputed"' not in page
    assert address in page.partition('id="decided"')[2]


def test_what_was_decided_against_is_not_asked_again(source: Source) -> None:
    manager = make_user("manager")
    media = whose.decide(media=heard(of(ANNS), OTHERS, source=source), key=ANNS.key, by=manager)
    heard(media, OTHERS, source=source)
    assert whose.said_otherwise(media) == []
    assert media.licence_code == "cc-by-4.0"
    with pytest.raises(CannotDecide, match="decided already"):
        whose.decide(media=media, key=ANNS.key, by=manager)


def test_who_mends_it_in_the_admin_has_decided(client: Client, source: Source) -> None:
    media = heard(of(ANNS), OTHERS, source=source)
    client.force_login(make_user("admin"))
    wanted = {"licence": "CC BY-SA 4.0", "author": "Ann", "page_url": ""}
    client.post(reverse("admin:labeling_media_change", args=[media.pk]), wanted)
    media.refresh_from_db()
    assert media.licence_code == "cc-by-sa-4.0"
    assert whose.said_otherwise(media) == []
