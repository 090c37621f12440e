"""Square tables of counts, prepared for showing: shares, shades, addresses."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from training.models import Evaluation

SHADES = 10


@dataclass(frozen=True)
class Cell:
    count: int
    share: float
    """Of its row, 0–1."""
    shade: int
    """0 (none) to SHADES (the whole row)."""
    diagonal: bool
    column: str
    href: str = ""


@dataclass(frozen=True)
class Row:
    label: str
    total: int
    cells: list[Cell]


@dataclass(frozen=True)
class Matrix:
    labels: list[str]
    rows: list[Row]


def matrix(labels: list[str], counts: list[list[int]], href: Any = None) -> Matrix:
    """counts: rows by columns, both in the order of labels. href(row label, column label) → address."""
    return Matrix(labels, [_row(label, labels, row, href) for label, row in zip(labels, counts, strict=True)])


def _row(label: str, labels: list[str], counts: list[int], href: Any) -> Row:
    total = sum(counts)
    cells = [
        _cell(count, total, label == column, column, href(label, column) if href and count else "")
        for column, count in zip(labels, counts, strict=True)
    ]
    return Row(label, total, cells)


def _cell(count: int, total: int, diagonal: bool, column: str, href: str) -> Cell:
    share = count / total if total else 0.0
    # A single face must not look like none.
    shade = max(round(share * SHADES), 1) if count else 0
    return Cell(count, share, shade, diagonal, column, href)


def confusion(evaluation: Evaluation) -> Matrix:
    """The confusion matrix, true classes in rows; each cell leads to its faces, which only a run has a page of."""
    if evaluation.run_id is None:
        return matrix(evaluation.figures["classes"], evaluation.figures["confusion"])
    address = reverse("training:run_mistakes", args=[evaluation.run_id])

    def href(label: str, predicted: str) -> str:
        return f"{address}?{urlencode({'true': label, 'predicted': predicted})}"

    return matrix(evaluation.figures["classes"], evaluation.figures["confusion"], href)
