"""Every setting of a training, in one frozen record. Unknown, mistyped and contradictory settings are
refused.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from training.core.networks import NETWORKS, OTHERS, Network, network
from training.core.refusals import BadConfig


def _field(default: Any, about: str, **limits: Any) -> Any:
    return field(default=default, metadata={"about": about, **limits})


@dataclass(frozen=True, kw_only=True)
class Config:
    """The defaults are the preset `paper-code`; see PRESETS. Fractions are 0–1, times in the unit of the
    name.
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
    label_smoothing: float = _field(0.0, "Share of the target spread over all classes.", low=0.0, high=0.9)
    schedule: str = _field(
        "plateau",
        "The step size over time: falls when validation stalls, rises and falls once, or stays.",
        choices=("plateau", "one-cycle", "constant"),
    )
    plateau_patience: int = _field(
        2, "With plateau: epochs without a better validation accuracy that are borne.", low=0, high=10_000
    )
    plateau_factor: float = _field(
        0.1, "With plateau: what the step size is multiplied by.", above=0.0, high=0.99
    )
    lowest_learning_rate: float = _field(
        1e-6, "With plateau: it never falls below this.", low=0.0, high=100.0
    )
    warm_up: float = _field(0.2, "With one-cycle: share of all steps in which it rises.", low=0.0, high=0.9)
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
    augment_order: str = _field(
        "resize-then-rotate",
        "Augment at image_size as the authors do, or at the stored size, which is faster.",
        choices=("resize-then-rotate", "rotate-then-resize"),
    )
    seed: int = _field(0, "Decides weights, order and augmentation.", low=0, high=2**31 - 1)
    device: str = _field("auto", "auto takes a CUDA card when there is one.", choices=("auto", "cpu", "cuda"))
    threads: int = _field(0, "CPU threads of torch; 0 leaves the choice to it.", low=0, high=1024)
    bf16: bool = _field(False, "Compute in bfloat16 where that is safe, with 32-bit weights.")
    channels_last: bool = _field(False, "Keep images as NHWC in memory; faster on most machines with bf16.")
    checkpoint_minutes: float = _field(
        5.0,
        "A checkpoint is written at least this often, beside the one after each epoch.",
        above=0.0,
        high=1e6,
    )
    evaluation_batch_size: int = _field(256, "Images per step when judging.", low=1, high=65_536)

    def __post_init__(self) -> None:
        for name, setting in FIELDS.items():
            setting.check(getattr(self, name))
        self._check_contradictions()

    def _check_contradictions(self) -> None:
        smallest, step = network(self.network).smallest_image, network(self.network).image_step
        if self.image_size % step:
            raise BadConfig(
                f"image_size is {self.image_size}, but {self.network} needs a multiple of {step}: "
                f"set it to {network(self.network).nearest_size(self.image_size)}."
            )
        if self.image_size < smallest:
            raise BadConfig(
                f"image_size is {self.image_size}, but {self.network} needs at least {smallest}: "
                f"its feature maps would vanish. Raise image_size to {smallest} or more."
            )
        if self.colour == "rgb" and self.in_channels == 1:
            raise BadConfig("colour is rgb, but in_channels is 1. Set in_channels to 3, or colour to grey.")
        if self.schedule == "plateau" and self.lowest_learning_rate > self.learning_rate:
            raise BadConfig(
                f"lowest_learning_rate is {self.lowest_learning_rate}, above learning_rate, "
                f"{self.learning_rate}. Lower it."
            )
        if self.mask_activation != "softmax" and not network(self.network).masked:
            raise BadConfig(f"mask_activation is a setting of Masking Blocks; {self.network} has no masks.")

    def to_json(self) -> dict[str, Any]:
        """Setting names to JSON values, in order; `Config.from_json` gives the config back exactly."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Config:
        """Raises BadConfig for unknown, missing or wrong settings."""
        _refuse_unknown(values)
        missing = [name for name in FIELDS if name not in values]
        if missing:
            raise BadConfig(f"config lacks settings: {', '.join(missing)}.")
        return _config(values)


@dataclass(frozen=True)
class Setting:
    """One field of Config as people see it. kind: int, float, str or bool. Limits are None where there are
    none.
    """

    name: str
    kind: type
    default: Any
    about: str
    choices: tuple[Any, ...] | None = None
    low: float | None = None
    above: float | None = None
    high: float | None = None

    def check(self, value: object) -> None:
        """Raises BadConfig unless the value is of this kind and within the limits."""
        if type(value) is not self.kind:
            raise BadConfig(f"{self.name} is {value!r}; it must be {_KIND_NAMES[self.kind]}.")
        if self.choices is not None and value not in self.choices:
            raise BadConfig(
                f"{self.name} is {value!r}; it must be one of {', '.join(map(str, self.choices))}."
            )
        if isinstance(value, int | float):
            self._check_limits(value)

    def _check_limits(self, value: float) -> None:
        if not math.isfinite(value):
            raise BadConfig(f"{self.name} is {value}; it must be a finite number.")
        if self.low is not None and value < self.low:
            raise BadConfig(f"{self.name} is {value}; it must be at least {self.low}.")
        if self.above is not None and value <= self.above:
            raise BadConfig(f"{self.name} is {value}; it must be above {self.above}.")
        if self.high is not None and value > self.high:
            raise BadConfig(f"{self.name} is {value}; it must be at most {self.high}.")


_KINDS: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool}
_KIND_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}

FIELDS: Mapping[str, Setting] = MappingProxyType(
    {
        f.name: Setting(name=f.name, kind=_KINDS[str(f.type)], default=f.default, **f.metadata)
        for f in dataclasses.fields(Config)
    }
)

PRESETS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        # The authors' published code: RAdam, plateau on validation accuracy.
        "paper-code": {},
        # The paper's section IV-B: momentum 0.9, and the step size falls after two epochs without a better
        # accuracy, where the code's patience of two lets it fall after three.
        "paper-text": {"optimizer": "sgd", "plateau_patience": 1, "lowest_learning_rate": 0.0},
        # Something to look at after minutes on a CPU. Not a recipe for good figures.
        "quick": {
            "image_size": 48,
            "epochs": 12,
            "batch_size": 32,
            "optimizer": "adamw",
            "learning_rate": 2e-3,
            "weight_decay": 0.02,
            "label_smoothing": 0.1,
            "schedule": "one-cycle",
            "early_stopping": 0,
            "rotation": 15.0,
            "normalisation": "image",
            "augment_order": "rotate-then-resize",
        },
    }
)


def resolve(
    preset: str = "paper-code", network_name: str | None = None, overrides: Mapping[str, object] | None = None
) -> Config:
    """The preset's settings for a network, changed by `overrides`. Texts as typed ("0.1", "true") are
    understood. Where the network cannot take the preset's image_size, it is the next larger that it can.

    Raises BadConfig for an unknown preset, network or setting, a wrong value, or two that contradict each
    other.
    """
    if preset not in PRESETS:
        raise BadConfig(f"There is no preset {preset}. Choose one of: {', '.join(PRESETS)}.")
    overrides = overrides or {}
    _refuse_unknown(overrides)
    chosen = overrides.get("network", network_name or Config.network)
    if network_name is not None and chosen != network_name:
        raise BadConfig(f"The network is {network_name}, but the setting network says {chosen}. Give one.")
    values = {**PRESETS[preset], **_of_network(network(str(chosen)), preset), **overrides, "network": chosen}
    return _config(values)


def _of_network(network: Network, preset: str) -> dict[str, object]:
    """What the network itself has a say in: its dropout, and images no smaller than it can take."""
    side = PRESETS[preset].get("image_size", Config.image_size)
    assert isinstance(side, int)
    return {"dropout": network.dropout, "image_size": network.nearest_size(side)}


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
    return Config.from_json(values)


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
