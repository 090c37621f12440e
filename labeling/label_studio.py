"""Take in what people labelled in Label Studio: its JSON export, with the pictures already taken in here.

A task is about a picture we know by its content, or by the address it was fetched from. With one annotation a task,
these are labels somebody gave (labels.py). With several, they are votes: everybody gets an account without a password,
and a campaign that only these may answer gets each person's answer by the verb people use. Started again it goes on.
"""

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.utils.translation import gettext as _

from labeling import campaigns, labels
from labeling.expressions import EIGHT, OTHER_ANSWERS, known_as
from labeling.models import Campaign, CampaignFace, Face, Item
from labeling.refusals import Refusal
from labeling.voting import votes

COLUMN = "label studio"
ORIGIN = "Label Studio"
GROUP = "Label Studio"
_CHUNK = 500
_NAME = uuid.UUID("6f0d1a1c-54f1-4a39-8d4c-2f7a52f3b0de")


class CannotTakeIn(Refusal):
    """Nothing was taken in; the text says why."""


@dataclass(frozen=True)
class Task:
    """A picture, and who answered what. number: its place in the file, from 1."""

    number: int
    picture: str
    answers: tuple[tuple[str, str], ...]


@dataclass
class Taken:
    """What became of the tasks. refused: number of the task → why."""

    labelled: int = 0
    cast: int = 0
    campaign: Campaign | None = None
    refused: dict[int, str] = field(default_factory=dict)


def read(file: Path) -> tuple[list[Task], dict[int, str]]:
    """The tasks with an answer, and why others have none. Raises CannotTakeIn for a file of another kind."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CannotTakeIn(
            _("“{file}” cannot be read as JSON: {error}").format(file=file, error=error)
        ) from error
    if not isinstance(told, list) or not all(isinstance(one, dict) and "data" in one for one in told):
        raise CannotTakeIn(
            _("“{file}” is no list of tasks. Export from Label Studio as JSON, not JSON-MIN.").format(
                file=file
            )
        )
    tasks: list[Task] = []
    refused: dict[int, str] = {}
    for number, one in enumerate(told, start=1):
        picture, answers = _picture(one["data"]), dict(_answers(one))
        if not picture:
            refused[number] = _("It names no picture.")
        elif not answers:
            refused[number] = _("Nobody chose one answer.")
        else:
            tasks.append(Task(number, picture, tuple(sorted(answers.items()))))
    return tasks, refused


def _picture(data: Any) -> str:
    texts = data if isinstance(data, dict) else {}
    named = texts.get("image") or next((text for text in texts.values() if isinstance(text, str)), "")
    return named if isinstance(named, str) else ""


def _answers(task: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Who chose what; of one person the last. What names no or several choices is passed over."""
    for number, one in enumerate(task.get("annotations") or task.get("completions") or [], start=1):
        if one.get("was_cancelled"):
            continue
        chosen = [
            choice
            for result in one.get("result", [])
            if result.get("type") == "choices"
            for choice in result.get("value", {}).get("choices", [])
        ]
        if len(chosen) == 1:
            yield _who(one, number), known_as(str(chosen[0]))


def _who(annotation: Mapping[str, Any], number: int) -> str:
    by = annotation.get("worker") or annotation.get("completed_by")
    if isinstance(by, dict):
        by = by.get("email") or by.get("id")
    return str(by) if by else f"annotation {number}"


def take_in(
    *,
    file: Path,
    pictures: Path | None = None,
    name: str = "",
    by: Any = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Taken:
    """Labels or votes of the tasks in the file. pictures: the folder their paths begin at. name: of the campaign.

    Raises CannotTakeIn.
    """
    tasks, refused = read(file)
    taken = Taken(refused=refused)
    found = _by_face(tasks, pictures, taken.refused)
    if any(len(task.answers) > 1 for task in found.values()):
        _vote(found, name or f"{ORIGIN}: {file.stem}"[:200], by, taken, progress)
    else:
        _label(found, by, taken, progress)
    return taken


def _by_face(tasks: Sequence[Task], pictures: Path | None, refused: dict[int, str]) -> dict[int, Task]:
    """Face → the first task about it."""
    found: dict[int, Task] = {}
    for chunk in _chunks(tasks):
        contents = {task.number: sha for task in chunk if (sha := _sha256(task.picture, pictures))}
        by_content = _faces_of_content(set(contents.values()))
        by_address = _faces_of_address({task.picture for task in chunk if task.number not in contents})
        for task in chunk:
            sha = contents.get(task.number, "")
            faces = by_content.get(sha, set()) if sha else by_address.get(task.picture, set())
            if not faces:
                refused[task.number] = _("“{picture}” is no picture that was taken in here.").format(
                    picture=task.picture
                )
            elif len(faces) > 1:
                refused[task.number] = _("“{picture}” has {count} faces: which is meant is not said.").format(
                    picture=task.picture, count=len(faces)
                )
            elif faces & found.keys():
                refused[task.number] = _("Task {number} is about the same face.").format(
                    number=found[min(faces)].number
                )
            else:
                found[min(faces)] = task
    return found


def _sha256(picture: str, folder: Path | None) -> str:
    """Of the file; empty where there is none below the folder."""
    if folder is None:
        return ""
    address = urlsplit(picture)
    path = parse_qs(address.query).get("d", [""])[0] or unquote(address.path)
    root = folder.resolve()
    for one in (root / path.lstrip("/"), root / Path(path).name):
        if one.resolve().is_relative_to(root) and one.is_file():
            with one.open("rb") as content:
                return hashlib.file_digest(content, "sha256").hexdigest()
    return ""


def _faces_of_content(sha256s: set[str]) -> dict[str, set[int]]:
    """sha256 of a crop, or of a whole picture → its faces."""
    found: dict[str, set[int]] = {}
    crops = Face.objects.kept().filter(crop_sha256__in=sha256s).order_by()
    for sha256, face in crops.values_list("crop_sha256", "pk"):
        found.setdefault(sha256, set()).add(face)
    media = Face.objects.kept().filter(media__sha256__in=sha256s - found.keys()).order_by()
    for sha256, face in media.values_list("media__sha256", "pk"):
        found.setdefault(sha256, set()).add(face)
    return found


def _faces_of_address(addresses: set[str]) -> dict[str, set[int]]:
    items = Item.objects.filter(locator__in=addresses, media__isnull=False).order_by()
    found: dict[str, set[int]] = {}
    rows = items.values_list("locator", "media__faces", "media__faces__left_out")
    for address, face, left_out in rows:
        if face is not None and not left_out:
            found.setdefault(address, set()).add(face)
    return found


def _label(found: Mapping[int, Task], by: Any, taken: Taken, progress: Callable[[int], None]) -> None:
    for chunk in _chunks(list(found.items())):
        wanted = [labels.Wanted(face, task.answers[0][1], ORIGIN) for face, task in chunk]
        try:
            problems = labels.give(wanted, column=COLUMN, by=by)
        except labels.CannotLabel as refusal:
            raise CannotTakeIn(str(refusal)) from refusal
        for (_face, task), problem in zip(chunk, problems, strict=True):
            if problem:
                taken.refused[task.number] = problem
            else:
                taken.labelled += 1
        progress(taken.labelled)


def _vote(
    found: Mapping[int, Task], name: str, by: Any, taken: Taken, progress: Callable[[int], None]
) -> None:
    """Faces with the usual number of answers are voted on; so many are "exactly N" of the campaign."""
    usual = Counter(len(task.answers) for task in found.values()).most_common(1)[0][0]
    meant = {face: task for face, task in found.items() if len(task.answers) == usual}
    for task in found.values():
        if len(task.answers) != usual:
            taken.refused[task.number] = _("It has {count} answers, most have {usual}.").format(
                count=len(task.answers), usual=usual
            )
    group, _made = Group.objects.get_or_create(name=GROUP)
    taken.campaign = campaign = _campaign(name, _expressions(meant.values()), usual, group, by)
    for chunk in _chunks(list(meant)):
        campaigns.add_faces(campaign=campaign, faces=Face.objects.filter(pk__in=chunk), by=by)
    people: dict[str, Any] = {}
    for chunk in _chunks(list(meant)):
        rows = CampaignFace.objects.filter(campaign=campaign, face__in=chunk).order_by("pk")
        for pk, face in rows.values_list("pk", "face"):
            for who, answer in meant[face].answers:
                if who not in people:
                    people[who] = _person(who, group)
                votes.cast(
                    campaign=campaign,
                    annotator=people[who],
                    campaign_face_id=pk,
                    answer=answer,
                    client_key=uuid.uuid5(_NAME, f"{pk}/{who}"),
                )
                taken.cast += 1
            progress(taken.cast)


def _expressions(tasks: Iterable[Task]) -> list[str]:
    """What was answered, those we know first and in our order."""
    said = {answer for task in tasks for _who, answer in task.answers} - set(OTHER_ANSWERS)
    return [name for name in EIGHT if name in said] + sorted(said - set(EIGHT))


def _campaign(name: str, expressions: list[str], votes_per_face: int, group: Group, by: Any) -> Campaign:
    """The campaign of that name that an earlier attempt made, else a new one. Raises CannotTakeIn."""
    there = Campaign.objects.filter(name=name).first()
    if there is None:
        try:
            return campaigns.create(
                name=name,
                expressions=expressions,
                votes_per_face=votes_per_face,
                gold_share=0.0,
                groups=[group],
                created_by=by,
            )
        except campaigns.CannotCreate as refusal:
            raise CannotTakeIn(str(refusal)) from refusal
    if (there.expressions, there.votes_per_face, list(there.groups.all())) != (
        expressions,
        votes_per_face,
        [group],
    ):
        raise CannotTakeIn(
            _("There is a campaign “{name}” that asks something else. Choose another name.").format(name=name)
        )
    return there


def _person(who: str, group: Group) -> Any:
    """An account nobody signs in with; its name does not tell whose it is."""
    users = get_user_model()
    name = f"label-studio-{hashlib.sha256(who.encode()).hexdigest()[:10]}"
    user = users.objects.filter(username=name).first()
    if user is None:
        user = users(username=name, is_annotator=True)
        user.set_unusable_password()
        user.save()
        user.groups.add(group)
    return user


def _chunks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(rows), _CHUNK):
        yield rows[first : first + _CHUNK]
