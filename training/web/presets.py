"""The presets side by side, for whoever has to choose one."""

from dataclasses import dataclass
from typing import Any

from training.core.config import FIELDS, PRESETS, resolve


@dataclass(frozen=True)
class Row:
    name: str
    about: str
    values: list[tuple[str, Any]]
    """(preset, what it sets), in the order of Table.presets."""

    @property
    def differs(self) -> bool:
        return len({repr(value) for _, value in self.values}) > 1


@dataclass(frozen=True)
class Table:
    presets: list[str]
    rows: list[Row]


def table() -> Table:
    """Every setting, with what each preset has there (for a ResNet18 where it depends on the network)."""
    resolved = {preset: resolve(preset, "resnet18").to_json() for preset in PRESETS}
    rows = [
        Row(name, setting.about, [(preset, values[name]) for preset, values in resolved.items()])
        for name, setting in FIELDS.items()
        if name != "network"
    ]
    return Table(list(PRESETS), rows)
