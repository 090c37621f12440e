"""How often a run's network answers in bfloat16 what it answers in 32 bits. Measured when a training ends, so that
whoever uses the run knows whether the quicker arithmetic may be taken.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.core.config import Config
from training.core.device import quick_in_bf16
from training.core.judging import probabilities
from training.core.quick import LEAST_AGREEMENT, MOST_COMPARED, Quick, quick_config


def measured(
    network: nn.Module,
    images: Tensor,
    rows: NDArray[np.int64],
    config: Config,
    device: torch.device,
    between: Callable[[], None] = lambda: None,
) -> dict[str, Any] | None:
    """`faces`, how many were asked about, and `agreement`, the share answered alike, 0–1; None where this device is
    not quick in bfloat16, or without faces.

    images: uint8 (N, C, S, S). rows: of validation; evenly spread ones are taken of more than MOST_COMPARED.
    """
    if not len(rows) or not quick_in_bf16(device):
        return None
    places = np.linspace(0, len(rows) - 1, min(len(rows), MOST_COMPARED)).round().astype(np.int64)
    some = torch.from_numpy(rows[places])
    answers = []
    for bf16 in (False, True):
        ready = Quick(network, config, device, bf16=bf16)
        answers.append(
            probabilities(ready, images, some, quick_config(config), device, between).argmax(axis=1)
        )
        del ready
    return {"faces": len(some), "agreement": float((answers[0] == answers[1]).mean())}


def allows_bf16(result: dict[str, Any], device: torch.device) -> bool:
    """Whether a run's result.json says that bfloat16 answers alike, and the device is quick in it."""
    found = result.get("bf16") or {}
    return float(found.get("agreement", 0.0)) >= LEAST_AGREEMENT and quick_in_bf16(device)
