"""The picture around a face: for who judges it, and for nobody else."""

import io
import uuid

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from PIL import Image

from labeling.models import Campaign
from labeling.voting import votes
from tests.factories import make_campaign, make_faces, make_media, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign() -> Campaign:
    """One face in the middle of a large grey picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (2560, 1280), "#808080").save(buffer, "PNG")
    name = default_storage.save("media/secret-holiday.png", ContentFile(buffer.getvalue()))
    media = make_media(
        stored_as=name, width=2560, height=1280, sha256="d" * 64, original_name="secret-holiday.png"
    )
    return make_campaign(make_faces(1, media=media, x=1000, y=400, width=400, height=400))


def asked(client: Client, campaign: Campaign, annotator):
    client.force_login(annotator)
    row = campaign.campaign_faces.get()
    return client.get(reverse("labeling:vote_context", args=[campaign.pk, row.pk]))


def test_who_holds_the_face_sees_the_whole_picture_with_a_frame_around_it(client, campaign) -> None:
    annotator = make_user("annotator")
    votes.lease(campaign=campaign, annotator=annotator, limit=1)
    response = asked(client, campaign, annotator)
    picture = Image.open(io.BytesIO(response.content))
    assert (response["Content-Type"], picture.size) == ("image/jpeg", (1280, 640))
    row = [picture.getpixel((x, 300)) for x in range(480, 510)]
    assert any(red > 180 and blue < 120 for red, _, blue in row)
    assert max(picture.getpixel((600, 300))) - min(picture.getpixel((600, 300))) < 10


def test_who_voted_on_the_face_still_sees_it(client, campaign) -> None:
    annotator = make_user("annotator")
    held = votes.lease(campaign=campaign, annotator=annotator, limit=1)[0].campaign_face_id
    votes.cast(
        campaign=campaign,
        annotator=annotator,
        campaign_face_id=held,
        answer="sad",
        client_key=uuid.uuid4(),
    )
    assert asked(client, campaign, annotator).status_code == 200


def test_a_face_that_is_not_before_the_annotator_is_not_found(client, campaign) -> None:
    votes.lease(campaign=campaign, annotator=make_user("annotator"), limit=1)
    assert asked(client, campaign, make_user("annotator")).status_code == 404


def test_a_face_of_another_campaign_is_not_found(client, campaign) -> None:
    annotator = make_user("annotator")
    held = votes.lease(campaign=campaign, annotator=annotator, limit=1)[0].campaign_face_id
    client.force_login(annotator)
    other = make_campaign(1)
    assert client.get(reverse("labeling:vote_context", args=[other.pk, held])).status_code == 404


def test_no_header_names_the_file_and_no_shared_cache_keeps_it(client, campaign) -> None:
    annotator = make_user("annotator")
    votes.lease(campaign=campaign, annotator=annotator, limit=1)
    response = asked(client, campaign, annotator)
    assert response["Cache-Control"].startswith("private")
    assert "holiday" not in str(response.headers)


def test_a_picture_whose_file_is_gone_is_not_found(client, campaign) -> None:
    annotator = make_user("annotator")
    votes.lease(campaign=campaign, annotator=annotator, limit=1)
    default_storage.delete("media/secret-holiday.png")
    assert asked(client, campaign, annotator).status_code == 404
