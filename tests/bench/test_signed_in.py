"""What the benches over HTTP stand on."""

import pytest

from bench.signed_in import session_of
from vemo.accounts.models import User


@pytest.mark.django_db
def test_a_benchs_people_are_signed_in_as_the_site_understands_it(client) -> None:
    user = User.objects.create_user("somebody", password=None, is_annotator=True)
    assert client.get("/vote/").status_code == 302
    client.cookies["sessionid"] = session_of(user)
    answer = client.get("/vote/")
    assert answer.status_code == 200
    assert answer.context["user"] == user
