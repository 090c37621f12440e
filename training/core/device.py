"""Where the arithmetic happens."""

import contextlib
import dataclasses
import logging
from collections.abc import Iterator

import torch

from training.core.config import Config
from training.core.refusals import BadConfig, TrainingFailed

_log = logging.getLogger(__name__)


def device_for(config: Config, card: int | None = None) -> torch.device:
    """The device a config names, made ready. Raises BadConfig for a card that is not there.

    card: which of several, for one of several processes.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    found = torch.cuda.is_available()
    if config.device == "cuda" and not found:
        raise BadConfig("device is cuda, but torch finds no CUDA card here. Set device to cpu or auto.")
    if config.device == "cpu" or not found:
        return torch.device("cpu")
    torch.backends.cudnn.benchmark = True
    if card is None:
        return torch.device("cuda")
    torch.cuda.set_device(card)
    return torch.device("cuda", card)


def autocast(device: torch.device, config: Config) -> contextlib.AbstractContextManager[object]:
    """bfloat16 for the operators that bear it, if the config says so."""
    if not config.bf16:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def device_to_judge_on(config: Config) -> torch.device:
    """The device a config names, or, for a run that was trained on a card, what is here instead: any will do for
    looking. Which, is logged as a warning.
    """
    if config.device != "cuda" or torch.cuda.is_available():
        return device_for(config)
    _log.warning("The run was trained on a CUDA card, and there is none here: the CPU looks instead.")
    return device_for(dataclasses.replace(config, device="auto"))


@contextlib.contextmanager
def explained_memory(config: Config) -> Iterator[None]:
    """Turn running out of memory into a TrainingFailed that says which setting to lower."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise TrainingFailed(
            f"Out of memory with batch_size {config.batch_size} at image_size {config.image_size}. "
            f"Lower batch_size (or image_size, or evaluation_batch_size if it happens while judging), "
            f"then train into a new run folder."
        ) from error


_SAID_BY_LACK = (
    "can't allocate memory",  # torch's allocator
    "Cannot allocate memory",  # the system's, as errno 12
    "could not create a primitive",  # oneDNN, which keeps no better word for it
)


def out_of_memory(error: Exception) -> bool:
    """Whether this is a lack of memory, of the card's or of the machine's."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(words in str(error) for words in _SAID_BY_LACK)
