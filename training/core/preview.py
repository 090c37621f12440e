"""What a network would be shown first: a training batch, augmented and mixed, as a picture."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.core import faces as snapshot_faces
from training.core.augmentation import draw_turns
from training.core.batches import epoch_batches
from training.core.config import Config
from training.core.device import device_for
from training.core.explaining import grid, plain_face
from training.core.losses import Targets, wanted
from training.core.mixing import draw_mix, prepared
from training.core.refusals import BadConfig
from training.core.run_folder import RunFolder
from training.core.writable import refuse_unwritable

_AT_MOST = 1024
_COLUMNS = 8
_NAMED = 2
_WORTH_NAMING = 0.05


@dataclass(frozen=True)
class Shown:
    """pixels: (B, in_channels, S, S), what the network takes. targets: (B, K), what the loss is taken by: shares that
    add up to one, or with multi-label one for each class that is right.
    """

    pixels: Tensor
    targets: Tensor
    classes: tuple[str, ...]


def preview(snapshot: Path, out: Path, config: Config, *, most: int) -> int:
    """Write the first `most` faces of the first epoch's first batch into the PNG file `out`, each with its target below
    it, and return how many they are.

    Nothing else is written. Raises BadSnapshot, and BadConfig for a file that cannot be written or lies in a run
    folder.
    """
    if not 1 <= most <= _AT_MOST:
        raise BadConfig(f"--faces is a number from 1 to {_AT_MOST}.")
    _refuse_place(out)
    shown = first_batch(snapshot, config, most=most)
    cells = [
        (plain_face(one), words)
        for one, words in zip(viewable(shown.pixels, config), _words(shown, config), strict=True)
    ]
    rows = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
    grid(rows, out)
    return len(cells)


def first_batch(snapshot: Path, config: Config, *, most: int) -> Shown:
    """What `most` faces of the first batch become: the same whether all of it is made or not, for all that is drawn is
    drawn for each face by itself.
    """
    opened = snapshot_faces.open_snapshot(snapshot)
    snapshot_faces.verify(opened)
    snapshot_faces.refuse_too_small(opened)
    device = device_for(config)
    train = opened.splits["train"].rows
    batch = epoch_batches(train, config.batch_size, config.seed, 0, config.accumulation)[0][:most]
    rows = torch.from_numpy(batch).to(device)
    mix = None
    if config.mixup:
        mix = draw_mix(config, epoch=0, rows=rows, among=torch.from_numpy(train).to(device))
    seen = rows if mix is None else torch.cat([rows, mix.partners])
    side = snapshot_faces.stored_size(opened, config)
    images = torch.from_numpy(snapshot_faces.some(opened, config, side, seen.cpu().numpy())).to(device)
    pixels = prepared(images, config, draw_turns(config, epoch=0, rows=seen), mix)
    learnt = Targets.of(config, opened, device)
    targets = wanted(learnt, config, epoch=0, rows=rows)
    if mix is not None:
        others = wanted(learnt, config, epoch=0, rows=mix.partners)
        targets = torch.lerp(others, targets, mix.shares[:, None])
    return Shown(pixels, targets, opened.classes)


def viewable(pixels: Tensor, config: Config) -> NDArray[np.uint8]:
    """(B, C, S, S) as the network takes it to bytes. Where images are normalised, from each one's least to its greatest
    value.
    """
    values = pixels.float()
    if config.normalisation != "none":
        low, high = values.amin(dim=(1, 2, 3), keepdim=True), values.amax(dim=(1, 2, 3), keepdim=True)
        values = (values - low) / (high - low).clamp(min=torch.finfo(torch.float32).tiny)
    bytes_: NDArray[np.uint8] = (values.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return bytes_


def _words(shown: Shown, config: Config) -> list[str]:
    return [_said(target, shown.classes, config) for target in shown.targets.cpu().tolist()]


def _said(target: list[float], classes: tuple[str, ...], config: Config) -> str:
    """The class alone where it is all that is wanted, the accepted ones, or the largest shares."""
    order = sorted(range(len(classes)), key=lambda place: -target[place])
    top = [place for place in order if target[place] >= _WORTH_NAMING]
    if config.target == "multi-label" and not config.mixup:
        return " or ".join(classes[place] for place in top)
    if len(top) == 1 and target[top[0]] > 1 - 1e-6:
        return classes[top[0]]
    return ", ".join(f"{classes[place]} {target[place]:.0%}" for place in top[:_NAMED])


def _refuse_place(out: Path) -> None:
    if out.suffix.lower() != ".png":
        raise BadConfig(f"{out} is to hold a PNG picture. Name a .png file.")
    refuse_unwritable(out)
    if RunFolder(out.resolve().parent).config.exists():
        raise BadConfig(
            f"{out.parent} is a run folder, which holds no pictures of faces: who is erased must not stay in it. "
            f"Name a file elsewhere."
        )
