"""Starting weights from a file: another run's, torchvision's, or the authors' published ResMaskingNet."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from training.core.networks.resmasking import DEPTHS, ResMaskingNet
from training.core.refusals import BadConfig

Weights = dict[str, Tensor]
_HEAD = ("fc.1.weight", "fc.1.bias")


def start_from(network: nn.Module, file: Path) -> list[str]:
    """Load the file's weights into the network and return the names of those it does not have, which keep
    theirs.

    Understood: .safetensors, and PyTorch files of tensors only, bare or below "net", "model" or "state_dict".
    A head for another number of classes is left out; ResMaskingNet takes a ResNet-34's weights for its trunk.
    Raises BadConfig for a file that cannot be read or that belongs to another network.
    """
    given = _read(file)
    if isinstance(network, ResMaskingNet) and any(
        ".downsample" in key for key in given if key.startswith("mask")
    ):
        given = from_published(given)
    wanted = network.state_dict()
    given = {_HEAD_NAMES.get(key, key): tensor for key, tensor in given.items()}
    for key in _HEAD:
        if key in given and given[key].shape != wanted[key].shape:
            del given[key]
    _refuse_strangers(given, wanted, file)
    missing = sorted(wanted.keys() - given.keys())
    network.load_state_dict(given, strict=False)
    return missing


def from_published(weights: Mapping[str, Tensor]) -> Weights:
    """The authors' state_dict in our names.

    Theirs has 740 keys: each mask registers its projection shortcuts twice, as `downsampleN.*` and as
    `convN.downsample.*`; the former are dropped. Blocks and up-steps are told apart by their numbers' order:
    first the `depth` blocks going down, then those going up, then the last one.
    """
    ours: Weights = {}
    for key, tensor in weights.items():
        mask = re.fullmatch(r"mask(\d)\.(.+)", key)
        if mask is None:
            ours[key] = tensor
        elif not re.match(r"downsample\d+\.", mask[2]):
            prefix = f"mask{mask[1]}."
            siblings = [other.removeprefix(prefix) for other in weights if other.startswith(prefix)]
            ours[prefix + _our_name(mask[2], siblings, DEPTHS[int(mask[1]) - 1])] = tensor
    return ours


_HEAD_NAMES = {"fc.weight": "fc.1.weight", "fc.bias": "fc.1.bias"}
_NUMBERED = re.compile(r"(\D+?)(\d+)\.(.+)")


def _our_name(name: str, siblings: list[str], depth: int) -> str:
    parts = _NUMBERED.fullmatch(name)
    if parts is None:
        raise BadConfig(f"The file of starting weights has a mask layer nobody knows: {name}.")
    kind, number, rest = parts[1], int(parts[2]), parts[3]
    place = _numbers(kind, siblings).index(number)
    if kind != "conv":
        layer, leaf = rest.split(".", 1)
        return f"up.{place}.{'conv' if layer == '0' else 'bn'}.{leaf}"
    rest = rest.replace("downsample.", "shortcut.")
    if place < depth:
        return f"down.{place}.{rest}"
    return f"last.{rest}" if place == 2 * depth - 1 else f"join.{place - depth}.{rest}"


def _numbers(kind: str, names: list[str]) -> list[int]:
    found = (_NUMBERED.fullmatch(name) for name in names)
    return sorted({int(parts[2]) for parts in found if parts is not None and parts[1] == kind})


def _read(file: Path) -> Weights:
    try:
        if file.suffix == ".safetensors":
            return dict(load_file(file))
        found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise a dozen kinds for bytes that are no weights
        raise BadConfig(f"starting_weights: {file} cannot be read: {error}") from error
    for name in ("net", "model", "state_dict"):
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise BadConfig(f"starting_weights: {file} holds no state_dict of tensors.")
    return {str(key).removeprefix("module."): value for key, value in found.items()}


def _refuse_strangers(given: Weights, wanted: Mapping[str, Tensor], file: Path) -> None:
    strange = [key for key in given if key not in wanted or given[key].shape != wanted[key].shape]
    if strange or not given:
        names = ", ".join(strange[:3]) or "it is empty"
        raise BadConfig(
            f"starting_weights: {file} belongs to another network ({len(strange)} do not fit: {names})."
        )
