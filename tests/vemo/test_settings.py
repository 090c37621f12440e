"""One settings file driven by the environment: what it makes of good and bad values, in a process of its own."""

import json
import os
import secrets
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.once

PRODUCTION = {"HTTPS": "1", "ALLOWED_HOSTS": "vemo.example.org", "SECRET_KEY": secrets.token_urlsafe(60)}


def python(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A fresh Python that knows nothing but PATH, the site's folders and what is given."""
    own = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT / 'platform'}{os.pathsep}{ROOT}",
        "DJANGO_SETTINGS_MODULE": "vemo.settings",
        "VEMO_HOME": str(home),
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**own, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def setting(home: Path, expression: str, **environment: str) -> object:
    """The value of an expression over the settings `s`."""
    code = f"import json, vemo.settings as s; print(json.dumps({expression}))"
    ran = python(home, "-c", code, **environment)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def refusal(home: Path, **environment: str) -> str:
    """The last line of what the settings say to a value they cannot use."""
    ran = python(home, "-c", "import vemo.settings", **environment)
    assert ran.returncode != 0
    return ran.stderr.strip().splitlines()[-1]


def test_a_configured_site_passes_djangos_checks_for_deployment(tmp_path: Path) -> None:
    ran = python(tmp_path, "manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert ran.returncode == 0, ran.stderr
    assert "no issues (0 silenced)" in ran.stdout


def test_nothing_is_debugged_unless_asked_for(tmp_path: Path) -> None:
    assert setting(tmp_path, "s.DEBUG") is False
    assert setting(tmp_path, "s.DEBUG", DEBUG="1") is True


def test_a_key_made_here_is_its_owners_alone(tmp_path: Path) -> None:
    key = setting(tmp_path, "s.SECRET_KEY")
    file = tmp_path / "secret.key"
    assert file.read_text() == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_key_made_here_stays_and_no_other_home_has_it(tmp_path: Path) -> None:
    first = setting(tmp_path / "first", "s.SECRET_KEY")
    assert setting(tmp_path / "first", "s.SECRET_KEY") == first
    assert setting(tmp_path / "second", "s.SECRET_KEY") != first


def test_a_key_from_the_environment_leaves_no_file(tmp_path: Path) -> None:
    assert setting(tmp_path, "s.SECRET_KEY", SECRET_KEY="given") == "given"
    assert not (tmp_path / "secret.key").exists()


def test_by_default_everything_written_is_below_the_home(tmp_path: Path) -> None:
    names = ("RUNS_ROOT", "WORK_ROOT", "UPLOAD_ROOT", "SNAPSHOT_CACHE_ROOT", "EMBEDDED_BROKER_ROOT")
    places = setting(
        tmp_path,
        f"[*(str(getattr(s, name)) for name in {names}), s.DATABASES['default']['NAME'], "
        "s.STORAGES['default']['OPTIONS']['location']]",
    )
    assert isinstance(places, list)
    assert [place for place in places if not Path(place).is_relative_to(tmp_path)] == []


def test_a_postgres_url_becomes_the_postgresql_backend(tmp_path: Path) -> None:
    url = "postgres://vemo:p%40ss@db.example.org:5433/faces"
    database = setting(tmp_path, "s.DATABASES['default']", DATABASE_URL=url)
    assert isinstance(database, dict)
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert [database[name] for name in ("USER", "PASSWORD", "HOST", "PORT", "NAME")] == [
        "vemo",
        "p@ss",
        "db.example.org",
        5433,
        "faces",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://vemo:hidden@db/faces",
        "redis://hidden",
        "postgres://vemo:hidden@db:port/faces",
        "postgres://vemo:hidden/word@db/faces",
    ],
)
def test_an_unusable_database_url_is_named_without_its_password(tmp_path: Path, url: str) -> None:
    said = refusal(tmp_path, DATABASE_URL=url)
    assert "ImproperlyConfigured: DATABASE_URL" in said
    assert "hidden" not in said


def test_an_s3_url_becomes_the_s3_backend(tmp_path: Path) -> None:
    url = "s3://faces/site?endpoint_url=http://s3:8333&region_name=us-east-1"
    storage = setting(tmp_path, "s.STORAGES['default']", STORAGE_URL=url)
    assert storage == {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": "faces",
            "location": "site",
            "endpoint_url": "http://s3:8333",
            "region_name": "us-east-1",
            "default_acl": None,
        },
    }


def test_the_s3_backend_takes_these_options(tmp_path: Path) -> None:
    code = (
        "import django; django.setup(); from django.core.files.storage import default_storage as d; "
        "print(d.bucket_name, d.location, d.endpoint_url)"
    )
    ran = python(tmp_path, "-c", code, STORAGE_URL="s3://faces/site?endpoint_url=http://s3:8333")
    assert ran.stdout.split() == ["faces", "site", "http://s3:8333"], ran.stderr


@pytest.mark.parametrize(
    "url", ["ftp://host/folder", "nonsense", "file://relative", "file://", "s3://", "s3:///x"]
)
def test_an_unusable_storage_url_is_named_with_what_to_write(tmp_path: Path, url: str) -> None:
    said = refusal(tmp_path, STORAGE_URL=url)
    assert "ImproperlyConfigured: STORAGE_URL" in said
    assert "file://" in said or "s3://" in said


def test_a_site_for_others_reads_from_its_import_folder_only(tmp_path: Path) -> None:
    roots = setting(tmp_path, "[str(root) for root in s.IMPORT_ROOTS]", ALLOWED_HOSTS="vemo.example.org")
    assert roots == [str(tmp_path / "import")]


def test_networks_to_fetch_from_are_read_or_refused_at_the_start(tmp_path: Path) -> None:
    told = setting(
        tmp_path, "[str(n) for n in s.FETCH_ALLOW_ADDRESSES]", FETCH_ALLOW_ADDRESSES="10.1.0.0/16,::1"
    )
    assert told == ["10.1.0.0/16", "::1/128"]
    assert setting(tmp_path, "s.FETCH_ALLOW_ADDRESSES") == []
    said = refusal(tmp_path, FETCH_REFUSE_ADDRESSES="the cellar")
    assert "FETCH_REFUSE_ADDRESSES: 'the cellar' does not appear to be" in said
    assert "Write networks as 10.1.0.0/16" in said
    assert "numbers above 0" in refusal(tmp_path, FETCH_PER_SECOND="0")
    assert "a whole number from 0 on" in refusal(tmp_path, CHECK_LICENCES_PER_HOUR="-1")


def test_processes_that_start_together_share_one_key(tmp_path: Path) -> None:
    """A new home and several workers at once, as gunicorn begins them."""
    code = "from vemo import settings; print(settings.SECRET_KEY)"
    environment = {name: value for name, value in os.environ.items() if name != "SECRET_KEY"}
    environment |= {"VEMO_HOME": str(tmp_path / "home"), "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"}
    begun = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for _ in range(6)
    ]
    keys = {process.communicate()[0].strip() for process in begun}
    assert len(keys) == 1
    assert len(keys.pop()) >= 50
    assert [path.name for path in (tmp_path / "home").glob("secret*")] == ["secret.key"]
