"""The built wheel: everything the site needs to run, and nothing called platform at the top."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.once, pytest.mark.slow]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what git knows: building in the tree would leave folders there."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    _copy_tree(tree)
    command = [sys.executable, "-m", "pip", "wheel", str(tree), "--no-deps", "--no-build-isolation"]
    built = subprocess.run(
        [*command, "--quiet", "--wheel-dir", str(folder)], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    (made,) = folder.glob("vemo-*.whl")
    return made


@pytest.fixture(scope="module")
def members(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as file:
        return file.namelist()


def _copy_tree(target: Path) -> None:
    wanted = [
        "platform",
        "labeling",
        "training",
        "pyproject.toml",
        "setup.py",
        "requirements.txt",
        "README.md",
        "LICENSE",
    ]
    for top in wanted:
        source = ROOT / top
        files = source.rglob("*") if source.is_dir() else [source]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                copy = target / file.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(file.read_bytes())


def test_a_wheel_has_the_three_packages_and_no_platform(members: list[str]) -> None:
    tops = {name.partition("/")[0] for name in members}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"vemo", "labeling", "training"}


@pytest.mark.parametrize(
    "package",
    [
        "vemo/templates",
        "vemo/static",
        "labeling/templates",
        "labeling/static",
        "training/templates",
        "training/static",
        "vemo/accounts/migrations",
        "labeling/migrations",
        "training/migrations",
        "labeling/management/commands",
        "training/management/commands",
        "vemo/pages/management/commands",
    ],
)
def test_a_wheel_has_every_file_of(members: list[str], package: str) -> None:
    root = ROOT / "platform" if package.startswith("vemo") else ROOT
    files = [
        file for file in (root / package).rglob("*") if file.is_file() and "__pycache__" not in file.parts
    ]
    assert files
    assert {str(file.relative_to(root)) for file in files} - set(members) == set()


def test_a_wheel_speaks_every_language_of_the_tree(members: list[str]) -> None:
    root = ROOT / "platform"
    sources = [file.relative_to(root) for file in (root / "vemo" / "locale").rglob("*.po")]
    assert sources
    assert {str(file.with_suffix(".mo")) for file in sources} - set(members) == set()


def test_a_wheel_carries_the_licence(members: list[str]) -> None:
    assert [name for name in members if name.endswith("licenses/LICENSE")] != []


def test_a_site_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "installed")
    # Nothing of this tree is on the path: what the wheel lacks would be missed.
    own = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tmp_path / "installed"),
        "DJANGO_SETTINGS_MODULE": "vemo.settings",
        "VEMO_HOME": str(tmp_path / "home"),
    }
    code = (
        "import django; django.setup()\n"
        "from django.core.management import call_command\n"
        "from django.test import Client\n"
        "call_command('check'); call_command('migrate', verbosity=0)\n"
        "page = Client(headers={'host': 'localhost'}).get('/signin/')\n"
        "import vemo, platform; print(page.status_code, vemo.__file__, platform.system() != '')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=own, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    installed = tmp_path / "installed" / "vemo" / "__init__.py"
    assert ran.stdout.splitlines()[-1] == f"200 {installed} True"
