"""What a training says while it goes on: events for whoever follows the run folder, lines for who looks on."""

from typing import Any

from training.core import curves
from training.core.config import Config
from training.core.faces import Faces
from training.core.progress import Display, spoken
from training.core.reach import Progress
from training.core.run_folder import Events, RunFolder


class Teller:
    """metrics.jsonl, the display and the tools the config asks for. One that does not speak writes nothing."""

    def __init__(self, folder: RunFolder, config: Config, display: Display, *, speaks: bool) -> None:
        self.config, self.display = config, display
        self.events = Events(folder.metrics if speaks else None)
        self._folder = folder if speaks else None
        self._curves: list[curves.Curves] = []

    def begin(
        self, progress: Progress, faces: Faces, *, warnings: list[str], known: int | None, **facts: Any
    ) -> None:
        """warnings: what a person should know before trusting the figures. known: bytes of metrics.jsonl that the
        checkpoint knew of; None without one. What came after is forgotten.
        """
        self.events.forget_after(known or 0)
        self.events.write(
            "begin",
            network=self.config.network,
            images={name: len(split) for name, split in faces.splits.items()},
            classes=list(faces.classes),
            epochs=self.config.epochs,
            resumed=known is not None,
            epoch=progress.epoch + 1,
            step=progress.step,
            warnings=warnings,
            **facts,
        )
        if self._folder is not None:
            self._curves = curves.begin(self._folder, self.config, progress.epoch + 1)
        for warning in warnings:
            self.display.say(f"Note: {warning}")
        if known is not None:
            self.display.say(f"Going on in epoch {progress.epoch + 1} after step {progress.step}.")

    def step(self, progress: Progress, *, steps: int, loss: float) -> None:
        epoch, step = progress.epoch + 1, progress.step
        self.events.write("step", epoch=epoch, step=step, steps=steps, loss=round(loss, 6))
        self.display.show(f"Epoch {epoch}/{self.config.epochs}  step {step}/{steps}  loss {loss:.4f}")

    def note(self, progress: Progress, text: str) -> None:
        """What a person must know and a log must keep."""
        self.display.say(f"Note: {text}")
        self.events.write("note", message=text, epoch=progress.epoch + 1, step=progress.step + 1)

    def close(self) -> None:
        """No epoch follows from this process."""
        for tool in self._curves:
            tool.close()

    def stop(self, progress: Progress, reason: str) -> None:
        self.events.write("stop", epoch=progress.epoch + 1, step=progress.step, reason=reason)

    def epoch(
        self,
        progress: Progress,
        *,
        accuracy: float,
        loss: float,
        trained: float,
        learning_rate: float,
        better: bool,
    ) -> None:
        """accuracy, loss: on validation. trained: seconds of the epoch without the judging."""
        epoch, epochs = progress.epoch + 1, self.config.epochs
        train_loss, train_accuracy = progress.loss_sum / progress.seen, progress.right / progress.seen
        left = (progress.seconds_before + progress.seconds) / epoch * (epochs - epoch)
        speed = progress.seen / max(trained, 1e-9)
        facts = {
            "epoch": epoch,
            "epochs": epochs,
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            "validation_loss": loss,
            "validation_accuracy": accuracy,
            "learning_rate": learning_rate,
            **progress.norms.figures(),
            "seconds": round(progress.seconds, 3),
            "eta_seconds": round(left, 1),
            "images_per_second": round(speed, 2),
            "best": better,
        }
        self.events.write("epoch", **facts)
        for tool in self._curves:
            tool.add(facts)
        self.display.say(
            f"Epoch {epoch}/{epochs}  loss {train_loss:.4f}, validation {loss:.4f}  "
            f"accuracy {train_accuracy:.1%}, validation {accuracy:.1%}{' (best)' if better else ''}  "
            f"{speed:.0f} images/s, about {spoken(left)} left"
        )
