"""The student of a run: made of the teacher's layers and channels, or a model whose layers are matched to them."""

from collections.abc import Iterable
from dataclasses import dataclass

from accelerate import Accelerator

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.model import PreTrained
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast
from squeezebert_mobile.training import shapes, students
from squeezebert_mobile.training.data import Example
from squeezebert_mobile.training.features import Feature
from squeezebert_mobile.training.options import RANKED_ROWS, FinetuneOptions
from squeezebert_mobile.training.ranking import Ranking, Sample, measure


@dataclass(frozen=True)
class Student:
    """A model to train; ``layers`` are the teacher's that its own are made of or matched to.

    ``ranking`` is there where it decided what was kept.
    """

    model: PreTrained
    layers: tuple[int, ...] = ()
    ranking: Ranking | None = None


def student_of(
    options: FinetuneOptions,
    model: PreTrained,
    teacher: SqueezeBertConfig,
    tokenizer: SqueezeBertTokenizerFast,
    examples: Iterable[Example],
    features: Iterable[Feature],
) -> Student:
    """What of ``model`` is trained: all of it, or of the teacher's own weights what ``options`` ask for.

    Raises UsageError where the layers to match are not as many as the model has.
    """
    if not options.makes_student:
        return Student(model, _counterparts(options, model.config, teacher) if options.matches else ())
    layers, size = shapes.named(options.layers, teacher.num_hidden_layers), options.intermediate_size
    if options.layers_by == "even" and size is None:
        return Student(students.student(model, layers), layers)
    sample = Sample.of(examples, features, tokenizer.pad_token_id, most=RANKED_ROWS, seed=options.seed)
    if options.task is Task.FILL_MASK:
        sample = sample.hidden(tokenizer, options.mask_probability, options.seed)
    # As the trainer's, whose state all of a process share.
    accelerator = Accelerator(mixed_precision=options.mixed_precision)
    found, importance = measure(model, sample, accelerator, quiet=options.quiet)
    if options.layers_by == "ranking":
        layers = found.costliest(len(layers))
    channels = None
    if size is not None:
        channels = [students.kept_channels(importance[layer], size, teacher) for layer in layers]
    return Student(students.student(model, layers, channels), layers, found)


def _counterparts(options: FinetuneOptions, student: SqueezeBertConfig, teacher: SqueezeBertConfig) -> tuple[int, ...]:
    """The teacher's layers that those of a model of its own are matched to: evenly spread unless they are named."""
    own, depth = student.num_hidden_layers, teacher.num_hidden_layers
    if own > depth:
        what, fix = "has fewer layers than the model to match", "set --hidden-weight and --attention-weight to 0"
        raise UsageError("--teacher", what, found=depth, expected=f"{own} or more", fix=fix)
    layers = shapes.named(options.layers or (own,), depth)
    if len(layers) != own:
        what, fix = "are not as many as the model has", f"take a model of {len(layers)} layers, or drop --layers"
        raise UsageError("--layers", what, found=len(layers), expected=own, fix=fix)
    return layers
