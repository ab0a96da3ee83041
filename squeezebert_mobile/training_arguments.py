"""The options of `finetune` and `evaluate`, for the command line alone; their defaults are the library's."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from squeezebert_mobile.errors import UsageError


class EngineChoice(StrEnum):
    """What can run a model for evaluation."""

    ONNX = "onnx"
    EXECUTORCH = "executorch"
    TORCH = "torch"


DataOption = Annotated[
    str, typer.Option(help="labelled .tsv, .csv or .jsonl file, or a data set NAME[:CONFIG][@SPLIT]")
]
ColumnOption = Annotated[
    list[str] | None, typer.Option(metavar="ROLE=NAME", help="the column that plays a role, as text=review; repeatable")
]
MaxSamplesOption = Annotated[int | None, typer.Option(min=1, help="read at most so many rows")]
SeedOption = Annotated[int, typer.Option(help="the same seed gives the same result")]

OutputOption = Annotated[Path, typer.Option("-o", "--output-dir", help="the new checkpoint's folder")]
StartOption = Annotated[
    str | None, typer.Option("-m", "--model", help="checkpoint folder or hub repository to start from")
]
InitHeadOption = Annotated[bool, typer.Option("--init-head", help="start a missing head at random, and say so")]
FromScratchOption = Annotated[
    Path | None, typer.Option(metavar="CONFIG", help="start at random from this config.json, vocabulary from the texts")
]
VocabSizeOption = Annotated[int, typer.Option(min=1, help="pieces of the vocabulary, with --from-scratch")]
EvalDataOption = Annotated[str | None, typer.Option(help="labelled data to measure on after every epoch")]
LabelsOption = Annotated[
    str | None, typer.Option(metavar="A,B,...", help="label names; default: the model's or data's")
]
ProblemOption = Annotated[
    Literal["regression", "single_label_classification", "multi_label_classification"] | None,
    typer.Option(help="default: the model's"),
]
MaxLengthOption = Annotated[int, typer.Option(min=1, help="longest input in tokens")]
TrainStrideOption = Annotated[int, typer.Option(min=0, help="tokens that windows of a long context share")]
EpochsOption = Annotated[int, typer.Option(min=1, help="passes over the data")]
TrainBatchOption = Annotated[int, typer.Option("--batch-size", min=1, help="examples a step, over all processes")]
AccumulationOption = Annotated[int, typer.Option(min=1, help="parts that a batch is computed in, to save memory")]
RateOption = Annotated[float, typer.Option("--learning-rate", help="peak learning rate")]
LayerDecayOption = Annotated[float, typer.Option(help="each layer's rate as a share of the next one's")]
WeightDecayOption = Annotated[float, typer.Option(help="AdamW's weight decay")]
WarmupOption = Annotated[float, typer.Option(help="share of the steps in which the rate rises")]
ScheduleOption = Annotated[Literal["linear", "cosine", "constant"], typer.Option(help="of the learning rate")]
GradNormOption = Annotated[float, typer.Option("--max-grad-norm", help="largest norm of the gradient")]
MaskOption = Annotated[float, typer.Option("--mask-probability", help="share of hidden tokens, for fill-mask")]
WordDropoutOption = Annotated[float, typer.Option(help="share of tokens shown as [MASK] while training")]
AverageOption = Annotated[float | None, typer.Option(help="keep a running average of the weights, with this decay")]
TeacherOption = Annotated[str | None, typer.Option(help="checkpoint to learn from, with the same vocabulary")]
TemperatureOption = Annotated[float, typer.Option(help="temperature of the soft labels")]
DistillationOption = Annotated[float, typer.Option(help="share of the soft labels in the loss")]
PatienceOption = Annotated[int | None, typer.Option(min=1, help="stop after so many epochs without a better metric")]
CheckpointOption = Annotated[int, typer.Option("--checkpoint-every", min=1, help="steps between saved states")]
MixedOption = Annotated[Literal["no", "fp16", "bf16"], typer.Option("--mixed-precision", help="arithmetic of training")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="go on with a run that was cut off")]
TrainForceOption = Annotated[bool, typer.Option("--force", help="replace a fine-tuned checkpoint at the target")]

SourceArgument = Annotated[Path, typer.Argument(metavar="BUNDLE_OR_MODEL")]
ReferenceOption = Annotated[
    str | None, typer.Option("-m", "--model", help="checkpoint to run in PyTorch beside a bundle")
]
EnginesOption = Annotated[list[EngineChoice] | None, typer.Option("--runtime", help="repeatable; default: all")]
StrideOption = Annotated[int | None, typer.Option(min=0, help="tokens that windows of a long context share")]
BatchOption = Annotated[int, typer.Option("--batch-size", min=1, help="texts a call")]
ResamplesOption = Annotated[int, typer.Option(min=1, help="draws of the bootstrap")]
DropOption = Annotated[float | None, typer.Option("--max-accuracy-drop", min=0, help="exit 6 where a drop is larger")]


def columns(values: list[str] | None) -> tuple[tuple[str, str], ...]:
    """``ROLE=NAME`` as pairs. Raises UsageError for anything else."""
    pairs = []
    for value in values or ():
        role, equals, name = value.partition("=")
        if not (role and equals and name):
            raise UsageError("--column", "is not ROLE=NAME", found=value, fix="write it as text=review")
        pairs.append((role, name))
    return tuple(pairs)


def labels(value: str | None) -> tuple[str, ...]:
    """Names between commas. Raises UsageError for an empty or repeated one."""
    names = () if value is None else tuple(name.strip() for name in value.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise UsageError(
            "--labels", "has an empty or a repeated name", found=value, fix="write it as negative,positive"
        )
    return names
