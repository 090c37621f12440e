"""The core runs where Django cannot be imported, and as commands in a shell are used."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

PROGRAM = """
import sys

FORBIDDEN = {"django", "celery", "rest_framework", "vemo"}


class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            raise ImportError(f"{name} must not be imported here")


sys.meta_path.insert(0, Refuse())
import importlib
import pkgutil

import training.core

modules = [module.name for module in pkgutil.walk_packages(training.core.__path__, "training.core.")]
for name in modules:
    if not name.endswith("__main__"):
        importlib.import_module(name)
from training.core.__main__ import main

code = main(["networks", "--image-size", "48"])
ours = [name for name in sys.modules if name.startswith(("labeling.", "training."))]
ALLOWED = ("training.core", "labeling.snapshots.format", "labeling.vision", "labeling.sayings")
strangers = [name for name in ours if not name.startswith(ALLOWED) and name != "labeling.snapshots"]
assert not strangers, strangers
print(len(modules), "modules")
sys.exit(code)
"""


def test_the_core_runs_without_django() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "137,796,423" in done.stdout
    assert "modules" in done.stdout


def test_a_reader_that_leaves_early_gets_no_traceback() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "training.core", "config"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 1
    assert "image_size = 224" in said
    assert "Error" not in said


@pytest.mark.parametrize(
    "program",
    [
        "import training.core.config as c; c.resolve('quick', 'resnet18')",
        "import training.core.comparing, training.core.predictions",
    ],
    ids=["settings", "comparing"],
)
def test_what_the_sites_pages_need_does_not_load_torch(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; import sys; print('torch' in sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "False\n", done.stderr
