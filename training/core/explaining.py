"""Where in a face a network looks, what a Masking Block does to features, and which mistakes it makes: as pictures."""

import dataclasses
import io
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn
from torch.nn import functional

from training.core.config import Config
from training.core.heat_maps import SIDE, HeatMaps
from training.core.networks.resmasking import MaskingBlock
from training.core.pixels import prepare
from training.core.predictions import Predictions
from training.core.refusals import BadConfig
from training.core.run_folder import write_atomically

Shares = NDArray[np.float32]
_SIDE, _LINE = 176, 18
_LEAST_PLACES = 4
_MOST, _AT_ONCE = 2000, 8
"""Mistakes whose maps are kept: more than anybody looks at. Faces whose maps are worked out together, at most."""
_TINY = torch.finfo(torch.float32).tiny
_PAPER, _INK = (16, 24, 20), (240, 240, 240)


class Seer(Protocol):
    """What looks: a `Predictor`, or a training whose network is in eval mode."""

    @property
    def network(self) -> nn.Module: ...

    @property
    def config(self) -> Config: ...


@dataclasses.dataclass(frozen=True)
class FoundMap:
    """What a module gives when it works for the `call`th time, counted from 0: a ReLU may be used again and again."""

    module: nn.Module
    call: int


def grad_cam(
    seer: Seer,
    pixels: NDArray[np.uint8],
    classes: Sequence[int],
    *,
    found: FoundMap | None = None,
    side: int | None = None,
) -> Shares:
    """(N, S, S) in 0–1: how strongly each place speaks for the class, by face, on the map that `last_map` finds.

    pixels: (N, C, S, S) of the run's stored size. classes: N indices. found: that map, if it is known. side: of what is
    returned, if not S. Selvaraju et al. 2017, "Grad-CAM" (doi:10.1109/ICCV.2017.74), formulas 1 and 2:
    ReLU(Σ_k α_k A^k), α_k the mean over places of ∂logit / ∂A^k. Each map is divided by its maximum; one without any
    positive place is zero. Raises BadConfig for a network without a feature map.
    """
    network = seer.network
    found = found or last_map(seer, pixels[:1])
    kept: list[Tensor] = []
    handle = found.module.register_forward_hook(lambda _module, _inputs, out: _keep(kept, out))
    try:
        with torch.enable_grad():
            logits = network(_seen(seer, pixels).requires_grad_())
            chosen = logits.gather(1, torch.tensor(list(classes), device=logits.device)[:, None]).sum()
            (slopes,) = torch.autograd.grad(chosen, kept[found.call])
    finally:
        handle.remove()
    maps, rates = _channels_first(kept[found.call].detach()), _channels_first(slopes)
    return _enlarged(
        functional.relu((rates.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1, keepdim=True)),
        side or pixels.shape[-1],
    )


def _keep(kept: list[Tensor], out: Tensor) -> Tensor:
    # Cloned twice: an in-place ReLU behind the module would change what the gradient is taken of, and so would one that
    # works on the module's input, where that is its output too.
    kept.append(out.clone())
    return kept[-1].clone()


def _channels_first(out: Tensor) -> Tensor:
    """A map as (N, C, H, W). Images are squares, so their maps are: in (N, H, W, C), as Swin has it, the sides are the
    two equal ones; in (N, H · W, C), as a vision transformer has it, the class token may stand before the places.
    """
    if out.ndim == 3:
        side = math.isqrt(out.shape[1])
        places = out[:, out.shape[1] - side**2 :]
        return places.reshape(len(out), side, side, -1).permute(0, 3, 1, 2)
    return out if out.shape[2] == out.shape[3] else out.permute(0, 3, 1, 2)


def _side(out: Tensor) -> int:
    """The side of a map in places; 0 for what is none."""
    if out.ndim == 3:
        side = math.isqrt(out.shape[1])
        return side if out.shape[1] - side**2 in (0, 1) else 0
    if out.ndim != 4:
        return 0
    if out.shape[2] == out.shape[3]:
        return out.shape[2]
    return out.shape[2] if out.shape[1] == out.shape[2] else 0


def last_map(seer: Seer, one: NDArray[np.uint8]) -> FoundMap:
    """The last map, in the order in which modules end, through which all that the logits know of the image goes, and
    before which there was none of fewer than 4 × 4 places: of small images a ResNet's last stage has one or four places
    in all, and what VGG then spreads over 7 × 7 shows no more. Its places must bear on the logits: of a vision
    transformer's last block only the class token does, so the map is that of the block before.

    one: (1, C, S, S) of the run's stored size. Raises BadConfig where there is none.
    """
    network = seer.network
    calls: Counter[nn.Module] = Counter()
    kept: list[Tensor] = []
    given: list[FoundMap] = []

    def note(module: nn.Module, _: object, out: object) -> Tensor | None:
        if not isinstance(out, Tensor) or not out.requires_grad:
            return None
        given.append(FoundMap(module, calls[module]))
        calls[module] += 1
        return _keep(kept, out)

    handles = [module.register_forward_hook(note) for module in network.modules() if module is not network]
    try:
        with torch.enable_grad():
            seen = _seen(seer, one).requires_grad_()
            logits = network(seen)
            # Not their plain sum: where one logit is another's opposite, that knows nothing of the image.
            opinion = (logits * torch.arange(1, logits.shape[1] + 1, device=logits.device)).sum()
    finally:
        for handle in handles:
            handle.remove()
    bearing = _bearing_all(opinion, seen)
    large: list[int] = []
    for place, out in enumerate(kept):
        side = _side(out)
        if not side or out.grad_fn not in bearing:
            continue
        if side < _LEAST_PLACES:
            break
        large.append(place)
    for place in reversed(large):
        (slopes,) = torch.autograd.grad(opinion, kept[place], retain_graph=True)
        if _channels_first(slopes).any():
            return given[place]
    if not large:
        raise BadConfig(
            f"{seer.config.network} has no feature map of {_LEAST_PLACES} × {_LEAST_PLACES} places at image_size "
            f"{seer.config.image_size}, so Grad-CAM shows nothing. Train it on larger images."
        )
    return given[large[-1]]


def _bearing_all(end: Tensor, start: Tensor) -> set[Any]:
    """The nodes of the graph of gradients through which every way from `end` to `start` goes: those through which as
    many ways go as there are. A branch beside others, or a mask, bears only some.
    """
    first: Any = end.grad_fn
    order: list[Any] = []
    to_start: dict[Any, int] = {}
    todo = [(first, False)]
    while todo:
        node, seen = todo.pop()
        further = [each for each, _ in node.next_functions if each is not None]
        if seen:
            own = 1 if getattr(node, "variable", None) is start else 0
            to_start[node] = own + sum(to_start[each] for each in further)
            order.append(node)
        elif node not in to_start:
            to_start[node] = 0
            todo.append((node, True))
            todo += [(each, False) for each in further if each not in to_start]
    from_end: Counter[Any] = Counter({first: 1})
    for node in reversed(order):
        for each, _ in node.next_functions:
            from_end[each] += from_end[node]
    return {node for node in order if from_end[node] * to_start[node] == to_start[first]}


def heat_of_mistakes(
    seer: Seer,
    images: Tensor,
    rows: NDArray[np.int64],
    said: Predictions,
    *,
    at_once: int = _AT_ONCE,
    between: Callable[[], None] = lambda: None,
) -> HeatMaps | None:
    """Grad-CAM for the wrong answers, the surest 2,000, surest first; None for a network without a feature map.

    images: uint8 (N, C, S, S), on any device. rows: of the images, those of the faces that `said` is about, in its
    order. at_once: as many faces as a training step takes together need no more memory than it. `between` is called
    between batches and may raise to stop. A map costs less than a training step on its face (`bench.heat_maps`).
    """
    answers = said.probabilities.argmax(axis=1) if len(said) else np.zeros(0, np.int64)
    wrong = np.flatnonzero(answers != said.labels)
    chosen = wrong[np.argsort(-said.probabilities[wrong, answers[wrong]], kind="stable")][:_MOST]
    maps = np.zeros((len(chosen), SIDE, SIDE), np.uint8)
    at_once = min(at_once, _AT_ONCE)
    found: FoundMap | None = None
    for start in range(0, len(chosen), at_once):
        between()
        some = chosen[start : start + at_once]
        pixels = images[torch.from_numpy(rows[some]).to(images.device)].cpu().numpy()
        try:
            found = found or last_map(seer, pixels[:1])
        except BadConfig:
            return None
        heat = grad_cam(seer, pixels, answers[some].tolist(), found=found, side=SIDE)
        maps[start : start + at_once] = np.rint(heat * 255)
    return HeatMaps(tuple(said.keys[place] for place in chosen), said.face_ids[chosen], maps)


def _blocks(network: nn.Module) -> list[MaskingBlock]:
    return [module for module in network.modules() if isinstance(module, MaskingBlock)]


def masking(seer: Seer, pixels: NDArray[np.uint8]) -> list[tuple[Shares, Shares]]:
    """Of each Masking Block the mean over channels of the features before it, F_R, and after it, F_R · (1 + F_M), each
    (N, S, S) in 0–1 by face; Pham et al. 2020, Figure 1. Raises BadConfig for a network without Masking Blocks.
    """
    blocks = _blocks(seer.network)
    if not blocks:
        raise BadConfig(f"{seer.config.network} has no Masking Blocks.")
    found: list[tuple[Shares, Shares]] = []

    def note(_: nn.Module, inputs: tuple[Tensor, ...], mask: Tensor) -> None:
        features = inputs[0]
        after = features * (1 + mask)
        side = pixels.shape[-1]
        found.append(
            (
                _enlarged(features.mean(dim=1, keepdim=True), side),
                _enlarged(after.mean(dim=1, keepdim=True), side),
            )
        )

    handles = [block.register_forward_hook(note) for block in blocks]
    try:
        with torch.inference_mode():
            seer.network(_seen(seer, pixels))
    finally:
        for handle in handles:
            handle.remove()
    return found


def _seen(seer: Seer, pixels: NDArray[np.uint8]) -> Tensor:
    where = next(seer.network.parameters()).device
    # The network has its weights in 32 bits, whatever it answers with.
    return prepare(torch.from_numpy(pixels).to(where), dataclasses.replace(seer.config, bf16=False))


def _enlarged(maps: Tensor, side: int) -> Shares:
    """(N, 1, h, w) to (N, side, side), each from 0 to 1."""
    grown = functional.interpolate(maps.float(), size=(side, side), mode="bilinear", align_corners=False)[
        :, 0
    ]
    grown = grown - grown.amin(dim=(1, 2), keepdim=True).clamp(min=0)
    scaled: Shares = (grown / grown.amax(dim=(1, 2), keepdim=True).clamp(min=_TINY)).cpu().numpy()
    return scaled


def heated(face: NDArray[np.uint8], share: Shares) -> Image.Image:
    """A face (C, S, S) with a map (S, S) in 0–1 over it: red where it is strong, blue where it is weak."""
    grey = face.astype(np.float32).mean(axis=0)[:, :, None]
    # The jet colours, linear pieces.
    colour = np.clip(1.5 - np.abs(4 * share[:, :, None] - np.array([3, 2, 1])), 0, 1) * 255
    return Image.fromarray((0.5 * grey + 0.5 * colour).astype(np.uint8))


def plain_face(face: NDArray[np.uint8]) -> Image.Image:
    """(C, S, S) uint8 as a picture."""
    return Image.fromarray(
        face[0] if len(face) == 1 else np.ascontiguousarray(face.transpose(1, 2, 0))
    ).convert("RGB")


def grid(rows: Sequence[Sequence[tuple[Image.Image, str]]], out: Path) -> None:
    """Rows of pictures, each with words below it, as a PNG file, which appears whole or not at all."""
    across = max(len(row) for row in rows)
    sheet = Image.new("RGB", (across * (_SIDE + 4), len(rows) * (_SIDE + _LINE + 4)), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    for down, row in enumerate(rows):
        for place, (picture, words) in enumerate(row):
            x, y = place * (_SIDE + 4), down * (_SIDE + _LINE + 4)
            sheet.paste(picture.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), (x, y))
            draw.text((x + 2, y + _SIDE + 1), words, font=font, fill=_INK)
    encoded = io.BytesIO()
    sheet.save(encoded, "PNG")
    write_atomically(out, lambda part: part.write_bytes(encoded.getbuffer()))
