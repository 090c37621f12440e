"""Training, top to bottom: epochs of steps, a validation after each, checkpoints so that nothing is ever
lost.
"""

import dataclasses
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.core.config import Config
from training.core.device import autocast
from training.core.faces import Faces
from training.core.judging import probabilities
from training.core.metrics import negative_log_likelihood
from training.core.pixels import draw_turns, prepare
from training.core.progress import Display, spoken
from training.core.refusals import BadRunFolder, Stopped, TrainingFailed
from training.core.run_folder import Events, RunFolder
from training.core.schedules import Plateau, learning_rate
from training.core.stopping import Stopper


@dataclass
class Progress:
    """How far a training is. A checkpoint holds it; with the weights, optimizer and random state it decides
    the rest.
    """

    epoch: int = 0  # epochs finished
    step: int = 0  # steps done of the epoch under way
    loss_sum: float = 0.0  # of the images seen in the epoch under way
    right: int = 0
    seen: int = 0
    seconds: float = 0.0  # spent on the epoch under way
    seconds_before: float = 0.0  # spent on the finished ones
    best_epoch: int = 0  # counted from one; 0 before the first
    best_accuracy: float = -1.0
    best_loss: float = float("inf")
    plateau: Plateau = field(default_factory=Plateau)

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> "Progress":
        return cls(**{**values, "plateau": Plateau(**values["plateau"])})


@dataclass
class Pending:
    """A step whose figures still lie on the device: asking for them at once would make a card wait."""

    step: int
    rows: NDArray[np.int64]
    loss: Tensor
    right: Tensor


def epoch_batches(rows: NDArray[np.int64], batch_size: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """The training rows in this epoch's order, in batches. A function of (seed, epoch) alone."""
    order = np.random.default_rng([seed, epoch]).permutation(rows)
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        # Batch norm cannot take a lone image where feature maps have shrunk to one pixel.
        batches[-2:] = [np.concatenate(batches[-2:])]
    return batches


def make_optimizer(network: nn.Module, config: Config) -> torch.optim.Optimizer:
    weights, rate, decay = network.parameters(), config.learning_rate, config.weight_decay
    if config.optimizer == "sgd":
        return torch.optim.SGD(weights, lr=rate, momentum=config.momentum, weight_decay=decay)
    betas = (config.momentum, 0.999)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(weights, lr=rate, betas=betas, weight_decay=decay)
    return torch.optim.RAdam(weights, lr=rate, betas=betas, weight_decay=decay, decoupled_weight_decay=True)


class Training:
    """One training under way. `run` returns when it is over and raises Stopped when it was asked to stop."""

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
    ) -> None:
        self.folder, self.config, self.faces, self.device = folder, config, faces, device
        self.stopper, self.display = stopper, display
        layout = torch.channels_last if config.channels_last else torch.contiguous_format
        self.network = network.to(device=device, memory_format=layout)  # type: ignore[call-overload]
        self.optimizer = make_optimizer(self.network, config)
        self.progress = Progress()
        self.events = Events(folder.metrics)
        self.images = images_for(device, faces)
        self.labels = torch.zeros(len(faces.images), dtype=torch.int64)
        for split in faces.splits.values():
            self.labels[torch.from_numpy(split.rows)] = torch.from_numpy(split.labels)
        self.labels = self.labels.to(device)
        self._pending: list[Pending] = []
        self._clock = self._spoke = self._saved = time.monotonic()

    def run(self) -> None:
        self._begin()
        try:
            while not self._over():
                self._train_epoch()
                self._close_epoch()
        except Stopped as stopped:
            self._settle()
            self._save()
            self.events.write(
                "stop", epoch=self.progress.epoch + 1, step=self.progress.step, reason=str(stopped)
            )
            raise

    def _over(self) -> bool:
        return self.progress.epoch >= self.config.epochs or self.progress.plateau.exhausted(self.config)

    def _begin(self) -> None:
        checkpoint = self.folder.load_last(self.device)
        if checkpoint is not None:
            self._restore(checkpoint)
        self.events.forget_after(0 if checkpoint is None else checkpoint["metrics_bytes"])
        warnings = self.faces.warnings()
        self.events.write(
            "begin",
            network=self.config.network,
            parameters=sum(weight.numel() for weight in self.network.parameters()),
            images={name: len(split) for name, split in self.faces.splits.items()},
            classes=list(self.faces.classes),
            epochs=self.config.epochs,
            device=str(self.device),
            resumed=checkpoint is not None,
            epoch=self.progress.epoch + 1,
            step=self.progress.step,
            warnings=warnings,
        )
        for warning in warnings:
            self.display.say(f"Note: {warning}")
        if checkpoint is not None:
            self.display.say(f"Going on in epoch {self.progress.epoch + 1} after step {self.progress.step}.")

    def _train_epoch(self) -> None:
        progress, config = self.progress, self.config
        batches = epoch_batches(
            self.faces.splits["train"].rows, config.batch_size, config.seed, progress.epoch
        )
        self.network.train()
        for step in range(progress.step, len(batches)):
            self.stopper.check()
            rate = learning_rate(
                config, progress.plateau, progress.epoch * len(batches) + step, config.epochs * len(batches)
            )
            self._pending.append(self._step(step, batches[step], rate))
            progress.step = step + 1
            self._look_up(len(batches))
        self._settle()

    def _step(self, step: int, rows: NDArray[np.int64], rate: float) -> Pending:
        """Move the weights once, by the gradient of the mean loss of these images."""
        config = self.config
        where = torch.from_numpy(rows).to(self.device)
        turns = draw_turns(config, epoch=self.progress.epoch, rows=where)
        pixels = prepare(self.images[where.to(self.images.device)].to(self.device), config, turns)
        labels = self.labels[where]
        with autocast(self.device, config):
            logits = self.network(pixels)
        logits = logits.float()
        loss = functional.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return Pending(step, rows, loss.detach(), (logits.detach().argmax(dim=1) == labels).sum())

    def _look_up(self, steps: int) -> None:
        """About once a second, between steps: check and tell the figures, write a checkpoint when due."""
        now = time.monotonic()
        if now - self._spoke < 1:
            return
        self._spoke = now
        loss = self._settle()
        epoch, step = self.progress.epoch + 1, self.progress.step
        self.events.write("step", epoch=epoch, step=step, steps=steps, loss=round(loss, 6))
        self.display.show(f"Epoch {epoch}/{self.config.epochs}  step {step}/{steps}  loss {loss:.4f}")
        if now - self._saved > self.config.checkpoint_minutes * 60:
            self._save()

    def _settle(self) -> float:
        """Take the pending steps' figures in, and return the last loss. Raises TrainingFailed for one that is
        no number: the weights are then spoilt, and the last checkpoint is older than the spoiling.
        """
        progress, pending = self.progress, self._pending
        self._pending = []
        losses = torch.stack([step.loss for step in pending]).tolist() if pending else []
        rights = torch.stack([step.right for step in pending]).tolist() if pending else []
        for step, loss, right in zip(pending, losses, rights, strict=True):
            if not np.isfinite(loss):
                raise self._not_finite(step)
            progress.loss_sum += loss * len(step.rows)
            progress.right += right
            progress.seen += len(step.rows)
        now = time.monotonic()
        progress.seconds, self._clock = progress.seconds + now - self._clock, now
        return losses[-1] if losses else 0.0

    def _not_finite(self, step: Pending) -> TrainingFailed:
        train = self.faces.splits["train"]
        keys = [train.keys[place] for place in np.searchsorted(train.rows, step.rows)]
        epoch = self.progress.epoch + 1
        return TrainingFailed(
            f"The loss is no number any more (epoch {epoch}, step {step.step + 1}). Lower learning_rate, or "
            f"look at the faces of that batch; metrics.jsonl names them.",
            epoch=epoch,
            step=step.step + 1,
            face_keys=keys,
        )

    def _close_epoch(self) -> None:
        """Judge by the validation split, keep the weights if they are the best, and write a checkpoint."""
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
            self.folder.save_best(self.network.state_dict())
        self._tell_epoch(accuracy, loss, trained, better)
        progress.plateau.note(accuracy, config)
        progress.epoch, progress.step = progress.epoch + 1, 0
        progress.loss_sum, progress.right, progress.seen = 0.0, 0, 0
        progress.seconds_before, progress.seconds = progress.seconds_before + progress.seconds, 0.0
        self._save()

    def _validate(self) -> tuple[float, float]:
        split = self.faces.splits["validation"]
        rows = torch.from_numpy(split.rows)
        found = probabilities(
            self.network, self.images, rows, self.config, self.device, between=self.stopper.check
        )
        loss = negative_log_likelihood(split.labels, found)
        if not np.isfinite(found).all():
            raise TrainingFailed(
                "The network's validation output is no number. Lower learning_rate.",
                epoch=self.progress.epoch + 1,
            )
        return float((found.argmax(axis=1) == split.labels).mean()), loss

    def _tell_epoch(self, accuracy: float, loss: float, trained: float, better: bool) -> None:
        progress, config = self.progress, self.config
        epoch = progress.epoch + 1
        mean_seconds = (progress.seconds_before + progress.seconds) / epoch
        rate = self.optimizer.param_groups[0]["lr"]
        train_loss, train_accuracy = progress.loss_sum / progress.seen, progress.right / progress.seen
        left = mean_seconds * (config.epochs - epoch)
        self.events.write(
            "epoch",
            epoch=epoch,
            epochs=config.epochs,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            validation_loss=loss,
            validation_accuracy=accuracy,
            learning_rate=rate,
            seconds=round(progress.seconds, 3),
            eta_seconds=round(left, 1),
            images_per_second=round(progress.seen / max(trained, 1e-9), 2),
            best=better,
        )
        self.display.say(
            f"Epoch {epoch}/{config.epochs}  loss {train_loss:.4f}, validation {loss:.4f}  "
            f"accuracy {train_accuracy:.1%}, validation {accuracy:.1%}{' (best)' if better else ''}  "
            f"{progress.seen / max(trained, 1e-9):.0f} images/s, about {spoken(left)} left"
        )

    def _save(self) -> None:
        self._saved = time.monotonic()
        self.folder.save_last(
            {
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "progress": dataclasses.asdict(self.progress),
                "random": torch.get_rng_state(),
                "random_cuda": torch.cuda.get_rng_state() if self.device.type == "cuda" else None,
                "metrics_bytes": self.events.size(),
            }
        )

    def _restore(self, checkpoint: dict[str, Any]) -> None:
        try:
            self.network.load_state_dict(checkpoint["network"])
            self.optimizer.load_state_dict(checkpoint["optimizer"])
            self.progress = Progress.from_plain(checkpoint["progress"])
            torch.set_rng_state(checkpoint["random"].cpu())
            if self.device.type == "cuda" and checkpoint["random_cuda"] is not None:
                torch.cuda.set_rng_state(checkpoint["random_cuda"].cpu())
        except (KeyError, TypeError, RuntimeError, ValueError) as error:
            raise BadRunFolder(
                f"{self.folder.last} does not fit this version of the core: {error}"
            ) from error


def images_for(device: torch.device, faces: Faces) -> Tensor:
    """The images where the steps can reach them fastest: on the card if they fill less than a third of what
    is free.
    """
    images = torch.from_numpy(faces.images)
    if device.type == "cuda" and images.nbytes < torch.cuda.mem_get_info(device)[0] / 3:
        return images.to(device)
    return images
