"""The project's own media: drawn people with seven expressions, nobody's face and nobody's rights.

They are drawn so that the Viola–Jones cascade finds them, and so that the expressions can be learnt: the same
muscles move in every person, while skin, hair, pose and light vary.
"""

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from labeling.expressions import SEVEN
from labeling.sources.base import NOTES_NAME
from labeling.sources.drawing.canvas import Canvas, Colour, ellipse, lit
from labeling.sources.drawing.people import PEOPLE, PULLS, Person, Pull
from labeling.sources.drawing.portrait import Portrait, Pose, tint
from labeling.vision.images import Pixels

STILLS = 119
"""Seventeen of each expression, besides the groups and the video."""
LICENCE, AUTHOR = "CC0-1.0", "VEMO"
GROUPS = {"group-happy.jpg": "happy", "group-surprise.jpg": "surprise"}
VIDEO = "kiri-live.mp4"
SCHEDULE = ("neutral", "happy", "surprise", "fear", "sad", "disgust", "angry")
SEGMENT_MS = 1000
"""How long each expression of the video lasts."""
TURN_MS = 200
"""Of which the face needs so long to get there."""
FPS = 15
_STILL = (400, 460)
_GROUP = (960, 540)
_VIDEO = (640, 480)
# Dark: a face stands out from it, for the cascade as for the eye.
_WALLS: tuple[Colour, ...] = (
    (38, 58, 92), (24, 78, 84), (82, 44, 80), (42, 80, 60), (116, 52, 44), (58, 66, 80), (96, 70, 40),
)  # fmt: skip


def draw_collection(folder: Path, *, stills: int = STILLS, seed: int = 0) -> None:
    """Draw the stills, two groups, the video and sources.csv into the folder.

    The same seed gives the same pictures. sources.csv comes last: a folder whose sources.csv names what was
    asked for is complete and left as it is; one that was cut off is drawn again.
    """
    names = [still_name(n) for n in range(stills)]
    notes = _notes([*names, *GROUPS, VIDEO])
    if (folder / NOTES_NAME).is_file() and (folder / NOTES_NAME).read_text() == notes:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for n, name in enumerate(names):
        _write(folder / name, _jpeg(draw_still(n, seed=seed)))
    for n, (name, expression) in enumerate(GROUPS.items()):
        _write(folder / name, _jpeg(_group(expression, np.random.default_rng([seed, 1, n]))))
    _write(folder / VIDEO, _film(_frames(seed)))
    _write(folder / NOTES_NAME, notes.encode())


def still_name(n: int) -> str:
    return f"{n + 1:03}-{_person(n).name}-{_expression(n)}.jpg"


def expression_at(name: str, time_ms: int = 0) -> str:
    """What the drawn face shows: the truth, for simulated voters. Raises ValueError for a file not drawn here.

    While the video's face goes from one expression to the next, the nearer one counts.
    """
    if name == VIDEO:
        segment = max(0, time_ms - TURN_MS // 2) // SEGMENT_MS
        return SCHEDULE[min(segment, len(SCHEDULE) - 1)]
    expression = Path(name).stem.rpartition("-")[2]
    if expression not in SEVEN:
        raise ValueError(f"“{name}” is not one of the drawn media.")
    return expression


def draw_still(n: int, *, seed: int = 0) -> Pixels:
    """The n-th still, from 0: (460, 400, 3) RGB."""
    rng = np.random.default_rng([seed, 0, n])
    person = _person(n)
    canvas = Canvas(*_STILL)
    _wall(canvas, rng)
    pose = Pose(
        x=_STILL[0] / 2 + rng.uniform(-14, 14),
        y=_STILL[1] * 0.45 + rng.uniform(-12, 12),
        size=rng.uniform(84, 102),
        tilt=rng.uniform(-6, 6),
        turn=rng.uniform(-0.5, 0.5),
    )
    Portrait(canvas, person, _moved(PULLS[_expression(n)], rng), pose).draw()
    return lit(canvas.finished(), brightness=rng.uniform(0.84, 1.0), from_left=rng.uniform(-0.5, 0.5))


def _expression(n: int) -> str:
    return SEVEN[n % len(SEVEN)]


def _person(n: int) -> Person:
    """Each seven stills another person; who comes round again has put on glasses and another shirt."""
    again, index = divmod(n // len(SEVEN), len(PEOPLE))
    person = PEOPLE[index]
    if again % 2 == 0:
        return person
    return replace(person, glasses=index % 2 == 0, cloth=tint(PEOPLE[index - 1].cloth, -0.1))


def _moved(pull: Pull, rng: np.random.Generator) -> Pull:
    """Nobody makes the same face twice: stronger or weaker, and a little of their own."""
    own = Pull(inner_brow=rng.normal(0, 0.06), outer_brow=rng.normal(0, 0.06), smile=rng.normal(0, 0.06))
    strong = pull.scaled(rng.uniform(0.82, 1.06))
    return replace(
        strong,
        inner_brow=strong.inner_brow + own.inner_brow,
        outer_brow=strong.outer_brow + own.outer_brow,
        smile=strong.smile + own.smile,
    )


def _wall(canvas: Canvas, rng: np.random.Generator) -> None:
    wall = _WALLS[int(rng.integers(len(_WALLS)))]
    canvas.gradient(tint(wall, 0.12), tint(wall, -0.25))
    for _ in range(5):
        size = rng.uniform(0.06, 0.2) * canvas.width
        spot = ellipse(rng.uniform(0, canvas.width), rng.uniform(0, canvas.height * 0.8), size, size)
        canvas.fill(spot, tint(wall, 0.3), 0.25)


def _group(expression: str, rng: np.random.Generator) -> Pixels:
    canvas = Canvas(*_GROUP)
    _wall(canvas, rng)
    for place, index in enumerate(rng.permutation(len(PEOPLE))[:4]):
        pose = Pose(
            x=_GROUP[0] * (place + 0.5) / 4,
            y=_GROUP[1] * 0.44 + (26 if place % 2 else -14),
            size=rng.uniform(66, 74),
            tilt=rng.uniform(-4, 4),
            turn=0.4 - 0.8 * place / 3,
        )
        Portrait(canvas, PEOPLE[index], _moved(PULLS[expression], rng), pose).draw()
    return canvas.finished()


def _frames(seed: int) -> Iterator[Pixels]:
    person = next(person for person in PEOPLE if VIDEO.startswith(person.name))
    wall = Canvas(*_VIDEO)
    _wall(wall, np.random.default_rng([seed, 2]))
    for n in range(FPS * SEGMENT_MS * len(SCHEDULE) // 1000):
        at = n * 1000 / FPS
        canvas = wall.copy()
        sway = np.sin(at / 900)
        pose = Pose(
            x=_VIDEO[0] / 2 + 14 * sway,
            y=_VIDEO[1] * 0.45 + 4 * np.sin(at / 430),
            size=100,
            tilt=3.5 * np.sin(at / 1100),
            turn=0.35 * sway,
            blink=1.0 if at % 2600 > 2480 else 0.0,
        )
        Portrait(canvas, person, _pull_at(at), pose).draw()
        yield canvas.finished()


def _pull_at(at: float) -> Pull:
    segment, into = divmod(at, SEGMENT_MS)
    now = int(segment)
    share = min(1.0, into / TURN_MS) if now else 1.0
    eased = share * share * (3 - 2 * share)
    return PULLS[SCHEDULE[max(0, now - 1)]].towards(PULLS[SCHEDULE[now]], eased)


def _film(frames: Iterator[Pixels]) -> bytes:
    """An MP4 with MPEG-4 pictures, which every decoder knows."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height = _VIDEO
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 3_000_000
        stream.thread_count = 1  # with more, the bytes differ from one machine to the next
        for n, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def _jpeg(pixels: Pixels) -> bytes:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
    assert done
    return bytes(data)


def _notes(names: list[str]) -> str:
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["file", "licence", "author", "page_url", "label"])
    rows.writerows(
        [name, LICENCE, AUTHOR, "", "" if name == VIDEO else expression_at(name)] for name in names
    )
    return text.getvalue()


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: an ingest must never meet half a picture."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    os.replace(part, path)
