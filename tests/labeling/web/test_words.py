"""How times and shares are written."""

import pytest

from labeling.templatetags import manage


@pytest.mark.parametrize(
    ("milliseconds", "written"),
    [(0, "0:00.0"), (83_400, "1:23.4"), (59_999, "0:59.9"), (3_723_050, "1:02:03.0")],
)
def test_a_moment_reads_as_on_a_player(milliseconds: int, written: str) -> None:
    assert manage.clock(milliseconds) == written


@pytest.mark.parametrize(
    ("milliseconds", "written"),
    [(462, "462 ms"), (9_999, "9,999 ms"), (12_345, "12 s"), (179_833, "3:00 min"), (130_000, "2:10 min")],
)
def test_a_duration_is_written_no_finer_than_it_matters(milliseconds: int, written: str) -> None:
    assert manage.took(milliseconds) == written


def test_a_share_of_nothing_is_nothing() -> None:
    assert (manage.share(3, 0), manage.share(3, 4), manage.largest([])) == (0.0, 0.75, 0)
