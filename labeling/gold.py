"""Gold: faces of a campaign whose answer is known. Made, changed and taken back; which might serve; how people do.

A gold face is a campaign face with a `Gold` row. Of a face that is settled nothing else changes: it keeps its label,
and snapshots keep it. A face of which nobody knows yet gets the state GOLD and is asked of nobody as a question.
How gold is handed out and answered: labeling.voting.gold; the qualification: labeling.qualification.

Locks are taken in the one order: the campaign face, then its leases, then the line.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any

from django.db import transaction
from django.db.models import Case, Count, Exists, OuterRef, Q, QuerySet, Value, When
from django.utils.translation import gettext as _

from labeling import asked_about, audit
from labeling.expressions import OTHER_ANSWERS
from labeling.models import Campaign, CampaignFace, Example, Face, Gold, GoldAnswer, Outcome
from labeling.refusals import Refusal
from labeling.voting import line
from labeling.voting.gold import drop_leases

LONGEST_NOTE = 300
ENOUGH_TO_DOUBT = 3
"""Answers from which on it is said that people contradict a gold face."""
HIGH_AGREEMENT = 0.9
"""Share of the votes from which on a settled face is offered as gold."""
ALREADY_GOLD: dict[str, Any] = {
    "state": CampaignFace.State.GOLD,
    "wanted": 0,
    "votes": 0,
    "leases": 0,
    "places": 0,
}


class CannotSetGold(Refusal):
    """Nothing was changed; the text says why."""


def set_gold(
    *, campaign: Campaign, face: int, answer: str, note: str = "", qualification: bool = False, by: Any
) -> Gold:
    """Say what this face shows, or say it anew: what people have answered is judged by the new answer then.

    face: a Face's key, in the campaign or not. note: why, for who learns by it. Raises CannotSetGold, also for a
    face that is being voted on.
    """
    note = note.strip()
    if answer not in (*campaign.expressions, *OTHER_ANSWERS):
        text = _("“{label}” is no answer of this campaign. Choose one that is.")
        raise CannotSetGold(text.format(label=answer))
    if len(note) > LONGEST_NOTE:
        raise CannotSetGold(_("A note has at most {most} characters. Shorten it.").format(most=LONGEST_NOTE))
    with transaction.atomic():
        row = _locked_or_new(campaign, face)
        if Example.objects.filter(campaign=campaign, face=face).exists():
            text = _("The instructions show this face with its answer. Take it out of the examples first.")
            raise CannotSetGold(text)
        before = Gold.objects.filter(campaign_face=row).first()
        if before is None:
            _take_from_the_line(row)
        elif qualification and not before.qualification and row.state != CampaignFace.State.OPEN:
            drop_leases(row)
        values: dict[str, Any] = {"answer": answer, "note": note, "qualification": qualification}
        made, _new = Gold.objects.update_or_create(
            campaign_face=row,
            defaults={"campaign": campaign, "made_by": by if getattr(by, "pk", None) else None, **values},
        )
        if before is not None and before.answer != answer:
            _judge_again(row, answer)
        audit.write(campaign, "gold_set", by=by, campaign_face_id=row.pk, face=face, **values)
        return made


def remove_gold(*, campaign: Campaign, face: int, by: Any) -> None:
    """Ask the face no more as gold; of a face that was nothing but gold, its votes are asked from now on.

    What people answered stays. Raises CannotSetGold when the face is not gold.
    """
    with transaction.atomic():
        row = _locked(campaign, face)
        gold = Gold.objects.filter(campaign_face=row).first() if row else None
        if row is None or gold is None:
            raise CannotSetGold(_("This face is not gold in this campaign. There is nothing to take away."))
        if row.state != CampaignFace.State.OPEN:
            drop_leases(row)
        gold.delete()
        if row.state == CampaignFace.State.GOLD:
            votes = Campaign.objects.values_list("votes_per_face", flat=True).get(pk=campaign.pk)
            back = {"state": CampaignFace.State.OPEN, "wanted": votes, "places": votes, **line.rejoin(row)}
            CampaignFace.objects.filter(pk=row.pk).update(**back)
        audit.write(campaign, "gold_removed", by=by, campaign_face_id=row.pk, face=face, answer=gold.answer)


def _locked(campaign: Campaign, face: int) -> CampaignFace | None:
    rows = CampaignFace.objects.select_for_update(no_key=True)
    return rows.filter(campaign=campaign, face=face).first()


def _locked_or_new(campaign: Campaign, face: int) -> CampaignFace:
    if (row := _locked(campaign, face)) is not None:
        return row
    media = Face.objects.filter(pk=face).values_list("media", flat=True).first()
    if media is None:
        raise CannotSetGold(_("There is no such face. Choose one from the gallery."))
    new = CampaignFace(campaign=campaign, face_id=face, shuffle=0, kin=media, **ALREADY_GOLD)
    # Somebody may add the face at this moment.
    CampaignFace.objects.bulk_create([new], ignore_conflicts=True)
    asked_about.add(campaign, [face])
    return CampaignFace.objects.select_for_update(no_key=True).get(campaign=campaign, face=face)


def _take_from_the_line(row: CampaignFace) -> None:
    """A settled face stays as it is, and one nobody knows yet leaves the line."""
    if row.state != CampaignFace.State.OPEN:
        return
    if row.round > 1 or row.votes:
        text = _("This face is being voted on. Make it gold when it has all its votes, or choose another.")
        raise CannotSetGold(text)
    if row.leases:
        text = _(
            "Somebody is looking at this face at this moment. Try again in a few minutes, or choose another."
        )
        raise CannotSetGold(text)
    CampaignFace.objects.filter(pk=row.pk).update(**ALREADY_GOLD)


def _judge_again(row: CampaignFace, answer: str) -> None:
    right = Case(When(answer=answer, then=Value(True)), default=Value(False))
    GoldAnswer.objects.filter(campaign_face=row).update(right=right)


@dataclass(frozen=True)
class Figures:
    """One gold face, and what people said of it. Of each person the first answer: later ones have seen this page."""

    gold: Gold
    face: int
    label: str
    """What its votes agree on; empty for none."""
    counts: dict[str, int] = field(default_factory=dict)
    """Answer → people."""

    @property
    def answered(self) -> int:
        return sum(self.counts.values())

    @property
    def right(self) -> int:
        return self.counts.get(self.gold.answer, 0)

    @property
    def share(self) -> float | None:
        """Right, of those who answered, 0–1; None as long as nobody has."""
        return self.right / self.answered if self.answered else None

    @property
    def wrong(self) -> tuple[str, int] | None:
        """The most frequent wrong answer, and how many gave it."""
        others = [(count, name) for name, count in self.counts.items() if name != self.gold.answer]
        return (max(others)[1], max(others)[0]) if others else None

    @property
    def doubtful(self) -> bool:
        """Whether most people contradict it: then it may be the gold that is wrong."""
        return self.answered >= ENOUGH_TO_DOUBT and self.right * 2 < self.answered


def figures(campaign: Campaign) -> list[Figures]:
    """Every gold face of the campaign: those most people contradict first, then the newest. Two statements."""
    said: dict[int, dict[str, int]] = defaultdict(dict)
    for row, answer, count in (
        _first_answers(campaign).values_list("campaign_face", "answer").annotate(Count("pk"))
    ):
        said[row][answer] = count
    rows = Gold.objects.filter(campaign=campaign).select_related("campaign_face").order_by("-pk")
    found = [_figures(row, said[row.pk]) for row in rows]
    return sorted(found, key=lambda one: not one.doubtful)


def _figures(gold: Gold, counts: dict[str, int]) -> Figures:
    row = gold.campaign_face
    assert row.face_id is not None  # with an erased face its known answer goes
    return Figures(gold, row.face_id, row.label, counts)


def _first_answers(campaign: Campaign) -> QuerySet[GoldAnswer]:
    same = GoldAnswer.objects.filter(campaign_face=OuterRef("campaign_face"), annotator=OuterRef("annotator"))
    earlier = same.filter(attempt__lt=OuterRef("attempt"))
    return GoldAnswer.objects.filter(~Exists(earlier), campaign=campaign).order_by()


@dataclass(frozen=True)
class Supply:
    """How much gold a campaign has, by answer: (hidden, for the qualification)."""

    by_answer: dict[str, tuple[int, int]]
    needed: int
    """Faces a qualification asks; 0 when there is none."""

    @property
    def hidden(self) -> int:
        return sum(hidden for hidden, _qualification in self.by_answer.values())

    @property
    def qualification(self) -> int:
        return sum(qualification for _hidden, qualification in self.by_answer.values())

    @property
    def missing(self) -> int:
        """Faces the qualification lacks: it asks no more than there are."""
        return max(0, self.needed - self.qualification)


def supply(campaign: Campaign) -> Supply:
    """Counted in one statement; every expression is there, other answers only where there is gold of them."""
    found = dict.fromkeys(campaign.expressions, (0, 0))
    rows = Gold.objects.filter(campaign=campaign).order_by().values_list("answer")
    counted = rows.annotate(
        hidden=Count("pk", filter=Q(qualification=False)), asked=Count("pk", filter=Q(qualification=True))
    )
    found |= {answer: (hidden, asked) for answer, hidden, asked in counted}
    return Supply(found, campaign.qualification_faces)


@dataclass(frozen=True)
class Candidate:
    """A face that might serve as gold, or as an example: what it shows, and who says so."""

    face: int
    answer: str
    agreement: float | None
    """Of its votes, 0–1; None where the source alone says so."""
    counts: dict[str, int]


def candidates(
    campaign: Campaign, *, label: str = "", least: float = HIGH_AGREEMENT, limit: int = 60
) -> list[Candidate]:
    """Settled faces that are neither gold nor examples, of each class those agreed on most; the classes take turns.

    label: only of this class. least: their agreement at least, 0–1. The class with least gold begins. One statement
    a class, and one.
    """
    settled = _free(campaign).filter(
        state=CampaignFace.State.SETTLED, outcome=Outcome.AGREED, agreement__gte=least
    )
    rows = settled.order_by("-agreement", "pk").values_list("face", "label", "agreement", "counts")
    each = [list(rows.filter(label=name)[:limit]) for name in _classes(campaign, label)]
    return [Candidate(*row) for row in _in_turns(each)[:limit]]


def named_by_sources(campaign: Campaign, *, label: str = "", limit: int = 60) -> list[Candidate]:
    """Faces nobody has voted on and of which their source says what they show; else like `candidates`.

    What a campaign begins with, when nothing is settled yet. Not offered: faces that are held at this moment.
    """
    untouched = _free(campaign).filter(state=CampaignFace.State.OPEN, round=1, votes=0, leases=0)
    rows = untouched.order_by("pk").values_list("face", "face__given__label")
    each = [list(rows.filter(face__given__label=name)[:limit]) for name in _classes(campaign, label)]
    return [Candidate(face, name, None, {}) for face, name in _in_turns(each)[:limit]]


def _free(campaign: Campaign) -> QuerySet[CampaignFace]:
    shown = Example.objects.filter(campaign=campaign, face=OuterRef("face"))
    return CampaignFace.objects.filter(~Exists(shown), campaign=campaign, gold__isnull=True)


def _classes(campaign: Campaign, label: str) -> list[str]:
    if label:
        return [label] if label in campaign.expressions else []
    there = Counter(Gold.objects.filter(campaign=campaign).values_list("answer", flat=True))
    return sorted(campaign.expressions, key=lambda name: there[name])


def _in_turns(each: list[list[Any]]) -> list[Any]:
    """The first of each, then the second of each, and so on."""
    mixed = chain.from_iterable(zip_longest(*each))
    return [row for row in mixed if row is not None]
