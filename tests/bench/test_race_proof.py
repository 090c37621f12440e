"""The proof of the voting race finds what is wrong, and nothing where all is well."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.race_proof import Event, Stored, StoredFace, read_logs, wrong

pytestmark = pytest.mark.once
PEOPLE = ("ann", "ben")


def event(at: int, what: str, who: str, key: str, **fields: int | str) -> Event:
    return Event(at=at, what=what, who=who, key=key, **{"face": 1, "answer": "happy", **fields})  # type: ignore[arg-type]


EVENTS = [
    event(1, "asked", "ann", "a"),
    event(2, "voted", "ann", "a"),
    event(3, "asked", "ben", "b1"),
    event(4, "voted", "ben", "b1"),
    event(5, "undoing", "ben", "b1"),
    event(6, "undone", "ben", "b1"),
    event(7, "asked", "ben", "b2"),
    event(8, "voted", "ben", "b2"),
    event(9, "asked", "ben", "b3"),
    event(10, "refused", "ben", "b3"),
]
VOTES = [Stored("ann", 1, "a", "happy"), Stored("ben", 1, "b2", "happy")]
FACES = [StoredFace(1, "settled", 2, 0, 0, {"happy": 2, "sad": 0})]


def found(
    *, events: list[Event] = EVENTS, votes: list[Stored] = VOTES, faces: list[StoredFace] = FACES
) -> str:
    return "\n".join(wrong(events=events, votes=votes, faces=faces, wanted=2))


def test_nothing_is_wrong_where_every_promise_is_kept() -> None:
    assert found() == ""


def test_an_answer_without_acknowledgement_may_be_there_or_not() -> None:
    unsure = [one for one in EVENTS if one.at not in (2, 8)]
    assert found(events=unsure) == ""
    lost = [event(11, "asked", "ann", "lost", face=2), *EVENTS]
    assert found(events=sorted(lost, key=lambda one: one.at)) == ""


def test_a_lost_vote_is_found() -> None:
    assert "An acknowledged vote is missing (1): ann's happy on face 1 (a)" in found(votes=VOTES[1:])


def test_an_acknowledged_vote_sent_again_is_still_promised() -> None:
    again = [*EVENTS, event(11, "asked", "ann", "a")]
    assert "An acknowledged vote is missing (1)" in found(events=again, votes=VOTES[1:])


def test_a_face_with_too_few_or_too_many_votes_or_twice_the_same_person_is_found() -> None:
    assert "A face has not exactly 2 votes (1): 1" in found(votes=VOTES[1:])
    assert "A face has not exactly 2 votes (1): 1" in found(votes=[*VOTES, Stored("cid", 1, "c", "happy")])
    assert "A face's votes are not of 2 people (1): 1" in found(
        votes=[VOTES[0], Stored("ann", 1, "x", "happy")]
    )


def test_a_vote_counted_twice_is_found() -> None:
    assert "A vote is counted twice (1)" in found(votes=[VOTES[0], VOTES[0], VOTES[1]])


def test_votes_that_came_back_were_refused_or_never_sent_are_found() -> None:
    back = [VOTES[0], Stored("ben", 1, "b1", "happy")]
    assert (
        "A vote taken back with acknowledgement is counted (1): ben's happy on face 1 (b1), 0 copies"
        in found(votes=back)
    )
    assert "A refused vote is counted (1)" in found(votes=[VOTES[0], Stored("ben", 1, "b3", "happy")])
    assert "A vote is counted that nobody sent (1)" in found(votes=[VOTES[0], Stored("cid", 1, "c", "happy")])


def test_a_refused_vote_of_which_a_copy_is_adrift_may_be_there_or_not() -> None:
    adrift = [
        event(0, "asked", "cid", "c"),
        event(9, "unanswered", "cid", "c"),
        event(11, "refused", "cid", "c"),
    ]
    late = [*VOTES, Stored("cid", 1, "c", "happy")]
    assert "refused" not in found(events=[*adrift[:1], *EVENTS, *adrift[1:]], votes=late)
    assert "A refused vote is counted (1)" in found(events=[*adrift[:1], *EVENTS, adrift[2]], votes=late)


def test_a_vote_stored_as_another_answer_is_found() -> None:
    changed = [replace(VOTES[0], answer="sad"), VOTES[1]]
    assert "A vote is stored as another one (1)" in found(votes=changed)
    assert "A consensus counts other votes than there are (1): 1" in found(votes=changed)


def test_faces_left_open_or_held_are_found() -> None:
    assert "A face is not settled (1): 1" in found(faces=[replace(FACES[0], state="open")])
    assert "A face counts leases or places still (1): 1" in found(faces=[replace(FACES[0], leases=1)])
    assert "A face's own number of votes is another (1): 1" in found(faces=[replace(FACES[0], votes=1)])


def test_an_odd_answer_is_named() -> None:
    odd = Event(at=11, what="odd", who="ann", told="cast answered 400")
    assert found(events=[*EVENTS, odd]) == "An answer that nobody should get (1): cast answered 400"


def test_logs_are_read_in_the_order_of_time_without_the_half_line_of_a_killed_process(tmp_path: Path) -> None:
    one, other = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    one.write_text(
        '{"at": 2, "what": "voted", "who": "ann", "face": 1, "key": "a", "answer": "happy"}\n{"at": 3, "wh'
    )
    other.write_text('{"at": 1, "what": "unanswered", "who": "ann", "verb": "next"}\n')
    assert [(read.at, read.what, read.key) for read in read_logs([one, other])] == [
        (1, "unanswered", ""),
        (2, "voted", "a"),
    ]
