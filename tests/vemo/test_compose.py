"""docker-compose.yml, .env.example and the Dockerfiles, as far as they can be held against the code without Docker."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.apps import apps
from django.core.management import get_commands

from labeling.models import Work
from tests.vemo.test_layout import variables

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = (ROOT / "platform/docker/Dockerfile", ROOT / "platform/docker/Dockerfile.cuda")
OF_COMPOSE = {"COMPOSE_PROFILES", "PORT", "POSTGRES_PASSWORD", "MEDIA_FOLDER"}
"""What docker-compose.yml itself reads from .env."""
OF_LIBRARIES = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "PYTHONUNBUFFERED"}
PROFILES = ("cpu", "gpu")
"""One of them is chosen; with it all queues must be served."""
SERVICES = ("migrate", "web", "worker", "short-worker", "eraser", "cpu-trainer", "gpu-worker", "beat")
pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def ours(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The services that run our own code."""
    return {name: service for name, service in compose["services"].items() if "build" in service}


def queues(service: dict[str, Any]) -> set[str]:
    command = service["command"]
    return set(command[command.index("-Q") + 1].split(",")) if "-Q" in command else set()


def work_queues() -> set[str]:
    rows = [model for model in apps.get_models() if issubclass(model, Work)]
    assert rows
    return {model.queue for model in rows}


def instructions(dockerfile: Path, name: str) -> list[str]:
    text = dockerfile.read_text().replace("\\\n", " ")
    return re.findall(rf"^{name}\s+(.+)$", text, re.MULTILINE)


def names(text: str) -> set[str]:
    """The variables an .env file sets, also those commented out."""
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", text, re.MULTILINE))


def test_every_service_has_an_image_and_depends_on_services_that_exist(compose: dict[str, Any]) -> None:
    services = compose["services"]
    needed = {needed for service in services.values() for needed in service.get("depends_on", {})}
    assert all("image" in service for service in services.values())
    assert needed <= services.keys()


def test_every_named_volume_is_declared(compose: dict[str, Any]) -> None:
    mounts = [mount for service in compose["services"].values() for mount in service.get("volumes", [])]
    named = {mount.split(":")[0] for mount in mounts if mount[0].isalpha()}
    assert named == set(compose["volumes"])


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_of_ours_starts_something_that_exists(compose: dict[str, Any], name: str) -> None:
    program, *arguments = ours(compose)[name]["command"]
    if program == "python":
        assert (ROOT / arguments[0]).is_file()
        assert arguments[1] in get_commands()
    elif program == "gunicorn":
        assert (ROOT / "platform" / (arguments[0].replace(".", "/") + ".py")).is_file()
    else:
        assert program == "celery"
        assert arguments[:2] == ["-A", "vemo"]
        assert arguments[2] in ("worker", "beat")


def test_there_is_no_service_of_ours_beside_these(compose: dict[str, Any]) -> None:
    assert ours(compose).keys() == set(SERVICES)


@pytest.mark.parametrize("profile", PROFILES)
def test_with_either_profile_every_queue_has_a_worker(compose: dict[str, Any], profile: str) -> None:
    running = [s for s in ours(compose).values() if profile in s.get("profiles", [profile])]
    served = set().union(*(queues(service) for service in running))
    assert served == work_queues() | {"default"}


def test_the_workers_of_make_worker_serve_every_queue() -> None:
    served = re.findall(r"-Q (\S+)", (ROOT / "platform/worker.sh").read_text())
    assert {queue for group in served for queue in group.split(",")} == work_queues() | {"default"}


def test_no_worker_that_trains_keeps_other_work_waiting(compose: dict[str, Any]) -> None:
    training = [service for service in ours(compose).values() if "gpu" in queues(service)]
    assert [queues(service) for service in training] == [{"gpu"}, {"gpu"}]


def test_neither_sweeps_nor_erasures_wait_for_what_takes_hours(compose: dict[str, Any]) -> None:
    named = re.findall(r"-Q (\S+)", (ROOT / "platform/worker.sh").read_text())
    served = [*(queues(service) for service in ours(compose).values()), *(set(q.split(",")) for q in named)]
    for queue in ("default", "erasure"):
        assert [one for one in served if queue in one] == [{queue}, {queue}]


def test_every_variable_of_the_services_is_known_to_the_settings(compose: dict[str, Any]) -> None:
    given = {name for service in ours(compose).values() for name in service["environment"]}
    assert given <= variables()


def test_every_variable_of_the_example_is_known() -> None:
    assert names((ROOT / ".env.example").read_text()) <= variables() | OF_COMPOSE | OF_LIBRARIES


def test_every_variable_compose_asks_for_is_in_the_example() -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    assert asked - {"PORT"} <= names((ROOT / ".env.example").read_text())


def test_the_example_holds_no_secret() -> None:
    text = (ROOT / ".env.example").read_text()
    assert re.findall(r"^#?(?:POSTGRES_PASSWORD|SECRET_KEY|AWS_\w+)=(.+)$", text, re.MULTILINE) == []


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda file: file.name)
def test_an_image_copies_only_what_is_there_and_let_through(dockerfile: Path) -> None:
    let_through = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    copied = [source for line in instructions(dockerfile, "COPY") for source in shlex.split(line)[:-1]]
    assert {"platform", "labeling", "training", "manage.py"} <= set(copied)
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert set(copied) <= set(let_through)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda file: file.name)
def test_an_image_sets_only_variables_somebody_reads(dockerfile: Path) -> None:
    set_here = {
        pair.partition("=")[0] for line in instructions(dockerfile, "ENV") for pair in shlex.split(line)
    }
    assert set_here <= variables() | OF_LIBRARIES


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda file: file.name)
def test_an_image_does_not_run_as_root(dockerfile: Path) -> None:
    assert instructions(dockerfile, "USER") == ["vemo"]


def test_every_build_names_a_dockerfile_that_exists(compose: dict[str, Any]) -> None:
    named = {ROOT / service["build"]["dockerfile"] for service in ours(compose).values()}
    assert named == set(DOCKERFILES)


@pytest.mark.slow
def test_the_image_of_the_site_serves_the_static_files_it_collected(tmp_path: Path) -> None:
    lines = instructions(DOCKERFILES[0], "ENV")
    own = dict(pair.partition("=")[::2] for line in lines for pair in shlex.split(line))
    own |= {"STATIC_ROOT": str(tmp_path / "static"), "VEMO_HOME": str(tmp_path / "home")}
    own |= {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}", "SECRET_KEY": "x" * 60}
    page = (
        "import django; django.setup()\n"
        "from django.test import Client\n"
        "from django.core.management import call_command\n"
        "call_command('migrate', verbosity=0)\n"
        "print(Client(headers={'host': 'localhost'}).get('/signin/').content.decode())"
    )
    # What others bring takes a minute to compress, and this page needs none of it.
    others = ["--ignore", "admin", "--ignore", "rest_framework", "--ignore", "drf_spectacular_sidecar"]
    for arguments in (["manage.py", "collectstatic", "--noinput", *others], ["-c", page]):
        ran = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**own, "DJANGO_SETTINGS_MODULE": "vemo.settings"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
    assert re.search(r"/static/vemo/vemo\.[0-9a-f]{12}\.css", ran.stdout)
