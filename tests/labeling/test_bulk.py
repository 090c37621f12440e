"""Rows looked up by many keys at once."""

import numpy as np
import pyarrow as pa
import pytest

from labeling import bulk
from labeling.models import Face, Media
from tests.factories import make_faces

pytestmark = pytest.mark.django_db
ODD = ["", "a,b", "{x}", '"quoted"', "it's", "back\\slash", "NULL", "ünï", "%s", "two\nlines"]


@pytest.mark.parametrize("chosen", [slice(0, 0), slice(0, 1), slice(1, 5)])
def test_among_numbers(chosen: slice) -> None:
    keys = [face.pk for face in make_faces(6)]
    found = Face.objects.filter(bulk.Among("pk", np.array(keys)[chosen])).values_list("pk", flat=True)
    assert sorted(found) == sorted(keys[chosen])


def test_among_more_numbers_than_a_statement_takes_values() -> None:
    keys = [face.pk for face in make_faces(3)]
    many = np.arange(-200_000, max(keys) + 200_000)
    assert Face.objects.filter(bulk.Among("pk", many)).count() == len(keys)


def test_among_numbers_is_one_condition_of_several() -> None:
    keys = np.array([face.pk for face in make_faces(4)])
    rows = Face.objects.filter(bulk.Among("pk", keys[:3]), pk__gt=keys[0])
    assert sorted(rows.values_list("pk", flat=True)) == sorted(keys[1:3])


@pytest.mark.parametrize("text", ODD)
def test_among_texts_that_databases_write_otherwise(text: str) -> None:
    media = [face.media for face in make_faces(3)]
    Media.objects.filter(pk=media[1].pk).update(original_name=text)
    rows = Media.objects.filter(bulk.Among("original_name", [text, "none of them"]))
    assert [row.pk for row in rows] == [media[1].pk]
    assert not Media.objects.filter(bulk.Among("original_name", [])).exists()


def test_a_table_for_each_of_several_sets_of_keys() -> None:
    keys = np.array([face.pk for face in make_faces(5)])
    parts = [keys[:2], keys[:0], keys[2:]]
    asked = (Face.objects.filter(bulk.Among("pk", part)).order_by("pk").values_list("pk") for part in parts)
    found = [table["pk"].to_pylist() for table in bulk.table_each(asked, pa.schema([("pk", pa.int64())]))]
    assert found == [part.tolist() for part in parts]
