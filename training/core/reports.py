"""What was seen of faces, as JSON or CSV."""

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from training.core.refusals import BadConfig
from training.core.run_folder import write_atomically
from training.core.watching import Sight
from training.core.writable import refuse_unwritable

ENDINGS = (".json", ".csv")


def rows_of(sight: Sight) -> list[dict[str, Any]]:
    """One per face: file, time_ms (None for a picture), box (x, y, width, height in pixels), top, probabilities, device
    (what judged it: cpu, cuda, cuda:N or mps).
    """
    return [
        {
            "file": str(sight.file),
            "time_ms": sight.time_ms,
            "box": list(face.box),
            "top": face.top,
            "probabilities": face.probabilities,
            "device": sight.device,
        }
        for face in sight.faces
    ]


def refuse_out(file: Path) -> None:
    """Raises BadConfig for a file that would be neither JSON nor CSV, or that cannot be written."""
    if file.suffix.lower() not in ENDINGS:
        raise BadConfig(f"{file} ends in neither .json nor .csv.")
    refuse_unwritable(file)


def write_rows(file: Path, rows: Iterable[dict[str, Any]], classes: tuple[str, ...]) -> None:
    """Rows of `rows_of`, by the file's ending; whole or not at all. A file's name that is no UTF-8 keeps its bytes."""
    text = as_csv(rows, classes) if file.suffix.lower() == ".csv" else as_json(rows)
    write_atomically(file, lambda part: part.write_text(text, "utf-8", "surrogateescape"))


def as_json(rows: Iterable[dict[str, Any]]) -> str:
    return json.dumps(list(rows), indent=2, allow_nan=False) + "\n"


def as_csv(rows: Iterable[dict[str, Any]], classes: tuple[str, ...]) -> str:
    """file, time_ms, x, y, width, height, top, then a column for the probability of each class, then device."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["file", "time_ms", "x", "y", "width", "height", "top", *classes, "device"])
    for row in rows:
        shares = [f"{row['probabilities'][name]:.6f}" for name in classes]
        writer.writerow([row["file"], row["time_ms"], *row["box"], row["top"], *shares, row["device"]])
    return out.getvalue()
