"""Plain bar charts as PNG, drawn by Pillow: what a dataset card shows."""

import io
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

_WIDTH, _ROW, _GAP, _MARGIN = 720, 30, 10, 24
_HISTOGRAM = 300
_PAPER, _INK, _QUIET, _LINE = "#ffffff", "#1d2330", "#667085", "#d9dde5"
COLOURS = {"train": "#3d5a99", "validation": "#7ea2dd", "test": "#e0a24a"}
_FONT = 15


def class_balance(splits: Mapping[str, Mapping[str, int]], classes: Sequence[str]) -> bytes:
    """A bar per class, from left to right the faces of its splits. splits: split → class → faces."""
    font = ImageFont.load_default(_FONT)
    shown = list(splits)
    totals = [sum(splits[split].get(name, 0) for split in shown) for name in classes]
    height = 2 * _MARGIN + _ROW + len(classes) * (_ROW + _GAP)
    image = Image.new("RGB", (_WIDTH, height), _PAPER)
    draw = ImageDraw.Draw(image)
    _legend(draw, font, shown)
    left = _MARGIN + 12 + max(int(draw.textlength(_short(name), font)) for name in classes)
    room = _WIDTH - left - _MARGIN - 90
    for number, name in enumerate(classes):
        top = _MARGIN + _ROW + number * (_ROW + _GAP)
        draw.text((left - 12, top + _ROW / 2), _short(name), _INK, font, anchor="rm")
        x = float(left)
        for split in shown:
            long = room * splits[split].get(name, 0) / max(1, *totals)
            draw.rectangle((x, top, x + long, top + _ROW), COLOURS[split])
            x += long
        draw.text((x + 8, top + _ROW / 2), f"{totals[number]:,}", _QUIET, font, anchor="lm")
    return _png(image)


def _legend(
    draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, shown: Sequence[str]
) -> None:
    x = float(_MARGIN)
    for split in shown:
        draw.rectangle((x, _MARGIN - 8, x + 14, _MARGIN + 6), COLOURS[split])
        draw.text((x + 22, _MARGIN - 1), split, _INK, font, anchor="lm")
        x += 50 + draw.textlength(split, font)


def agreement(faces: Sequence[int]) -> bytes:
    """How many faces have which agreement: as many bars as numbers, around 0 % to around 100 %."""
    font = ImageFont.load_default(_FONT)
    image = Image.new("RGB", (_WIDTH, _HISTOGRAM), _PAPER)
    draw = ImageDraw.Draw(image)
    floor, wide = _HISTOGRAM - _MARGIN - 20, (_WIDTH - 2 * _MARGIN) / len(faces)
    most = max(1, *faces)
    for number, count in enumerate(faces):
        x = _MARGIN + number * wide
        top = floor - (floor - _MARGIN - 20) * count / most
        draw.rectangle((x + 3, top, x + wide - 3, floor), COLOURS["train"])
        if count:
            draw.text((x + wide / 2, top - 4), f"{count:,}", _QUIET, font, anchor="mb")
    draw.line((_MARGIN, floor, _WIDTH - _MARGIN, floor), _LINE)
    for share in (0, 25, 50, 75, 100):
        x = _MARGIN + wide * (0.5 + (len(faces) - 1) * share / 100)
        draw.text((x, floor + 8), f"{share} %", _INK, font, anchor="mt")
    return _png(image)


def _short(name: str) -> str:
    """In one line, whatever it is."""
    seen = "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
    return seen if len(seen) <= 24 else f"{seen[:23]}…"


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
