"""What pyproject.toml cannot say: the translations are compiled before a wheel is packed."""

import runpy

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithWords(build_py):
    def run(self) -> None:
        runpy.run_path("platform/compile_words.py")["compile_words"]()
        super().run()


setup(cmdclass={"build_py": BuildWithWords})
