"""Near-duplicates of the whole collection share a likeness."""

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.db import connection

from labeling import likeness
from labeling.models import Face
from labeling.sources.looking import store_crop
from tests.factories import make_faces

pytestmark = pytest.mark.django_db


def face_of(number: int, *, noise: int = 0) -> Face:
    """A face with a picture of its own; noise changes it a little."""
    dice = np.random.default_rng(number)
    coarse = dice.integers(0, 256, (6, 6)).astype(np.uint8)
    pixels = np.kron(coarse, np.ones((16, 16), np.uint8)).astype(int)
    pixels += np.random.default_rng(1_000 + noise).integers(-noise, noise + 1, pixels.shape)
    stored = store_crop(np.repeat(pixels.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2))
    (face,) = make_faces(1)
    Face.objects.filter(pk=face.pk).update(crop=stored.name, crop_sha256=stored.sha256, fingerprint=None)
    face.refresh_from_db()
    return face


def test_pictures_that_differ_by_noise_are_alike_and_others_are_not() -> None:
    faces = [face_of(1), face_of(2), face_of(1, noise=2), face_of(3), face_of(1, noise=3)]
    assert likeness.compare_new() == 5
    found = [Face.objects.get(pk=face.pk).likeness for face in faces]
    first = faces[0].pk
    assert found == [first, faces[1].pk, first, faces[3].pk, first]
    assert likeness.compare_new() == 0


def test_new_faces_join_the_groups_there_are_as_people_merged_them() -> None:
    one, other = face_of(1), face_of(2)
    likeness.compare_new()
    Face.objects.filter(likeness=other.pk).update(likeness=one.pk)
    new = face_of(2, noise=2)
    likeness.compare_new()
    assert Face.objects.get(pk=new.pk).likeness == one.pk


def test_a_face_whose_picture_is_gone_waits() -> None:
    face = face_of(1)
    with default_storage.open(face.crop) as file:
        data = file.read()
    default_storage.delete(face.crop)
    assert likeness.compare_new() == 0
    with default_storage.open(face.crop, "wb") as file:
        file.write(data)
    assert likeness.compare_new() == 1


def test_pictures_whose_hashes_happen_to_be_near_are_told_apart_by_their_details() -> None:
    one, other, same = face_of(1), face_of(2), face_of(1, noise=1)
    for face, fingerprint in ((one, 0b1011), (other, 0b1110), (same, 0b0111)):
        Face.objects.filter(pk=face.pk).update(fingerprint=fingerprint)
    likeness.compare_new()
    found = dict(Face.objects.values_list("pk", "likeness"))
    assert found == {one.pk: one.pk, other.pk: other.pk, same.pk: one.pk}


def test_who_compares_at_the_same_time_begins_again_and_misses_no_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = face_of(1)
    grow, calls = likeness.duplicates.grow, []

    def somebody_was_faster(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            face_of(1, noise=2)
            likeness.compare_new()
        return grow(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(likeness.duplicates, "grow", somebody_was_faster)
    face_of(1, noise=3)
    likeness.compare_new()
    assert set(Face.objects.values_list("likeness", flat=True)) == {one.pk}
    assert len(calls) == 2


def test_nothing_is_locked_while_pictures_are_looked_at() -> None:
    face_of(1), face_of(1, noise=1)
    in_transaction = []
    outside = connection.in_atomic_block and len(connection.savepoint_ids)

    def alive() -> None:
        in_transaction.append(connection.in_atomic_block and len(connection.savepoint_ids))

    likeness.compare_new(alive=alive)
    assert in_transaction
    assert set(in_transaction) == {outside}
