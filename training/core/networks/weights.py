"""Starting weights: another run's, torchvision's by name, a file of either, or the authors' published ResMaskingNet."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from training.core.networks.resmasking import DEPTHS, ResMaskingNet
from training.core.networks.torchvision_classifiers import last_layer, weights_url
from training.core.refusals import BadConfig
from training.core.run_folder import RunFolder

Weights = dict[str, Tensor]

_ENUM = re.compile(r"\w+_Weights\.\w+")
# Heads that torchvision's GoogLeNet and Inception v3 have for training only, and ours never.
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# DenseNet's published files are older than the names of its layers: norm.1 is norm1 now.
_OLD_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|conv))\.([12]\.\w+)")


def start_from(network: nn.Module, source: Path | str) -> list[str]:
    """Load weights into the network and return the names of those that `source` does not have, which keep
    theirs.

    `source` is what `starting_file` takes. Understood: .safetensors, and PyTorch files of tensors only, bare
    or below "net", "model" or "state_dict". A head for another number of classes is left out, and so are
    heads for training only; networks with masks or attention take their ResNet's weights for the trunk. A
    network of one channel takes the sum of a first layer for three: the same to grey images. Raises BadConfig
    for a source that cannot be read or that belongs to another network.
    """
    file = starting_file(source)
    given = _read(file)
    if isinstance(network, ResMaskingNet) and any(
        ".downsample" in key for key in given if key.startswith("mask")
    ):
        given = from_published(given)
    wanted = network.state_dict()
    given = _fitted(given, wanted, last_layer(network))
    _refuse_strangers(given, wanted, file)
    _refuse_no_numbers(given, wanted, file)
    missing = sorted(wanted.keys() - given.keys())
    network.load_state_dict(given, strict=False)
    return missing


def starting_file(source: Path | str) -> Path:
    """The file that is meant by a path, by a run's folder, or by the name of torchvision's weights, as
    ResNet18_Weights.IMAGENET1K_V1.

    What torchvision has not downloaded yet is downloaded, once, to where it keeps its files. Raises BadConfig
    for a path or name of nothing, where there is no network to download by, and for a folder without weights.
    """
    if _ENUM.fullmatch(str(source)):
        return _of_torchvision(str(source))
    path = Path(source)
    if not path.exists():
        raise BadConfig(f"starting_weights: there is no {path}, and torchvision names no weights so.")
    if not path.is_dir():
        return path
    best = RunFolder(path).best
    if not best.exists():
        raise BadConfig(f"starting_weights: {path} is a folder without {best.name}, so no trained run.")
    return best


def lasting(source: str) -> str:
    """The source as it means the same wherever it is read: a path from the root on; a name, or nothing, as it is."""
    return source if not source or _ENUM.fullmatch(source) else str(Path(source).absolute())


def _of_torchvision(name: str) -> Path:
    url = weights_url(name)
    called = PurePosixPath(urlsplit(url).path).name
    file = Path(torch.hub.get_dir()) / "checkpoints" / called
    if file.exists():
        return file
    digest = re.search(r"-([0-9a-f]{8,})\.", called)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(file), hash_prefix=digest and digest[1], progress=False)
    except (OSError, RuntimeError) as error:  # no network, no place, or other bytes than their digest says
        raise BadConfig(
            f"starting_weights: {name} is not on this machine and cannot be downloaded ({error}). "
            f"Get {url} by other means, and put it at {file} or name the file."
        ) from error
    return file


def _fitted(given: Weights, wanted: Mapping[str, Tensor], head: str) -> Weights:
    """The weights by our names, without heads that are of no use here."""
    fitted: Weights = {}
    for name, tensor in given.items():
        old = _OLD_DENSENET.fullmatch(name)
        key = old[1] + old[2] if old else name
        # We put a dropout before a last layer that has none, which makes it the second of two.
        if key not in wanted and key.rpartition(".")[0] == head.removesuffix(".1"):
            key = f"{head}.{key.rpartition('.')[2]}"
        if key.startswith(head + ".") and tensor.shape != wanted[key].shape:
            continue
        if key.startswith(_AUXILIARY) and key not in wanted:
            continue
        fitted[key] = _for_grey(tensor, wanted[key]) if key in wanted else tensor
    return fitted


def _for_grey(tensor: Tensor, wanted: Tensor) -> Tensor:
    """The sum over three channels where one is wanted."""
    three_to_one = (
        tensor.dim() == wanted.dim() == 4
        and (tensor.shape[1], wanted.shape[1]) == (3, 1)
        and (tensor.shape[0], *tensor.shape[2:]) == (wanted.shape[0], *wanted.shape[2:])
    )
    return tensor.sum(dim=1, keepdim=True) if three_to_one else tensor


def from_published(weights: Mapping[str, Tensor]) -> Weights:
    """The authors' state_dict in our names. Raises BadConfig for a layer of a mask that theirs has not.

    Theirs has 740 keys: each mask registers its projection shortcuts twice, as `downsampleN.*` and as
    `convN.downsample.*`; one of them will do. Blocks and up-steps are told apart by their numbers' order:
    first the `depth` blocks going down, then those going up, then the last one.
    """
    once = {_SHORTCUT.sub(r"\1conv\2.downsample.", key): tensor for key, tensor in weights.items()}
    ours: Weights = {}
    for key, tensor in once.items():
        mask = re.fullmatch(r"(mask(\d)\.)(.+)", key)
        if mask is None:
            ours[key] = tensor
        elif 1 <= int(mask[2]) <= len(DEPTHS):
            siblings = [other.removeprefix(mask[1]) for other in once if other.startswith(mask[1])]
            ours[mask[1] + _our_name(mask[1], mask[3], siblings, DEPTHS[int(mask[2]) - 1])] = tensor
        else:
            raise _unknown(key)
    return ours


_SHORTCUT = re.compile(r"^(mask\d\.)downsample(\d+)\.")
_NUMBERED = re.compile(r"(\D+?)(\d+)\.(.+)")
_UP = re.compile(r"([01])\.(.+)")


def _our_name(mask: str, name: str, siblings: list[str], depth: int) -> str:
    parts = _NUMBERED.fullmatch(name)
    if parts is None or parts[1] not in ("conv", "up_pool"):
        raise _unknown(mask + name)
    kind, number, rest = parts[1], int(parts[2]), parts[3]
    place = _numbers(kind, siblings).index(number)
    if kind == "up_pool":
        layer = _UP.fullmatch(rest)
        if layer is None:
            raise _unknown(mask + name)
        return f"up.{place}.{('conv', 'bn')[int(layer[1])]}.{layer[2]}"
    rest = rest.replace("downsample.", "shortcut.")
    if place < depth:
        return f"down.{place}.{rest}"
    return f"last.{rest}" if place == 2 * depth - 1 else f"join.{place - depth}.{rest}"


def _unknown(key: str) -> BadConfig:
    return BadConfig(f"The file of starting weights has a mask layer nobody knows: {key}.")


def _numbers(kind: str, names: list[str]) -> list[int]:
    found = (_NUMBERED.fullmatch(name) for name in names)
    return sorted({int(parts[2]) for parts in found if parts is not None and parts[1] == kind})


def _read(file: Path) -> Weights:
    try:
        if file.suffix == ".safetensors":
            return dict(load_file(file))
        found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise a dozen kinds for bytes that are no weights
        # Not torch's words: they advise to open what may run any code.
        why = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
        raise BadConfig(
            f"starting_weights: {file} cannot be read as weights{why}. Name a .safetensors file, or a PyTorch file of "
            f"tensors only, as torch.save(network.state_dict(), FILE) writes it."
        ) from error
    for name in ("net", "model", "state_dict"):
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise BadConfig(f"starting_weights: {file} holds no state_dict of tensors.")
    return {str(key).removeprefix("module."): value for key, value in found.items()}


def _refuse_no_numbers(given: Weights, wanted: Mapping[str, Tensor], file: Path) -> None:
    """Quantised, complex or sparse weights would be read as other numbers than they are, and what is no number spoils
    the first step.
    """
    for name, tensor in given.items():
        if not wanted[name].is_floating_point():
            continue
        if not tensor.is_floating_point() or tensor.layout is not torch.strided:
            raise BadConfig(
                f"starting_weights: {file} has {name} as {tensor.dtype}, {tensor.layout}; weights must be dense "
                f"floating numbers. Save the network's own state_dict, not a quantised or sparse one."
            )
        if not tensor.is_meta and not torch.isfinite(tensor.float()).all():
            raise BadConfig(
                f"starting_weights: in {file} some of {name} is no finite number, as after a training that broke. Name "
                f"a file from before."
            )


def _refuse_strangers(given: Weights, wanted: Mapping[str, Tensor], file: Path) -> None:
    strange = [key for key in given if key not in wanted or given[key].shape != wanted[key].shape]
    if strange or not given:
        names = ", ".join(strange[:3]) or "it is empty"
        raise BadConfig(
            f"starting_weights: {file} belongs to another network ({len(strange)} do not fit: {names})."
        )
