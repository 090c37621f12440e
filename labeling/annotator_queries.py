"""What a campaign's votes say of those who cast them: who works how fast, and whose answers stand apart."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from django.contrib.auth import get_user_model
from numpy.typing import NDArray

from labeling.expressions import OTHER_ANSWERS, word
from labeling.models import Campaign, CampaignFace, Vote

PAUSE_S = 300
"""Who does not answer for so long is not working meanwhile."""
TOO_FAST_MS = 300
ENOUGH = 50
"""Votes, or faces, below which nothing is held against anybody."""
TOO_FAST_SHARE = 0.2
FAR_SIGMAS, FAR_POINTS = 3.5, 0.15
MAD_TO_SIGMA = 1.4826
"""Makes the median absolute deviation a standard deviation where figures are normal."""
ONE_ANSWER_SHARE, ONE_ANSWER_POINTS = 0.8, 0.2
ROW = np.dtype(
    [
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
    flags: tuple[Flag, ...] = field(default=())


def annotators(campaign: Campaign) -> list[Annotator]:
    """Everybody who voted in the campaign, those with flags first, then by votes. Two statements.

    All votes are read once and held as 39 bytes each; 100,000 take about a second.
    """
    names = [*campaign.expressions, *OTHER_ANSWERS]
    rows = _rows(campaign, names)
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
    flagged = _flagged(people)
    return sorted(flagged, key=lambda person: (-len(person.flags), -person.votes, person.name))


def _rows(campaign: Campaign, names: list[str]) -> Rows:
    """The votes as an array of ROW, by annotator and time. names grows by answers that are no longer asked for."""
    codes = {name: code for code, name in enumerate(names)}
    votes = Vote.objects.filter(campaign=campaign).order_by("annotator", "cast_at", "pk")
    fetched = votes.values_list(
        "annotator", "campaign_face", "round", "answer", "took_ms", "cast_at", "campaign_face__state"
    )

    def converted() -> Iterator[tuple[Any, ...]]:
        for who, face, turn, answer, ms, at, state in fetched.iterator(chunk_size=10_000):
            code = codes.setdefault(answer, len(codes))
            known = -1 if ms is None else ms
            yield who, face, turn, code, known, at.timestamp(), state == CampaignFace.State.SETTLED

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
    shares = np.bincount(part["answer"], minlength=len(names)) / len(part)
    some = shares[shares > 0]
    times = part["ms"][part["ms"] >= 0]
    faces = int((clear == who).sum())
    return Annotator(
        pk=who,
        name=name,
        votes=len(part),
        last=datetime.fromtimestamp(part["at"][-1], UTC),
        per_hour=_per_hour(part["at"]),
        median_ms=float(np.median(times)) if len(times) else float("nan"),
        too_fast=float((times < TOO_FAST_MS).mean()) if len(times) else float("nan"),
        agreement=float((agreeing == who).sum() / faces) if faces else float("nan"),
        faces=faces,
        entropy=abs(float((some * np.log2(some)).sum())),
        top_answer=names[int(shares.argmax())],
        top_share=float(shares.max()),
        streak=_streak(part["answer"]),
    )


def _per_hour(at: NDArray[np.float64]) -> float:
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
    shares = np.array([person.top_share for person in people if person.votes >= ENOUGH])
    bits = np.array([person.entropy for person in people if person.votes >= ENOUGH])
    found = []
    for person in people:
        flags = (_disagrees(person, agreements), _one_answer(person, shares, bits), _hurries(person))
        told = tuple(flag for flag in flags if flag is not None)
        found.append(Annotator(**{**person.__dict__, "flags": told}))
    return found


def _disagrees(person: Annotator, agreements: NDArray[np.float64]) -> Flag | None:
    """Far below the median in the measure of the median absolute deviation, which the few bad cannot widen.

    Leys et al. 2013, Journal of Experimental Social Psychology 49 (4); 3.5 as in Iglewicz & Hoaglin 1993.
    """
    if person.faces < ENOUGH:
        return None
    median = float(np.median(agreements))
    sigma = MAD_TO_SIGMA * float(np.median(np.abs(agreements - median)))
    if person.agreement > min(median - FAR_SIGMAS * sigma, median - FAR_POINTS):
        return None
    return Flag(
        "disagrees",
        f"Answers agree with the others' majority on {_percent(person.agreement)} of {person.faces:,} faces; "
        f"the median of all annotators is {_percent(median)}.",
    )


def _one_answer(person: Annotator, shares: NDArray[np.float64], bits: NDArray[np.float64]) -> Flag | None:
    """Against the group: where nearly all faces are neutral, nearly always neutral is right."""
    if person.votes < ENOUGH or person.top_share < ONE_ANSWER_SHARE:
        return None
    usual = float(np.median(shares))
    if person.top_share < usual + ONE_ANSWER_POINTS:
        return None
    return Flag(
        "one answer",
        f"{_percent(person.top_share)} of {person.votes:,} answers are “{word(person.top_answer)}”; the most frequent "
        f"answer of the median annotator has {_percent(usual)}. The answers carry {person.entropy:.1f} bits, the "
        f"median annotator's {float(np.median(bits)):.1f}.",
    )


def _hurries(person: Annotator) -> Flag | None:
    if person.votes < ENOUGH or not person.too_fast >= TOO_FAST_SHARE:
        return None
    return Flag(
        "too fast",
        f"{_percent(person.too_fast)} of the answers came in less than {TOO_FAST_MS} ms, sooner than anybody sees "
        "a face and decides.",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
