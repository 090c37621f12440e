"""One step of the optimizer: a batch, in parts if need be, through the network and back."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from training.core.augmentation import Turns, draw_turns
from training.core.averaging import Average
from training.core.batches import parts_of
from training.core.config import Config
from training.core.contradictions import LEAST_PART
from training.core.device import autocast, out_of_memory
from training.core.draws import part_seed
from training.core.faces import Faces
from training.core.losses import Targets, losses
from training.core.mixing import Mix, draw_mix, prepared
from training.core.optimizers import groups_of, ids_of_last, make_optimizer
from training.core.parallel import World
from training.core.refusals import TrainingFailed
from training.core.running_statistics import RunningStatistics


@dataclass
class Pending:
    """A step whose figures still lie on the device: asking for them at once would make a card wait.

    loss: the mean over the batch, and right: how many of it, both of this process's parts alone. norm: of the whole
    batch's gradient, before it is clipped; the same in every process.
    """

    step: int
    rows: NDArray[np.int64]
    loss: Tensor
    right: Tensor
    norm: Tensor


@dataclass(frozen=True)
class Drawn:
    """What chance says of every image in an epoch, by row number; mix: None where none is mixed."""

    epoch: int
    turns: Turns
    mix: Mix | None


class Stepper:
    """A network, what it learns from, and what moves it. `parts`: in how many this process takes its share of a
    batch; grows where memory does not suffice and the config allows it.
    """

    def __init__(
        self,
        *,
        config: Config,
        faces: Faces,
        images: Tensor,
        network: nn.Module,
        device: torch.device,
        world: World,
        say: Callable[[str], None],
    ) -> None:
        self.config, self.network, self.device, self.world = config, network, device, world
        self.images, self.targets = images, Targets.of(config, faces, device)
        self._groups = groups_of(network, config)
        self.optimizer = make_optimizer(self._groups, config)
        self.parts = config.accumulation
        self._train_rows = torch.from_numpy(faces.splits["train"].rows).to(device)
        self._drawn: Drawn | None = None
        self._say = say
        self._frozen = False
        self._wrap()
        # Only now has every process the starting weights, which the first alone has read.
        self.average = Average(network, config.ema) if config.ema else None

    @property
    def judged(self) -> nn.Module:
        """The network that is judged and kept: the average where there is one."""
        return self.average.network if self.average else self.network

    def begin_epoch(self, epoch: int) -> None:
        """Ready the network for learning.

        In the `frozen_epochs` its last layer alone learns: nothing else has a gradient, so an optimizer neither moves
        nor remembers it, and steps are quicker and take less memory. Batch norm then shifts and scales by the
        statistics it started with, as in judging, and these stay put; dropout drops as ever.
        """
        self.network.train()
        frozen = epoch < self.config.frozen_epochs
        if frozen:
            for part in self.network.modules():
                if isinstance(part, _BatchNorm):
                    part.eval()
        if frozen != self._frozen:
            self._frozen = frozen
            last = ids_of_last(self.network)
            for weight in self.network.parameters():
                weight.requires_grad_(not frozen or id(weight) in last)
            self._wrap()

    def _wrap(self) -> None:
        """Anew when other weights learn: DistributedDataParallel knows of those that did when it was made."""
        self._statistics = RunningStatistics(self.network)
        self._parallel = self.world.wrapped(self.network, self.device)
        self._forward = torch.compile(self._parallel) if self.config.compile else self._parallel

    def step(self, step: int, rows: NDArray[np.int64], epoch: int, rate: float) -> Pending:
        """Move the weights once, by the gradient of the mean loss of these images."""
        loss, right = self._gradients_in_memory(step, rows, epoch)
        weights = list(self.network.parameters())
        norm = nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
        if self.config.clip_gradient:
            nn.utils.clip_grads_with_norm_(weights, self.config.clip_gradient, norm)
        for group, moved in zip(self._groups, self.optimizer.param_groups, strict=True):
            moved["lr"] = rate * group.rate
        self.optimizer.step()
        if self.average:
            self.average.update()
        return Pending(step, rows, loss, right, norm)

    def _gradients_in_memory(self, step: int, rows: NDArray[np.int64], epoch: int) -> tuple[Tensor, Tensor]:
        """`_gradients`, with twice as many parts as often as memory does not suffice.

        Raises TrainingFailed where no smaller part is possible, or, having found what fits, where the config does not
        allow more parts than it names.
        """
        # A last, small batch may have too few images for as many parts.
        parts = min(self.parts, max(self.config.accumulation, len(rows) // LEAST_PART))
        while (found := self._gradients_or_none(step, rows, epoch, parts)) is None:
            self._statistics.rewind()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            largest = len(rows) // (parts * self.world.size)
            if largest < 2 * LEAST_PART or self.world.size > 1:
                raise _no_memory(self.config, largest, None)
            parts *= 2
        if parts > self.parts:
            at_once = -(-len(rows) // parts)
            if not self.config.halve_when_out_of_memory:
                raise _no_memory(self.config, len(rows) // self.parts, at_once, parts)
            self._say(f"Out of memory: going on with accumulation {parts}, {at_once} images at once.")
            self.parts = parts
        return found

    def _gradients_or_none(
        self, step: int, rows: NDArray[np.int64], epoch: int, parts: int
    ) -> tuple[Tensor, Tensor] | None:
        """None where memory did not suffice. What the attempt held is free when this has returned."""
        try:
            return self._gradients(step, rows, epoch, parts)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
        return None

    def _gradients(self, step: int, rows: NDArray[np.int64], epoch: int, parts: int) -> tuple[Tensor, Tensor]:
        """Leave the gradient of the batch's mean loss at the weights. Returns this process's share of that mean, and
        how many of its images were right.
        """
        self.optimizer.zero_grad(set_to_none=True)
        everybodys = parts_of(rows, parts * self.world.size)
        first = parts * self.world.rank
        shared = len(everybodys) > 1
        if shared or self.config.halve_when_out_of_memory:
            self._statistics.begin()
        loss, right = (
            torch.zeros((), device=self.device),
            torch.zeros((), dtype=torch.int64, device=self.device),
        )
        for number in range(first, first + parts):
            # Dropout's draws must not depend on which process has the part, nor on what went before.
            torch.manual_seed(part_seed(self.config.seed, epoch, step, number))
            with self._messages(last=number == first + parts - 1):
                part_loss, part_right = self._part(everybodys[number], epoch, len(rows))
            loss, right = loss + part_loss, right + part_right
            if shared:
                self._statistics.part_done()
        if shared:
            self._statistics.end(parts, self.world)
        return loss, right

    def _part(self, rows: NDArray[np.int64], epoch: int, batch: int) -> tuple[Tensor, Tensor]:
        # Nobody writes to these rows, so a card need not have taken them before the next work is handed to it.
        where = torch.from_numpy(rows).to(self.device, non_blocking=True)
        drawn = self._draws(epoch)
        mix = None if drawn.mix is None else drawn.mix.of(where)
        pixels = self._seen(where, mix, drawn.turns)
        with autocast(self.device, self.config):
            logits = self._forward(pixels)
        logits = logits.float()
        each = losses(logits, self.targets, self.config, epoch=epoch, rows=where)
        if mix is not None:
            others = losses(logits, self.targets, self.config, epoch=epoch, rows=mix.partners)
            each = mix.of_losses(each, others)
        loss = each.sum() / batch
        # DistributedDataParallel takes the mean over the processes; the shares of a mean are to be added up.
        (loss * self.world.size).backward()  # type: ignore[no-untyped-call]
        return loss.detach(), (logits.detach().argmax(dim=1) == self.targets.labels[where]).sum()

    def _draws(self, epoch: int) -> Drawn:
        """Drawn once an epoch: by far the most operations of making images ready are about a few numbers an image, and
        a card waits for each to be handed over.
        """
        if self._drawn is None or self._drawn.epoch != epoch:
            config, rows = self.config, torch.arange(len(self.images), device=self.device)
            mix = draw_mix(config, epoch=epoch, rows=rows, among=self._train_rows) if config.mixup else None
            self._drawn = Drawn(epoch, draw_turns(config, epoch=epoch, rows=rows), mix)
        return self._drawn

    def _seen(self, rows: Tensor, mix: Mix | None, turns: Turns) -> Tensor:
        """The augmented images with these row numbers, mixed with their partners."""
        wanted = rows if mix is None else torch.cat([rows, mix.partners])
        images = self.images[wanted.to(self.images.device)].to(self.device)
        return prepared(images, self.config, turns.of(wanted), mix)

    def _messages(self, *, last: bool) -> contextlib.AbstractContextManager[object]:
        """The processes exchange gradients with the last part only."""
        if last or not isinstance(self._parallel, nn.parallel.DistributedDataParallel):
            return contextlib.nullcontext()
        return self._parallel.no_sync()


def _no_memory(config: Config, tried: int, fitting: int | None, parts: int = 1) -> TrainingFailed:
    """fitting: how many images at once were found to fit; None where none were."""
    said = (
        f"Out of memory with {tried} images at once (batch_size {config.batch_size}) at image_size "
        f"{config.image_size}. "
    )
    if fitting is None:
        return TrainingFailed(
            f"{said}Lower image_size, raise accumulation, or take a smaller network; then train into a new run folder."
        )
    return TrainingFailed(
        f"{said}{fitting} at once fit: set accumulation to {parts}, which leaves the steps as they are, or batch_size "
        f"to {fitting}; then train into a new run folder. With halve_when_out_of_memory it goes on by itself.",
        fitting=fitting,
    )
