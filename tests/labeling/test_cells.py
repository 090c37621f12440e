"""Texts on their way into a CSV and back."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling import label_tables
from labeling.cells import as_meant, harmless, is_formula
from labeling.models import FaceLabel
from tests.factories import make_faces


@given(st.text(alphabet="'=+-@\t\rab", max_size=6))
def test_every_text_is_harmless_and_can_be_read_back(text: str) -> None:
    assert not is_formula(harmless(text))
    assert as_meant(harmless(text)) == text


@pytest.mark.parametrize("text", ["happy", "", "'quoted'", "a=b", "can't tell", "5", "'"])
def test_what_no_spreadsheet_runs_stays_as_it_is(text: str) -> None:
    assert harmless(text) == as_meant(text) == text


@pytest.mark.django_db
def test_a_table_of_labels_is_read_back_as_it_was_written() -> None:
    face, other = make_faces(2)
    # From before labels that begin so were refused; the origin is still any text.
    FaceLabel.objects.create(face=face, label="-sad", origin="+49 30", column="expert")
    FaceLabel.objects.create(face=other, label="sad", origin="=an expert", column="expert")
    table = io.StringIO(newline="")
    assert label_tables.write(table) == 2
    assert ",'-sad,'+49 30,expert" in table.getvalue()
    assert ",sad,'=an expert,expert" in table.getvalue()
    FaceLabel.objects.all().delete()
    first, second = label_tables.read(table)
    assert "begins with a sign" in first.problem
    assert second.problem == ""
    assert FaceLabel.objects.values_list("face", "label", "origin").get() == (other.pk, "sad", "=an expert")
