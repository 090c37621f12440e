"""What a file out of Label Studio says: its tasks, and who answered what."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labeling.refusals import Refusal
from labeling.sayings import gettext_noop, said

MOST_BYTES = 64 * 1024**2
"""Of one file: it is held in memory, some ten times as large."""
LONGEST_CHOICE = 200
_FLAT = {"id", "annotation_id", "annotator", "created_at", "updated_at", "lead_time"}
"""What JSON-MIN says of an annotation besides the task's data and the answer."""
_MARKS = {"annotation_id", "annotator"}
"""By which of these a row of JSON-MIN is known."""
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_CANNOT_READ = gettext_noop("“{file}” cannot be read as JSON: {error}")
_TOO_DEEP = gettext_noop("it is nested too deeply.")
_TOO_LARGE = gettext_noop(
    "“{file}” has {bytes:,} bytes; {most:,} are allowed. Export fewer tasks at a time from Label Studio."
)
_NO_TASKS = gettext_noop("“{file}” is no list of tasks. Export from Label Studio as JSON, or as JSON-MIN.")
_EMPTY = gettext_noop("“{file}” holds no task. Export from Label Studio what is annotated.")
_NO_PICTURE = gettext_noop("It names no picture.")
_NOBODY = gettext_noop("Nobody chose one answer.")


class CannotTakeIn(Refusal):
    """Nothing was taken in; the text says why."""


@dataclass(frozen=True)
class Task:
    """A picture, and who answered what, as the file writes it. number: its place in the file, from 1."""

    number: int
    picture: str
    answers: tuple[tuple[str, str], ...]


@dataclass
class Read:
    """The tasks with an answer, and of the others by their number why they have none.

    sha256: of all the file says, however it was written down.
    """

    tasks: list[Task] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    sha256: str = ""

    @property
    def classes(self) -> dict[str, int]:
        """What was answered, as it is written, and how often; by name."""
        return dict(sorted(Counter(answer for task in self.tasks for _, answer in task.answers).items()))

    @property
    def people(self) -> set[str]:
        return {who for task in self.tasks for who, _ in task.answers}


def read(file: Path, *, name: str = "") -> Read:
    """name: what the file is called to people. Raises CannotTakeIn for a file of another kind."""
    name = name or str(file)
    told = _parsed(file, name)
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise CannotTakeIn(said(_NO_TASKS, file=name))
    if not told:
        raise CannotTakeIn(said(_EMPTY, file=name))
    if all("data" in one for one in told):
        each = [(_picture(one["data"]), dict(_answers(one))) for one in told]
    elif all(one.keys() & _MARKS for one in told):
        each = _flat(told)
    else:
        raise CannotTakeIn(said(_NO_TASKS, file=name))
    try:
        found = Read(sha256=_sha256(told))
    except RecursionError:
        # It was read with a few levels to spare; to write it again takes some more.
        raise CannotTakeIn(said(_CANNOT_READ, file=name, error=said(_TOO_DEEP))) from None
    for number, (picture, answers) in enumerate(each, start=1):
        if not picture:
            found.refused[number] = _NO_PICTURE
        elif not answers:
            found.refused[number] = _NOBODY
        else:
            found.tasks.append(Task(number, picture, tuple(sorted(answers.items()))))
    return found


def _parsed(file: Path, name: str) -> Any:
    try:
        if (size := file.stat().st_size) > MOST_BYTES:
            raise CannotTakeIn(said(_TOO_LARGE, file=name, bytes=size, most=MOST_BYTES))
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except RecursionError:
        raise CannotTakeIn(said(_CANNOT_READ, file=name, error=said(_TOO_DEEP))) from None
    except (OSError, ValueError) as error:
        raise CannotTakeIn(said(_CANNOT_READ, file=name, error=error)) from error


def _sha256(told: list[Any]) -> str:
    found = hashlib.sha256(b"[")
    # Task by task: the whole of it is in memory once already. In smaller pieces it takes a step a level for each.
    for number, one in enumerate(told):
        text = json.dumps(one, sort_keys=True, separators=(",", ":"))
        found.update(f",{text}".encode() if number else text.encode())
    found.update(b"]")
    return found.hexdigest()


def _picture(data: Any) -> str:
    """What the task names as `image`, else the first text that looks like a picture, else the first."""
    texts = data if isinstance(data, dict) else {}
    named = texts.get("image")
    if not isinstance(named, str):
        others = [text for text in texts.values() if isinstance(text, str)]
        named = next(filter(_is_picture, others), others[0] if others else "")
    return named if _can_be_kept(named) else ""


def _is_picture(text: str) -> bool:
    return text.partition("?")[0].lower().endswith(_PICTURES) or "/local-files/?d=" in text


def _can_be_kept(text: str) -> bool:
    """Whether a database can store it: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _answers(task: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Who chose what; of one person the last. What names no or several choices is passed over."""
    given = task.get("annotations") or task.get("completions")
    for number, one in enumerate(_dicts(given), start=1):
        if one.get("was_cancelled"):
            continue
        chosen = [
            choice
            for result in _dicts(one.get("result"))
            if result.get("type") == "choices"
            for choice in _choices(result.get("value"))
        ]
        if len(chosen) == 1 and _is_choice(chosen[0]):
            yield _who(one.get("worker") or one.get("completed_by"), number), str(chosen[0]).strip()


def _dicts(rows: Any) -> Iterator[dict[str, Any]]:
    return (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else iter(())


def _choices(value: Any) -> list[Any]:
    chosen = value.get("choices") if isinstance(value, dict) else None
    return chosen if isinstance(chosen, list) else [chosen] if isinstance(chosen, str) else []


def _is_choice(chosen: Any) -> bool:
    text = str(chosen).strip() if isinstance(chosen, str | int) else ""
    return 0 < len(text) <= LONGEST_CHOICE and _can_be_kept(text)


def _who(by: Any, number: int) -> str:
    if isinstance(by, dict):
        by = by.get("email") or by.get("id")
    return str(by).encode("utf-8", "replace").decode() if by else f"annotation {number}"


def _flat(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, dict[str, str]]]:
    """Of JSON-MIN, which has a row an annotation: the tasks by their number in Label Studio, in the file's order."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for place, row in enumerate(rows, start=1):
        key = str(row["id"]) if isinstance(row.get("id"), int | str) else f"row {place}"
        picture, answers = found.setdefault(key, (_picture(_data_of(row)), {}))
        chosen = _chosen(row, picture)
        if chosen is not None:
            answers[_who(row.get("annotator"), len(answers) + 1)] = chosen
    return list(found.values())


def _data_of(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _FLAT}


def _chosen(row: Mapping[str, Any], picture: str) -> str | None:
    """The answer, if one was given. JSON-MIN calls it what the project's labelling interface calls it."""
    data = {name: value for name, value in _data_of(row).items() if value != picture}
    named = [data[name] for name in _ANSWERS if name in data]
    given = [value for value in named or data.values() if isinstance(value, str | dict)]
    if len(given) != 1:
        return None
    chosen = _choices(given[0]) if isinstance(given[0], dict) else given
    return str(chosen[0]).strip() if len(chosen) == 1 and _is_choice(chosen[0]) else None


_ANSWERS = ("expression", "emotion", "choice", "choices", "label", "class", "sentiment")
