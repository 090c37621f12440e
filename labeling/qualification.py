"""The qualification: gold faces to answer, with feedback, before one may vote in a campaign.

A round asks so many faces of the campaign's qualification gold, one after another. Which ones and in which order is
drawn by the campaign, the person and the number of the round alone: to look again, or from another device, draws no
other face. A round begins with its first answer; its answers are GoldAnswers of its number, `attempt`, from 1.
A later round takes faces the person has not met, as long as there are enough.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling import audit
from labeling.expressions import OTHER_ANSWERS
from labeling.models import Campaign, Gold, GoldAnswer, Participation
from labeling.refusals import Refusal
from labeling.voting import eligibility, leasing
from labeling.voting.refusals import CannotVote, demand_annotator


class CannotQualify(CannotVote):
    """The answer was not taken; `code` says why: besides those of CannotVote, passed, failed and turn."""


class CannotGrant(Refusal):
    """The annotator's attempts stay as they were; the text says why."""


class Step(Enum):
    NOT_NEEDED = "not needed"
    TO_DO = "to do"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True)
class State:
    """How a person stands in a campaign's qualification. What counts is the newest round, if there is one."""

    step: Step
    faces: int = 0
    """Asked in a round."""
    answered: int = 0
    right: int = 0
    needed: float = 0.0
    """Share right, 0–1, to pass."""
    begun: int = 0
    """Attempts used, since a manager last granted more."""
    attempts: int = 0
    """Attempts there are."""
    number: int = 0
    """Of the newest round; 0 before the first."""

    @property
    def over(self) -> bool:
        """Whether the newest round has all its answers."""
        return self.number > 0 and self.answered >= self.faces

    @property
    def enough(self) -> bool:
        """Whether so many of its answers are right that it is passed, once over."""
        return self.answered > 0 and self.right >= self.needed * self.answered - 1e-9

    @property
    def running(self) -> bool:
        return self.number > 0 and not self.over

    @property
    def left(self) -> int:
        """Attempts not begun."""
        return max(0, self.attempts - self.begun)

    @property
    def round(self) -> int:
        """The number of the round the next answer belongs to."""
        return self.number if self.running else self.number + 1


def state(campaign: Campaign, annotator: Any) -> State:
    """How the annotator stands. No statement where no qualification is asked, else up to four."""
    if not campaign.qualification_faces:
        return State(Step.NOT_NEEDED)
    there = _asked_gold(campaign).count()
    if not there:
        return State(Step.NOT_NEEDED)
    own = Participation.objects.filter(campaign=campaign, annotator=annotator).first()
    return _state(campaign, annotator, own, min(there, campaign.qualification_faces))


def _state(campaign: Campaign, annotator: Any, own: Participation | None, faces: int) -> State:
    rounds = _answers(campaign, annotator).order_by("-attempt").values_list("attempt", flat=True)
    number = rounds.first() or 0
    right = _answers(campaign, annotator).filter(attempt=number).values_list("right", flat=True)
    return _stands(campaign, own, faces, number, list(right))


def _stands(
    campaign: Campaign, own: Participation | None, faces: int, number: int, right: list[bool]
) -> State:
    """right: of each answer of the newest round, whether it is."""
    found = State(
        step=Step.TO_DO,
        faces=faces,
        answered=len(right),
        right=sum(right),
        needed=campaign.qualification_pass,
        begun=own.attempts if own else 0,
        attempts=campaign.qualification_attempts,
        number=number,
    )
    if own is not None and own.qualified_at is not None:
        return replace(found, step=Step.PASSED)
    lost = found.over and not found.enough and not found.left
    return replace(found, step=Step.FAILED) if lost else found


MOST_PEOPLE = 200


@dataclass(frozen=True)
class Person:
    """Somebody who has tried the qualification."""

    annotator: Any
    stands: State
    qualified_at: datetime | None


def people(campaign: Campaign) -> list[Person]:
    """Up to MOST_PEOPLE who have tried: those who have not passed first, then the newest. Three statements."""
    faces = min(campaign.qualification_faces, _asked_gold(campaign).count())
    tried = Participation.objects.filter(campaign=campaign).filter(
        Q(attempts__gt=0) | Q(qualified_at__isnull=False)
    )
    newest = tried.select_related("annotator").order_by(F("qualified_at").desc(nulls_first=True), "-pk")
    owns = list(newest[:MOST_PEOPLE])
    rounds: dict[int, dict[int, list[bool]]] = defaultdict(lambda: defaultdict(list))
    answers = GoldAnswer.objects.filter(
        campaign=campaign, attempt__gte=1, annotator__in=[own.annotator_id for own in owns]
    )
    for who, attempt, right in answers.values_list("annotator", "attempt", "right"):
        rounds[who][attempt].append(right)
    return [_person(campaign, own, faces, rounds[own.annotator_id]) for own in owns]


def _person(campaign: Campaign, own: Participation, faces: int, rounds: dict[int, list[bool]]) -> Person:
    number = max(rounds, default=0)
    stands = _stands(campaign, own, faces, number, rounds.get(number, []))
    return Person(own.annotator, stands, own.qualified_at)


def _asked_gold(campaign: Campaign) -> QuerySet[Gold]:
    return Gold.objects.filter(campaign=campaign, qualification=True)


def _answers(campaign: Campaign, annotator: Any) -> Any:
    return GoldAnswer.objects.filter(campaign=campaign, annotator=annotator, attempt__gte=1)


@dataclass(frozen=True)
class Asked:
    """The face that is asked now, and how many of the round come before it."""

    campaign_face_id: int
    face_id: int
    before: int


def asked(campaign: Campaign, annotator: Any, stands: State) -> Asked | None:
    """The face the annotator is asked now; None when there is none for them. Two statements, or none."""
    if stands.step is not Step.TO_DO or (stands.over and (stands.enough or not stands.left)):
        return None
    answered = stands.answered if stands.running else 0
    return _next(campaign, annotator, stands.round, stands.faces, answered)


def _next(campaign: Campaign, annotator: Any, number: int, faces: int, answered: int) -> Asked | None:
    gold = _asked_gold(campaign).order_by("pk")
    known = {
        pk: (face, answer) for pk, face, answer in gold.values_list("pk", "campaign_face__face", "answer")
    }
    met = _answers(campaign, annotator).values_list("campaign_face", "attempt")
    now = {pk for pk, attempt in met if attempt == number}
    earlier = {pk for pk, attempt in met if attempt < number}
    salt = f"{campaign.pk}/{getattr(annotator, 'pk', None)}/{number}"
    classes = [(pk, answer) for pk, (_face, answer) in known.items()]
    order = draw(classes, count=faces, salt=salt, met=earlier)
    left = [pk for pk in order if pk not in now]
    return Asked(left[0], known[left[0]][0], answered) if left else None


def draw(classes: Iterable[tuple[int, str]], *, count: int, salt: str, met: Iterable[int] = ()) -> list[int]:
    """`count` of these (face, class), in the order they are asked: as many of each class as can be.

    The same salt draws the same. Faces that were met before come only when the others are used up.
    """
    seen = set(met)
    taken = Counter[tuple[bool, str]]()
    ranked = []
    for pk, name in sorted(classes, key=lambda pair: _dice(salt, pair[0])):
        old = pk in seen
        ranked.append((old, taken[old, name], _dice(salt, name), pk))
        taken[old, name] += 1
    chosen = [pk for *_rank, pk in sorted(ranked)[:count]]
    # Mixed again: in the order of their classes, the last face of a round could be guessed.
    return sorted(chosen, key=lambda pk: _dice(f"{salt}/order", pk))


def _dice(salt: str, what: object) -> bytes:
    return hashlib.sha256(f"{salt}/{what}".encode()).digest()


@dataclass(frozen=True)
class Answered:
    """What became of an answer. again: it had been given before, and was not counted twice."""

    answer_id: int
    right: bool
    again: bool


def answer(
    *,
    campaign: Campaign,
    annotator: Any,
    campaign_face_id: int,
    number: int,
    answer: str,
    client_key: UUID,
    took_ms: int | None = None,
) -> Answered:
    """Take one answer on the face that is asked now; the last of a round decides it. Raises CannotQualify.

    number: of the round the face was shown in. Sent again with its client_key it is the same answer; on a face that
    has been answered in the round, the first one counts.
    """
    demand_annotator(annotator, CannotQualify)
    if answer not in (*campaign.expressions, *OTHER_ANSWERS):
        raise CannotQualify(
            _("“{answer}” is not an answer of this campaign.").format(answer=answer), "answer"
        )
    own = _participation(campaign, annotator)
    with transaction.atomic():
        # Two answers of one person take turns.
        own = Participation.objects.select_for_update(no_key=True).get(pk=own.pk)
        if (before := _before(campaign, annotator, campaign_face_id, number, client_key)) is not None:
            return before
        demand_let_in(campaign, annotator)
        stands = state(campaign, annotator)
        known = _demand_turn(campaign, annotator, stands, campaign_face_id, number)
        made = GoldAnswer.objects.create(
            campaign=campaign,
            campaign_face_id=campaign_face_id,
            annotator=annotator,
            attempt=stands.round,
            answer=answer,
            right=answer == known,
            client_key=client_key,
            took_ms=took_ms,
            cast_at=timezone.now(),
        )
        if not stands.running:
            Participation.objects.filter(pk=own.pk).update(attempts=own.attempts + 1)
        _conclude(campaign, annotator)
        return Answered(made.pk, made.right, again=False)


def conclude(campaign: Campaign, annotator: Any) -> None:
    """Let in who has reached what is asked by now: a manager may have come to ask less than at their last answer."""
    with transaction.atomic():
        list(
            Participation.objects.select_for_update(no_key=True).filter(
                campaign=campaign, annotator=annotator
            )
        )
        _conclude(campaign, annotator)


def _conclude(campaign: Campaign, annotator: Any) -> None:
    stands = state(campaign, annotator)
    if stands.step is Step.TO_DO and stands.over and stands.enough:
        own = Participation.objects.filter(campaign=campaign, annotator=annotator, qualified_at=None)
        own.update(qualified_at=timezone.now())


@dataclass(frozen=True)
class Feedback:
    """One answer of a round, and what was meant."""

    face: int | None
    """None: it was erased since."""
    number: int
    """Of the round."""
    answer: str
    right: bool
    meant: str
    """Empty when the face is gold no more."""
    note: str


def feedback(campaign: Campaign, annotator: Any, answer_id: int) -> Feedback | None:
    """What is told of one of the annotator's own answers; None if it is none of theirs. One statement."""
    row = _told(campaign, annotator).filter(pk=answer_id).first()
    return _feedback(row) if row else None


def results(campaign: Campaign, annotator: Any, number: int) -> list[Feedback]:
    """The answers of one round, in their order. One statement."""
    return [
        _feedback(row) for row in _told(campaign, annotator).filter(attempt=number).order_by("cast_at", "pk")
    ]


def _told(campaign: Campaign, annotator: Any) -> Any:
    return _answers(campaign, annotator).select_related("campaign_face__gold")


def _feedback(row: GoldAnswer) -> Feedback:
    gold = getattr(row.campaign_face, "gold", None)
    return Feedback(
        face=row.campaign_face.face_id,
        number=row.attempt,
        answer=row.answer,
        right=row.right,
        meant=gold.answer if gold else "",
        note=gold.note if gold else "",
    )


def reset_attempts(*, campaign: Campaign, annotator: Any, by: Any) -> None:
    """Let an annotator try as often as one who begins. What they answered stays. Raises CannotGrant."""
    with transaction.atomic():
        rows = Participation.objects.select_for_update(no_key=True)
        own = rows.filter(campaign=campaign, annotator=annotator).first()
        if own is None or not own.attempts:
            raise CannotGrant(_("{name} has not tried the qualification yet.").format(name=annotator))
        if own.qualified_at is not None:
            raise CannotGrant(_("{name} has passed the qualification.").format(name=annotator))
        Participation.objects.filter(pk=own.pk).update(attempts=0)
        audit.write(campaign, "attempts_reset", by=by, annotator=annotator, attempts=own.attempts)


def _participation(campaign: Campaign, annotator: Any) -> Participation:
    mine = Participation.objects.filter(campaign=campaign, annotator=annotator)
    if (own := mine.first()) is None:
        # In a transaction of its own: it ends with the lock of the line, the last in the order of locks.
        leasing.join(campaign, annotator)
        own = mine.get()
    return own


def demand_let_in(campaign: Campaign, annotator: Any) -> None:
    """Whatever else keeps a person from voting here keeps them from this too. Raises CannotQualify."""
    stands = replace(eligibility.standing_of(campaign, annotator), qualification_faces=0)
    eligibility.demand_eligible(stands, campaign, annotator, CannotQualify, now=timezone.now())


def _before(
    campaign: Campaign, annotator: Any, campaign_face_id: int, number: int, key: UUID
) -> Answered | None:
    """The answer that stands already: of this key, or of this face in this round."""
    same = GoldAnswer.objects.filter(annotator=annotator, client_key=key).first()
    # Never of an answer given unannounced (0): whether that was right is not told.
    if same is not None and (same.campaign_face_id, same.attempt or None) != (campaign_face_id, number):
        raise CannotQualify(_("This key has been used for another answer; choose a new one."), "key")
    rows = _answers(campaign, annotator).filter(attempt=number, campaign_face=campaign_face_id)
    before = same or rows.first()
    return Answered(before.pk, before.right, again=True) if before else None


def _demand_turn(
    campaign: Campaign, annotator: Any, stands: State, campaign_face_id: int, number: int
) -> str:
    """The known answer of the face, if it is the one that is asked now."""
    if stands.step is Step.NOT_NEEDED or stands.step is Step.PASSED:
        raise CannotQualify(_("You may vote in this campaign; there is nothing to qualify for."), "passed")
    if stands.step is Step.FAILED:
        raise CannotQualify(_("You have no attempt left. Ask the campaign's manager for another."), "failed")
    now = asked(campaign, annotator, stands)
    if now is None or now.campaign_face_id != campaign_face_id or number != stands.round:
        raise CannotQualify(_("Another face is asked now. Look at it first."), "turn")
    return Gold.objects.values_list("answer", flat=True).get(campaign_face=campaign_face_id)
