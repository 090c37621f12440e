"""Which paths of the server may be named from a browser or by the API."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from labeling.refusals import Refusal


class OutsideRoots(Refusal):
    """The path lies outside settings.IMPORT_ROOTS, or cannot be read."""


def allowed(location: str) -> Path:
    """The path, resolved, if it may be named from outside and is readable. Raises OutsideRoots.

    Links are followed before the comparison. A path outside the roots gets one and the same answer
    whether it exists or not, so that nobody can feel their way through the server's disk.
    """
    path = Path(location)
    # ~ only as one's own: of other people the server tells nothing, not even whether it knows them.
    path = path.expanduser() if path.parts[:1] == ("~",) else path
    if not path.is_absolute():
        raise OutsideRoots(
            _("“{location}” is not a whole path; begin it with a /.").format(location=location)
        )
    resolved = path.resolve()
    roots = [Path(root).resolve() for root in settings.IMPORT_ROOTS]
    if not any(resolved.is_relative_to(root) for root in roots):
        named = ", ".join(str(root) for root in roots) or _("none")
        raise OutsideRoots(
            _(
                "“{location}” is outside the folders this site may read from ({named}). "
                "Move the files there, or have an operator add the folder to IMPORT_ROOTS."
            ).format(location=location, named=named)
        )
    _readable(resolved, location)
    return resolved


def allowed_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a source as they may be named from outside. Raises OutsideRoots."""
    table = options.get("ferplus")
    return {**options, **({"ferplus": str(allowed(str(table)))} if table else {})}


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        # A name longer than a disk can hold.
        return False


def _readable(resolved: Path, location: str) -> None:
    if not _exists(resolved):
        raise OutsideRoots(_("There is nothing at “{location}” on the server.").format(location=location))
    # A pipe or a device would hold the worker for ever.
    if not (resolved.is_file() or resolved.is_dir()):
        raise OutsideRoots(_("“{location}” is neither a file nor a folder.").format(location=location))
    if not os.access(resolved, os.R_OK):
        raise OutsideRoots(
            _("The server may not read “{location}”; check its permissions.").format(location=location)
        )
