"""What must hold after bench.voting_race: the votes in the database against the logs of what was acknowledged.

Pure: rows and events in, sentences about what is wrong out. No sentence means that all is well.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

SHOWN = 5
"""So many of one kind are named; the rest is a number."""


@dataclass(frozen=True)
class Event:
    """One line of a log; see bench.race_client. Not every line is of a vote."""

    at: int
    what: str
    who: str
    face: int = 0
    key: str = ""
    answer: str = ""
    told: str = ""


@dataclass(frozen=True)
class Stored:
    """One vote in the database."""

    who: str
    face: int
    key: str
    answer: str


@dataclass(frozen=True)
class StoredFace:
    """One face of the campaign, as the database has it."""

    face: int
    state: str
    votes: int
    leases: int
    places: int
    counts: dict[str, int]


@dataclass(frozen=True)
class Promise:
    """The last thing that is known of an answer from its own log."""

    event: Event
    state: str
    """asked, voted, refused, undoing, undone."""
    adrift: int = 0
    """Copies of the answer that got none: they may be on their way still."""


def read_logs(files: Iterable[Path]) -> list[Event]:
    """All lines of all logs, oldest first. The last line of a process that was killed may be half a line."""
    events = []
    for file in files:
        whole, _, _ = file.read_text().rpartition("\n")
        for line in whole.splitlines():
            said = json.loads(line)
            events.append(Event(**{name: said[name] for name in Event.__dataclass_fields__ if name in said}))
    return sorted(events, key=lambda event: event.at)


def promises(events: Sequence[Event]) -> dict[tuple[str, str], Promise]:
    """(who, key) → what its annotator knows of it. events: oldest first.

    An answer that was counted stays so when it is sent again; one whose undo got no answer may be there or not.
    Neither is anything known of a refused one of which another copy is adrift: a place may be free when it arrives.
    """
    known: dict[tuple[str, str], Promise] = {}
    for event in events:
        if not event.key:
            continue
        place = (event.who, event.key)
        if event.what == "asked":
            known.setdefault(place, Promise(event, "asked"))
        elif event.what == "unanswered":
            known[place] = replace(known[place], adrift=known[place].adrift + 1)
        else:
            state = "voted" if event.what == "stands" else event.what
            known[place] = replace(known[place], event=event, state=state)
    return {
        place: replace(one, state="asked") if one.state == "refused" and one.adrift else one
        for place, one in known.items()
    }


def wrong(
    *, events: Sequence[Event], votes: Sequence[Stored], faces: Sequence[StoredFace], wanted: int
) -> list[str]:
    """Everything that must not be, as sentences. wanted: votes per face."""
    return [
        *_of_faces(votes, faces, wanted),
        *_of_promises(promises(events), votes),
        *_listed("An answer that nobody should get", [event.told for event in events if event.what == "odd"]),
    ]


def _of_faces(votes: Sequence[Stored], faces: Sequence[StoredFace], wanted: int) -> list[str]:
    cast = defaultdict(list)
    for vote in votes:
        cast[vote.face].append(vote)
    people = {face.face: len({vote.who for vote in cast[face.face]}) for face in faces}
    numbers = {face.face: len(cast[face.face]) for face in faces}
    answers = {face.face: Counter(vote.answer for vote in cast[face.face]) for face in faces}
    strangers = sorted(set(cast) - set(numbers))
    return [
        *_listed("A face is not settled", [face.face for face in faces if face.state != "settled"]),
        *_listed(f"A face has not exactly {wanted} votes", [f for f, n in numbers.items() if n != wanted]),
        *_listed(f"A face's votes are not of {wanted} people", [f for f, n in people.items() if n != wanted]),
        *_listed(
            "A face's own number of votes is another", [f.face for f in faces if f.votes != numbers[f.face]]
        ),
        *_listed("A face counts leases or places still", [f.face for f in faces if f.leases or f.places]),
        *_listed(
            "A consensus counts other votes than there are",
            [f.face for f in faces if Counter({a: n for a, n in f.counts.items() if n}) != answers[f.face]],
        ),
        *_listed("A vote is on a face of no campaign", strangers),
    ]


def _of_promises(known: dict[tuple[str, str], Promise], votes: Sequence[Stored]) -> list[str]:
    stored = {(vote.who, vote.key): vote for vote in votes}
    twice = [place for place, n in Counter((vote.who, vote.key) for vote in votes).items() if n > 1]
    missing, other, back = [], [], defaultdict(list)
    for place, promise in known.items():
        vote, event = stored.get(place), promise.event
        if promise.state == "voted" and vote is None:
            missing.append(_told(event))
        elif vote is not None and (vote.face, vote.answer) != (event.face, event.answer):
            other.append(f"{_told(event)} is stored as {vote.answer} on face {vote.face}")
        elif vote is not None and promise.state in ("undone", "refused"):
            back[promise.state].append(f"{_told(event)}, {promise.adrift} copies of it had no answer")
    return [
        *_listed("An acknowledged vote is missing", missing),
        *_listed("A vote is stored as another one", other),
        *_listed("A vote taken back with acknowledgement is counted", back["undone"]),
        *_listed("A refused vote is counted", back["refused"]),
        *_listed("A vote is counted twice", twice),
        *_listed("A vote is counted that nobody sent", sorted(set(stored) - set(known))),
    ]


def _told(event: Event) -> str:
    return f"{event.who}'s {event.answer} on face {event.face} ({event.key})"


def _listed(what: str, found: Sequence[Any]) -> list[str]:
    if not found:
        return []
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return [f"{what} ({len(found)}): {'; '.join(str(one) for one in found[:SHOWN])}{more}"]
