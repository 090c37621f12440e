"""Who goes with whom so that all together cost least."""

from typing import TypeAlias

import numpy as np

Costs: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
_Rows: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def assign(costs: Costs) -> list[tuple[int, int]]:
    """The pairs (row, column) with the least sum of costs, min(n, m) of them, by row.

    costs: (n, m), finite; ValueError if not. Exact: shortest augmenting paths with potentials (Jonker and Volgenant
    1987, doi:10.1007/BF02278710), in O(n² m) with the inner loop in NumPy. Meant for the faces of one picture.
    """
    costs = np.asarray(costs, np.float64)
    if not np.isfinite(costs).all():
        raise ValueError("Costs are finite numbers; give what must not be paired a large one.")
    if costs.shape[0] > costs.shape[1]:
        return sorted((row, column) for column, row in assign(costs.T))
    rows, columns = costs.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    row_of = np.full(columns, -1)
    for row in range(rows):
        _augment(costs, row, row_price, column_price, row_of)
    return sorted((int(row_of[column]), int(column)) for column in np.flatnonzero(row_of >= 0))


def _augment(costs: Costs, row: int, row_price: Costs, column_price: Costs, row_of: _Rows) -> None:
    """Give the row a column, by the cheapest chain of rows that change theirs (Dijkstra's algorithm)."""
    columns = costs.shape[1]
    reached = np.full(columns, np.inf)
    before = np.full(columns, -1)
    done = np.zeros(columns, bool)
    at, column, distance = row, -1, 0.0
    visited = [row]
    while True:
        reduced = distance + costs[at] - row_price[at] - column_price
        nearer = ~done & (reduced < reached)
        reached[nearer] = reduced[nearer]
        before[nearer] = column
        column = int(np.where(done, np.inf, reached).argmin())
        distance = float(reached[column])
        done[column] = True
        if row_of[column] < 0:
            break
        at = int(row_of[column])
        visited.append(at)
    row_price[row] += distance
    for one in visited[1:]:
        row_price[one] += distance - reached[row_of == one][0]
    column_price[done] -= distance - reached[done]
    while column >= 0:
        row_of[column] = row_of[before[column]] if before[column] >= 0 else row
        column = int(before[column])
