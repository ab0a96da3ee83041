"""What fine-tuning can be told, each default written once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.tasks import Task

Schedule = Literal["linear", "cosine", "constant"]
MixedPrecision = Literal["no", "fp16", "bf16"]
ProblemType = Literal["regression", "single_label_classification", "multi_label_classification"]


@dataclass(frozen=True)
class FinetuneOptions:
    """One fine-tuning run; the same options and number of processes give the same weights.

    ``model`` is a checkpoint, or ``from_scratch`` a config.json whose vocabulary is trained on the texts. Batch sizes
    count examples over all processes, so that the result does not depend on how many share the work.
    """

    task: Task
    data: str
    output_dir: Path
    model: str | None = None
    revision: str | None = None
    init_head: bool = False
    from_scratch: Path | None = None
    vocab_size: int = 8192
    eval_data: str | None = None
    columns: tuple[tuple[str, str], ...] = ()
    labels: tuple[str, ...] = ()
    problem_type: ProblemType | None = None
    max_length: int = 128
    stride: int = 32
    max_samples: int | None = None
    epochs: int = 3
    batch_size: int = 32
    accumulation: int = 1
    learning_rate: float = 5e-5
    layer_decay: float = 1.0
    weight_decay: float = 0.01
    warmup: float = 0.06
    schedule: Schedule = "linear"
    max_grad_norm: float = 1.0
    mask_probability: float = 0.15
    word_dropout: float = 0.0
    average: float | None = None
    teacher: str | None = None
    temperature: float = 2.0
    distillation: float = 0.5
    patience: int | None = None
    checkpoint_every: int = 500
    mixed_precision: MixedPrecision = "no"
    seed: int = 0
    resume: bool = False
    force: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        _check_source(self)
        for name in ("epochs", "batch_size", "accumulation", "checkpoint_every", "vocab_size", "max_length"):
            _check(self, name, getattr(self, name) >= 1, "1 or more")
        for name in ("learning_rate", "max_grad_norm", "temperature"):
            _check(self, name, getattr(self, name) > 0, "above 0")
        for name in ("warmup", "word_dropout", "distillation"):
            _check(self, name, 0 <= getattr(self, name) <= 1, "0 to 1")
        _check(self, "layer_decay", 0 < self.layer_decay <= 1, "above 0, at most 1")
        _check(self, "mask_probability", 0 < self.mask_probability <= 1, "above 0, at most 1")
        _check(self, "average", self.average is None or 0 < self.average < 1, "above 0, below 1")
        _check(self, "stride", 0 <= self.stride < self.max_length, f"0 to {self.max_length - 1}")
        _check(self, "patience", self.patience is None or self.patience >= 1, "1 or more")


def _check(options: FinetuneOptions, name: str, holds: bool, expected: str) -> None:
    if not holds:
        flag = f"--{name.replace('_', '-')}"
        found = getattr(options, name)
        raise UsageError(flag, "is out of range", found=found, expected=expected, fix=f"correct {flag}")


def _check_source(options: FinetuneOptions) -> None:
    if (options.model is None) == (options.from_scratch is None):
        raise UsageError("--model", "and --from-scratch exclude each other, one is needed", fix="give one of them")
    if options.from_scratch is not None and (options.init_head or options.revision):
        raise UsageError("--from-scratch", "has no checkpoint", fix="drop --init-head and --revision")
    if options.patience is not None and options.eval_data is None:
        raise UsageError("--patience", "needs a metric to watch", fix="give --eval-data")
    if options.labels and options.task not in (Task.TEXT_CLASSIFICATION, Task.TOKEN_CLASSIFICATION):
        raise UsageError("--labels", f"has no meaning for {options.task}", fix="drop --labels")
    if options.problem_type is not None and options.task is not Task.TEXT_CLASSIFICATION:
        raise UsageError("--problem-type", f"has no meaning for {options.task}", fix="drop --problem-type")
    if options.task is Task.FEATURE_EXTRACTION:
        raise UsageError("--task", f"{options.task} has nothing to learn", fix="choose another task")
