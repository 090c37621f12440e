"""The shape of the tree: what nobody may break by adding a file."""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / "platform" / "vemo" / "settings.py"
OPERATORS = ROOT / "docs" / "operators.md"
pytestmark = pytest.mark.once


def variables() -> set[str]:
    """The environment variables settings.py reads."""
    return set(re.findall(r"""\benv(?:\.\w+)?\(\s*"([A-Z0-9_]+)\"""", SETTINGS.read_text()))


def test_platform_is_a_plain_folder() -> None:
    assert (ROOT / "platform" / "vemo" / "__init__.py").is_file()
    assert not (ROOT / "platform" / "__init__.py").exists()


def test_from_the_root_platform_is_the_standard_librarys() -> None:
    code = "import platform; print(platform.__file__)"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    where = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=clean, text=True)
    assert Path(where.strip()).resolve() == Path(sysconfig.get_path("stdlib"), "platform.py").resolve()


def test_no_test_lies_below_platform_and_none_is_called_platform() -> None:
    found = [*(ROOT / "platform").rglob("test_*.py"), *(ROOT / "platform").rglob("conftest.py")]
    assert found == []
    assert not (ROOT / "tests" / "platform").exists()


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {file.parent for file in (ROOT / "tests").rglob("*.py") if "__pycache__" not in file.parts}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_every_variable_the_settings_read_is_explained_to_operators() -> None:
    explained = set(re.findall(r"^\| `([A-Z0-9_]+)`", OPERATORS.read_text(), re.MULTILINE))
    assert len(variables()) > 20
    assert sorted(variables() - explained) == []


def test_every_link_between_documents_leads_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    # Pictures are taken from a running demo and may be missing from a tree.
    links = [
        (document, target)
        for document in documents
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text())
        if "://" not in target and not target.endswith(".png")
    ]
    broken = [
        f"{document.relative_to(ROOT)}: {target}"
        for document, target in links
        if not (document.parent / target).exists()
    ]
    assert links
    assert broken == []


def test_the_settings_name_no_secret() -> None:
    assert re.search(r"(?:SECRET_KEY|PASSWORD)\s*=\s*[\"']", SETTINGS.read_text()) is None


def test_every_dependency_has_its_licence_and_reason_written_down() -> None:
    wanted = {
        re.split(r"[=<>\[]", line)[0]
        for name in ("requirements.txt", "requirements-dev.txt")
        for line in (ROOT / name).read_text().splitlines()
        if line and line[0] not in "#-"
    }
    text = (ROOT / "docs" / "adr" / "0010-dependencies.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)
    named = {re.split(r"[\s\[]", name)[0] for row in rows for name in row.split(", ")}
    assert sorted(wanted - named) == []
