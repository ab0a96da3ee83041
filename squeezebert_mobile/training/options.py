"""What fine-tuning and evaluation can be told; each option's default, help and bounds written once."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from squeezebert_mobile.checkpoint.options import ReadOptions
from squeezebert_mobile.errors import SqueezeBertMobileError, UnsupportedModelError, UsageError
from squeezebert_mobile.options import (
    BatchSize,
    Columns,
    Exclusive,
    Listed,
    MaxAccuracyDrop,
    NullThreshold,
    PartOutput,
    Quiet,
    ReplacePart,
    Resume,
    ShardOption,
    Threads,
    Workers,
    require_output,
)
from squeezebert_mobile.tasks import Backend, PoolingMode, Precision, Task
from squeezebert_mobile.training import shapes

if TYPE_CHECKING:
    from squeezebert_mobile.checkpoint.described import Description

REPORT_NAME = "training_report.json"
# So many rows tell layers apart; of more, a ranking would take as long as the training.
RANKED_ROWS = 512
# Tokens of a training row where nothing else is asked for.
LENGTH = 128
ProblemType = Literal["regression", "single_label_classification", "multi_label_classification"]


def teachers(text: str) -> str:
    """A text about the options of `ReadOptions`, about those that read the teacher."""
    return re.sub(r"(?<![\w-])--(?=(?:revision|tokenizer|state-key|strip-prefix)\b)", "--teacher-", text)


@contextmanager
def about_teacher() -> Iterator[None]:
    """Turn errors of reading a checkpoint into those of reading the teacher."""
    try:
        yield
    except SqueezeBertMobileError as error:
        file, fix = teachers(error.file), teachers(error.fix)
        raise type(error)(file, error.what, found=error.found, expected=error.expected, fix=fix) from None


def is_finetuned(folder: Path) -> bool:
    """True for a folder that `finetune` wrote, which --force may replace."""
    return (folder / REPORT_NAME).is_file()


def unfinished(folder: Path) -> list[Path]:
    """The states that a run which was cut off left in ``folder``, the last one last."""
    return sorted(folder.glob("step-?????????"))


Data = Annotated[
    str,
    typer.Option(help="labelled file (.tsv .csv .jsonl .json .parquet .conll .txt) or data set NAME[:CONFIG][@SPLIT]"),
]
MaxSamples = Annotated[int | None, typer.Option(min=1, help="read at most so many rows")]
Seed = Annotated[int, typer.Option(help="the same seed gives the same result")]
Stride = Annotated[int | None, typer.Option(min=0, help="tokens that windows of a long context share")]
MaxLength = Annotated[
    int | None, typer.Option(min=1, help=f"longest input in tokens; default: {LENGTH}, or what the model has")
]


def row_length(asked: int | None, positions: int, tokens: int = LENGTH) -> int:
    """The longest row: what was asked for, or what is usual as far as the model and its tokenizer have it.

    Raises UsageError for more than the model has.
    """
    if asked is None:
        return min(LENGTH, positions, tokens)
    if asked > positions:
        what, fix = "is more than the model has positions", f"pass --max-length {positions} or less"
        raise UsageError("--max-length", what, found=asked, expected=positions, fix=fix)
    return asked


@dataclass(frozen=True)
class EvaluateOptions(ReadOptions):
    """What to evaluate on what.

    ``source`` is a bundle or a checkpoint; ``model`` a checkpoint to run in PyTorch beside a bundle's artifacts. Empty
    ``runtimes`` and ``precisions`` mean all. ``stride`` and ``null_threshold`` are for question answering alone; None
    means `tasks.window_stride` and `metrics.null_threshold`. ``max_accuracy_drop`` is in the leading metric's own unit.
    """

    GROUPS: ClassVar = {
        "The artifacts": ("model", "task", "pooling", "runtimes", "precisions", "batch_size", "threads", "workers"),
        "Many rows": ("shard", "output", "resume", "force"),
        "Output": ("quiet",),
    }
    EXAMPLES: ClassVar = (
        "my-bundle --data dev.tsv",
        "my-checkpoint --data dev.jsonl --column text=review --column label=stars --max-samples 500",
        "my-bundle --data dev.tsv -m my-checkpoint --runtime onnx --max-accuracy-drop 0.01",
    )

    source: Annotated[
        Path | str, typer.Argument(metavar="BUNDLE_OR_MODEL", help="a bundle's folder or zip, or a checkpoint")
    ]
    data: Data
    model: Annotated[
        str | None, typer.Option("-m", "--model", metavar="MODEL", help="checkpoint to run in PyTorch beside a bundle")
    ] = None
    task: Annotated[Task | None, typer.Option(help="default: what config.json says")] = None
    pooling: Annotated[
        PoolingMode | None, typer.Option(help="of a checkpoint that declares none, for feature-extraction")
    ] = None
    columns: Columns = ()
    runtimes: Annotated[tuple[Backend, ...], typer.Option("--runtime", help="default: all")] = ()
    precisions: Annotated[tuple[Precision, ...], typer.Option("--precision", help="default: all")] = ()
    max_samples: MaxSamples = None
    stride: Stride = None
    null_threshold: NullThreshold = None
    batch_size: BatchSize = None
    threads: Threads = 1
    workers: Workers = 1
    resamples: Annotated[int, typer.Option(min=1, help="draws of the bootstrap")] = 1000
    seed: Seed = 0
    max_accuracy_drop: MaxAccuracyDrop = None
    shard: ShardOption = None
    output: PartOutput = None
    resume: Resume = False
    force: ReplacePart = False
    quiet: Quiet = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_output(self.output, resume=self.resume, force=self.force)
        if self.output is None and self.shard is not None:
            raise UsageError("--shard", "makes lines that merge reduces", fix="name a file for them with -o")
        if self.output is not None and self.max_accuracy_drop is not None:
            raise UsageError("--max-accuracy-drop", "is judged of all shards", fix="give it to merge")


@dataclass(frozen=True)
class RankOptions(ReadOptions):
    """What to rank on what; ``output`` is JSON, with a page and a picture beside it."""

    GROUPS: ClassVar = {
        "The data": ("task", "data", "columns", "pooling", "max_samples", "max_length", "seed"),
        "Output": ("output", "quiet"),
    }
    EXAMPLES: ClassVar = (
        "my-checkpoint --data dev.tsv",
        "my-checkpoint --data dev.tsv --max-samples 2000 -o ranking.json",
        "my-checkpoint --task fill-mask --data texts.txt --json",
    )

    source: Annotated[str, typer.Argument(metavar="MODEL", help="checkpoint folder or hub repository")]
    data: Data
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="write JSON here, a page and a picture beside it")
    ] = None
    task: Annotated[Task | None, typer.Option(help="default: what config.json says")] = None
    columns: Columns = ()
    pooling: Annotated[
        PoolingMode | None, typer.Option(help="of a checkpoint that declares none, for feature-extraction")
    ] = None
    max_samples: Annotated[int, typer.Option(min=1, help="measure on so many rows, drawn from all")] = RANKED_ROWS
    max_length: MaxLength = None
    seed: Seed = 0
    quiet: Quiet = False


@dataclass(frozen=True)
class FinetuneOptions(ReadOptions):
    """One fine-tuning run; the same options and number of processes give the same weights.

    ``model`` is a checkpoint, or ``from_scratch`` a config.json whose vocabulary is trained on the texts; without both
    the student is made of the teacher's own weights, as ``layers`` and ``intermediate_size`` say. One number in
    ``layers`` says how many, several say which. Beside ``model`` they are the layers that its own are matched to.
    Batch sizes count examples over all processes, so that the result does not depend on how many share the work.
    ``stride`` is for question answering; None means `tasks.window_stride`.
    """

    GROUPS: ClassVar = {
        "The model": ("model", "init_head", "from_scratch", "vocab_size", "problem_type", "pooling", "normalize",
                      "labels", "output_dir", "force", "resume"),
        "The data": ("task", "data", "eval_data", "columns", "max_length", "stride", "max_samples", "seed"),
        "Training": ("epochs", "batch_size", "accumulation", "learning_rate", "layer_decay", "weight_decay", "warmup",
                     "schedule", "max_grad_norm", "mask_probability", "word_dropout", "average", "patience",
                     "checkpoint_every", "mixed_precision"),
        "A teacher": ("teacher", "teacher_revision", "teacher_tokenizer", "teacher_state_key", "teacher_strip_prefix",
                      "temperature", "distillation"),
        "A smaller student": ("layers", "layers_by", "intermediate_size", "hidden_weight", "attention_weight"),
        "Output": ("quiet",),
    }  # fmt: skip
    EXAMPLES: ClassVar = (
        "--task text-classification --data train.tsv -m my-checkpoint -o my-model --init-head",
        "--task text-classification --data train.tsv --eval-data dev.tsv --teacher my-model --layers 6 -o my-student",
        "--task fill-mask --data texts.txt --from-scratch config.json -o my-model --resume",
    )
    ALIASES: ClassVar = {"--warmup": "--warmup-ratio"}

    task: Annotated[Task, typer.Option(help="what to learn")]
    data: Data
    output_dir: Annotated[Path, typer.Option("-o", "--output-dir", help="the new checkpoint's folder")]
    model: Annotated[
        str | None,
        typer.Option("-m", "--model", metavar="MODEL", help="checkpoint folder or hub repository to start from"),
    ] = None
    init_head: Annotated[
        bool, typer.Option("--init-head", help="start a new head at random, for the labels of the data or --labels")
    ] = False
    from_scratch: Annotated[
        Path | None,
        typer.Option(metavar="CONFIG", help="start at random from this config.json, vocabulary from the texts"),
    ] = None
    vocab_size: Annotated[int, typer.Option(min=1, help="pieces of the vocabulary, with --from-scratch")] = 8192
    eval_data: Annotated[str | None, typer.Option(help="labelled data to measure on after every epoch")] = None
    columns: Columns = ()
    labels: Annotated[
        tuple[str, ...],
        typer.Option(
            help="label names in the order of their ids; default: the model's or, for a new head, the data's",
        ),
        Listed(),
    ] = ()
    problem_type: Annotated[ProblemType | None, typer.Option(help="default: the model's")] = None
    pooling: Annotated[
        PoolingMode | None, typer.Option(help="of feature-extraction; default: the model's, or mean")
    ] = None
    normalize: Annotated[
        bool | None,
        typer.Option("--normalize/--no-normalize", help="give vectors length 1; default: what the model declares"),
    ] = None
    max_length: MaxLength = None
    stride: Stride = None
    max_samples: MaxSamples = None
    epochs: Annotated[int, typer.Option(min=1, help="passes over the data")] = 3
    batch_size: Annotated[int, typer.Option(min=1, help="examples a step, over all processes")] = 32
    accumulation: Annotated[int, typer.Option(min=1, help="parts that a batch is computed in, to save memory")] = 1
    learning_rate: Annotated[float, typer.Option(help="peak learning rate"), Exclusive(above=0)] = 5e-5
    layer_decay: Annotated[
        float, typer.Option(max=1, help="each layer's rate as a share of the next one's"), Exclusive(above=0)
    ] = 1.0
    weight_decay: Annotated[float, typer.Option(help="AdamW's weight decay")] = 0.01
    warmup: Annotated[
        float, typer.Option("--warmup-ratio", min=0, max=1, help="share of the steps in which the rate rises")
    ] = 0.06
    schedule: Annotated[Literal["linear", "cosine", "constant"], typer.Option(help="of the learning rate")] = "linear"
    max_grad_norm: Annotated[float, typer.Option(help="largest norm of the gradient"), Exclusive(above=0)] = 1.0
    mask_probability: Annotated[
        float, typer.Option(max=1, help="share of hidden tokens, for fill-mask"), Exclusive(above=0)
    ] = 0.15
    word_dropout: Annotated[
        float, typer.Option(min=0, max=1, help="share of tokens shown as [MASK] while training")
    ] = 0.0
    average: Annotated[
        float | None,
        typer.Option(help="keep a running average of the weights, with this decay"),
        Exclusive(above=0, below=1),
    ] = None
    teacher: Annotated[str | None, typer.Option(help="checkpoint to learn from, with the same vocabulary")] = None
    teacher_revision: Annotated[str | None, typer.Option(help="--revision, for the teacher")] = None
    teacher_tokenizer: Annotated[
        str | None, typer.Option(metavar="FOLDER_OR_FILE", help="--tokenizer, for the teacher")
    ] = None
    teacher_state_key: Annotated[str | None, typer.Option(help="--state-key, for the teacher")] = None
    teacher_strip_prefix: Annotated[str | None, typer.Option(help="--strip-prefix, for the teacher")] = None
    temperature: Annotated[float, typer.Option(help="temperature of the soft labels"), Exclusive(above=0)] = 2.0
    distillation: Annotated[float, typer.Option(min=0, max=1, help="share of the soft labels in the loss")] = 0.5
    layers: Annotated[
        tuple[int, ...],
        typer.Option(min=0, help="make the student of the teacher's layers: one number says how many, several which"),
    ] = ()
    layers_by: Annotated[
        Literal["even", "ranking"],
        typer.Option(help="how that many are chosen: evenly, or those that cost most to drop on the data"),
    ] = "even"
    intermediate_size: Annotated[
        int | None,
        typer.Option(min=1, help="keep so many of the teacher's feed-forward channels, those that matter on the data"),
    ] = None
    hidden_weight: Annotated[
        float | None,
        typer.Option(min=0, help="of the hidden states' error in the loss; default: 1 where layers are given, else 0"),
    ] = None
    attention_weight: Annotated[float, typer.Option(min=0, help="of the attention scores' error in the loss")] = 0.0
    patience: Annotated[int | None, typer.Option(min=1, help="stop after so many epochs without a better metric")] = (
        None
    )
    checkpoint_every: Annotated[int, typer.Option(min=1, help="steps between saved states")] = 500
    mixed_precision: Annotated[Literal["no", "fp16", "bf16"], typer.Option(help="arithmetic of training")] = "no"
    seed: Seed = 0
    resume: Annotated[bool, typer.Option("--resume", help="go on with a run that was cut off")] = False
    force: Annotated[bool, typer.Option("--force", help="replace a fine-tuned checkpoint at the target")] = False
    quiet: Quiet = False

    @property
    def makes_student(self) -> bool:
        """True where training starts from a part of the teacher."""
        return self.model is None and self.from_scratch is None

    @property
    def state_weight(self) -> float:
        """The weight of the hidden states in the loss."""
        return float(self.makes_student or bool(self.layers)) if self.hidden_weight is None else self.hidden_weight

    @property
    def matches(self) -> bool:
        """True where the loss looks into the teacher's layers."""
        return self.state_weight > 0 or self.attention_weight > 0

    @property
    def state_folder(self) -> Path:
        """Where a run that is cut off leaves its state."""
        return self.output_dir.with_name(f"{self.output_dir.name}.training")

    def require_resumable(self) -> None:
        """Raise UsageError for an unfinished run that is in the way, and for none where one is to be gone on with."""
        states = unfinished(self.state_folder)
        if states and not (self.resume or self.force):
            fix = "pass --resume to go on, or --force to start again"
            raise UsageError(self.state_folder, "holds an unfinished run", fix=fix)
        if self.resume and not states:
            raise UsageError("--resume", f"finds no state in {self.state_folder}", fix="drop --resume")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_start()
        if self.patience is not None and self.eval_data is None:
            raise UsageError("--patience", "needs a metric to watch", fix="give --eval-data")
        if self.labels and not self.task.has_labels:
            raise UsageError("--labels", f"has no meaning for {self.task}", fix="drop --labels")
        if not all(self.labels) or len(set(self.labels)) < len(self.labels):
            found, fix = ",".join(self.labels), "write it as negative,positive"
            raise UsageError("--labels", "has an empty or a repeated name", found=found, fix=fix)
        if self.problem_type is not None and self.task is not Task.TEXT_CLASSIFICATION:
            raise UsageError("--problem-type", f"has no meaning for {self.task}", fix="drop --problem-type")
        for option, asked in (("--pooling", self.pooling), ("--normalize", self.normalize)):
            if asked is not None and self.task is not Task.FEATURE_EXTRACTION:
                raise UsageError(option, f"has no meaning for {self.task}", fix=f"drop {option}")
        if self.teacher is None and (given := self.reading_teacher().given()):
            raise UsageError(teachers(given[0]), "is about a teacher", fix="give --teacher")
        if self.teacher is not None and self.task is Task.FEATURE_EXTRACTION and not self.matches:
            raise UsageError("--teacher", f"has no labels for {self.task}", fix="drop --teacher")
        longest = LENGTH if self.max_length is None else self.max_length
        if self.stride is not None and self.stride >= longest:
            expected, fix = f"below {longest}", "correct --stride"
            raise UsageError("--stride", "is out of range", found=self.stride, expected=expected, fix=fix)

    def _require_start(self) -> None:
        """Raise UsageError for no start of the training, for several, and for one that has not what is asked of it."""
        from_teacher = bool(self.layers) or self.intermediate_size is not None
        if (self.makes_student and not from_teacher) or None not in (self.model, self.from_scratch):
            raise UsageError("--model", "and --from-scratch exclude each other, one is needed", fix="give one of them")
        head = ["--init-head"] if self.init_head else []
        if self.model is None and (given := [*self.given(), *head]):
            start, what = ("--from-scratch", "has no checkpoint")
            if self.makes_student:
                start, what = ("--teacher", "gives the student its weights, head and tokenizer")
            raise UsageError(start, what, fix=f"drop {' and '.join(given)}")
        asked = {
            "--layers": bool(self.layers),
            "--intermediate-size": self.intermediate_size is not None,
            "--hidden-weight": self.hidden_weight is not None,
            "--attention-weight": self.attention_weight > 0,
        }
        flags = [flag for flag, given in asked.items() if given]
        if flags and self.teacher is None:
            raise UsageError(flags[0], "is about a teacher", fix="give --teacher")
        if flags and self.from_scratch is not None:
            raise UsageError("--from-scratch", "trains a vocabulary that no teacher has", fix="drop --from-scratch")
        if self.model is not None and self.intermediate_size is not None:
            what = "says how much of the teacher a student is made of"
            raise UsageError("--intermediate-size", what, fix="drop --model, or --intermediate-size")
        if self.layers and not (self.makes_student or self.matches):
            raise UsageError("--layers", "has nothing to match", fix="drop --layers, or --hidden-weight")
        if self.layers_by != "even" and (len(self.layers) != 1 or not self.makes_student):
            what = "chooses a student's layers, as many as --layers says"
            raise UsageError("--layers-by", what, fix="drop --layers-by")
        shapes.require_ascending(self.layers)

    def reading_teacher(self) -> ReadOptions:
        """How the teacher is read."""
        return ReadOptions(
            revision=self.teacher_revision,
            tokenizer=self.teacher_tokenizer,
            state_key=self.teacher_state_key,
            strip_prefix=self.teacher_strip_prefix,
        )

    def require_fitting(self, teacher: "Description") -> None:
        """Raise UnsupportedModelError for another task's teacher, UsageError for layers or a width that it has not."""
        if self.makes_student and teacher.task not in (None, self.task):
            what, fix = "is a model of another task", "fine-tune it for this one, and take that as the teacher"
            raise UnsupportedModelError(str(self.teacher), what, found=teacher.task, expected=self.task, fix=fix)
        shapes.named(self.layers, teacher.config.num_hidden_layers)
        if self.intermediate_size is not None:
            shapes.require_width(self.intermediate_size, teacher.config)
