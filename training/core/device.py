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
    """The device a config names, made ready. Raises BadConfig for one that is not there.

    card: which of several, for one of several processes.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    if card is not None and ":" in config.device:
        raise BadConfig(
            f"device is {config.device}, one card, but there are several processes, each with a card of its own. Set "
            f"device to cuda."
        )
    device = _named(config.device)
    if card is None or device.type != "cuda":
        return device
    torch.cuda.set_device(card)
    return torch.device("cuda", card)


def _named(name: str) -> torch.device:
    if name == "mps":
        if not torch.backends.mps.is_available():
            raise BadConfig("device is mps, but torch finds no Apple GPU here. Set device to cpu or auto.")
        return torch.device("mps")
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and not cards):
        return torch.device("cpu")
    if not cards:
        raise BadConfig(f"device is {name}, but torch finds no CUDA card here. Set device to cpu or auto.")
    torch.backends.cudnn.benchmark = True
    kind, _, number = name.partition(":")
    if kind != "cuda" or not number:
        return torch.device("cuda")
    if int(number) >= cards:
        raise BadConfig(f"device is {name}, but torch counts {cards} CUDA cards here, from cuda:0 on.")
    torch.cuda.set_device(int(number))
    return torch.device("cuda", int(number))


def refuse_no_compiler(config: Config) -> None:
    """Raises BadConfig where steps are to be compiled and torch finds nothing to compile them with."""
    if not config.compile:
        return
    # Only here: seconds to import. The names are torch's own; torch is pinned.
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise BadConfig(
            "compile is true, but torch finds no C++ compiler here. Install one (g++), or set compile to false."
        ) from error


def quick_in_bf16(device: torch.device) -> bool:
    """Whether the processor or card multiplies bfloat16 in units made for it. Elsewhere it is slower than 32 bits."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    # The names are torch's own; torch is pinned.
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast(device: torch.device, config: Config) -> contextlib.AbstractContextManager[object]:
    """bfloat16 for the operators that bear it, if the config says so."""
    if not config.bf16:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def device_to_judge_on(config: Config, asked: str = "auto") -> torch.device:
    """The device asked for, which must be there. auto: the one a run's config names, or, where that is not here, what
    is: any will do for looking, and which, is logged as a warning. Raises BadConfig.
    """
    if asked != "auto":
        return device_for(dataclasses.replace(config, device=asked))
    try:
        return device_for(config)
    except BadConfig:
        instead = device_for(dataclasses.replace(config, device="auto"))
        _log.warning(
            "The run was trained with device %s, which is not here: %s looks instead.", config.device, instead
        )
        return instead


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
