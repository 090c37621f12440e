"""Every setting of a training, in one frozen record. Unknown, mistyped and contradictory settings are
refused.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from training.core.contradictions import contradictions, idle
from training.core.networks import NETWORKS, OTHERS, Network, network
from training.core.recipes import PRESETS
from training.core.refusals import BadConfig
from training.core.setting import Setting

__all__ = ["FIELDS", "PRESETS", "Config", "Setting", "read_config", "refuse_beside_fast", "resolve"]

SET_BY_FAST = ("bf16", "channels_last")
"""What `train --fast` sets, as the machine that trains is quickest with it."""


def _field(default: Any, about: str, **limits: Any) -> Any:
    return field(default=default, metadata={"about": about, **limits})


@dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the authors' published code, as the preset `paper-code` has it; see PRESETS. Fractions
    are 0–1, times in the unit of the name.
    """

    network: str = _field("resmasking", "The network to train.", choices=(*NETWORKS, *OTHERS))
    image_size: int = _field(224, "Side in pixels of the square image the network sees.", low=8, high=1024)
    colour: str = _field(
        "grey", "What is read of an image: its brightness or its colours.", choices=("grey", "rgb")
    )
    in_channels: int = _field(
        3, "Channels the network takes; grey is repeated to fill three.", choices=(1, 3)
    )
    dropout: float = _field(0.4, "Share of features dropped before the last layer.", low=0.0, high=0.95)
    mask_activation: str = _field(
        "softmax",
        "What brings a mask into [0, 1]: softmax over channels (authors' code) or sigmoid.",
        choices=("softmax", "sigmoid"),
    )
    starting_weights: str = _field(
        "",
        "Where to start: a .safetensors or .pth file, a run's folder, or torchvision's weights by name, such as "
        "ResNet18_Weights.DEFAULT; empty starts at random.",
    )
    normalisation: str = _field(
        "none",
        "How pixels in 0–1 are shifted: not at all, or each image to mean 0, deviation 1.",
        choices=("none", "image"),
    )
    epochs: int = _field(50, "Passes over the training images, at most.", low=1, high=100_000)
    batch_size: int = _field(48, "Training images per step of the optimizer.", low=2, high=65_536)
    optimizer: str = _field("radam", "How weights are moved.", choices=("radam", "adamw", "sgd"))
    learning_rate: float = _field(1e-4, "The highest step size.", above=0.0, high=100.0)
    momentum: float = _field(0.9, "Momentum of sgd, first beta of adamw and radam.", low=0.0, high=0.9999)
    weight_decay: float = _field(
        1e-3, "Decay of weights; decoupled with adamw and radam.", low=0.0, high=10.0
    )
    decay_norms_and_biases: bool = _field(
        True, "Decay biases and the parameters of normalisations too, or the other weights alone.", later=True
    )
    label_smoothing: float = _field(0.0, "Share of the target spread over all classes.", low=0.0, high=0.9)
    target: str = _field(
        "label",
        "What is learnt of a face: its label, the distribution of its votes, a label drawn from them in every "
        "epoch, or any of the expressions many voted for.",
        choices=("label", "distribution", "draw", "multi-label"),
        later=True,
    )
    least_share: float = _field(
        0.0,
        "With votes as target: expressions with a smaller share of a face's votes count as none.",
        low=0.0,
        high=0.5,
        later=True,
    )
    accepted_share: float = _field(
        0.3,
        "With multi-label: expressions with at least this share of a face's votes are right.",
        above=0.0,
        high=1.0,
        later=True,
    )
    class_weights: str = _field(
        "none",
        "How much more a face of a rare class weighs: not more, by one over its class's size, or by one over the "
        "square root.",
        choices=("none", "inverse", "square-root"),
        later=True,
    )
    logit_adjustment: float = _field(
        0.0,
        "How strongly the classes' shares are added to the logits in training, against imbalance; 1 balances.",
        low=0.0,
        high=4.0,
        later=True,
    )
    schedule: str = _field(
        "plateau",
        "The step size over time: falls when validation stalls, rises and falls once, rises and falls to the "
        "lowest, or stays.",
        choices=("plateau", "one-cycle", "cosine", "constant"),
    )
    plateau_patience: int = _field(
        2, "With plateau: epochs without a better validation accuracy that are borne.", low=0, high=10_000
    )
    plateau_factor: float = _field(
        0.1, "With plateau: what the step size is multiplied by.", above=0.0, high=0.99
    )
    lowest_learning_rate: float = _field(
        1e-6, "With plateau and cosine: it never falls below this.", low=0.0, high=100.0
    )
    warm_up: float = _field(
        0.2, "With one-cycle and cosine: share of all steps in which it rises.", low=0.0, high=0.9
    )
    body_rate: float = _field(
        1.0,
        "With starting weights: share of the step size by which all but the last layer moves.",
        above=0.0,
        high=1.0,
        later=True,
    )
    frozen_epochs: int = _field(
        0,
        "With starting weights: first epochs in which the last layer alone learns.",
        low=0,
        high=99_999,
        later=True,
    )
    clip_gradient: float = _field(
        0.0, "A gradient with a larger norm is shortened to this; 0 never.", low=0.0, high=1e6, later=True
    )
    accumulation: int = _field(
        1,
        "Parts in which a batch goes through the network, one after the other; saves memory, not time.",
        low=1,
        high=1024,
        later=True,
    )
    halve_when_out_of_memory: bool = _field(
        False, "Where memory does not suffice, go on with twice as many parts instead of ending.", later=True
    )
    ema: float = _field(
        0.0,
        "Judge and keep a moving average of the weights, of which each step leaves this share; 0 the weights "
        "themselves.",
        low=0.0,
        high=0.999999,
        later=True,
    )
    early_stopping: int = _field(
        8,
        "Stop after more than this many epochs without a better validation accuracy; 0 never.",
        low=0,
        high=100_000,
    )
    flip: float = _field(0.5, "Chance that a training image is mirrored.", low=0.0, high=1.0)
    rotation: float = _field(
        30.0, "Training images are turned by up to this many degrees.", low=0.0, high=180.0
    )
    crop: float = _field(
        0.0,
        "Training images are cut to a random square, shorter by up to this share, and grown again.",
        low=0.0,
        high=0.9,
        later=True,
    )
    translate: float = _field(
        0.0,
        "Training images are shifted by up to this share of their side, both ways.",
        low=0.0,
        high=0.5,
        later=True,
    )
    contrast: float = _field(
        0.0,
        "The contrast of training images is multiplied by one plus or minus up to this.",
        low=0.0,
        high=1.0,
        later=True,
    )
    erase: float = _field(
        0.0,
        "Chance that a rectangle of a training image, 2 to 20 percent of it, is blanked out.",
        low=0.0,
        high=1.0,
        later=True,
    )
    mixup: float = _field(
        0.0,
        "Each training image is mixed with another, the share drawn from a Beta distribution with this alpha; "
        "0 never.",
        low=0.0,
        high=10.0,
        later=True,
    )
    augment_order: str = _field(
        "resize-then-rotate",
        "Augment at image_size as the authors do, or at the stored size, which is faster.",
        choices=("resize-then-rotate", "rotate-then-resize"),
    )
    seed: int = _field(0, "Decides weights, order and augmentation.", low=0, high=2**31 - 1)
    device: str = _field(
        "auto",
        "Where the arithmetic happens; auto takes a CUDA card when there is one, else the CPU.",
        choices=("auto", "cpu", "cuda", "mps"),
        pattern=(r"cuda:\d{1,3}", "cuda:N"),
    )
    threads: int = _field(0, "CPU threads of torch; 0 leaves the choice to it.", low=0, high=1024)
    bf16: bool = _field(False, "Compute in bfloat16 where that is safe, with 32-bit weights.")
    channels_last: bool = _field(False, "Keep images as NHWC in memory; faster on most machines with bf16.")
    compile: bool = _field(
        False,
        "Let torch compile the training steps: slow to begin, then faster on most cards; needs a C++ compiler.",
        later=True,
    )
    sync_batch_norm: bool = _field(
        False, "With several processes, batch norm sees the images of all of them; CUDA only.", later=True
    )
    checkpoint_minutes: float = _field(
        5.0,
        "A checkpoint is written at least this often, beside those after epochs; of quick epochs not after every one.",
        above=0.0,
        high=1e6,
    )
    evaluation_batch_size: int = _field(256, "Images per step when judging.", low=1, high=65_536)
    tensorboard: bool = _field(
        False, "Write the curves as TensorBoard's files too; needs the package tensorboard.", later=True
    )
    mlflow: bool = _field(
        False,
        "Tell MLflow the curves and settings too; needs the package mlflow-skinny or mlflow.",
        later=True,
    )
    wandb: bool = _field(
        False, "Tell Weights & Biases the curves and settings too; needs the package wandb.", later=True
    )
    test_views: str = _field(
        "plain",
        "At the end, judge also by several views of each image: its mirror, ten crops, or the ten turned copies of "
        "the paper's authors. Told apart from the plain figures.",
        choices=("plain", "flip", "ten-crop", "ten-copies"),
        later=True,
    )

    def __post_init__(self) -> None:
        for name, setting in FIELDS.items():
            setting.check(getattr(self, name))
        for contradiction in contradictions(self):
            raise BadConfig(contradiction)

    def to_json(self) -> dict[str, Any]:
        """Setting names to JSON values, in order; `Config.from_json` gives the config back exactly."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Config:
        """Raises BadConfig for unknown, missing or wrong settings. Configs saved by an earlier version lack the
        later ones, which then have their defaults.
        """
        _refuse_unknown(values)
        missing = [name for name, setting in FIELDS.items() if name not in values and not setting.later]
        if missing:
            raise BadConfig(f"config lacks settings: {', '.join(missing)}.")
        return _config(values)


_KINDS: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool}

FIELDS: Mapping[str, Setting] = MappingProxyType(
    {
        f.name: Setting(name=f.name, kind=_KINDS[str(f.type)], default=f.default, **f.metadata)
        for f in dataclasses.fields(Config)
    }
)


def resolve(
    preset: str = "paper-code",
    network_name: str | None = None,
    overrides: Mapping[str, object] | None = None,
    *,
    saved: Config | None = None,
) -> Config:
    """The preset's settings for a network, or those of a `saved` config, changed by `overrides`. Texts as typed
    ("0.1", "true") are understood. Where the network cannot take the preset's image_size, it is the next larger that
    it can.

    Raises BadConfig for an unknown preset, network or setting, a wrong value, two that contradict each other, or an
    override that changes what the schedule does not read.
    """
    if preset not in PRESETS:
        raise BadConfig(f"There is no preset {preset}. Choose one of: {', '.join(PRESETS)}.")
    overrides = overrides or {}
    _refuse_unknown(overrides)
    kept = {} if saved is None else saved.to_json()
    chosen = {**kept, **overrides}.get("network", network_name or Config.network)
    if network_name is not None and chosen != network_name:
        raise BadConfig(f"The network is {network_name}, but the setting network says {chosen}. Give one.")
    before = kept or {**PRESETS[preset], **_of_network(network(str(chosen)), preset)}
    config = _config({**before, **overrides, "network": chosen})
    changed = [
        name
        for name in overrides
        if getattr(config, name) not in (FIELDS[name].default, before.get(name, FIELDS[name].default))
    ]
    for sentence in idle(config, changed):
        raise BadConfig(sentence)
    return config


def _of_network(network: Network, preset: str) -> dict[str, object]:
    """What the network itself has a say in: its dropout, and images no smaller than it can take."""
    side = PRESETS[preset].get("image_size", Config.image_size)
    assert isinstance(side, int)
    return {"dropout": network.dropout, "image_size": network.nearest_size(side)}


def refuse_beside_fast(given: Collection[str]) -> None:
    """Raises BadConfig where one of the settings given by hand is left to the machine by `--fast`."""
    if twice := [name for name in SET_BY_FAST if name in given]:
        raise BadConfig(f"Fast sets {' and '.join(twice)} as the machine needs it. Leave one of the two out.")


def read_config(file: Path) -> Config:
    """A config from a JSON file: one printed by the `config` command, or the config.json of a run folder."""
    try:
        values = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadConfig(f"{file} cannot be read as a config: {error}") from error
    if isinstance(values, dict) and isinstance(values.get("config"), dict):
        values = values["config"]
    if not isinstance(values, dict):
        raise BadConfig(f"{file} does not hold a JSON object of settings.")
    try:
        return Config.from_json(values)
    except BadConfig as error:
        raise BadConfig(f"{file}: {error}") from error


def _refuse_unknown(values: Mapping[str, object]) -> None:
    for name in values:
        if name not in FIELDS:
            close = get_close_matches(name, FIELDS, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise BadConfig(f"config has a setting nobody reads: {name}.{hint}")


def _config(values: Mapping[str, object]) -> Config:
    fitting: dict[str, Any] = {name: _fitting(name, value) for name, value in values.items()}
    return Config(**fitting)


def _fitting(name: str, value: object) -> object:
    """The value in the setting's kind: typed text is read, whole numbers will do for floats."""
    kind = FIELDS[name].kind
    if kind is float and type(value) is int:
        return float(value)
    if kind is str or not isinstance(value, str):
        return value
    if kind is bool:
        return {"true": True, "false": False}.get(value.strip().lower(), value)
    try:
        return kind(value)
    except ValueError:
        return value  # the check names the setting and says what it must be
