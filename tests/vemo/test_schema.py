"""The whole API against its own OpenAPI schema, as every role: what schemathesis thinks up is asked of real objects.

Every example runs in a savepoint that is rolled back: each meets the same world, and what destroys may run too.
The examples are the same every time. A long run: `SCHEMA_EXAMPLES=200 pytest tests/vemo/test_schema.py`.

Left off are the checks of sequences (`use_after_free`, `ensure_resource_availability`): the API deletes nothing, and
an example begins where nothing has happened yet. `object_level_authorization` compares two owners of one object; here
objects belong to roles, and tests/vemo/test_roles.py holds each door.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from drf_spectacular.generators import SchemaGenerator
from rest_framework.authtoken.models import Token
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test

from tests.factories import make_user
from tests.vemo.test_roles import ROLES
from tests.vemo.world import make_world, real

pytestmark = pytest.mark.django_db

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "4"))
"""Drawn per operation, role, and test; on top come the boundaries of every field."""

UNSAYABLE = ("does not exist", "Unable to log in", "Null characters", "may not be blank", "characters long")
"""What no schema can say of a well-formed request: that it names nothing there is, or is empty once trimmed."""


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
        return not (response.status_code == 400 and any(words in response.text for words in UNSAYABLE))

    return schema


def make_real(case: Any, world: dict[str, list[Any]]) -> None:
    """Let the case name real objects, most of the time, where what it names is well formed."""
    if "id" in (case.path_parameters or {}):
        room = case.operation.path.split("/")[3]
        case.path_parameters["id"] = real(world, room, case.path_parameters["id"])
    if isinstance(case.body, dict) and case.meta.generation.mode.is_positive:
        for name, drawn in case.body.items():
            case.body[name] = real(world, name, drawn)


@pytest.mark.parametrize("role", ROLES)
def test_the_api_keeps_to_its_schema(
    role: str, settings: Any, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    settings.IMPORT_ROOTS = [tmp_path]
    me = make_user("nobody" if role == "stranger" else role)
    world = make_world(me, tmp_path)
    schema = the_schema()
    headers = {"Authorization": f"Token {Token.objects.create(user=me).key}"} if role != "stranger" else {}

    def ask(case: Any) -> None:
        make_real(case, world)
        with transaction.atomic():
            case.call_and_validate(headers=headers)
            transaction.set_rollback(True)

    config = HypothesisTestConfig(
        project=schema.config,
        modes=[HypothesisTestMode.COVERAGE, HypothesisTestMode.FUZZING],
        settings=hypothesis.settings(
            max_examples=EXAMPLES,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        ),
    )
    for found in schema.get_all_operations():
        operation = found.ok()
        with subtests.test(operation.label):
            create_test(operation=operation, test_func=ask, config=config)()
