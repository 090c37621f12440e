"""A crop is shown to whoever has a role, kept for good, and tells nothing but the face."""

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from tests.factories import make_faces, make_media, make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", ["annotator", "manager", "trainer", "admin"])
def test_every_role_sees_crops(client: Client, role: str) -> None:
    (face,) = make_faces(1)
    client.force_login(make_user(role))
    response = client.get(reverse("labeling:crop", args=[face.pk]))
    assert response.status_code == 200
    with default_storage.open(face.crop) as file:
        assert b"".join(response) == file.read()


def test_a_stranger_and_a_user_without_a_role_see_none(client: Client) -> None:
    (face,) = make_faces(1)
    address = reverse("labeling:crop", args=[face.pk])
    assert client.get(address).url.startswith("/signin/")
    client.force_login(make_user("nobody"))
    assert client.get(address).status_code == 403


def test_the_headers_keep_it_for_good_and_name_nothing(client: Client) -> None:
    media = make_media(original_name="jane-doe-passport.png")
    (face,) = make_faces(1, media=media)
    client.force_login(make_user("annotator"))
    response = client.get(reverse("labeling:crop", args=[face.pk]))
    assert b"".join(response)
    assert response["Cache-Control"] == "private, max-age=31536000, immutable"
    assert response["ETag"] == f'"{face.crop_sha256}"'
    assert response["Content-Type"] == "image/png"
    assert response["Content-Disposition"] == f'inline; filename="{face.pk}.png"'
    assert not [value for value in response.headers.values() if "jane" in value or media.sha256 in value]


def test_a_browser_that_holds_it_is_sent_nothing(client: Client) -> None:
    (face,) = make_faces(1)
    client.force_login(make_user("annotator"))
    response = client.get(
        reverse("labeling:crop", args=[face.pk]), headers={"if-none-match": f'"{face.crop_sha256}"'}
    )
    assert (response.status_code, response.content) == (304, b"")
    assert response["Cache-Control"] == "private, max-age=31536000, immutable"


def test_a_crop_costs_three_statements(client: Client, django_assert_num_queries) -> None:
    (face,) = make_faces(1)
    client.force_login(make_user("annotator"))
    with django_assert_num_queries(3):  # the session, the user, the face
        response = client.get(reverse("labeling:crop", args=[face.pk]))
    assert b"".join(response)


def test_a_face_nobody_found_has_no_crop(client: Client) -> None:
    client.force_login(make_user("annotator"))
    assert client.get(reverse("labeling:crop", args=[4711])).status_code == 404
