"""Where in a face a network looks, what a Masking Block does to features, and which mistakes it makes: as pictures."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn
from torch.nn import functional

from training.core.networks.resmasking import MaskingBlock
from training.core.pixels import prepare
from training.core.predictor import Predictor
from training.core.refusals import BadConfig

Shares = NDArray[np.float32]
_SIDE, _LINE = 176, 18
_LEAST_PLACES = 4
_PAPER, _INK = (16, 24, 20), (240, 240, 240)


def grad_cam(predictor: Predictor, pixels: NDArray[np.uint8], classes: Sequence[int]) -> Shares:
    """(N, S, S) in 0–1: how strongly each place speaks for the class, by face; places of the last feature map that has
    at least 4 × 4 of them.

    pixels: (N, C, S, S) of the run's stored size. classes: N indices. Selvaraju et al. 2017, "Grad-CAM"
    (doi:10.1109/ICCV.2017.74), formulas 1 and 2: ReLU(Σ_k α_k A^k), α_k the mean over places of ∂logit / ∂A^k. Each
    map is divided by its maximum; one without any positive place is zero. Raises BadConfig for a network without a
    feature map.
    """
    network = predictor.network
    layer = _last_map(predictor, pixels[:1])
    kept: list[Tensor] = []
    # Cloned, because an in-place ReLU behind the layer would change what its gradient is taken of.
    handle = layer.register_forward_hook(lambda _module, _inputs, out: _keep(kept, out))
    try:
        with torch.enable_grad():
            logits = network(_seen(predictor, pixels).requires_grad_())
            chosen = logits.gather(1, torch.tensor(list(classes), device=logits.device)[:, None]).sum()
            (slopes,) = torch.autograd.grad(chosen, kept[-1])
    finally:
        handle.remove()
    maps = functional.relu((slopes.mean(dim=(2, 3), keepdim=True) * kept[-1]).sum(dim=1, keepdim=True))
    return _enlarged(maps.detach(), pixels.shape[-1])


def _keep(kept: list[Tensor], out: Tensor) -> Tensor:
    kept.append(out)
    return out.clone()


def _last_map(predictor: Predictor, one: NDArray[np.uint8]) -> nn.Module:
    """The last module, in the order they work, that gives a feature map of at least 4 × 4 places: of small images a
    ResNet's last stage has one or four places in all, and shows nothing.
    """
    network, found = predictor.network, []

    def note(module: nn.Module, _: object, out: object) -> None:
        if isinstance(out, Tensor) and out.ndim == 4 and min(out.shape[2:]) >= _LEAST_PLACES:
            found.append(module)

    # A Masking Block's output is a mask, not what the head sees.
    masks = {inner for block in _blocks(network) for inner in block.modules()}
    wanted = [module for module in network.modules() if module is not network and module not in masks]
    handles = [module.register_forward_hook(note) for module in wanted]
    try:
        with torch.inference_mode():
            network(_seen(predictor, one))
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise BadConfig(
            f"{predictor.config.network} has no feature map of {_LEAST_PLACES} × {_LEAST_PLACES} places at image_size "
            f"{predictor.config.image_size}, so Grad-CAM shows nothing. Train it on larger images."
        )
    return found[-1]


def _blocks(network: nn.Module) -> list[MaskingBlock]:
    return [module for module in network.modules() if isinstance(module, MaskingBlock)]


def masking(predictor: Predictor, pixels: NDArray[np.uint8]) -> list[tuple[Shares, Shares]]:
    """Of each Masking Block the mean over channels of the features before it, F_R, and after it, F_R · (1 + F_M), each
    (N, S, S) in 0–1 by face; Pham et al. 2020, Figure 1. Raises BadConfig for a network without Masking Blocks.
    """
    blocks = _blocks(predictor.network)
    if not blocks:
        raise BadConfig(f"{predictor.config.network} has no Masking Blocks.")
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
            predictor.network(_seen(predictor, pixels))
    finally:
        for handle in handles:
            handle.remove()
    return found


def _seen(predictor: Predictor, pixels: NDArray[np.uint8]) -> Tensor:
    where = next(predictor.network.parameters()).device
    # The network has its weights in 32 bits, whatever the predictor answers with.
    return prepare(torch.from_numpy(pixels).to(where), dataclasses.replace(predictor.config, bf16=False))


def _enlarged(maps: Tensor, side: int) -> Shares:
    """(N, 1, h, w) to (N, side, side), each from 0 to 1."""
    grown = functional.interpolate(maps.float(), size=(side, side), mode="bilinear", align_corners=False)[
        :, 0
    ]
    grown = grown - grown.amin(dim=(1, 2), keepdim=True).clamp(min=0)
    scaled: Shares = (grown / grown.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12)).cpu().numpy()
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
    """Rows of pictures, each with words below it, as a PNG."""
    across = max(len(row) for row in rows)
    sheet = Image.new("RGB", (across * (_SIDE + 4), len(rows) * (_SIDE + _LINE + 4)), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    for down, row in enumerate(rows):
        for place, (picture, words) in enumerate(row):
            x, y = place * (_SIDE + 4), down * (_SIDE + _LINE + 4)
            sheet.paste(picture.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), (x, y))
            draw.text((x + 2, y + _SIDE + 1), words, font=font, fill=_INK)
    sheet.save(out, "PNG")
