"""What an evaluation can be told, each default written once."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.tasks import Task

if TYPE_CHECKING:
    from squeezebert_mobile.bundle.manifest import Precision

Engine = Literal["onnx", "executorch", "torch"]


@dataclass(frozen=True)
class EvaluateOptions:
    """What to evaluate on what.

    ``source`` is a bundle or a checkpoint; ``model`` a checkpoint to run in PyTorch beside a bundle's artifacts. Empty
    ``runtimes`` and ``precisions`` mean all. ``stride`` is for question answering alone; None means 32 tokens,
    at most a quarter of the longest input. ``max_accuracy_drop`` is in the leading metric's own unit.
    """

    source: str | Path
    data: str
    model: str | None = None
    task: Task | None = None
    columns: tuple[tuple[str, str], ...] = ()
    runtimes: tuple[Engine, ...] = ()
    precisions: tuple["Precision", ...] = ()
    max_samples: int | None = None
    stride: int | None = None
    batch_size: int = 1
    threads: int = 1
    resamples: int = 1000
    seed: int = 0
    max_accuracy_drop: float | None = None
    quiet: bool = False

    def __post_init__(self) -> None:
        for name in ("max_samples", "batch_size", "threads", "resamples"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"--{name.replace('_', '-')}", "is below 1", found=value, fix="give 1 or more")
