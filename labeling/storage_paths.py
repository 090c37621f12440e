"""Where the storage keeps a file, if that is on this machine."""

from pathlib import Path

from django.core.files.storage import default_storage


def local_path(name: str) -> Path | None:
    """The file's path; None if the storage is elsewhere."""
    try:
        return Path(default_storage.path(name))
    except NotImplementedError:
        return None
