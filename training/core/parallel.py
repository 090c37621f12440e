"""Several processes that train one network, as torchrun starts them. One process alone is a world of one."""

import contextlib
import datetime
import gc
import inspect
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

T = TypeVar("T")

_PATIENCE = datetime.timedelta(hours=2)
"""How long the others wait for the first process, which alone checks the snapshot, decodes it and judges."""


@dataclass(frozen=True)
class World:
    """Who takes part. rank: 0 … size − 1; rank 0 alone writes the run folder. local_rank: the card on this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        return self.rank == 0

    def wrapped(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network, whose gradients are the mean over all processes after a backward pass."""
        if self.size == 1:
            return network
        cards = [device.index] if device.type == "cuda" else None
        # RunningStatistics sees to the buffers. The older name of this argument warns from torch 2.13 on.
        known = inspect.signature(nn.parallel.DistributedDataParallel).parameters
        name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        buffers: dict[str, Any] = {name: False}
        return nn.parallel.DistributedDataParallel(network, device_ids=cards, **buffers)

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over the processes, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def means(self, sums: list[Tensor], count: int) -> list[Tensor]:
        """The tensors added up over the processes and divided by `count`, in one message."""
        if not sums:
            return []
        flat = self.total(torch.cat([tensor.flatten() for tensor in sums])) / count
        parts = torch.split(flat, [tensor.numel() for tensor in sums])
        return [part.view_as(tensor) for part, tensor in zip(parts, sums, strict=True)]

    def any_of(self, *flags: bool) -> tuple[bool, ...]:
        """Which of these is true in any process: the same answer everywhere."""
        if self.size == 1:
            return flags
        asked = torch.tensor(flags, dtype=torch.uint8)
        dist.all_reduce(asked, op=dist.ReduceOp.MAX)
        return tuple(bool(flag) for flag in asked.tolist())

    def told(self, value: T) -> T:
        """What the first process gave here."""
        if self.size == 1:
            return value
        box = [value if self.first else None]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]  # type: ignore[return-value]

    def told_by_first(self, work: Callable[[], T]) -> T:
        """What `work` returns, or raises, in the first process; the others do not do it."""
        if self.size == 1:
            return work()
        outcome: tuple[Any, BaseException | None] = (None, None)
        if self.first:
            try:
                outcome = (work(), None)
            except Exception as error:  # noqa: BLE001 – raised below, in every process
                outcome = (None, error)
        value, refusal = self.told(outcome)
        if refusal is not None:
            raise refusal
        return value  # type: ignore[no-any-return]

    def joined(self, mine: NDArray[Any]) -> NDArray[Any]:
        """The processes' arrays one after the other, by rank; empty ones are left out."""
        if self.size == 1:
            return mine
        parts: list[Any] = [None] * self.size
        dist.all_gather_object(parts, mine)
        return np.concatenate([part for part in parts if len(part)])


ALONE = World()


@contextlib.contextmanager
def world() -> Iterator[World]:
    """The world that torchrun's environment variables tell of; a world of one where there are none."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    cards = torch.cuda.is_available()
    dist.init_process_group("cpu:gloo,cuda:nccl" if cards else "gloo", timeout=_PATIENCE)
    together = False
    try:
        yield World(dist.get_rank(), size, int(os.environ.get("LOCAL_RANK", "0")))
        # Nobody leaves while another still listens.
        dist.barrier()
        together = True
    finally:
        # A DistributedDataParallel that outlives its group ends the process with an abort.
        gc.collect()
        # One that fails alone must not wait for cards that wait for it: torchrun ends them all.
        if together or not cards:
            dist.destroy_process_group()
