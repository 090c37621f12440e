"""Files out of Label Studio that come by a page or by the API: kept, looked at first, then taken in by a worker."""

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from labeling import labels, work
from labeling.label_studio.reading import MOST_BYTES, CannotTakeIn, Read, read
from labeling.label_studio.taking import ORIGIN, Taken, demand_campaign, guess, plan, take_in
from labeling.models import LabelStudioImport, Source, WorkState
from labeling.refusals import Refusal
from labeling.sayings import gettext_noop, said

MOST_CLASSES = 200
PREVIEWED = 2_000
"""Tasks up to which a preview looks for pictures by their content: it reads every file."""
LISTED = 500
"""Refused tasks of an import that are kept with their reasons."""
FOLDER = "label-studio"
"""Below UPLOAD_ROOT, where files lie until they are taken in."""
_LONGEST_NAME = 200
_UNDER_WAY_STATES = (WorkState.WAITING, WorkState.RUNNING)
_TOO_LARGE = gettext_noop(
    "“{file}” is larger than {most:,} MB. Export fewer tasks at a time from Label Studio."
)
_GONE = gettext_noop("The file “{file}” is not on the server any more. Send it again.")
_MANY_CLASSES = gettext_noop("It names {count:,} different answers. Are they really classes?")
_UNKNOWN_CLASSES = gettext_noop("Say what {names} means here, or leave it out.")
_BAD_CLASS = gettext_noop("“{name}” cannot be the name of a class.")
_NOTHING = gettext_noop("No task of it can be taken in. {reason}")
_LONG_NAME = gettext_noop("A campaign’s name has at most {most:,} characters.")
_ELSEWHERE = gettext_noop(
    "The votes of this file are in the campaign “{name}” already. Give that name, and what is missing there is added."
)
_UNDER_WAY = gettext_noop(
    "This file is being taken in already, as import {number} (“{name}”), but not as you ask for it now. Let it end, or"
    " stop it; then send the file again."
)
_SAME_UNDER_WAY = gettext_noop(
    "The same file is being taken in already, as import {number}. Let it end, or stop it first."
)
_TAKING = gettext_noop("Taking in what people answered")
_LOOKING = gettext_noop("Looking for the pictures")
_DONE_VOTES = gettext_noop("Votes: {cast:,}, on faces: {faces:,}. Tasks not taken: {refused:,}.")
_DONE_LABELS = gettext_noop("Faces labelled: {labelled:,}. Tasks not taken: {refused:,}.")


@dataclass(frozen=True)
class Refusals:
    """Tasks refused for the same reason: an example of it, how many, and the first of their numbers."""

    reason: str
    count: int
    tasks: tuple[int, ...]


@dataclass(frozen=True)
class Outlook:
    """What an import would take.

    classes: answer as it is written → how often. guesses: → what it would mean here, empty where nobody can tell.
    usual: votes a face, 0 where the answers are labels. looked_at: of so many `tasks`. earlier: the newest import of
    the same file that has ended well.
    """

    tasks: int
    looked_at: int
    faces: int
    answers: int
    people: int
    usual: int
    classes: dict[str, int]
    guesses: dict[str, str]
    refused: int
    reasons: list[Refusals] = field(default_factory=list)
    earlier: LabelStudioImport | None = None


def keep(chunks: Iterable[bytes], *, name: str) -> Path:
    """Write a sent file to a place of its own. Raises CannotTakeIn if it is too large."""
    folder = settings.UPLOAD_ROOT / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path: Path = folder / f"{secrets.token_hex(16)}.json"
    size = 0
    with path.open("wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > MOST_BYTES:
                break
            file.write(chunk)
    if size > MOST_BYTES:
        path.unlink()
        raise CannotTakeIn(said(_TOO_LARGE, file=name, most=MOST_BYTES // 1024**2))
    return path


def preview(
    file: Path,
    *,
    name: str,
    source: Source | None = None,
    folder: Path | None = None,
    classes: Mapping[str, str] | None = None,
) -> Outlook:
    """What would be taken of a kept file, and what not and why. Nothing is changed. Raises CannotTakeIn.

    classes: what some answers mean here; the others are guessed.
    """
    told = _read(file, name)
    tasks = len(told.tasks) + len(told.refused)
    earlier = LabelStudioImport.objects.filter(sha256=told.sha256, state=WorkState.DONE).first()
    known = dict(classes or {})
    guesses = {answer: known.get(answer, guess(answer)) for answer in told.classes}
    # What nobody can tell counts as taken: whoever is asked may still say what it means.
    meant = {answer: meaning or answer for answer, meaning in guesses.items()} | known
    some = told if folder is None else Read(told.tasks[:PREVIEWED], told.refused)
    made = plan(some, classes=meant, source=source, folder=folder)
    return Outlook(
        tasks=tasks,
        looked_at=len(some.tasks) + len(some.refused),
        faces=len(made.found),
        answers=made.answers,
        people=len(made.people),
        usual=made.usual,
        classes=told.classes,
        guesses=guesses,
        refused=len(made.refused),
        reasons=grouped(made.refused),
        earlier=earlier,
    )


def grouped(refused: Mapping[int, str]) -> list[Refusals]:
    """By what was wrong, whichever picture or number it was about; the most frequent first."""
    kinds: dict[str, list[int]] = {}
    for number in sorted(refused):
        kinds.setdefault(_VARIES.sub("…", refused[number]), []).append(number)
    by_count = sorted(kinds.values(), key=lambda numbers: (-len(numbers), numbers))
    return [Refusals(refused[numbers[0]], len(numbers), tuple(numbers[:20])) for numbers in by_count]


_VARIES = re.compile(r"“.*”|\d[\d,]*", re.DOTALL)


def begin(
    file: Path,
    *,
    name: str,
    campaign_name: str = "",
    source: Source | None = None,
    folder: Path | None = None,
    classes: Mapping[str, str] | None = None,
    by: Any = None,
    wake: bool = True,
) -> LabelStudioImport:
    """Have a kept file taken in. One that is under way, asked for in the same way, is returned as it is.

    classes: what each answer means here, empty to leave it out; those left out are guessed, and refused where nobody
    can tell. campaign_name: of the votes. Raises CannotTakeIn.
    """
    told = _read(file, name)
    meant = _meanings(told, classes or {})
    sha256, called = told.sha256, campaign_name.strip() or default_name(name)
    if len(called) > _LONGEST_NAME:
        raise CannotTakeIn(said(_LONG_NAME, most=_LONGEST_NAME))
    _demand_no_other_campaign(sha256, called)
    wanted = {"source": source, "folder": str(folder or ""), "classes": meant, "campaign_name": called}
    under_way = LabelStudioImport.objects.filter(sha256=sha256, state__in=_UNDER_WAY_STATES)
    if there := under_way.first():
        return _the_same(there, wanted, file)
    _demand_campaign(told, meant, called, source=source, folder=folder)
    try:
        with transaction.atomic():
            row = LabelStudioImport.objects.create(
                file=str(file), file_name=name[:200], sha256=sha256, created_by=by, **wanted
            )
            if wake:
                work.enqueue(row)
    except IntegrityError:
        # At most one of a file is under way; it may just have ended.
        there = LabelStudioImport.objects.filter(sha256=sha256).first()
        if there is None:
            raise
        return _the_same(there, wanted, file)
    return row


def resume(row: LabelStudioImport) -> None:
    """Go on with one that stopped or failed. Raises CannotMove, CannotTakeIn while another one takes in the file."""
    try:
        with transaction.atomic():
            work.restart(row)
    except IntegrityError as error:
        same = LabelStudioImport.objects.filter(sha256=row.sha256, state__in=_UNDER_WAY_STATES)
        number = same.values_list("pk", flat=True).first()
        raise CannotTakeIn(said(_SAME_UNDER_WAY, number=number)) from error


def _the_same(there: LabelStudioImport, wanted: Mapping[str, Any], file: Path) -> LabelStudioImport:
    """The import, if it does what is wanted; the file that was sent again is removed. Raises CannotTakeIn."""
    if any(getattr(there, name) != value for name, value in wanted.items()):
        raise CannotTakeIn(said(_UNDER_WAY, number=there.pk, name=there.campaign_name))
    if there.file != str(file):
        file.unlink(missing_ok=True)
    return there


def _demand_campaign(
    told: Read, meant: Mapping[str, str], called: str, *, source: Source | None, folder: Path | None
) -> None:
    """Raises CannotTakeIn where there are votes and no campaign for them.

    What a folder has to be read for is left to the worker.
    """
    if folder is None:
        made = plan(told, classes=meant, source=source)
        if made.usual:
            demand_campaign(made, called)


def default_name(file_name: str) -> str:
    """Of the campaign, if nobody names it."""
    return f"{ORIGIN}: {Path(file_name).stem}"[:200]


def _read(file: Path, name: str) -> Read:
    """Raises CannotTakeIn also for a file that is gone, or one in which anything is answered."""
    if not file.is_file():
        raise CannotTakeIn(said(_GONE, file=name))
    told = read(file, name=name)
    if len(told.classes) > MOST_CLASSES:
        raise CannotTakeIn(said(_MANY_CLASSES, count=len(told.classes)))
    return told


def _meanings(told: Read, classes: Mapping[str, str]) -> dict[str, str]:
    """Of every answer in the file. Raises CannotTakeIn."""
    meant = {answer: classes.get(answer, guess(answer)) for answer in told.classes}
    if unknown := [answer for answer, meaning in meant.items() if not meaning and answer not in classes]:
        names = ", ".join(f"“{answer}”" for answer in unknown)
        raise CannotTakeIn(said(_UNKNOWN_CLASSES, names=names))
    for meaning in filter(None, meant.values()):
        if meaning != meaning.strip() or len(meaning) > labels.LONGEST_LABEL or "\0" in meaning:
            raise CannotTakeIn(said(_BAD_CLASS, name=meaning[: labels.LONGEST_LABEL]))
    return meant


def _demand_no_other_campaign(sha256: str, called: str) -> None:
    """The same votes are not counted in two campaigns."""
    before = LabelStudioImport.objects.filter(sha256=sha256, campaign__isnull=False)
    for name in before.values_list("campaign__name", flat=True):
        if name != called:
            raise CannotTakeIn(said(_ELSEWHERE, name=name))


def run(pk: int) -> None:
    """Take the file in. Killed at any instruction, the next attempt goes on: nothing counts twice."""
    with work.claimed(LabelStudioImport, pk) as job:
        row = job.row

        def progress(done: int, total: int) -> None:
            job.beat(done=done, total=total or None, message=_TAKING if total else _LOOKING)

        if not row.file or not Path(row.file).is_file():
            raise work.Refused(_GONE.format(file=row.file_name))
        try:
            taken = take_in(
                file=Path(row.file),
                file_name=row.file_name,
                pictures=Path(row.folder) if row.folder else None,
                source=row.source,
                classes=row.classes,
                name=row.campaign_name,
                by=row.created_by,
                progress=progress,
            )
        except work.CannotMove:
            raise
        except Refusal as refusal:
            raise work.Refused(str(refusal)) from refusal
        if not taken.labelled + taken.cast:
            first = grouped(taken.refused)[:1]
            reason = first[0].reason if first else ""
            raise work.Refused(_NOTHING.format(reason=reason))
        file = row.file
        job.leave(
            WorkState.DONE,
            file="",
            campaign=taken.campaign,
            taken=_kept(taken),
            message=_summary(taken),
        )
        # It says who answered what by their addresses; nobody needs it here any more.
        Path(file).unlink(missing_ok=True)


def _kept(taken: Taken) -> dict[str, Any]:
    listed = sorted(taken.refused.items())[:LISTED]
    return {
        "labelled": taken.labelled,
        "cast": taken.cast,
        "again": taken.again,
        "people": taken.people,
        "refused": [{"task": number, "reason": reason} for number, reason in listed],
        "left": len(taken.refused),
    }


def _summary(taken: Taken) -> str:
    refused = len(taken.refused)
    if taken.campaign is None:
        return _DONE_LABELS.format(labelled=taken.labelled, refused=refused)
    faces = taken.cast // taken.campaign.votes_per_face
    return _DONE_VOTES.format(cast=taken.cast, faces=faces, refused=refused)


def remove_forgotten() -> int:
    """Remove files that nobody had taken in for UPLOAD_KEEP_DAYS. Returns how many."""
    folder = settings.UPLOAD_ROOT / FOLDER
    if not folder.is_dir():
        return 0
    old = (timezone.now() - timedelta(days=settings.UPLOAD_KEEP_DAYS)).timestamp()
    under_way = LabelStudioImport.objects.filter(state__in=_UNDER_WAY_STATES)
    named = set(under_way.values_list("file", flat=True))
    forgotten = [path for path in folder.iterdir() if path.stat().st_mtime < old and str(path) not in named]
    for path in forgotten:
        path.unlink(missing_ok=True)
    return len(forgotten)
