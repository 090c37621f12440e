"""A trained network as one ONNX file that needs no torch. It is compared with torch before it is kept."""

import contextlib
import copy
import io
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.core.config import Config
from training.core.pixels import prepare
from training.core.predictor import Predictor
from training.core.refusals import BadConfig, TrainingFailed
from training.core.run_folder import write_atomically
from training.core.writable import refuse_unwritable

INPUT, OUTPUT = "faces", "probabilities"
OPSET = 17
MOST_DIFFERENCE = 1e-3
"""The largest difference of a probability from torch's that is let through."""
_BATCHES = (1, 3)
"""Two sizes: a batch frozen into the graph is found out."""


@dataclass(frozen=True)
class Exported:
    """difference: the largest of any probability from torch's, 0–1, over `faces` faces of noise."""

    difference: float
    faces: int
    bytes: int


class Whole(nn.Module):
    """From stored pixels, uint8 (N, C, S, S), to probabilities (N, K) at the run's temperature."""

    def __init__(self, network: nn.Module, config: Config, temperature: float) -> None:
        super().__init__()
        self.network, self.config, self.temperature = network, config, temperature

    def forward(self, faces: Tensor) -> Tensor:
        logits: Tensor = self.network(prepare(faces, self.config))
        return (logits / self.temperature).softmax(dim=1)


def export(run: Path, out: Path, *, most_difference: float = MOST_DIFFERENCE) -> Exported:
    """Write the ONNX file: input `faces`, uint8 (N, C, S, S) with any N ≥ 1; output `probabilities`, (N, K).

    What is done to pixels beyond decoding, greying and squeezing to S × S is in the graph. Metadata: classes (JSON),
    colour, side, preprocessing, temperature, snapshot_digest. Raises BadConfig where onnx or onnxruntime is missing,
    where no file can be written, or for a network that ONNX cannot hold; BadRunFolder; and TrainingFailed where
    onnxruntime's probabilities differ from torch's by more than most_difference. Nothing is written then.
    """
    refuse_unwritable(out)  # what is found out only by writing costs minutes
    onnx, _ = _packages()
    predictor = Predictor(run, bf16=False, device="cpu")
    channels = 1 if predictor.config.colour == "grey" else 3
    side = predictor.made.stored_size
    whole = Whole(predictor.network, predictor.config, predictor.temperature).eval()
    model = onnx.load_model_from_string(_graph(whole, channels, side, predictor.config.network))
    _describe(model, predictor, side)
    data: bytes = model.SerializeToString()
    faces = np.random.default_rng(0).integers(0, 256, (sum(_BATCHES), channels, side, side), dtype=np.uint8)
    difference = _difference(whole, data, faces, predictor.config.network)
    if not difference <= most_difference:
        raise TrainingFailed(
            f"The ONNX network's probabilities differ from torch's by up to {difference:.2g}, more than "
            f"{most_difference:.2g}. Nothing was written."
        )
    write_atomically(out, lambda part: part.write_bytes(data))
    return Exported(difference, len(faces), len(data))


def _packages() -> tuple[Any, Any]:
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise BadConfig(
            "ONNX needs two more packages. Run `pip install '.[onnx]'` in VEMO's folder."
        ) from error
    return onnx, onnxruntime


class _FixedPool(nn.Module):
    """An adaptive average pool for inputs of one size: means over the same bins, as two products.

    ONNX has adaptive pools only where the bins are all alike (VGG at small images asks for others).
    """

    def __init__(self, sides: tuple[int, int], wanted: tuple[int, int]) -> None:
        super().__init__()
        self.down = nn.Parameter(_bins(sides[0], wanted[0]), requires_grad=False)
        self.across = nn.Parameter(_bins(sides[1], wanted[1]).T.contiguous(), requires_grad=False)

    def forward(self, maps: Tensor) -> Tensor:
        return self.down @ maps @ self.across


def _bins(side: int, wanted: int) -> Tensor:
    """(wanted, side): each row takes the mean over a bin, as torch.nn.AdaptiveAvgPool2d parts them."""
    rows = torch.zeros(wanted, side)
    for n in range(wanted):
        first, end = n * side // wanted, -(-(n + 1) * side // wanted)
        rows[n, first:end] = 1 / (end - first)
    return rows


def _with_fixed_pools(whole: nn.Module, example: Tensor) -> nn.Module:
    """A copy whose adaptive pools to more than one value are fixed to the sizes they meet."""
    copied = copy.deepcopy(whole)
    pools = {
        name: module
        for name, module in copied.named_modules()
        if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size not in (1, (1, 1))
    }
    sides: dict[nn.Module, tuple[int, int]] = {}
    hooks = [
        pool.register_forward_hook(lambda pool, given, out: sides.update({pool: tuple(given[0].shape[2:])}))
        for pool in pools.values()
    ]
    copied(example)
    for hook in hooks:
        hook.remove()
    for name, pool in pools.items():
        parent, _, last = name.rpartition(".")
        asked: Any = pool.output_size
        wanted = (
            (asked, asked)
            if isinstance(asked, int)
            else (asked[0] or sides[pool][0], asked[1] or sides[pool][1])
        )
        setattr(copied.get_submodule(parent), last, _FixedPool(sides[pool], wanted))
    return copied


def _graph(whole: nn.Module, channels: int, side: int, name: str) -> bytes:
    buffer = io.BytesIO()
    example = torch.zeros(2, channels, side, side, dtype=torch.uint8)
    with (
        torch.no_grad(),
        warnings.catch_warnings(),
        _in_single_steps(),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        # ADR 21: the tracing exporter, though torch would rather have us use the other.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                _with_fixed_pools(whole, example),
                (example,),
                buffer,  # type: ignore[arg-type]  # the tracing exporter takes it, its types do not say so
                dynamo=False,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "faces"}, OUTPUT: {0: "faces"}},
                opset_version=OPSET,
            )
        except (torch.onnx.OnnxExporterError, RuntimeError) as error:
            raise BadConfig(f"{name} cannot be written as ONNX {OPSET}: {_first_line(error)}") from error
    return buffer.getvalue()


@contextlib.contextmanager
def _in_single_steps() -> Iterator[None]:
    """Attention of vision transformers as ONNX knows it, not as the one operation that is faster in torch."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _describe(model: Any, predictor: Predictor, side: int) -> None:
    colour = predictor.config.colour
    facts = {
        "classes": json.dumps(list(predictor.classes)),
        "colour": colour,
        "side": str(side),
        "preprocessing": f"{'Grey (ITU-R 601-2 luma)' if colour == 'grey' else 'RGB'}, squeezed bilinearly with "
        f"antialiasing to {side} × {side}, uint8 0–255, channels first. All else is in the graph.",
        "temperature": repr(predictor.temperature),
        "snapshot_digest": predictor.made.snapshot_digest,
        "network": predictor.config.network,
    }
    for key, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value


def _difference(whole: nn.Module, data: bytes, faces: NDArray[np.uint8], name: str) -> float:
    _, onnxruntime = _packages()
    worst = 0.0
    try:
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        answers = [session.run([OUTPUT], {INPUT: part})[0] for part in _parts(faces)]
    except Exception as error:  # onnxruntime raises a dozen kinds of its own
        raise BadConfig(
            f"{name} cannot be written as ONNX {OPSET}: onnxruntime says {_first_line(error)}"
        ) from error
    for part, found in zip(_parts(faces), answers, strict=True):
        with torch.inference_mode():
            wanted = whole(torch.from_numpy(part)).numpy()
        gap = float(np.abs(found - wanted).max())
        worst = gap if np.isnan(gap) else max(worst, gap)
        if np.isnan(worst):
            break
    return worst


def _parts(faces: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return np.split(faces, np.cumsum(_BATCHES)[:-1])


def _first_line(error: Exception) -> str:
    """Behind it there may be the whole graph."""
    return str(error).strip().partition("\n")[0]
