"""From the tasks of a file to labels, or to votes in a campaign of their own."""

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from labeling import campaigns, labels
from labeling.campaign_settings import demand_sound, named
from labeling.expressions import EIGHT, OTHER_ANSWERS, known_as
from labeling.label_studio.matching import chunks, faces_of
from labeling.label_studio.reading import CannotTakeIn, Read, Task, read
from labeling.models import Campaign, CampaignFace, Face, Source, Vote
from labeling.sayings import gettext_noop, said
from labeling.sources.labelled.classes import guessed
from labeling.voting import votes

COLUMN = "label studio"
ORIGIN = "Label Studio"
GROUP = "Label Studio"
_NAME = uuid.UUID("6f0d1a1c-54f1-4a39-8d4c-2f7a52f3b0de")
_LEFT_OUT = gettext_noop("All that was chosen is left out.")
_COMPLETE = gettext_noop("Its face has all its votes, of other people.")
_OTHER_COUNT = gettext_noop("It has {count:,} answers, most have {usual:,}.")
_OTHER_CAMPAIGN = gettext_noop("There is a campaign “{name}” that asks something else. Choose another name.")
_NO_CAMPAIGN = gettext_noop("Of the answers that are taken no campaign can be made. {reason}")
Progress = Callable[[int, int], None]
"""Told how many answers are dealt with, of how many; may raise to stop."""


def _unheard(done: int, total: int) -> None:
    pass


@dataclass
class Plan:
    """What would be taken.

    found: face → its task, with the answers as they are meant here. refused: number of a task → why it is not. usual:
    how many answers each face has that is voted on; 0 where the answers are labels. expressions: all that the file
    names, also of what is refused: so a campaign stays the same when more of its pictures are known.
    """

    found: dict[int, Task]
    refused: dict[int, str]
    usual: int = 0
    expressions: tuple[str, ...] = ()

    @property
    def answers(self) -> int:
        return sum(len(task.answers) for task in self.found.values())

    @property
    def people(self) -> set[str]:
        return {who for task in self.found.values() for who, _ in task.answers}


@dataclass
class Taken:
    """What became of the tasks. labelled, cast: labels and votes that are here now; again: of them those that were here
    before. people: who gave them. refused: number of the task → why.
    """

    labelled: int = 0
    cast: int = 0
    again: int = 0
    people: int = 0
    campaign: Campaign | None = None
    refused: dict[int, str] = field(default_factory=dict)


def guess(answer: str) -> str:
    """What an answer means here, by its name; empty if nobody can tell."""
    known = known_as(answer)
    return known if known in (*EIGHT, *OTHER_ANSWERS) else guessed(answer)


def plan(
    told: Read,
    *,
    classes: Mapping[str, str] | None = None,
    source: Source | None = None,
    folder: Path | None = None,
    alive: Callable[[], None] = lambda: None,
) -> Plan:
    """What would be taken of the tasks; nothing is changed.

    classes: what an answer means here, empty to leave it out; what is not named means what it says. source, folder: as
    of matching.faces_of.
    """
    refused = dict(told.refused)
    found = faces_of(told.tasks, source=source, folder=folder, refused=refused, alive=alive)
    meant = {face: replace(task, answers=_meant(task, classes or {})) for face, task in found.items()}
    for face, task in list(meant.items()):
        if not task.answers:
            refused[task.number] = _LEFT_OUT
            del meant[face]
    usual = _usual(meant.values())
    if usual:
        for face, task in list(meant.items()):
            if len(task.answers) != usual:
                refused[task.number] = _OTHER_COUNT.format(count=len(task.answers), usual=usual)
                del meant[face]
    return Plan(meant, refused, usual, _expressions(told, classes or {}))


def _meant(task: Task, classes: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    each = ((who, classes.get(answer, known_as(answer))) for who, answer in task.answers)
    return tuple((who, answer) for who, answer in each if answer)


def _usual(tasks: Iterable[Task]) -> int:
    """Faces with the usual number of answers are voted on; so many are "exactly N" of the campaign."""
    counts = Counter(len(task.answers) for task in tasks)
    return counts.most_common(1)[0][0] if max(counts, default=0) > 1 else 0


def take_in(
    *,
    file: Path,
    pictures: Path | None = None,
    source: Source | None = None,
    classes: Mapping[str, str] | None = None,
    name: str = "",
    file_name: str = "",
    by: Any = None,
    progress: Progress = _unheard,
) -> Taken:
    """Labels or votes of the tasks in the file. pictures: the folder their paths begin at. name: of the campaign.

    source, classes: as of `plan`. Raises CannotTakeIn, and what progress raises.
    """
    told = read(file, name=file_name)
    made = plan(told, classes=classes, source=source, folder=pictures, alive=lambda: progress(0, 0))
    taken = Taken(people=len(made.people), refused=made.refused)
    if made.usual:
        _vote(made, name or f"{ORIGIN}: {Path(file_name or file).stem}"[:200], by, taken, progress)
    else:
        _label(made, by, taken, progress)
    return taken


def _label(made: Plan, by: Any, taken: Taken, progress: Progress) -> None:
    for chunk in chunks(list(made.found.items())):
        wanted = [labels.Wanted(face, task.answers[0][1], ORIGIN) for face, task in chunk]
        before = labels.of([one.face for one in wanted], COLUMN)
        try:
            problems = labels.give(wanted, column=COLUMN, by=by)
        except labels.CannotLabel as refusal:
            raise CannotTakeIn(str(refusal)) from refusal
        for (face, task), problem in zip(chunk, problems, strict=True):
            if problem:
                taken.refused[task.number] = problem
            else:
                taken.labelled += 1
                taken.again += face in before
        progress(taken.labelled, len(made.found))


def demand_campaign(made: Plan, name: str) -> None:
    """Raises CannotTakeIn where the votes of a plan could go into no campaign of that name."""
    there = Campaign.objects.filter(name=name).first()
    if there is None:
        wanted = Campaign(
            name=name, expressions=named(made.expressions), votes_per_face=made.usual, gold_share=0.0
        )
        try:
            demand_sound(wanted, campaigns.CannotCreate)
        except campaigns.CannotCreate as refusal:
            raise CannotTakeIn(said(_NO_CAMPAIGN, reason=str(refusal))) from refusal
    elif not _asks(there, list(made.expressions), made.usual):
        raise CannotTakeIn(said(_OTHER_CAMPAIGN, name=name))


def _asks(there: Campaign, expressions: list[str], votes_per_face: int) -> bool:
    """Whether it asks just this, of the people these votes are of."""
    groups = list(there.groups.values_list("name", flat=True))
    return (there.expressions, there.votes_per_face, groups) == (expressions, votes_per_face, [GROUP])


def _vote(made: Plan, name: str, by: Any, taken: Taken, progress: Progress) -> None:
    group, _made = Group.objects.get_or_create(name=GROUP)
    taken.campaign = campaign = _campaign(name, list(made.expressions), made.usual, group, by)
    for chunk in chunks(list(made.found)):
        campaigns.add_faces(campaign=campaign, faces=Face.objects.filter(pk__in=chunk), by=by)
        progress(0, made.answers)
    people: dict[str, Any] = {}
    for chunk in chunks(list(made.found)):
        rows = CampaignFace.objects.filter(campaign=campaign, face__in=chunk).order_by("pk")
        before = set(Vote.objects.filter(campaign_face__in=rows).values_list("campaign_face", "annotator"))
        for pk, face in rows.values_list("pk", "face"):
            task = made.found[face]
            for who, answer in task.answers:
                if who not in people:
                    people[who] = _person(who, group)
                if (pk, people[who].pk) in before:
                    # Whatever they say there now: a vote stands as it was cast.
                    taken.again += 1
                elif not _cast(campaign, people[who], pk, who, answer):
                    taken.refused[task.number] = _COMPLETE
                    continue
                taken.cast += 1
            progress(taken.cast, made.answers)


def _cast(campaign: Campaign, person: Any, campaign_face: int, who: str, answer: str) -> bool:
    """False where the face has all its votes, of other people."""
    try:
        votes.cast(
            campaign=campaign,
            annotator=person,
            campaign_face_id=campaign_face,
            answer=answer,
            client_key=uuid.uuid5(_NAME, f"{campaign_face}/{who}"),
        )
    except votes.CannotVote as refusal:
        if refusal.code != "complete":
            raise
        return False
    return True


def _expressions(told: Read, classes: Mapping[str, str]) -> tuple[str, ...]:
    """Those we know first and in our order."""
    meant = {classes.get(answer, known_as(answer)) for answer in told.classes} - {"", *OTHER_ANSWERS}
    return (*(name for name in EIGHT if name in meant), *sorted(meant - set(EIGHT)))


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
    if not _asks(there, expressions, votes_per_face):
        raise CannotTakeIn(said(_OTHER_CAMPAIGN, name=name))
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
