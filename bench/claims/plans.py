"""The claims: which trainings each needs, from which labels, and what it aims at. Nothing here was chosen by a test
image: recipes and views stand before anything is trained.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from training.core.config import Config, resolve
from training.core.networks import network

_FAST: Mapping[str, object] = {
    "bf16": True,
    "channels_last": True,
    "test_views": "plain",
    "evaluation_batch_size": 512,
}
_PAPER: Mapping[str, object] = {**_FAST, "augment_order": "rotate-then-resize"}
_SMOKE: Mapping[str, object] = {
    "epochs": 1,
    "batch_size": 8,
    "evaluation_batch_size": 8,
    "bf16": False,
    "channels_last": False,
}


@dataclass(frozen=True)
class Training:
    """One network to train. labels: "fer2013", 7 classes, or "ferplus", 8 classes by the official filter."""

    name: str
    labels: str
    preset: str
    network: str
    settings: Mapping[str, object] = field(default_factory=dict)

    def config(self, *, smoke: bool = False) -> Config:
        """smoke: an epoch of the same network on the smallest images it takes, in 32 bits, anywhere."""
        changes = dict(self.settings)
        if smoke:
            changes |= {**_SMOKE, "image_size": network(self.network).smallest_image}
        return resolve(self.preset, self.network, changes)


@dataclass(frozen=True)
class Claim:
    """about: what is claimed. view: by which views of a test image, "plain" or "ten-crop"."""

    name: str
    about: str
    trainings: tuple[Training, ...]
    view: str
    aims: Mapping[str, float] = field(default_factory=dict)


def _strong(network_name: str, seed: int, **changes: object) -> Training:
    size = f"-{changes['image_size']}" if "image_size" in changes else ""
    settings = {**_FAST, "seed": seed, **changes}
    return Training(f"strong-{network_name}{size}-{seed}", "fer2013", "strong", network_name, settings)


def _paper(network_name: str, seed: int) -> Training:
    settings = {**_PAPER, "seed": seed}
    return Training(f"paper-{network_name}-{seed}", "fer2013", "paper-code", network_name, settings)


def _votes(target: str, seed: int) -> Training:
    # Single votes among ten count as none, as the paper of FER+ has it; smoothing would blur the comparison.
    some = {"target": target, "label_smoothing": 0.0, "epochs": 120}
    votes = {} if target == "label" else {"least_share": 0.15}
    settings = {**_FAST, **some, **votes, "seed": seed}
    return Training(f"ferplus-{target}-{seed}", "ferplus", "strong", "resnet18-small", settings)


PAPERS_TABLE: Mapping[str, float] = MappingProxyType(
    {
        "resmasking": 74.14,
        "resnet34": 72.41,
        "resnet152": 73.22,
        "vgg19": 70.80,
        "googlenet": 71.97,
        "inception_v3": 72.72,
        "densenet121": 73.16,
        "efficientnet-b2b": 70.80,
        "cbam-resnet50": 73.39,
        "bam-resnet50": 73.14,
        "resattnet56": 72.63,
    }
)
"""Table II: per cent on FER2013's PrivateTest, most of them from weights of ImageNet."""
SEEDS, LOSS_SEEDS = range(3), range(5)
LOSSES = ("label", "multi-label", "draw", "distribution")
"""The majority, any of those many voted for, one drawn by the votes, their distribution: arXiv 1608.01041."""

_THREE = tuple(_strong("resnet18-small", seed) for seed in SEEDS)
_CENTRAL = tuple(_paper(name, seed) for seed in SEEDS for name in ("resnet34", "resmasking"))
_TABLE = tuple(_paper(name, 0) for name in (*PAPERS_TABLE, "resnet18"))
_OTHERS = (
    _strong("resnet18-small+masks", 0),
    _strong("resnet34", 0, image_size=96),
    _strong("resmasking", 0, image_size=96),
    _strong("cbam-resnet50", 0, image_size=96),
    _strong("densenet121", 0, image_size=96),
    _strong("vgg19", 0, image_size=64),
)
_FERPLUS = Training(
    "ferplus-soft-votes-0",
    "ferplus",
    "soft-votes",
    "resnet18-small",
    {**_FAST, "least_share": 0.15, "seed": 0},
)

CLAIMS: Mapping[str, Claim] = MappingProxyType(
    {
        claim.name: claim
        for claim in (
            Claim(
                "strong",
                "ResNet18 for small images from scratch: mean of three seeds",
                _THREE,
                "ten-crop",
                {"accuracy": 0.74},
            ),
            Claim(
                "central",
                "ResMaskingNet against ResNet34 under one recipe, three seeds each",
                _CENTRAL,
                "plain",
            ),
            Claim(
                "table", "The networks of Tables II and IV under one recipe, from scratch", _TABLE, "plain"
            ),
            Claim(
                "ensemble",
                "At most eight networks from scratch, chosen on validation",
                (*_THREE, *_OTHERS),
                "ten-crop",
                {"accuracy": 0.76},
            ),
            Claim(
                "ferplus", "FER+, official filter, one network", (_FERPLUS,), "ten-crop", {"accuracy": 0.875}
            ),
            Claim(
                "losses",
                "FER+: four ways to learn from the votes, five seeds each",
                tuple(_votes(target, seed) for seed in LOSS_SEEDS for target in LOSSES),
                "plain",
            ),
            Claim(
                "calibrated",
                "The networks of `strong`: sure as often as right, and fair to rare classes",
                _THREE,
                "ten-crop",
                {"ece": 0.025, "macro_f1": 0.72},
            ),
        )
    }
)

TRAININGS: Mapping[str, Training] = MappingProxyType(
    {training.name: training for claim in CLAIMS.values() for training in claim.trainings}
)
"""All of them, by name."""


def told(claim: Claim) -> dict[str, Any]:
    """The claim as a file of figures begins."""
    return {"claim": claim.name, "about": claim.about, "view": claim.view, "aims": dict(claim.aims)}
