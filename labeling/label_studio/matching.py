"""Which face a task is about: by the picture's name in a source, its content, or the address it was fetched from."""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from labeling.label_studio.reading import Task
from labeling.models import Face, Item, Source
from labeling.sayings import gettext_noop

_CHUNK = 500
_UNKNOWN = gettext_noop("“{picture}” is no picture that was taken in here.")
_SEVERAL_PICTURES = gettext_noop("“{picture}” is the name of several pictures of that source.")
_NO_FACE = gettext_noop("“{picture}” shows no face that was found here.")
_SEVERAL_FACES = gettext_noop("“{picture}” has {count:,} faces: which is meant is not said.")
_SAME_FACE = gettext_noop("Task {number:,} is about the same face.")
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of an uploaded file."""


def faces_of(
    tasks: Sequence[Task],
    *,
    source: Source | None,
    folder: Path | None,
    refused: dict[int, str],
    alive: Callable[[], None] = lambda: None,
) -> dict[int, Task]:
    """Face → the first task about it. Why others have none goes into `refused`.

    source: whose pictures' names are meant. folder: where the tasks' paths begin, for pictures known by their content.
    """
    found: dict[int, Task] = {}
    names = _Names(source) if source is not None else None
    for chunk in chunks(tasks):
        alive()
        for task, faces in _faces_of(chunk, names, folder, refused):
            if not faces:
                refused.setdefault(task.number, _UNKNOWN.format(picture=task.picture))
            elif len(faces) > 1:
                refused[task.number] = _SEVERAL_FACES.format(picture=task.picture, count=len(faces))
            elif faces & found.keys():
                refused[task.number] = _SAME_FACE.format(number=found[min(faces)].number)
            else:
                found[min(faces)] = task
    return found


def _faces_of(
    chunk: Sequence[Task], names: "_Names | None", folder: Path | None, refused: dict[int, str]
) -> Iterator[tuple[Task, set[int]]]:
    contents = {task.number: sha for task in chunk if (sha := _sha256(task.picture, folder))}
    named = {task.number: names.of(task.picture) for task in chunk if names and task.number not in contents}
    by_content = _faces_of_content(set(contents.values()))
    by_media = _faces_of_media({media for found in named.values() for media in found})
    rest = {task.picture for task in chunk if task.number not in contents and not named.get(task.number)}
    by_address = _faces_of_address(rest)
    for task in chunk:
        media = named.get(task.number, set())
        if task.number in contents:
            yield task, by_content.get(contents[task.number], set())
        elif len(media) > 1:
            refused[task.number] = _SEVERAL_PICTURES.format(picture=task.picture)
            yield task, set()
        elif media:
            faces = by_media.get(min(media), set())
            if not faces:
                refused[task.number] = _NO_FACE.format(picture=task.picture)
            yield task, faces
        else:
            yield task, by_address.get(task.picture, set())


class _Names:
    """The pictures of a source by the names of their files."""

    def __init__(self, source: Source) -> None:
        self._by_name: dict[str, set[tuple[str, int]]] = {}
        items = Item.objects.filter(source=source, media__isnull=False).order_by()
        for locator, media in items.values_list("locator", "media").iterator(chunk_size=5_000):
            self._by_name.setdefault(_plain(_path_of(locator).name), set()).add((locator, media))

    def of(self, picture: str) -> set[int]:
        """The media it may mean: one, where its folders tell which of several of one name."""
        path = _path_of(picture)
        for name in (path.name, _UPLOADED.sub("", path.name, count=1)):
            if found := self._by_name.get(_plain(name)):
                wanted = f"/{path}"
                exact = {media for locator, media in found if wanted.endswith(f"/{_path_of(locator)}")}
                return exact if len(exact) == 1 else {media for _, media in found}
        return set()


def _path_of(picture: str) -> PurePosixPath:
    """The path a task names, whichever way Label Studio serves it."""
    try:
        address = urlsplit(picture)
    except ValueError:
        # What looks like an address and is none, as “http://[” is: nothing of it names a file.
        return PurePosixPath(picture)
    named = parse_qs(address.query).get("d", [""])[0] or unquote(address.path)
    return PurePosixPath(named.lstrip("/"))


def _plain(name: str) -> str:
    """As Label Studio keeps the names of uploads: blanks are _, and what else is odd goes."""
    return re.sub(r"[^\w.-]", "", name.strip().replace(" ", "_")).casefold()


def _sha256(picture: str, folder: Path | None) -> str:
    """Of the file; empty where there is none below the folder."""
    if folder is None:
        return ""
    path, root = _path_of(picture), folder.resolve()
    for one in (root / path, root / path.name):
        try:
            if one.resolve().is_relative_to(root) and one.is_file():
                with one.open("rb") as content:
                    return hashlib.file_digest(content, "sha256").hexdigest()
        except (OSError, ValueError):
            # A name longer than a disk can hold, or with a NUL, or a file that may not be read.
            continue
    return ""


def _faces_of_content(sha256s: set[str]) -> dict[str, set[int]]:
    """sha256 of a crop, or of a whole picture → its faces."""
    crops = _by("crop_sha256", sha256s)
    return crops | _by("media__sha256", sha256s - crops.keys())


def _faces_of_media(media: set[int]) -> dict[int, set[int]]:
    return _by("media", media)


def _by(column: str, values: set[Any]) -> dict[Any, set[int]]:
    found: dict[Any, set[int]] = {}
    rows = Face.objects.kept().filter(**{f"{column}__in": values}).order_by()
    for value, face in rows.values_list(column, "pk"):
        found.setdefault(value, set()).add(face)
    return found


def _faces_of_address(addresses: set[str]) -> dict[str, set[int]]:
    items = Item.objects.filter(locator__in=addresses, media__isnull=False).order_by()
    found: dict[str, set[int]] = {}
    rows = items.values_list("locator", "media__faces", "media__faces__left_out")
    for address, face, left_out in rows:
        if face is not None and not left_out:
            found.setdefault(address, set()).add(face)
    return found


def chunks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(rows), _CHUNK):
        yield rows[first : first + _CHUNK]
