"""Students of one teacher on SST-2: with its losses and without, several seeds each, and what they get right.

    python -m squeezebert_mobile.benchmarks.lab.students TEACHER --data SST2_FOLDER --work FOLDER [--rows N] [-o FILE]

They have half and a quarter of its layers, or half of its feed-forward channels. A student that is in FOLDER already
is not trained again, so that a run that was cut off goes on, and runs of other seeds may share the FOLDER.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from squeezebert_mobile import bootstrap, console
from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.benchmarks import environment, tables
from squeezebert_mobile.benchmarks.measure import Report
from squeezebert_mobile.benchmarks.results import Environment
from squeezebert_mobile.bundle.manifest import Record, validated
from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.tables.columns import find_columns
from squeezebert_mobile.tables.files import read_table
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training import data as dataset
from squeezebert_mobile.training.evaluate import score, torch_predict
from squeezebert_mobile.training.features import encode
from squeezebert_mobile.training.finetune import FinetuneOptions, finetune
from squeezebert_mobile.training.metrics import Measure

# How a student is trained; "alone" starts from the same weights of the teacher, without its losses.
Training = Literal["teacher", "taught", "alone"]
HEADS = ("model", "training", "accuracy by seed", "mean", "above the teacher", "above the same one alone")
_RESAMPLES = 10_000
_TASK = Task.TEXT_CLASSIFICATION


class Shape(Record):
    """So many of the teacher's layers, and of each so many feed-forward channels; None for all of them."""

    layers: int
    channels: int | None = None

    def __str__(self) -> str:
        return f"{self.layers} layers" + ("" if self.channels is None else f", {self.channels} channels")


class Student(Record):
    """One training; ``right`` has a 1 for each dev sentence that it gets right, in their order, else a 0."""

    shape: Shape
    training: Training
    seed: int
    parameters: int
    right: str


class StudentsRun(Record):
    """All students of one teacher, which is the first."""

    record: Literal["students"] = "students"
    environment: Environment
    rows: int
    models: tuple[Student, ...]

    @property
    def teacher(self) -> Student:
        """What the others are made of."""
        return self.models[0]

    def of(self, shape: Shape, training: Training) -> tuple[Student, ...]:
        """The students of all seeds."""
        return tuple(each for each in self.models[1:] if (each.shape, each.training) == (shape, training))


def plan(teacher: SqueezeBertConfig) -> list[tuple[Shape, Training]]:
    """What is trained with every seed; the narrow one with the teacher's losses alone."""
    depth = teacher.num_hidden_layers
    half, quarter = Shape(layers=depth // 2), Shape(layers=depth // 4)
    narrow = Shape(layers=depth, channels=teacher.intermediate_size // 2)
    return [(half, "taught"), (half, "alone"), (quarter, "taught"), (quarter, "alone"), (narrow, "taught")]


def train(folder: Path, teacher: Path, data: Path, shape: Shape, training: Training, seed: int, rows: int) -> None:
    """One student. Raises as `finetune`."""
    options = FinetuneOptions(
        task=_TASK,
        data=str(data / "train.tsv"),
        output_dir=folder,
        teacher=str(teacher),
        layers=(shape.layers,),
        intermediate_size=shape.channels,
        distillation=0.0 if training == "alone" else 0.5,
        hidden_weight=0.0 if training == "alone" else 1.0,
        max_samples=rows,
        max_length=72,
        epochs=1,
        batch_size=64,
        learning_rate=3e-4,
        word_dropout=0.15,
        seed=seed,
        force=True,  # over what a run that was cut off left
        quiet=True,
    )
    finetune(options)


def judge(folder: Path, data: Path, shape: Shape, training: Training, seed: int = 0) -> Student:
    """A trained model on the dev sentences. Raises what reading either raises."""
    loaded = checkpoint.load(folder)
    config, tokenizer, model = loaded.config, loaded.tokenizer(), checkpoint.load_model(loaded).model
    table = read_table(data / "dev.tsv", _TASK)
    examples = dataset.examples(table, find_columns(table, _TASK, labels=config.labels), config)
    features = encode(examples, tokenizer, max_length=config.max_position_embeddings)
    kind, pad = Measure.of(_TASK, config), tokenizer.pad_token_id
    found = score(kind, torch_predict(model), examples, features, batch_size=32, pad_token_id=pad)
    right = "".join("01"[int(each)] for each in found.metrics[0].statistics[:, 0])
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Student(shape=shape, training=training, seed=seed, parameters=parameters, right=right)


def measure(teacher: Path, data: Path, work: Path, *, seeds: Sequence[int], rows: int, report: Report) -> StudentsRun:
    """All students that `plan` names, trained where they are missing. Raises what training and reading raise."""
    config = checkpoint.load(teacher).config
    models = [judge(teacher, data, Shape(layers=config.num_hidden_layers), "teacher")]
    for seed in seeds:
        for shape, training in plan(config):
            report(f"{shape}, {training}, seed {seed}")
            folder = work / f"{training}-{shape.layers}-{shape.channels or 'all'}-{seed}"
            if not folder.exists():
                train(folder, teacher, data, shape, training, seed, rows)
            models.append(judge(folder, data, shape, training, seed))
    return StudentsRun(environment=environment.describe(), rows=rows, models=tuple(models))


def accuracies(students: Iterable[Student]) -> NDArray[np.float64]:
    """Of each sentence, the share of the students that get it right: [sentences]."""
    shares: NDArray[np.float64] = np.mean([[letter == "1" for letter in each.right] for each in students], axis=0)
    return shares


def above(ours: Sequence[Student], theirs: Sequence[Student]) -> str:
    """By how many points the first get more right, with the interval of the paired bootstrap over sentences."""
    difference = 100 * (accuracies(ours) - accuracies(theirs))
    draws = bootstrap.draw(np.random.default_rng(0), len(difference), _RESAMPLES)
    found = bootstrap.interval(difference[draws].mean(1))
    return f"{difference.mean():+z.1f} ({found.low:+z.1f} to {found.high:+z.1f})"


def rows(run: StudentsRun) -> list[tuple[str, ...]]:
    """A line for the teacher, then for each shape and training; points of accuracy with 95 % intervals."""
    kinds = dict.fromkeys((each.shape, each.training) for each in run.models[1:])
    found = [_row((run.teacher,))]
    for shape, training in kinds:
        own, alone = run.of(shape, training), run.of(shape, "alone")
        beside = above(own, alone) if alone and training != "alone" else ""
        found.append(_row(own, above(own, (run.teacher,)), beside))
    return found


def _row(own: Sequence[Student], *differences: str) -> tuple[str, ...]:
    each = ", ".join(f"{100 * accuracies([student]).mean():.1f}" for student in own)
    mean = f"{100 * accuracies(own).mean():.1f}"
    cells = (str(own[0].shape), own[0].training, each, mean, *differences)
    return (*cells, *[""] * (len(HEADS) - len(cells)))


def read(path: Path) -> StudentsRun:
    """A kept run. Raises IntegrityError for a file that is not one."""
    return validated(StudentsRun, path.read_bytes(), path, "a run of students", fix="train again")


def main() -> None:
    """Train what is missing, print the table and keep the run."""

    def command(
        teacher: Annotated[Path, typer.Argument(metavar="TEACHER")],
        data: Annotated[Path, typer.Option(help="folder with SST-2's train.tsv and dev.tsv")],
        work: Annotated[Path, typer.Option(help="where the students are")],
        output: Annotated[Path | None, typer.Option("-o", "--output", help="keep the run as JSON")] = None,
        count: Annotated[int, typer.Option("--rows", min=1, help="of train.tsv")] = 67_349,
        seeds: Annotated[list[int] | None, typer.Option("--seed", help="default: 0, 1 and 2")] = None,
        as_json: Annotated[bool, typer.Option("--json")] = False,
    ) -> None:
        torch.set_num_threads(1)
        screen = console.Screen(as_json=as_json)
        with screen.progress("training students") as step:
            found = measure(teacher, data, work, seeds=seeds or (0, 1, 2), rows=count, report=step)
        if output is not None:
            replace_file(output, found.model_dump_json(indent=1).encode() + b"\n")
        screen.show(found, lambda run: "\n".join(tables.lines(HEADS, rows(run))))

    console.run(command)


if __name__ == "__main__":
    main()
