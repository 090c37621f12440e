"""Training, top to bottom: epochs of steps, a validation and a checkpoint after each, so that hardly anything is
ever lost.
"""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.core.batches import epoch_batches
from training.core.checkpoints import load_last, save_best, save_last
from training.core.config import Config
from training.core.contradictions import LEAST_PART
from training.core.faces import Faces
from training.core.judging import probabilities
from training.core.metrics import Probabilities, negative_log_likelihood
from training.core.parallel import ALONE, World
from training.core.progress import Display
from training.core.reach import Progress
from training.core.refusals import BadRunFolder, BadSnapshot, Stopped, TrainingFailed
from training.core.run_folder import RunFolder
from training.core.schedules import learning_rate
from training.core.stepping import Pending, Stepper
from training.core.stopping import Stopper
from training.core.telling import Teller

_SAVING = 0.05
"""Of the time, what checkpoints after epochs may take."""


class Training:
    """One training under way, in this process or in each of several. `run` returns when it is over and raises Stopped
    when it was asked to stop.
    """

    def __init__(
        self,
        *,
        folder: RunFolder,
        config: Config,
        faces: Faces,
        network: nn.Module,
        device: torch.device,
        stopper: Stopper,
        display: Display,
        world: World = ALONE,
        notes: Sequence[str] = (),
    ) -> None:
        """notes: what a person must know of how the network was begun."""
        self.folder, self.config, self.faces, self.device = folder, config, faces, device
        self.stopper, self.world, self.notes = stopper, world, notes
        self.parts = config.accumulation * world.size
        _refuse_too_few(faces, config, world)
        layout = torch.channels_last if config.channels_last else torch.contiguous_format
        self.network = network.to(device=device, memory_format=layout)  # type: ignore[call-overload]
        self.progress = Progress()
        self.tell = Teller(folder, config, display, speaks=world.first)
        self.images = images_for(device, faces)
        self.stepper = Stepper(
            config=config,
            faces=faces,
            images=self.images,
            network=self.network,
            device=device,
            world=world,
            say=lambda text: self.tell.note(self.progress, text),
        )
        self._pending: list[Pending] = []
        self._clock = self._spoke = self._saved = time.monotonic()
        self._saving = 0.0

    def run(self) -> None:
        self._begin()
        try:
            while not self._over():
                self._train_epoch()
                self._close_epoch()
        except Stopped as stopped:
            self._settle()
            self._save()
            self.tell.stop(self.progress, str(stopped))
            raise
        finally:
            self.tell.close()

    def _over(self) -> bool:
        return self.progress.epoch >= self.config.epochs or self.progress.plateau.exhausted(self.config)

    def _begin(self) -> None:
        checkpoint = self.world.told_by_first(lambda: load_last(self.folder))
        if checkpoint is not None:
            self._restore(checkpoint)
        self.tell.begin(
            self.progress,
            self.faces,
            warnings=[*self.faces.warnings(), *self.notes],
            known=None if checkpoint is None else checkpoint["metrics_bytes"],
            parameters=sum(weight.numel() for weight in self.network.parameters()),
            device=str(self.device),
            processes=self.world.size,
        )

    def _train_epoch(self) -> None:
        progress, config = self.progress, self.config
        rows = self.faces.splits["train"].rows
        batches = epoch_batches(rows, config.batch_size, config.seed, progress.epoch, self.parts)
        self.stepper.begin_epoch(progress.epoch)
        for step in range(progress.step, len(batches)):
            self._between_steps(len(batches))
            rate = learning_rate(
                config, progress.plateau, progress.epoch * len(batches) + step, config.epochs * len(batches)
            )
            self._pending.append(self.stepper.step(step, batches[step], progress.epoch, rate))
            progress.step = step + 1
        self._settle()

    def _between_steps(self, steps: int) -> None:
        """Stop if asked to. About once a second check and tell the figures, write a checkpoint when due."""
        now = time.monotonic()
        stop, speak, save = self.world.any_of(
            self.stopper.asked,
            self.world.first and now - self._spoke >= 1,
            self._due(),
        )
        if stop:
            self.stopper.check()
            raise Stopped("another process of this training was asked to stop")
        if not self._pending or not (speak or save):
            return
        self._spoke = now
        loss = self._settle()
        self.tell.step(self.progress, steps=steps, loss=loss)
        if save:
            self._save()

    def _due(self) -> bool:
        """Whether this process is to write a checkpoint by now."""
        return self.world.first and time.monotonic() - self._saved > self.config.checkpoint_minutes * 60

    def _is_cheap(self) -> bool:
        """Whether writing another checkpoint takes a small share of the time since the last."""
        return time.monotonic() - self._saved > self._saving / _SAVING

    def _settle(self) -> float:
        """Take the pending steps' figures in, and return the last loss. Raises TrainingFailed for one that is
        no number: the weights are then spoilt, and the last checkpoint is older than the spoiling. A gradient that is
        none spoils them while the loss still looks sound.
        """
        progress, pending = self.progress, self._pending
        self._pending = []
        losses, rights, norms = self._figures(pending)
        for step, loss, right, norm in zip(pending, losses, rights, norms, strict=True):
            if not np.isfinite(loss):
                raise self._not_finite(step, "loss")
            if not np.isfinite(norm):
                raise self._not_finite(step, "gradient")
            progress.loss_sum += loss * len(step.rows)
            progress.right += right
            progress.seen += len(step.rows)
            progress.norms.note(norm)
        now = time.monotonic()
        progress.seconds, self._clock = progress.seconds + now - self._clock, now
        return losses[-1] if losses else 0.0

    def _figures(self, pending: list[Pending]) -> tuple[list[float], list[int], list[float]]:
        """Of each step the loss, how many were right, and the gradient's norm, of all processes together."""
        if not pending:
            return [], [], []
        losses = self.world.total(torch.stack([step.loss for step in pending]))
        rights = self.world.total(torch.stack([step.right for step in pending]))
        norms = torch.stack([step.norm for step in pending])
        return losses.tolist(), rights.tolist(), norms.tolist()

    def _not_finite(self, step: Pending, what: str) -> TrainingFailed:
        train = self.faces.splits["train"]
        keys = [train.keys[place] for place in np.searchsorted(train.rows, step.rows)]
        epoch = self.progress.epoch + 1
        return TrainingFailed(
            f"The {what} is no number any more (epoch {epoch}, step {step.step + 1}). Lower learning_rate, or "
            f"look at the faces of that batch; metrics.jsonl names them.",
            epoch=epoch,
            step=step.step + 1,
            face_keys=keys,
        )

    def _not_finite_on(self, validation_keys: list[str]) -> TrainingFailed:
        """The losses were numbers: it is the epoch's last step that has spoilt the weights, or made them too large."""
        config, progress, train = self.config, self.progress, self.faces.splits["train"]
        batches = epoch_batches(train.rows, config.batch_size, config.seed, progress.epoch, self.parts)
        return TrainingFailed(
            f"The network's output on {len(validation_keys)} validation faces is no number (epoch "
            f"{progress.epoch + 1}, after step {len(batches)}). Lower learning_rate, or look at the faces of that "
            f"step's batch; metrics.jsonl names them and those of validation.",
            epoch=progress.epoch + 1,
            step=len(batches),
            face_keys=[train.keys[place] for place in np.searchsorted(train.rows, batches[-1])],
            validation_face_keys=validation_keys,
        )

    def _close_epoch(self) -> None:
        """Judge by the validation split, keep the weights if they are the best, and write a checkpoint, unless that
        would take a quick epoch longer than learning. Older than the best weights it must never be.
        """
        progress, config = self.progress, self.config
        trained = progress.seconds
        accuracy, loss = self._validate()
        self._settle()
        better = (accuracy, -loss) > (progress.best_accuracy, -progress.best_loss)
        if better:
            progress.best_accuracy, progress.best_loss, progress.best_epoch = (
                accuracy,
                loss,
                progress.epoch + 1,
            )
            if self.world.first:
                save_best(self.folder, self.stepper.judged.state_dict())
        self.tell.epoch(
            progress,
            accuracy=accuracy,
            loss=loss,
            trained=trained,
            learning_rate=self.stepper.optimizer.param_groups[0]["lr"],
            better=better,
        )
        # How far the last layer alone comes says nothing of when to slow down or to stop.
        if progress.epoch >= config.frozen_epochs:
            progress.plateau.note(accuracy, config)
        progress.close_epoch()
        if better or self._over() or self._due() or self._is_cheap():
            self._save()

    def _validate(self) -> tuple[float, float]:
        split = self.faces.splits["validation"]
        found = self.world.joined(self._probabilities(np.array_split(split.rows, self.world.size)))
        loss = negative_log_likelihood(split.labels, found)
        broken = np.flatnonzero(~np.isfinite(found).all(axis=1))
        if len(broken):
            raise self._not_finite_on([split.keys[place] for place in broken])
        return float((found.argmax(axis=1) == split.labels).mean()), loss

    def _probabilities(self, shares: list[NDArray[np.int64]]) -> Probabilities:
        """What the network makes of this process's share of the validation images. Several processes all go on to
        the end of it, and stop together after.
        """
        return probabilities(
            self.stepper.judged,
            self.images,
            torch.from_numpy(shares[self.world.rank]),
            self.config,
            self.device,
            between=self.stopper.check if self.world.size == 1 else lambda: None,
        )

    def _save(self) -> None:
        began = self._saved = time.monotonic()
        if not self.world.first:
            return
        average = self.stepper.average
        self.progress.parts = self.stepper.parts
        save_last(
            self.folder,
            {
                "network": self.network.state_dict(),
                "average": average.state() if average else None,
                "optimizer": self.stepper.optimizer.state_dict(),
                "progress": dataclasses.asdict(self.progress),
                "metrics_bytes": self.tell.events.size(),
            },
        )
        self._saved = time.monotonic()
        self._saving = self._saved - began

    def _restore(self, checkpoint: dict[str, Any]) -> None:
        try:
            self.network.load_state_dict(checkpoint["network"])
            if self.stepper.average:
                self.stepper.average.restore(checkpoint["average"])
            self.stepper.optimizer.load_state_dict(checkpoint["optimizer"])
            self.progress = Progress.from_plain(checkpoint["progress"])
        except (KeyError, TypeError, RuntimeError, ValueError) as error:
            raise BadRunFolder(
                f"{self.folder.last} does not fit this version of the core: {error}"
            ) from error
        self.stepper.parts = max(self.stepper.parts, self.progress.parts)


def _refuse_too_few(faces: Faces, config: Config, world: World) -> None:
    parts = config.accumulation * world.size
    least, found = LEAST_PART * parts, len(faces.splits["train"])
    if min(config.batch_size, found) < least:
        raise BadSnapshot(
            f"accumulation {config.accumulation} in {world.size} processes makes {parts} parts of a batch, which need "
            f"{LEAST_PART} images each; batch_size is {config.batch_size}, and the train split has {found} faces. "
            f"Lower accumulation, or start fewer processes."
        )


def images_for(device: torch.device, faces: Faces) -> Tensor:
    """The images where the steps can reach them fastest: on the card if they fill less than a third of what
    is free.
    """
    images = torch.from_numpy(faces.images)
    if device.type == "cuda" and images.nbytes < torch.cuda.mem_get_info(device)[0] / 3:
        return images.to(device)
    return images
