#!/usr/bin/env python
"""Django's command-line door to the whole site."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    # platform/ is a plain folder, not a package: the standard library owns that name.
    sys.path.insert(0, str(HERE / "platform"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vemo.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
