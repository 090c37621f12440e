"""Whether a file can be written, asked before hours of work and not after."""

import tempfile
from pathlib import Path

from training.core.refusals import BadConfig


def refuse_unwritable(file: Path) -> None:
    """Raises BadConfig where the file cannot be written: it is a folder or a device, or its folder is not there or
    takes none.
    """
    if file.is_dir():
        raise BadConfig(f"{file} is a folder. Name a file.")
    if file.exists() and not file.is_file():
        # A file put in the place of /dev/null would stay there for every program.
        raise BadConfig(f"{file} is a device or a pipe, and a file would be put in its place. Name a file.")
    try:
        folder = file.resolve().parent
    except RuntimeError as error:
        raise BadConfig(f"{file} is a link that leads round in a circle. Name a file.") from error
    if not folder.is_dir():
        raise BadConfig(f"There is no folder {folder}.")
    refuse_unwritable_folder(folder)


def refuse_unwritable_folder(folder: Path) -> None:
    """Raises BadConfig where no file can be written into the folder."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise BadConfig(f"Nothing can be written into {folder}: {error.strerror}.") from error
