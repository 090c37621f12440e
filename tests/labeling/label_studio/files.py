"""Files as Label Studio writes them."""

import json
from pathlib import Path
from typing import Any

from labeling.models import Face, Item, Source


def task(picture: str, *answers: str | tuple[Any, str]) -> dict[str, Any]:
    return {
        "data": {"image": picture},
        "annotations": [
            {"completed_by": who, "result": [{"type": "choices", "value": {"choices": [answer]}}]}
            for who, answer in (each if isinstance(each, tuple) else (1, each) for each in answers)
        ],
    }


def file_of(folder: Path, *tasks: dict[str, Any], name: str = "export.json") -> Path:
    file = folder / name
    file.write_text(json.dumps(tasks))
    return file


def named(faces: list[Face], *, ending: str = "png", folder: str = "") -> Source:
    """A source whose items are the faces' media, called 1.png and on."""
    source = Source.objects.create(name="pictures", kind="folder", location="/pictures")
    for number, face in enumerate(faces, start=1):
        locator = f"{folder}{number}.{ending}"
        Item.objects.create(source=source, locator=locator, state="ingested", media=face.media)
    return source
