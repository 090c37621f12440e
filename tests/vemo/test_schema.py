"""The whole API against its own OpenAPI schema, as every role: what schemathesis thinks up is asked of real objects.

Every example runs in a savepoint that is rolled back: each meets the same world, and what destroys may run too.
The examples are the same every time. A long run: `SCHEMA_EXAMPLES=200 pytest tests/vemo/test_schema.py`.

No check is switched off. Those of sequences (`use_after_free`, `ensure_resource_availability`) find nothing to judge:
the API deletes nothing and an example begins where nothing has happened yet; nor does `object_level_authorization`,
which compares two owners of one object: here objects belong to roles, and tests/vemo/test_roles.py holds each door.
"""

import os
import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import hypothesis
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from drf_spectacular.generators import SchemaGenerator
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test

from tests.factories import make_campaign, make_user
from tests.vemo.test_roles import ROLES
from tests.vemo.world import make_world, real

pytestmark = pytest.mark.django_db

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "4"))
"""Drawn per operation and role; on top come the boundaries of every field."""

UNSAYABLE = (
    "does not exist",
    "Unable to log in",
    "Null characters",
    "surrogate",
    "may not be blank",
    "at least",
    "out of range",
)
"""What no schema can say of a well-formed request: that it names nothing there is, is too short once trimmed, or
lies before the year 1 or after 9999 in UTC."""


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """Requests use the test's own connection, as those of Django's test client do."""
    for moment in (request_started, request_finished):
        moment.disconnect(close_old_connections)
    yield
    for moment in (request_started, request_finished):
        moment.connect(close_old_connections)


def the_schema() -> Any:
    """The site's schema, answered by the site."""
    schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(public=True))
    schema.app = get_wsgi_application()
    schema.config.generation.update(with_security_parameters=False)

    @schema.hook
    def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
        if isinstance(failure, AcceptedNegativeData):
            return not _is_read_kindly(case, failure.message)
        return not (response.status_code == 400 and any(words in response.text for words in UNSAYABLE))

    return schema


def _is_read_kindly(case: Any, message: str) -> bool:
    """REST framework reads a number where text is wanted, and `0`, `"no"`, `"5"` where a truth or a number is."""
    found = re.search(r"- (\w+): Incorrect type|`type` at /properties/(\w+) ", message)
    if found is None or not isinstance(case.body, dict):
        return False
    return isinstance(case.body.get(found[1] or found[2]), (str, int, float))


def make_real(case: Any, world: dict[str, list[Any]]) -> None:
    """Let the case name real objects, most of the time, where what it names is well formed."""
    salt = f"{case.operation.label} {case.path_parameters} {case.query} {case.body!r}"
    if "id" in (case.path_parameters or {}):
        room = case.operation.path.split("/")[3]
        drawn = case.path_parameters["id"]
        drawn = int(drawn) if isinstance(drawn, str) and drawn.isdecimal() else drawn
        case.path_parameters["id"] = real(world, room, drawn, salt)
    if isinstance(case.body, dict) and case.meta.generation.mode.is_positive:
        for name, drawn in case.body.items():
            case.body[name] = real(world, name, drawn, salt)


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_the_api_keeps_to_its_schema(
    role: str, settings: Any, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    settings.IMPORT_ROOTS = [tmp_path]
    me = make_user("nobody" if role == "stranger" else role)
    world = make_world(me, tmp_path)
    schema = the_schema()
    # Some 40 cases an operation: in a short run only for whom every door is open.
    with_boundaries = role == "admin" or "SCHEMA_EXAMPLES" in os.environ
    headers = {"Authorization": f"Token {Token.objects.create(user=me).key}"} if role != "stranger" else {}

    asked: set[str] = set()

    def ask(case: Any) -> None:
        asked.add(case.operation.label)
        make_real(case, world)
        with transaction.atomic():
            case.call_and_validate(headers=headers)
            transaction.set_rollback(True)

    config = HypothesisTestConfig(
        project=schema.config,
        modes=[HypothesisTestMode.FUZZING, *([HypothesisTestMode.COVERAGE] if with_boundaries else [])],
        settings=hypothesis.settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        ),
    )
    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in operations:
        with subtests.test(operation.label):
            create_test(operation=operation, test_func=ask, config=config)()
    # What is asked fails where the answer is none the schema knows; and each was asked.
    assert asked == {operation.label for operation in operations}


DEEP = '{"name": ' + "[" * 5000
TOO_MUCH: tuple[tuple[str, str, int], ...] = (
    (
        "campaigns/{campaigns}/vote/",
        f'{{"campaign_face": {2**70}, "answer": "happy", "client_key": "{uuid4()}"}}',
        400,
    ),
    ("campaigns/{campaigns}/faces/", f'{{"sources": [{2**70}]}}', 400),
    ("campaigns/{campaigns}/faces/", f'{{"settled_in": {2**70}}}', 400),
    ("relabel-rounds/", f'{{"run": 1, "campaign_faces": [{2**70}]}}', 400),
    ("campaigns/", '{"name": "x", "keys": {"a\\u0000": "b"}}', 400),
    ("campaigns/", '{"name": "x", "icons": {"a\\ud800": "b"}}', 400),
    ("sources/", '{"location": "/", "options": {"rows": [{"\\u0000": 1}]}}', 400),
    ("sources/", '{"location": "~somebody/pictures"}', 409),
    ("erasures/preview/", f'{{"scope": "media", "what": [{2**70}]}}', 400),
    ("erasures/preview/", '{"scope": "author", "what": [{"name": "x"}]}', 400),
    ("campaigns/", DEEP, 400),
)
"""(address, body, status): what no database, disk or stack can hold."""


@pytest.mark.parametrize(("address", "body", "status"), TOO_MUCH)
def test_what_cannot_be_held_is_told(address: str, body: str, status: int) -> None:
    client = APIClient()
    client.force_authenticate(make_user("admin"))
    campaign = make_campaign()
    said = client.generic(
        "POST", "/api/v1/" + address.format(campaigns=campaign.pk), body, "application/json"
    )
    assert said.status_code == status, said.content


def test_a_path_longer_than_a_disk_can_hold_is_told(settings: Any, tmp_path: Path) -> None:
    settings.IMPORT_ROOTS = [tmp_path]
    client = APIClient()
    client.force_authenticate(make_user("manager"))
    said = client.post("/api/v1/sources/", {"location": f"{tmp_path}/{'x' * 300}"}, format="json")
    assert (said.status_code, "There is nothing at" in said.json()["error"]) == (409, True)


@pytest.mark.parametrize("position", ["p=abc", "p=" + "9" * 30, "p=-1", "p="])
def test_a_cursor_nobody_gave_out_is_told(position: str) -> None:
    client = APIClient()
    client.force_authenticate(make_user("manager"))
    said = client.get("/api/v1/media/", {"cursor": b64encode(position.encode()).decode()})
    assert (said.status_code, said.json()) == (404, {"detail": "Invalid cursor"})


@pytest.mark.parametrize("size", ["0", "-1", "x", "", "1.5"])
def test_a_page_size_that_is_none_is_told(size: str) -> None:
    client = APIClient()
    client.force_authenticate(make_user("manager"))
    assert client.get("/api/v1/media/", {"page_size": size}).status_code == 400


def test_a_stale_token_does_not_keep_from_a_new_one() -> None:
    make_user("manager", "mai")
    stale = {"authorization": "Token 0123456789"}
    said = APIClient().post("/api/token/", {"username": "mai", "password": "secret"}, "json", headers=stale)
    assert said.status_code == 200


def test_below_api_what_is_nowhere_is_told_as_json() -> None:
    said = APIClient().get("/api/v1/campaigns/1.5/")
    assert (said.status_code, said.json()) == (404, {"detail": "Not Found."})
    assert APIClient().get("/nowhere/")["Content-Type"].startswith("text/html")
