"""A run folder's weights: the best, and the last with all that a training needs to go on from them."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.core.device import out_of_memory
from training.core.refusals import BadRunFolder
from training.core.run_folder import FORMAT, RunFolder, write_atomically


def save_best(folder: RunFolder, weights: dict[str, Tensor]) -> None:
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    write_atomically(
        folder.best, _as_errors_of_files(lambda file: save_file(plain, file, metadata={"format": FORMAT}))
    )


def give_best(folder: RunFolder, network: nn.Module) -> None:
    """Load the best weights into the run's network. Raises BadRunFolder where there are none that fit it."""
    weights = load_best(folder)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:  # torch's, with a line for every layer
        raise BadRunFolder(
            f"{folder.best} has the weights of another network than {folder.config} tells of. Put the run's own back, "
            f"or train into another folder."
        ) from error


def load_best(folder: RunFolder) -> dict[str, Tensor]:
    """Raises BadRunFolder where there are no readable weights yet."""
    if not folder.best.exists():
        raise BadRunFolder(
            f"{folder.path} has no weights yet (best.safetensors). Train it for an epoch first."
        )
    try:
        weights: dict[str, Tensor] = load_file(folder.best)
    except (OSError, safetensors.SafetensorError) as error:
        raise BadRunFolder(f"{folder.best} cannot be read: {error}") from error
    return weights


def save_last(folder: RunFolder, checkpoint: dict[str, Any]) -> None:
    write_atomically(folder.last, _as_errors_of_files(lambda file: torch.save(checkpoint, file)))


def load_last(folder: RunFolder) -> dict[str, Any] | None:
    """The last checkpoint, in main memory; None where there is none. Raises BadRunFolder for a damaged one."""
    if not folder.last.exists():
        return None
    try:
        checkpoint: dict[str, Any] = torch.load(folder.last, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen kinds for bytes that are no checkpoint
        raise BadRunFolder(f"{folder.last} is damaged. Delete it to train from the beginning.") from error
    return checkpoint


def _as_errors_of_files(save: Callable[[Path], object]) -> Callable[[Path], None]:
    """Torch and safetensors have errors of their own for a file that takes no more."""

    def write(file: Path) -> None:
        try:
            save(file)
        except (RuntimeError, safetensors.SafetensorError) as error:
            if out_of_memory(error):
                raise
            first = str(error).partition("\n")[0]
            raise OSError(errno.EIO, f"it could not be written ({first})", str(file)) from error

    return write
