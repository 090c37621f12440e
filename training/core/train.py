"""`train SNAPSHOT RUN`: begin a training or go on with it, and judge it when it is over."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import torch
from torch import nn

from training.core import faces as snapshot_faces
from training.core import parallel
from training.core.agreement import measured
from training.core.checkpoints import give_best
from training.core.config import Config
from training.core.curves import refuse_absence
from training.core.device import device_for, explained_memory, refuse_no_compiler
from training.core.explaining import heat_of_mistakes
from training.core.faces import Faces, Snapshot
from training.core.heat_maps import write_heat_maps
from training.core.judgement import judgement
from training.core.judging import Views, plain, probabilities
from training.core.loop import Training
from training.core.losses import told_of_votes
from training.core.model_card import write_card
from training.core.networks import network as network_named
from training.core.networks.torchvision_classifiers import last_layer
from training.core.networks.weights import lasting, start_from, starting_file
from training.core.parallel import World
from training.core.predictions import Predictions, predictions_of, write_predictions
from training.core.progress import Display
from training.core.provenance import provenance
from training.core.refusals import BadConfig, BadRunFolder, BadSnapshot, Refusal, TrainingFailed
from training.core.run_folder import Events, Made, RunFolder, write_json
from training.core.stopping import Stopper
from training.core.views import WAYS

_NAMED = 4
_T = TypeVar("_T")


def train(
    *, snapshot: Path, run: Path, choose: Callable[[], Config] | None, stopper: Stopper, display: Display
) -> dict[str, Any]:
    """Train in the folder `run` until it is over, and return what result.json holds.

    Also in each of several processes that torchrun starts: the first one reads and writes the folder, the others
    are told. `choose` gives the config; None takes that of the run folder, or the default in a new one. A folder whose
    training was cut short is gone on with, a finished one is left alone. Raises Refusal, TrainingFailed or
    Stopped; the first two are also the last event of metrics.jsonl, unless the folder belongs to something
    else. A start that is refused settles nothing: a new folder is then not made, one that was there can be begun in
    otherwise.
    """
    folder = RunFolder(run)
    with parallel.world() as world:
        here = folder.path.exists()
        with folder.locked() if world.first else contextlib.nullcontext():
            begun = folder.config.exists()
            try:
                with _explained_disk(folder):
                    return _train(
                        folder, snapshot, choose, stopper, display if world.first else Display.silent(), world
                    )
            except (BadConfig, BadSnapshot, TrainingFailed) as error:
                if world.first and not folder.result.exists():
                    facts = error.facts if isinstance(error, TrainingFailed) else {}
                    with contextlib.suppress(OSError):  # on a full disk there is no room for this either
                        Events(folder.metrics).write("error", message=str(error), **facts)
                if world.first and not begun and isinstance(error, Refusal):
                    folder.forget_start(whole=not here)
                raise


@contextlib.contextmanager
def _explained_disk(folder: RunFolder) -> Iterator[None]:
    """Turn a file that cannot be written or read into a TrainingFailed that names it."""
    try:
        yield
    except BrokenPipeError:  # whoever read what is displayed has gone
        raise
    except OSError as error:
        said = f"{error.filename or folder.path}: {error.strerror or error}".removesuffix(".")
        raise TrainingFailed(
            f"{said}. Make room, or mend what else is wrong there; the same command then goes on from the last "
            f"checkpoint."
        ) from error


def _train(
    folder: RunFolder,
    path: Path,
    choose: Callable[[], Config] | None,
    stopper: Stopper,
    display: Display,
    world: World,
) -> dict[str, Any]:
    snapshot = snapshot_faces.open_snapshot(path)
    made = world.told_by_first(lambda: _prepared(folder, snapshot, choose, display, world))
    if made is None:
        return world.told_by_first(folder.read_result)
    with explained_memory(made.config):
        return _train_made(folder, made, snapshot, stopper, display, world)


def _prepared(
    folder: RunFolder,
    snapshot: Snapshot,
    choose: Callable[[], Config] | None,
    display: Display,
    world: World,
) -> Made | None:
    """What the run is made of, written into its folder if it is new; None where it is finished."""
    made = folder.made()
    config = _lasting(choose() if choose else made.config if made else Config())
    if made is not None:
        _refuse_other(folder, made, config, snapshot)
        if folder.result.exists():
            display.say(f"{folder.path} is finished; nothing to do. Name another folder to train again.")
            return None
        _verify(snapshot, display)
        return made
    folder.refuse_remains()
    refuse_absence(config)
    refuse_no_compiler(config)
    if config.sync_batch_norm and world.size == 1:
        raise BadConfig(
            "sync_batch_norm is about several processes, but there is one. Start them with torchrun, or set "
            "sync_batch_norm to false."
        )
    if config.starting_weights:
        starting_file(config.starting_weights)  # before the long check
    _verify(snapshot, display)
    snapshot_faces.refuse_too_small(snapshot)
    side = snapshot_faces.stored_size(snapshot, config)
    made = Made(config=config, snapshot_digest=snapshot.digest, classes=snapshot.classes, stored_size=side)
    folder.write_made(made)
    return made


def _lasting(config: Config) -> Config:
    return dataclasses.replace(config, starting_weights=lasting(config.starting_weights))


def _verify(snapshot: Snapshot, display: Display) -> None:
    display.say("Checking the snapshot …")
    snapshot_faces.verify(snapshot)


def _train_made(
    folder: RunFolder, made: Made, snapshot: Snapshot, stopper: Stopper, display: Display, world: World
) -> dict[str, Any]:
    config = made.config
    device = device_for(config, world.local_rank if world.size > 1 else None)

    def between(done: int) -> None:
        stopper.check()
        display.show(f"Decoding images: {done}/{snapshot.rows}")

    def load() -> Faces:
        return snapshot_faces.load(snapshot, config, made.stored_size, folder.cache, between)

    # The first process decodes; the others find its array, or, on another machine, make their own.
    world.told_by_first(lambda: len(load().images))
    faces = load()
    notes = [said] if (said := told_of_votes(faces, config)) else []
    network = build(made, start=world.first and not folder.last.exists(), note=notes.append)
    training = Training(
        folder=folder,
        config=config,
        faces=faces,
        network=_synchronised(network, config, device, world),
        device=device,
        stopper=stopper,
        display=display,
        world=world,
        notes=notes,
    )
    training.run()
    return world.told_by_first(lambda: _judged(folder, made, snapshot, training, stopper, display))


def _judged(
    folder: RunFolder, made: Made, snapshot: Snapshot, training: Training, stopper: Stopper, display: Display
) -> dict[str, Any]:
    if not folder.best.exists():
        raise BadRunFolder(
            f"{folder.best} is lost, and {folder.path} has been trained to its end. Put the file back, or delete "
            f"{folder.last} to train from the beginning."
        )
    give_best(folder, training.network)
    result = _judge(folder, made, snapshot, training, stopper)
    _tell(result, training, display)
    # The result comes last: what has one is finished, and nothing is added to it.
    write_card(folder.path, result)
    write_json(folder.result, result)
    return result


def _synchronised(network: nn.Module, config: Config, device: torch.device, world: World) -> nn.Module:
    if not config.sync_batch_norm or world.size == 1:
        return network
    if device.type != "cuda":
        raise BadConfig(
            "sync_batch_norm needs CUDA cards, but there are none here. Set sync_batch_norm to false."
        )
    synchronised: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    return synchronised


def build(made: Made, *, start: bool, note: Callable[[str], None] = lambda text: None) -> nn.Module:
    """The run's network with the weights its seed gives, or those of the file it starts from if `start`. note: is told
    what a person must know of that file.
    """
    config = made.config
    torch.manual_seed(config.seed)
    network = network_named(config.network)(
        classes=len(made.classes),
        in_channels=config.in_channels,
        dropout=config.dropout,
        mask_activation=config.mask_activation,
        image_size=config.image_size,
    )
    if start and config.starting_weights:
        missing = start_from(network, config.starting_weights)
        if missing:
            note(_told_missing(missing, network, config))
    return network


def _told_missing(missing: list[str], network: nn.Module, config: Config) -> str:
    named = ", ".join(missing[:_NAMED]) + (" …" if len(missing) > _NAMED else "")
    said = (
        f"{len(missing)} of the network's {len(network.state_dict())} tensors are not in {config.starting_weights}, or "
        f"of another size there, and start at random: {named}."
    )
    if config.frozen_epochs and any(name.rpartition(".")[0] != last_layer(network) for name in missing):
        said += " What of them is not in the last layer stays so through the frozen_epochs."
    return said


def _judge(
    folder: RunFolder, made: Made, snapshot: Snapshot, training: Training, stopper: Stopper
) -> dict[str, Any]:
    """The best weights' figures on validation and, this once, on test; by the config's further views beside them."""
    said = _looked(made, snapshot, training, stopper, plain)
    for name, predictions in said.items():
        write_predictions(folder.predictions(name), predictions)
    rows = snapshot.splits["test"].rows
    # Where memory did not suffice, a batch went through the network in more parts than the config says.
    at_once = math.ceil(made.config.batch_size / training.stepper.parts)
    heat = heat_of_mistakes(
        training, training.images, rows, said["test"], at_once=at_once, between=stopper.check
    )
    if heat:
        write_heat_maps(folder.heat_maps("test"), heat)
    best_epoch = training.progress.best_epoch
    result = {"classes": list(snapshot.classes), "best_epoch": best_epoch, **judgement(said)}
    result["data"] = _read_again(snapshot, lambda: provenance(snapshot))
    result["device"] = str(training.device)
    if (way := made.config.test_views) != "plain":
        views = WAYS[way](made.config.seed)
        result["augmented"] = {way: judgement(_looked(made, snapshot, training, stopper, views))}
    rows = snapshot.splits["validation"].rows
    device, between = training.device, stopper.check
    result["bf16"] = measured(training.network, training.images, rows, made.config, device, between)
    return result


def _looked(
    made: Made, snapshot: Snapshot, training: Training, stopper: Stopper, views: Views
) -> dict[str, Predictions]:
    said: dict[str, Predictions] = {}
    for name in ("validation", "test"):
        found = probabilities(
            training.network,
            training.images,
            torch.from_numpy(snapshot.splits[name].rows),
            made.config,
            training.device,
            between=stopper.check,
            views=views,
        )
        said[name] = _read_again(snapshot, partial(predictions_of, snapshot, name, found))
    return said


def _read_again(snapshot: Snapshot, read: Callable[[], _T]) -> _T:
    """What is asked of the snapshot's folder once more when the training is over: it may have gone meanwhile."""
    try:
        return read()
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise TrainingFailed(
            f"The network is trained, but the snapshot {snapshot.folder} cannot be read any more: {error} Put it back; "
            f"the same command then judges the network."
        ) from error


def _tell(result: dict[str, Any], training: Training, display: Display) -> None:
    progress = training.progress
    training.tell.events.write(
        "end",
        epoch=progress.epoch,
        best_epoch=progress.best_epoch,
        seconds=round(progress.seconds_before, 3),
        accuracy={name: split["accuracy"] for name, split in result["splits"].items()},
    )
    _say_figures(result["splits"], display)
    for way, judged in result.get("augmented", {}).items():
        _say_figures({f"{name} by {way}": split for name, split in judged["splits"].items()}, display)


def _say_figures(splits: dict[str, Any], display: Display) -> None:
    for name, split in splits.items():
        low, high = split["accuracy_interval"]
        display.say(
            f"{name}: accuracy {split['accuracy']:.1%} (95 % interval {low:.1%}–{high:.1%}), "
            f"macro F1 {split['macro_f1']:.3f}, {split['images']} images"
        )


def _refuse_other(folder: RunFolder, made: Made, config: Config, snapshot: Snapshot) -> None:
    if made.snapshot_digest != snapshot.digest or made.classes != snapshot.classes:
        raise BadRunFolder(
            f"{folder.path} was trained on another snapshot ({made.snapshot_digest[:16]}, this one is "
            f"{snapshot.digest[:16]}). Name another run folder."
        )
    before, now = _lasting(made.config).to_json(), config.to_json()
    other = [f"{name} was {before[name]}, now {now[name]}" for name in before if before[name] != now[name]]
    if other:
        raise BadRunFolder(
            f"{folder.path} was made with other settings: {'; '.join(other)}. Name another run folder."
        )
