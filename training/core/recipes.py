"""The presets: sets of settings under a name. What a preset does not name has the default of Config."""

from collections.abc import Mapping
from types import MappingProxyType

_STRONG: Mapping[str, object] = MappingProxyType(
    {
        "image_size": 48,
        "normalisation": "image",
        "epochs": 300,
        "batch_size": 128,
        "optimizer": "sgd",
        "learning_rate": 0.05,
        "weight_decay": 5e-4,
        "label_smoothing": 0.1,
        "mixup": 0.2,
        "schedule": "cosine",
        "warm_up": 0.02,
        "lowest_learning_rate": 0.0,
        "early_stopping": 0,
        "clip_gradient": 5.0,
        "ema": 0.999,
        "rotation": 15.0,
        "crop": 0.15,
        "translate": 0.08,
        "contrast": 0.3,
        "erase": 0.25,
        "augment_order": "rotate-then-resize",
        "test_views": "ten-crop",
    }
)

PRESETS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        # The authors' published code: RAdam, plateau on validation accuracy, ten turned copies of each test image.
        "paper-code": {"test_views": "ten-copies"},
        # The paper's section IV-B: momentum 0.9, and the step size falls after two epochs without a better
        # accuracy, where the code's patience of two lets it fall after three. It tells of no copies.
        "paper-text": {"optimizer": "sgd", "plateau_patience": 1, "lowest_learning_rate": 0.0},
        # From random weights on small images. The line of arXiv 1612.02903 and of the 73.70 % on FER2013 that a
        # ResNet18 reached with label smoothing, mixup, 300 epochs and ten crops.
        "strong": _STRONG,
        # The same, learning how the people were divided; arXiv 1608.01041 found that worth about a point. Votes
        # are softer than smoothed labels already.
        "soft-votes": {**_STRONG, "target": "distribution", "label_smoothing": 0.0},
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
