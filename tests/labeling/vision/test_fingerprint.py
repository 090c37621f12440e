"""Hashes that near-duplicates nearly share."""

import cv2
import numpy as np
import pytest

from labeling.sources import drawn
from labeling.vision import fingerprint
from labeling.vision.fingerprint import alike, details, distances, phash

STILLS = [drawn.draw_still(number) for number in range(12)]


def test_another_size_format_brightness_or_grey_changes_few_bits() -> None:
    same = {
        "half the size": lambda p: cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        "double the size": lambda p: cv2.resize(p, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC),
        "a poor JPEG": lambda p: cv2.imdecode(cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], 1),
        "darker, less contrast": lambda p: (p * 0.6 + 30).astype(np.uint8),
        "grey": lambda p: cv2.cvtColor(p, cv2.COLOR_RGB2GRAY),
        "blurred": lambda p: cv2.GaussianBlur(p, (0, 0), 2),
    }
    hashes = phash(STILLS)
    for what, change in same.items():
        assert distances(phash([change(still) for still in STILLS]), hashes).max() <= 6, what


def test_a_mirrored_picture_is_another_picture() -> None:
    assert distances(phash([still[:, ::-1] for still in STILLS]), phash(STILLS)).min() > 10


def test_a_hash_is_the_same_in_any_company() -> None:
    assert phash(STILLS).tolist() == [int(phash([still])[0]) for still in STILLS]
    faces = [cv2.resize(still, (48, 48), interpolation=cv2.INTER_AREA) for still in STILLS]
    assert phash(faces * 100).tolist() == phash(faces).tolist() * 100


def test_a_hash_is_the_same_on_every_machine() -> None:
    """Written down once; a change of it makes all hashes that are kept worthless."""
    y, x = np.mgrid[:32, :32]
    pattern = ((3 * x * x + 5 * y * y + x * y) % 251).astype(np.uint8)
    assert [hex(value) for value in phash([pattern, pattern.T, 255 - pattern])] == [
        "0x9dc47e91cad0c0e7",
        "0xdf6f21b4a8e12991",
        "0x623b816e352e3f19",
    ]


def test_half_of_the_bits_are_set() -> None:
    assert np.bitwise_count(phash(STILLS)).tolist() == [32] * 12


@pytest.mark.parametrize(("grey", "expected"), [(0, 0), (1, 1), (128, 1), (255, 1)])
def test_a_picture_of_one_colour_has_no_marks(grey: int, expected: int) -> None:
    for shape in [(48, 48), (1, 1), (3, 200, 3), (32, 32, 3)]:
        assert phash([np.full(shape, grey, np.uint8)]).tolist() == [expected]


def test_no_pictures_have_no_hashes() -> None:
    assert phash([]).tolist() == []


def test_hashes_survive_a_database_that_knows_signs_only() -> None:
    hashes = np.array([0, 1, 2**63 - 1, 2**63, 2**64 - 1], np.uint64)
    signed = fingerprint.to_signed(hashes)
    assert signed == [0, 1, 2**63 - 1, -(2**63), -1]
    assert np.array(signed, np.int64).view(np.uint64).tolist() == hashes.tolist()


def test_details_tell_the_same_picture_from_another_whatever_the_light_and_size() -> None:
    shown = details(STILLS)
    assert alike(shown, shown).all()
    for change in (
        lambda p: cv2.convertScaleAbs(p, alpha=0.6, beta=30),
        lambda p: cv2.resize(p, (100, 100), interpolation=cv2.INTER_AREA),
        lambda p: cv2.cvtColor(p, cv2.COLOR_RGB2GRAY),
    ):
        assert alike(shown, details([change(still) for still in STILLS])).all()
    assert not alike(shown, details([still[::-1] for still in STILLS])).any()


def test_a_picture_of_one_colour_is_like_none() -> None:
    plain = details([np.full((40, 40), 90, np.uint8)])
    assert not plain.any()
    assert not alike(plain, plain).any()
    assert details([]).shape == (0, 1024)
