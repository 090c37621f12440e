"""What a campaign's votes say of those who cast them: who works how fast, and whose answers stand apart."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import get_language, gettext_noop
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from labeling.expressions import OTHER_ANSWERS, word
from labeling.models import Campaign, CampaignFace, GoldAnswer, Vote

PAUSE_S = 300
"""Who does not answer for so long is not working meanwhile."""
TOO_FAST_MS = 300
ENOUGH = 50
"""Votes, or faces, below which nothing is held against anybody."""
ENOUGH_GOLD = 20
"""Gold answers below which nothing is: gold is one face in twenty or so."""
MOST_VOTES = 500_000
"""Of more votes the newest so many are read: some seconds, and 24 MB."""
KEPT_FROM, KEPT_S = 20_000, 60
"""From so many votes on, what was found is shown for so many seconds before it is asked again."""
TOO_FAST_SHARE = 0.2
FAR_SIGMAS, FAR_POINTS = 3.5, 0.15
MAD_TO_SIGMA = 1.4826
"""Makes the median absolute deviation a standard deviation where figures are normal."""
ONE_ANSWER_SHARE, ONE_ANSWER_POINTS = 0.8, 0.2
FLAGS = {
    "disagrees": gettext_noop("disagrees"),
    "misses gold": gettext_noop("misses gold"),
    "one answer": gettext_noop("one answer"),
    "too fast": gettext_noop("too fast"),
}
"""A flag's code and its name."""
ROW = np.dtype(
    [
        ("pk", "i8"),
        ("who", "i8"),
        ("face", "i8"),
        ("round", "i4"),
        ("answer", "i2"),
        ("ms", "i8"),
        ("at", "f8"),
        ("settled", "?"),
    ]
)
Rows = NDArray[Any]


class Flag(NamedTuple):
    code: str
    sentence: str

    @property
    def word(self) -> str:
        """The flag's name, for people."""
        return _(FLAGS[self.code])


@dataclass(frozen=True)
class Annotator:
    """One annotator in one campaign. What cannot be said (too few votes, times unknown) is NaN."""

    pk: int
    name: str
    votes: int
    last: datetime
    per_hour: float
    """Votes per hour while working; pauses of PAUSE_S and more do not count."""
    median_ms: float
    too_fast: float
    """Share of the votes with a known time that took less than TOO_FAST_MS."""
    agreement: float
    """Share of `faces` where the answer is the others' majority."""
    faces: int
    """Settled faces on which the others have one most frequent answer."""
    entropy: float
    """Of the answers, in bits; 0 is always the same answer."""
    top_answer: str
    top_share: float
    streak: int
    """Most answers in a row that were the same."""
    answers: dict[str, int] = field(default_factory=dict)
    gold: int = 0
    """Gold faces answered, mixed in unannounced."""
    gold_right: float = float("nan")
    """Share of these answered as known."""
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class Survey:
    """Everybody who voted in a campaign, and when and over how many votes that was found."""

    people: list[Annotator]
    """Those with flags first, then by votes."""
    votes: int
    capped: bool
    """Whether there are older votes, which were not read."""
    at: datetime

    @property
    def kept(self) -> bool:
        """Whether it may have been found a moment ago."""
        return self.votes >= KEPT_FROM

    def of(self, pk: int) -> Annotator | None:
        return next((person for person in self.people if person.pk == pk), None)

    def answers(self) -> dict[str, int]:
        """Everybody's answers, counted."""
        names = {name for person in self.people for name in person.answers}
        return {name: sum(person.answers.get(name, 0) for person in self.people) for name in names}


def survey(campaign: Campaign) -> Survey:
    """The annotators of a campaign; where reading the votes takes long, as they were found up to KEPT_S ago."""
    key = f"survey/{campaign.pk}/{get_language()}"
    kept: Survey | None = cache.get(key)
    if kept is not None:
        return kept
    found = _survey(campaign)
    if found.votes >= KEPT_FROM:
        cache.set(key, found, KEPT_S)
    return found


def annotators(campaign: Campaign) -> list[Annotator]:
    """Everybody who voted in the campaign, those with flags first, then by votes. Three statements.

    Votes are read once and held as 47 bytes each; 100,000 take about a second.
    """
    return _survey(campaign).people


def _survey(campaign: Campaign) -> Survey:
    names = [*campaign.expressions, *OTHER_ANSWERS]
    rows = _rows(campaign, names)
    capped = len(rows) > MOST_VOTES
    rows = rows[:MOST_VOTES]
    rows = rows[np.lexsort((rows["pk"], rows["at"], rows["who"]))]
    agree, faces = _leave_one_out(rows, len(names))
    users = dict(
        get_user_model().objects.filter(pk__in=np.unique(rows["who"]).tolist()).values_list("pk", "username")
    )
    edges = np.flatnonzero(np.diff(rows["who"])) + 1
    people = [
        _annotator(part, users.get(int(part["who"][0]), "–"), names, agree, faces)
        for part in np.split(rows, edges)
        if len(part)
    ]
    flagged = _flagged(_with_gold(campaign, people))
    ordered = sorted(flagged, key=lambda person: (-len(person.flags), -person.votes, person.name))
    return Survey(ordered, len(rows), capped, timezone.now())


def _rows(campaign: Campaign, names: list[str]) -> Rows:
    """The newest votes as an array of ROW, one more than MOST_VOTES if there are more, newest first.

    names grows by answers that are no longer asked for.
    """
    codes = {name: code for code, name in enumerate(names)}
    votes = Vote.objects.filter(campaign=campaign).order_by("-pk")[: MOST_VOTES + 1]
    fetched = votes.values_list(
        "pk", "annotator", "campaign_face", "round", "answer", "took_ms", "cast_at", "campaign_face__state"
    )

    def converted() -> Iterator[tuple[Any, ...]]:
        for pk, who, face, turn, answer, ms, at, state in fetched.iterator(chunk_size=10_000):
            code = codes.setdefault(answer, len(codes))
            known = -1 if ms is None else ms
            yield pk, who, face, turn, code, known, at.timestamp(), state == CampaignFace.State.SETTLED

    rows = np.fromiter(converted(), dtype=ROW)
    names[:] = list(codes)
    return rows


def _leave_one_out(rows: Rows, answers: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Who agreed, once for each face, and who could have: two arrays of annotators' keys.

    On each settled face everybody's newest answer stands against the most frequent answer of all the others;
    where the others tie, or are none, nothing is counted.
    """
    settled = rows[rows["settled"]]
    settled = settled[np.lexsort((-settled["round"], settled["who"], settled["face"]))]
    again = np.zeros(len(settled), dtype=bool)
    again[1:] = (np.diff(settled["face"]) == 0) & (np.diff(settled["who"]) == 0)
    newest = settled[~again]
    _, where = np.unique(newest["face"], return_inverse=True)
    own = newest["answer"].astype(np.intp)
    counts = np.zeros((where.max(initial=-1) + 1, answers), dtype=np.int32)
    np.add.at(counts, (where, own), 1)
    others = counts[where]
    others[np.arange(len(own)), own] -= 1
    top = others.max(axis=1, initial=0)
    clear = (top > 0) & ((others == top[:, None]).sum(axis=1) == 1)
    agrees = clear & (others[np.arange(len(own)), own] == top)
    return newest["who"][agrees], newest["who"][clear]


def _annotator(
    part: Rows, name: str, names: list[str], agreeing: NDArray[Any], clear: NDArray[Any]
) -> Annotator:
    who = int(part["who"][0])
    counts = np.bincount(part["answer"], minlength=len(names))
    shares = counts / len(part)
    some = shares[shares > 0]
    times = part["ms"][part["ms"] >= 0]
    faces = int((clear == who).sum())
    return Annotator(
        pk=who,
        name=name,
        votes=len(part),
        last=datetime.fromtimestamp(part["at"][-1], UTC),
        per_hour=per_hour(part["at"]),
        median_ms=float(np.median(times)) if len(times) else float("nan"),
        too_fast=float((times < TOO_FAST_MS).mean()) if len(times) else float("nan"),
        agreement=float((agreeing == who).sum() / faces) if faces else float("nan"),
        faces=faces,
        entropy=abs(float((some * np.log2(some)).sum())),
        top_answer=names[int(shares.argmax())],
        top_share=float(shares.max()),
        streak=_streak(part["answer"]),
        answers={name: int(count) for name, count in zip(names, counts, strict=True) if count},
    )


def _with_gold(campaign: Campaign, people: list[Annotator]) -> list[Annotator]:
    """The same people with how often they were right on gold they could not tell apart."""
    answered = GoldAnswer.objects.filter(campaign=campaign, attempt=0).order_by().values_list("annotator")
    counted = answered.annotate(n=Count("pk"), right=Count("pk", filter=Q(right=True)))
    found = {who: (n, right / n) for who, n, right in counted}
    return [
        replace(person, gold=found[person.pk][0], gold_right=found[person.pk][1])
        if person.pk in found
        else person
        for person in people
    ]


def per_hour(at: NDArray[np.float64]) -> float:
    gaps = np.diff(at)
    working = gaps[gaps < PAUSE_S]
    seconds = float(working.sum())
    return 3600 * len(working) / seconds if seconds else float("nan")


def _streak(answers: NDArray[Any]) -> int:
    edges = np.flatnonzero(np.diff(answers)) + 1
    return int(np.diff([0, *edges, len(answers)]).max())


def _flagged(people: list[Annotator]) -> list[Annotator]:
    """The same people, with what makes them stand apart from the others of the campaign."""
    agreements = np.array([person.agreement for person in people if person.faces >= ENOUGH])
    golds = np.array([person.gold_right for person in people if person.gold >= ENOUGH_GOLD])
    shares = np.array([person.top_share for person in people if person.votes >= ENOUGH])
    bits = np.array([person.entropy for person in people if person.votes >= ENOUGH])
    found = []
    for person in people:
        flags = (
            _disagrees(person, agreements),
            _misses_gold(person, golds),
            _one_answer(person, shares, bits),
            _hurries(person),
        )
        found.append(replace(person, flags=tuple(flag for flag in flags if flag is not None)))
    return found


def _far_below(value: float, all_values: NDArray[np.float64]) -> bool:
    """Far below the median in the measure of the median absolute deviation, which the few bad cannot widen.

    Leys et al. 2013, Journal of Experimental Social Psychology 49 (4); 3.5 as in Iglewicz & Hoaglin 1993.
    """
    median = float(np.median(all_values))
    sigma = MAD_TO_SIGMA * float(np.median(np.abs(all_values - median)))
    return value <= min(median - FAR_SIGMAS * sigma, median - FAR_POINTS)


def _disagrees(person: Annotator, agreements: NDArray[np.float64]) -> Flag | None:
    if person.faces < ENOUGH or not _far_below(person.agreement, agreements):
        return None
    text = _(
        "Answers agree with the others' majority on {share} of {faces} faces; the median of all annotators is {median}."
    )
    return Flag(
        "disagrees",
        text.format(
            share=_percent(person.agreement),
            faces=_grouped(person.faces),
            median=_percent(float(np.median(agreements))),
        ),
    )


def _misses_gold(person: Annotator, golds: NDArray[np.float64]) -> Flag | None:
    if person.gold < ENOUGH_GOLD or not _far_below(person.gold_right, golds):
        return None
    text = _(
        "{share} of {gold} gold faces were answered as known; the median of all annotators is {median}. Gold accuracy "
        "is far below."
    )
    return Flag(
        "misses gold",
        text.format(
            share=_percent(person.gold_right),
            gold=_grouped(person.gold),
            median=_percent(float(np.median(golds))),
        ),
    )


def _one_answer(person: Annotator, shares: NDArray[np.float64], bits: NDArray[np.float64]) -> Flag | None:
    """Against the group: where nearly all faces are neutral, nearly always neutral is right."""
    if person.votes < ENOUGH or person.top_share < ONE_ANSWER_SHARE:
        return None
    usual = float(np.median(shares))
    if person.top_share < usual + ONE_ANSWER_POINTS:
        return None
    text = _(
        "{share} of {votes} answers are “{answer}”; the most frequent answer of the median annotator has {usual}. "
        "The answers carry {bits} bits, the median annotator's {usual_bits}."
    )
    return Flag(
        "one answer",
        text.format(
            share=_percent(person.top_share),
            votes=_grouped(person.votes),
            answer=word(person.top_answer),
            usual=_percent(usual),
            bits=_decimal(person.entropy),
            usual_bits=_decimal(float(np.median(bits))),
        ),
    )


def _hurries(person: Annotator) -> Flag | None:
    if person.votes < ENOUGH or not person.too_fast >= TOO_FAST_SHARE:
        return None
    text = _("{share} of the answers came in less than {ms} ms, sooner than anybody sees a face and decides.")
    return Flag("too fast", text.format(share=_percent(person.too_fast), ms=TOO_FAST_MS))


def _percent(share: float) -> str:
    return f"{number_format(f'{100 * share:.0f}')} %"


def _decimal(number: float) -> str:
    return str(number_format(f"{number:.1f}"))


def _grouped(number: int) -> str:
    return str(number_format(number, force_grouping=True))
