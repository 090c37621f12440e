"""From an encoded image to what a network sees. Training, judging and predicting all go through these
functions.
"""

import contextlib
import io
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from training.core.augmentation import Turns, contrasted, erased, turned
from training.core.config import Config
from training.core.refusals import BadImages

_LEAST_STRETCH = 6
"""Old pixels. Shorter ones need less arithmetic, but processors multiply such narrow matrices no faster."""


def decode(data: bytes, *, name: str, side: int, colour: str) -> NDArray[np.uint8]:
    """An encoded image as (C, side, side), C being 1 for "grey" and 3 for "rgb".

    Squeezed to a square bilinearly where it is none. Raises BadImages, with the name, for bytes that are no
    image.
    """
    with _readable(name), Image.open(io.BytesIO(data)) as image:
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
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
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
            pixels = _enlarged(pixels, config)
        else:
            size = (config.image_size, config.image_size)
            pixels = functional.interpolate(pixels, size=size, mode="bilinear", align_corners=False)
    if turns is not None and config.augment_order == "resize-then-rotate":
        pixels = turned(pixels, turns)
    if turns is not None and turns.erased is not None:
        pixels = erased(pixels, turns.erased)
    pixels = pixels.expand(-1, config.in_channels, -1, -1)
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    return pixels.contiguous(memory_format=layout)


def _enlarged(pixels: Tensor, config: Config) -> Tensor:
    """float (B, C, S, S), bilinearly, to bfloat16 (B, C or 3, image_size, image_size) in channels_last.

    As two products of matrices, which processors that are quick in bfloat16 are quickest at. A grey image whose
    network wants three channels gets them in the second product: it writes each column three times. A new pixel takes
    of two old ones, so most of a whole line's product would be zeros: lines are cut into equal stretches, and each
    stretch is made of the few old pixels it takes of.
    """
    batch, channels, before, _ = pixels.shape
    after = config.image_size
    copies = config.in_channels if channels == 1 else 1
    stretches = _stretches(before, after)
    old = before // stretches
    places = torch.arange(-1, old + 1) + old * torch.arange(stretches)[:, None]
    windows = pixels.to(torch.bfloat16).index_select(
        3, places.clamp(0, before - 1).flatten().to(pixels.device)
    )
    tall = torch.matmul(_bilinear(before, after).to(windows), windows)
    across = _stretch(old, after // stretches).to(windows).repeat_interleave(copies, dim=0)
    grown = torch.matmul(tall.view(-1, old + 2), across.T)
    if copies == 1:
        return grown.view(batch, channels, after, after).contiguous(memory_format=torch.channels_last)
    return grown.view(batch, after, after, copies).permute(0, 3, 1, 2)


def _stretches(before: int, after: int) -> int:
    """Into how many equal stretches of at least _LEAST_STRETCH old pixels a line can be cut."""
    common = math.gcd(before, after)
    return max(
        (some for some in range(1, common + 1) if common % some == 0 and before // some >= _LEAST_STRETCH),
        default=1,
    )


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
