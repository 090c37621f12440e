"""Make torchvision importable beside a torch it was not compiled for.

The package index's torchvision is built for CUDA. Next to a CPU-only torch its compiled extension does not
load, and `import torchvision` fails with "operator torchvision::nms does not exist", although the classifiers
need none of it. Declaring the two operators that torchvision describes at import is enough; calling them
still fails, and says so.
"""

from importlib.util import find_spec
from pathlib import Path

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[torch.library.Library] = []


def make_importable() -> bool:
    """Call before `import torchvision`. True if operators had to be declared; a working install is left
    alone.
    """
    if _declared:
        return True
    if _extension_loads():
        return False
    # The Library lives as long as it is referenced: without the list, the operators vanish again.
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    _declared.append(library)
    for schema in _SCHEMAS:
        library.define(schema)  # type: ignore[no-untyped-call]
    return True


def _extension_loads() -> bool:
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ImportError("torchvision is not installed; requirements.txt names the version to install.")
    folder = Path(spec.origin).parent
    files = [*folder.glob("_C*.so"), *folder.glob("_C*.pyd"), *folder.glob("_C*.dylib")]
    return any(_loads(file) for file in files)


def _loads(file: Path) -> bool:
    try:
        torch.ops.load_library(str(file))  # type: ignore[no-untyped-call]
    except (ImportError, OSError):
        return False
    return True
