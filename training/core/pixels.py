"""From an encoded image to what a network sees. Training, judging and predicting all go through these
functions.
"""

import contextlib
import io
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from labeling.vision.images import BadImage, open_image
from training.core.augmentation import Turns, contrasted, erased, turned
from training.core.config import Config
from training.core.device import quick_in_bf16
from training.core.refusals import BadImages

_PNG = b"\x89PNG\r\n\x1a\n"
_LARGEST_PLAIN = 4096
"""Pixels a side. Whether a larger one is more than should be decoded is seen to elsewhere."""
_LEAST_STRETCH = 6
"""Old pixels. Shorter ones need less arithmetic, but processors multiply such narrow matrices no faster."""
_LONGEST_STRETCH, _LARGEST_SIDE = 16, 64
"""Old pixels. With longer stretches and larger images the products of `grown` are mostly zeros, and no faster."""
_AT_ONCE = 16
"""Images whose enlarged ones still lie in the processor's cache when they are copied."""


def decode(data: bytes, *, name: str, side: int, colour: str) -> NDArray[np.uint8]:
    """An encoded image as (C, side, side), C being 1 for "grey" and 3 for "rgb".

    Upright, and as pictures are read elsewhere (`labeling.vision.images.read`): what is transparent lies on white, of
    16 bits the high ones are taken. Raises BadImages, with the name, for bytes that are no image.
    """
    return squared(_opened(data, name), side, colour)


def _opened(data: bytes, name: str) -> Image.Image:
    if data.startswith(_PNG):
        # Those of a snapshot are plain, and then Pillow alone gives the same in half the time.
        with _readable(name), Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            plain = image.mode in ("L", "RGB") and not image.has_transparency_data and not image.getexif()
            if plain and max(image.size) <= _LARGEST_PLAIN:
                image.load()
                return image
    with _readable(name):
        return Image.fromarray(open_image(data))


def squared(image: Image.Image, side: int, colour: str) -> NDArray[np.uint8]:
    """(C, side, side), C being 1 for "grey" and 3 for "rgb"; squeezed to a square bilinearly where it is none."""
    plain = image.convert("L" if colour == "grey" else "RGB")
    if plain.size != (side, side):
        plain = plain.resize((side, side), Image.Resampling.BILINEAR)
    pixels = np.asarray(plain, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def decode_many(
    images: Sequence[bytes], names: Sequence[str], *, side: int, colour: str, pool: ThreadPoolExecutor
) -> NDArray[np.uint8]:
    """(N, C, side, side): `decode` of each, N ≥ 1. Threads help, for Pillow decodes outside the interpreter's
    lock.
    """
    one = partial(decode, side=side, colour=colour)
    return np.stack(list(pool.map(lambda data, name: one(data, name=name), images, names)))


def size_of(data: bytes, name: str) -> tuple[int, int]:
    """Width and height in pixels, from the header alone. Raises BadImages as `decode` does."""
    with _readable(name), Image.open(io.BytesIO(data)) as image:
        return image.size


@contextlib.contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, BadImage) as error:
        raise BadImages(f"{name} is not an image that can be read: {error}") from error


def prepare(images: Tensor, config: Config, turns: Turns | None = None) -> Tensor:
    """uint8 (B, C, S, S) with S ≤ image_size to what the network takes, (B, in_channels, image_size, image_size):
    float32, or bfloat16 where images are enlarged for a network that would begin by rounding them to it.

    Values are in 0–1, or of mean 0 and deviation 1 per image, as the config's normalisation says. `turns` is
    for training only.
    """
    pixels = images.float() / 255
    if config.normalisation == "image":
        pixels = _standardised(pixels)
    if turns is not None and turns.contrasts is not None:
        pixels = contrasted(pixels, turns.contrasts)
        pixels = pixels.clamp(0, 1) if config.normalisation == "none" else pixels
    if turns is not None and config.augment_order == "rotate-then-resize":
        pixels = turned(pixels, turns)
    if pixels.shape[-1] != config.image_size:
        turns_follow = turns is not None and config.augment_order == "resize-then-rotate"
        if config.bf16 and config.channels_last and not turns_follow:
            pixels = enlarged(pixels, config, kind_of_products(pixels.device))
        else:
            more_follows = turns_follow or (turns is not None and turns.erased is not None)
            at_once = not more_follows and not config.channels_last
            pixels = grown(pixels, config.image_size, copies=config.in_channels if at_once else 1)
    if turns is not None and config.augment_order == "resize-then-rotate":
        pixels = turned(pixels, turns)
    if turns is not None and turns.erased is not None:
        pixels = erased(pixels, turns.erased)
    pixels = pixels.expand(-1, config.in_channels, -1, -1)
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    return pixels.contiguous(memory_format=layout)


def grown(pixels: Tensor, after: int, copies: int = 1) -> Tensor:
    """float32 (B, C, S, S), bilinearly, to (B, C, after, after), S ≤ after: `functional.interpolate` up to rounding.

    copies: of one channel, that many equal ones, where that spares another way through memory; else still one.
    """
    batch, channels, before, _ = pixels.shape
    stretch = before // _stretches(before, after)
    # In a graph that is written down, it shall be one operation, for any number of images.
    quicker = pixels.device.type == "cpu" and not torch.onnx.is_in_onnx_export()
    if not quicker or before > _LARGEST_SIDE or stretch > _LONGEST_STRETCH:
        return functional.interpolate(pixels, size=(after, after), mode="bilinear", align_corners=False)
    if copies == 1 or channels > 1:
        return _multiplied(pixels, after)
    out = pixels.new_empty(batch, copies, after, after)
    for start in range(0, batch, _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        out[some] = _multiplied(pixels[some], after)
    return out


def _multiplied(pixels: Tensor, after: int) -> Tensor:
    """As `grown`, by two products of matrices, which takes a processor half the time or less.

    Lines are made longer first, while there are few of them; then the new ones are made in equal stretches, each of the
    few old lines it takes of, for most of one product of all would be zeros.
    """
    batch, channels, before, _ = pixels.shape
    stretches = _stretches(before, after)
    old = before // stretches
    wide = torch.matmul(pixels.reshape(-1, before), _bilinear(before, after).T)
    windows = wide.view(batch * channels, before, after).index_select(1, _places(before, stretches))
    tall = torch.matmul(_stretch(old, after // stretches), windows.view(-1, old + 2, after))
    return tall.view(batch, channels, after, after)


def kind_of_products(device: torch.device) -> torch.dtype:
    """In which numbers `enlarged` is quickest there."""
    return torch.float32 if device.type == "cpu" and not quick_in_bf16(device) else torch.bfloat16


def enlarged(pixels: Tensor, config: Config, kind: torch.dtype) -> Tensor:
    """float (B, C, S, S), bilinearly, to bfloat16 (B, C or 3, image_size, image_size) in channels_last.

    As two products of matrices, which processors that are quick in bfloat16 are quickest at. A grey image whose
    network wants three channels gets them in the second product: it writes each column three times. A new pixel takes
    of two old ones, so most of a whole line's product would be zeros: lines are cut into equal stretches, and each
    stretch is made of the few old pixels it takes of. kind: bfloat16, or float32 where that is quicker; the result is
    the same to the bit, for the products are of the same numbers, have two terms each, and are rounded likewise.
    """
    batch, channels, before, _ = pixels.shape
    after = config.image_size
    copies = config.in_channels if channels == 1 else 1
    lines = _lines(before, after, copies, kind, pixels.device)
    windows = pixels.to(torch.bfloat16).to(kind).index_select(3, lines.places)
    tall = torch.matmul(lines.down, windows).to(torch.bfloat16).to(kind)
    grown = torch.matmul(tall.view(-1, lines.across.shape[0]), lines.across).to(torch.bfloat16)
    if copies == 1:
        return grown.view(batch, channels, after, after).contiguous(memory_format=torch.channels_last)
    return grown.view(batch, after, after, copies).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class _Lines:
    """What lines of old pixels are multiplied by. places: the old pixels of each stretch, one stretch after the other.
    down: (after, before). across: (old pixels of a stretch, new ones, each `copies` times).
    """

    places: Tensor
    down: Tensor
    across: Tensor


@lru_cache(maxsize=16)
def _lines(before: int, after: int, copies: int, kind: torch.dtype, device: torch.device) -> _Lines:
    stretches = _stretches(before, after)
    old = before // stretches
    with torch.inference_mode(False):
        down, across = (
            weights.to(torch.bfloat16).to(device=device, dtype=kind)
            for weights in (_bilinear(before, after), _stretch(old, after // stretches))
        )
        places = _places(before, stretches).to(device)
        return _Lines(places, down, across.repeat_interleave(copies, dim=0).T)


def _stretches(before: int, after: int) -> int:
    """Into how many equal stretches of at least _LEAST_STRETCH old pixels a line can be cut."""
    common = math.gcd(before, after)
    return max(
        (some for some in range(1, common + 1) if common % some == 0 and before // some >= _LEAST_STRETCH),
        default=1,
    )


@lru_cache(maxsize=16)
def _places(before: int, stretches: int) -> Tensor:
    """The old pixels, or lines, of each stretch and one more on either side, one stretch after the other."""
    with torch.inference_mode(False):
        old = before // stretches
        places = torch.arange(-1, old + 1) + old * torch.arange(stretches)[:, None]
        return places.clamp(0, before - 1).flatten()


@lru_cache(maxsize=16)
def _bilinear(before: int, after: int) -> Tensor:
    """(after, before): what each new pixel of a line takes of the old ones, as `functional.interpolate` does it."""
    with torch.inference_mode(False):
        line = torch.eye(before)[None, None]
        return functional.interpolate(line, size=(after, before), mode="bilinear", align_corners=False)[0, 0]


@lru_cache(maxsize=16)
def _stretch(old: int, new: int) -> Tensor:
    """(new, old + 2): what each new pixel of a stretch takes of its old ones and one more on either side."""
    with torch.inference_mode(False):
        return _bilinear(3 * old, 3 * new)[new : 2 * new, old - 1 : 2 * old + 1].contiguous()


def _standardised(pixels: Tensor) -> Tensor:
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    deviation = pixels.std(dim=(1, 2, 3), keepdim=True, correction=0)
    # A uniformly grey image has deviation 0; a floor of one grey level keeps it finite.
    return (pixels - mean) / deviation.clamp(min=1 / 255)
