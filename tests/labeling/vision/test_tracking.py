"""One person in one shot is one track."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.vision.detectors import Found
from labeling.vision.tracking import Seen, link, overlaps

EVERY_MS = 200
SIZE = 60


def face(x: float, y: float = 100, score: float = 0.9, size: int = SIZE) -> Found:
    """A face whose centre lies there."""
    return Found(round(x - size / 2), round(y - size / 2), size, size, score)


def film(*frames: list[Found]) -> list[Seen]:
    return [Seen(EVERY_MS * number, faces) for number, faces in enumerate(frames)]


def test_one_who_moves_is_one_track() -> None:
    assert link(film(*[[face(100 + 25 * n, 100 + 10 * n)] for n in range(20)])) == [[0]] * 20


def test_two_who_cross_stay_two() -> None:
    frames = film(*[[face(100 + 20 * n, 100), face(500 - 20 * n, 130)] for n in range(21)])
    assert link(frames) == [[0, 1]] * 21


def test_two_who_cross_hidden_for_three_frames_stay_two() -> None:
    frames = [[face(100 + 20 * n, 100), face(500 - 20 * n, 130)] for n in range(21)]
    frames[9:12] = [[frame[0]] for frame in frames[9:12]]
    assert link(film(*frames)) == [[0, 1]] * 9 + [[0]] * 3 + [[0, 1]] * 9


def test_the_order_in_which_a_frames_faces_come_does_not_matter() -> None:
    frames = [[face(100 + 10 * n), face(300), face(500 - 10 * n)] for n in range(10)]
    turned = [frame[::-1] if number % 2 else frame for number, frame in enumerate(frames)]
    straight = [list(reversed(one)) if number % 2 else one for number, one in enumerate(link(film(*turned)))]
    assert straight == [[0, 1, 2]] * 10


def test_a_gap_shorter_than_allowed_is_bridged_a_longer_one_is_not() -> None:
    seen = [[face(100)], *[[]] * 6, [face(105)], *[[]] * 7, [face(110)]]
    assert [tracks for tracks in link(film(*seen)) if tracks] == [[0], [0], [1]]


def test_a_face_the_detector_is_less_sure_of_continues_a_track_but_begins_none() -> None:
    frames = film(
        [face(100), face(400, score=0.5)], [face(110, score=0.4), face(400, score=0.5)], [face(120)]
    )
    assert link(frames) == [[0, None], [0, None], [0]]


def test_a_sure_face_is_linked_before_an_unsure_one() -> None:
    frames = film([face(100)], [face(101, score=0.5), face(115)])
    assert link(frames) == [[0], [None, 0]]


def test_an_unsure_face_does_not_bring_a_lost_track_back() -> None:
    assert link(film([face(100)], [], [face(100, score=0.5)])) == [[0], [], [None]]


def test_a_cut_ends_all_tracks() -> None:
    frames = film(*[[face(100), face(300)]] * 6)
    assert link(frames, cuts=[3]) == [[0, 1]] * 3 + [[2, 3]] * 3


def test_who_walks_by_fast_and_alone_is_one_track() -> None:
    assert link(film(*[[face(100 + 90 * n)] for n in range(8)])) == [[0]] * 8


def test_where_there_are_others_nobody_is_followed_further_than_the_boxes_tell() -> None:
    assert link(film([face(200)], [face(110), face(290)])) == [[0], [1, 2]]
    assert link(film([face(200), face(420)], [face(310)])) == [[0, 1], [2]]


def test_a_face_of_quite_another_size_is_another() -> None:
    assert link(film([face(100)], [face(100, size=4 * SIZE)])) == [[0], [1]]


def test_the_rate_of_frames_does_not_matter() -> None:
    for every in (40, 100, 333):
        frames = [Seen(every * n, [face(100 + 0.1 * every * n), face(400)]) for n in range(2000 // every)]
        assert link(frames) == [[0, 1]] * len(frames)


def test_a_detector_whose_scores_say_little_is_always_sure() -> None:
    assert link(film([face(100, score=-3)], [face(105, score=0.1)]), sure=-np.inf) == [[0], [0]]


def test_no_frames_and_no_faces_have_no_tracks() -> None:
    assert link([]) == []
    assert link(film([], [])) == [[], []]


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([0.0, 0.1, 0.3]))
def test_people_who_keep_apart_keep_their_tracks(seed: int, people: int, missed: float) -> None:
    """They walk about, each in a lane; boxes tremble, some are missed, some are unsure."""
    shuffled = np.random.default_rng(seed)
    x, speed = shuffled.uniform(0, 1500, people), shuffled.uniform(-120, 120, people)
    frames, who = [], []
    for _ in range(30):
        speed += shuffled.normal(0, 20, people)
        x += speed * EVERY_MS / 1000
        here = [person for person in range(people) if shuffled.random() >= missed]
        shuffled.shuffle(here)
        frames.append(
            [
                face(
                    x[one] + shuffled.normal(0, 3),
                    130 * one + shuffled.normal(0, 3),
                    score=shuffled.uniform(0.4, 1),
                )
                for one in here
            ]
        )
        who.append(here)
    persons_of = defaultdict(set)
    for here, tracks in zip(who, link(film(*frames)), strict=True):
        for person, track in zip(here, tracks, strict=True):
            if track is not None:
                persons_of[track].add(person)
    assert all(len(persons) == 1 for persons in persons_of.values())
    if not missed:
        assert len(persons_of) == people


@pytest.mark.parametrize(("apart", "expected"), [(0, 1.0), (30, 1 / 3), (60, 0.0)])
def test_overlaps_are_intersections_over_unions(apart: float, expected: float) -> None:
    one, other = np.array([[100.0, 100, 60, 60]]), np.array([[100.0 + apart, 100, 60, 60]])
    assert overlaps(one, other)[0, 0] == pytest.approx(expected)
    assert overlaps(one, other, margin=0.5)[0, 0] == pytest.approx((120 - apart) / (120 + apart))
