"""A trained network in four lines:

from training.core import Predictor
predictor = Predictor("RUN")
opinions = predictor.predict(["face.jpg", "other.png"])
print(opinions.labels, opinions.probabilities)
"""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import nn

from labeling.vision.images import BadImage, as_rgb, open_image
from training.core.agreement import allows_bf16
from training.core.calibration import temperature_of, tempered, why_unfitted
from training.core.checkpoints import give_best
from training.core.device import device_to_judge_on
from training.core.judging import Views, plain, probabilities
from training.core.metrics import Probabilities
from training.core.pixels import decode_many, squared
from training.core.quick import Quick, quick_config
from training.core.refusals import BadImages, BadRunFolder
from training.core.run_folder import RunFolder
from training.core.train import build

Face: TypeAlias = str | Path | bytes | Image.Image | NDArray[Any]
"""A path, an encoded image, an image of Pillow, or an array: (H, W) grey, (H, W, 1) grey or (H, W, 3) RGB; uint8 in
0–255 or floating in 0–1. Files and images of Pillow that say how they were held are turned upright."""
_AT_ONCE = 1024


@dataclass(frozen=True)
class Opinions:
    """What a network makes of N faces. probabilities: (N, K), rows adding up to one, in the order of `classes`."""

    classes: tuple[str, ...]
    probabilities: Probabilities

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def labels(self) -> list[str]:
        """The likeliest class of each face."""
        return [self.classes[place] for place in self.probabilities.argmax(axis=1)] if len(self) else []

    def named(self) -> list[dict[str, float]]:
        """Of each face, every class with its probability."""
        return [dict(zip(self.classes, map(float, row), strict=True)) for row in self.probabilities]


class Predictor:
    """A run's best weights, ready to judge faces. One face per image, cut out as the training's were: with a fifth of
    the box's longer side around it (`labeling.vision.crops.crop`).
    """

    def __init__(
        self, run: str | Path, *, bf16: bool | None = None, quick: bool = True, device: str = "auto"
    ) -> None:
        """bf16: whether the network works in bfloat16. None: as the run's config says, and else where this machine is
        quick in it and the run's validation faces were answered alike (`training.core.agreement`).
        quick: judge with a copy made for speed; False with the arithmetic by which the training judged, to the bit on
        the same machine.
        device: auto, cpu, cuda, cuda:N or mps. auto: as the run's config says, and where that is not here, what is.
        Raises BadRunFolder for a folder without a config or weights, BadConfig for a device that is not here.
        """
        folder = RunFolder(Path(run))
        made = folder.made()
        if made is None:
            raise BadRunFolder(f"{run} is no run folder: it has no config.json.")
        self.made, self.config, self.classes = made, made.config, made.classes
        result = _result(folder)
        self.device = device_to_judge_on(self.config, device)
        self._as_trained = not quick
        if bf16 is None:
            bf16 = self.config.bf16 or (quick and _allowed(folder, result, self.device))
        self.config = dataclasses.replace(self.config, bf16=bf16)
        self.temperature = _temperature(folder, result)
        """Fitted on the validation faces' labels when the run was judged; 1 where there was none."""
        self.unfitted = "" if result is None else why_unfitted(result)
        """Why none was fitted, for people; empty where one was, or nothing is known of it."""
        network = build(made, start=False)
        give_best(folder, network)
        layout = torch.channels_last if self.config.channels_last else torch.contiguous_format
        self.network: nn.Module = network.to(device=self.device, memory_format=layout).eval()  # type: ignore[call-overload]
        """From what `training.core.pixels.prepare` gives to logits; in eval mode, with the weights as they were
        trained.
        """

    def predict(self, faces: Iterable[Face]) -> Opinions:
        """What the network makes of each face, at the run's temperature. Raises BadImages, naming the image, for what
        is none.
        """
        return Opinions(self.classes, self.tempered(self.untempered(faces)))

    def untempered(self, faces: Iterable[Face]) -> Probabilities:
        """(N, classes) of N faces, at temperature 1. Raises BadImages, naming the image, for what is none."""
        refuse_single(faces)
        every = list(faces)
        chunks = [
            self.judge(self.pixels(every[start : start + _AT_ONCE], first=start + 1))
            for start in range(0, len(every), _AT_ONCE)
        ]
        return np.concatenate(chunks) if chunks else np.zeros((0, len(self.classes)), np.float32)

    def tempered(self, found: Probabilities) -> Probabilities:
        """(N, K) probabilities as the network gives them, at the run's temperature."""
        return found if self.temperature == 1 else tempered(found, self.temperature).astype(np.float32)

    def pixels(self, faces: Sequence[Face], *, first: int = 1) -> NDArray[np.uint8]:
        """(N, C, S, S) of the run's stored size. first: the number of the first one, for messages."""
        side, colour = self.made.stored_size, self.config.colour
        if not len(faces):
            return np.zeros((0, 1 if colour == "grey" else 3, side, side), np.uint8)

        def one(face: Face, number: int) -> NDArray[np.uint8]:
            return squared(_opened(face, f"image {number}"), side, colour)

        with ThreadPoolExecutor() as pool:
            return np.stack(list(pool.map(one, faces, range(first, first + len(faces)))))

    def probabilities(self, images: list[bytes], names: list[str] | None = None) -> Probabilities:
        """(N, classes) from N encoded images, at temperature 1. Raises BadImages, naming the image, for bytes that
        are none.
        """
        names = names or [f"image {number}" for number in range(1, len(images) + 1)]
        if not images:
            return np.zeros((0, len(self.classes)), np.float32)
        side, colour = self.made.stored_size, self.config.colour
        with ThreadPoolExecutor() as pool:
            return self.judge(decode_many(images, names, side=side, colour=colour, pool=pool))

    def judge(self, pixels: NDArray[np.uint8]) -> Probabilities:
        """(N, classes) from decoded images (N, C, S, S) of the run's stored size, at temperature 1."""
        return self.look(pixels, np.arange(len(pixels)), plain)

    def look(self, pixels: NDArray[np.uint8], rows: NDArray[np.int64], views: Views) -> Probabilities:
        """(len(rows), classes) of pixels[rows], the mean over the views of each image."""
        images, where = torch.from_numpy(pixels), torch.from_numpy(rows)
        if self._as_trained:
            return probabilities(self.network, images, where, self.config, self.device, views=views)
        config = quick_config(self.config)
        return probabilities(self._quick, images, where, config, self.device, views=views)

    @cached_property
    def _quick(self) -> Quick:
        """Made when the first face is judged: who only explains or exports does without."""
        return Quick(self.network, self.config, self.device, bf16=self.config.bf16)


def refuse_single(faces: object) -> None:
    """Raises BadImages for what is one face instead of several; the rows of an array would be taken for faces."""
    single = isinstance(faces, str | bytes | Path | Image.Image)
    if isinstance(faces, np.ndarray):
        single = faces.ndim < 3 or (faces.ndim == 3 and faces.shape[2] in (1, 3, 4))
    if single:
        raise BadImages("predict takes a list of faces, also of a single one: predict([face]).")


def _result(folder: RunFolder) -> dict[str, Any] | None:
    return folder.read_result() if folder.result.exists() else None


@contextlib.contextmanager
def _readable(folder: RunFolder) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadRunFolder(
            f"{folder.result} is damaged ({error!r}). Write it anew, or remove it to do without."
        ) from error


def _allowed(folder: RunFolder, result: dict[str, Any] | None, device: torch.device) -> bool:
    with _readable(folder):
        return result is not None and allows_bf16(result, device)


def _temperature(folder: RunFolder, result: dict[str, Any] | None) -> float:
    with _readable(folder):
        return 1.0 if result is None else temperature_of(result)


def _opened(face: Face, name: str) -> Image.Image:
    if isinstance(face, Image.Image):
        if 0 in face.size:
            raise BadImages(f"{name} has no pixel: its size is {face.width} × {face.height}.")
        with _decodable(name):
            return Image.fromarray(as_rgb(ImageOps.exif_transpose(face)))
    if isinstance(face, np.ndarray):
        return _from_array(face, name)
    if not isinstance(face, str | Path | bytes):
        raise BadImages(
            f"{name} is of {type(face).__name__}; give a path, encoded bytes, an image of Pillow or an array."
        )
    with _decodable(str(face) if isinstance(face, str | Path) else name):
        return Image.fromarray(open_image(face if isinstance(face, bytes) else Path(face)))


@contextlib.contextmanager
def _decodable(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, BadImage) as error:
        raise BadImages(f"{name} is not an image that can be read: {error}") from error


def _from_array(array: NDArray[Any], name: str) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or not array.size:
        raise BadImages(f"{name} has the shape {array.shape}; give (height, width) or (height, width, 3).")
    if array.dtype == np.uint8:
        return Image.fromarray(array)
    if not np.issubdtype(array.dtype, np.floating):
        raise BadImages(f"{name} is of {array.dtype}; give uint8 in 0–255 or floating numbers in 0–1.")
    if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
        raise BadImages(f"{name} has numbers outside 0–1; divide by 255, or give uint8.")
    return Image.fromarray(np.rint(array * 255).astype(np.uint8))
