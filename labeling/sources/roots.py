"""Which paths of the server may be named from a browser or by the API."""

from pathlib import Path

from django.conf import settings

from labeling.refusals import Refusal


class OutsideRoots(Refusal):
    """The path lies outside settings.IMPORT_ROOTS, or cannot be read."""


def allowed(location: str) -> Path:
    """The path, resolved, if it may be named from outside and is readable. Raises OutsideRoots.

    Links are followed before the comparison. A path outside the roots gets one and the same answer
    whether it exists or not, so that nobody can feel their way through the server's disk.
    """
    path = Path(location).expanduser()
    if not path.is_absolute():
        raise OutsideRoots(f"“{location}” is not a whole path; begin it with a /.")
    resolved = path.resolve()
    roots = [Path(root).resolve() for root in settings.IMPORT_ROOTS]
    if not any(resolved.is_relative_to(root) for root in roots):
        named = ", ".join(str(root) for root in roots) or "none"
        raise OutsideRoots(
            f"“{location}” is outside the folders this site may read from ({named}). "
            "Move the files there, or have an operator add the folder to IMPORT_ROOTS."
        )
    _readable(resolved, location)
    return resolved


def _readable(resolved: Path, location: str) -> None:
    try:
        found = resolved.exists()
        if found and not resolved.is_dir():
            resolved.open("rb").close()
        elif found:
            next(resolved.iterdir(), None)
    except PermissionError as refused:
        raise OutsideRoots(f"The server may not read “{location}”; check its permissions.") from refused
    if not found:
        raise OutsideRoots(f"There is nothing at “{location}” on the server.")
