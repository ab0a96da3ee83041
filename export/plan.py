"""The steps of an export, by its options and the model's config, with what each takes."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from squeezebert_mobile import machine
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.subject import unit_names
from squeezebert_mobile.steps import Step
from squeezebert_mobile.tasks import Precision, Runtime

# Where transformers.js and optimum look, and what ExecuTorch's users name their files.
PATHS: dict[tuple[Runtime, Precision], str] = {
    ("onnx", "fp32"): "onnx/model.onnx",
    ("onnx", "fp16"): "onnx/model_fp16.onnx",
    ("onnx", "int8"): "onnx/model_quantized.onnx",
    ("onnx", "int8-static"): "onnx/model_int8_static.onnx",
    ("executorch", "fp32"): "executorch/model_xnnpack_fp32.pte",
    ("executorch", "fp16"): "executorch/model_xnnpack_fp16.pte",
    ("executorch", "int8"): "executorch/model_xnnpack_int8.pte",
    ("executorch", "int8-static"): "executorch/model_xnnpack_int8_static.pte",
    ("coreai", "fp32"): "coreai/model_fp32.aimodel",
    ("coreai", "fp16"): "coreai/model_fp16.aimodel",
}
READ = "Reading the checkpoint"
REFERENCE = "Running the reference on the golden texts"
BASELINE = "Measuring the checkpoint's accuracy"
CALIBRATE = "Calibrating"
COST = "Measuring what float units cost"
SPEED = "Comparing speeds"
WRITE = "Writing the bundle"
PACK = "Packing the bundle"

# Seconds of one core of 2.7 GHz (AVX-512, Linux): for each layer, and for each million parameters.
_LOWERING: dict[tuple[Runtime, Precision], tuple[float, float]] = {
    ("onnx", "fp32"): (2.0, 0.05),
    ("onnx", "fp16"): (2.0, 0.05),
    ("onnx", "int8"): (2.0, 0.05),
    ("onnx", "int8-static"): (3.0, 0.05),
    ("executorch", "fp32"): (1.5, 0.05),
    ("executorch", "fp16"): (3.0, 0.05),
    ("executorch", "int8"): (2.0, 0.05),
    ("executorch", "int8-static"): (2.5, 0.05),
    ("coreai", "fp32"): (1.5, 0.05),
    ("coreai", "fp16"): (1.5, 0.05),
}
# Starting a process for the proof, and all golden texts for each million parameters of the encoder.
_PROVING: dict[Runtime, tuple[float, float]] = {"onnx": (0.8, 0.25), "executorch": (3.0, 0.25), "coreai": (8.0, 4.0)}
_IMPORTS: dict[Runtime, float] = {"onnx": 2.5, "executorch": 5.0, "coreai": 2.0}
# One text of 128 tokens through PyTorch, for each million parameters of the encoder; the golden texts are as many.
_TEXT, _GOLDEN = 0.003, 40
# A labelled row, where the data was not counted.
_ROWS = 1000
# Texts that a ranking looks at; its order settles with fewer than a range does.
RANKED_ROWS = 32
# Bytes of a weight; the scales of an int8 channel are a hundredth of its weights.
_WEIGHT: dict[Precision, float] = {"fp32": 4.0, "fp16": 2.0, "int8": 1.01, "int8-static": 1.01}
# Of a file's graph, by layer, as measured.
_GRAPH_BYTES = 20_000
# What an artifact's process needs beside the parent's memory: its own objects, and copies of the weights.
_PROCESS_BYTES, _COPIES = 700_000_000, 5


def exporting(runtime: Runtime, precision: Precision) -> str:
    """The name of a step."""
    return f"Exporting {runtime} {precision}"


def checking(runtime: Runtime, precision: Precision) -> str:
    """The name of a step."""
    return f"Checking {runtime} {precision}"


def costing(runtime: Runtime, precision: Precision) -> str:
    """The name of the step that lowers once more, with all units in int8."""
    return f"Exporting {runtime} {precision} throughout"


def judging(precision: Precision, attempt: int) -> str:
    """The name of a step: the accuracy with some units in float."""
    return f"Judging {precision}, try {attempt}"


def measuring(precision: Precision, unit: str) -> str:
    """The name of a step: what a unit alone costs."""
    return f"Measuring {unit} in {precision}"


def lane(runtime: Runtime, precision: Precision) -> str:
    """The name of an artifact's process."""
    return f"{runtime} {precision}"


def seconds_by_lane(steps: Iterable[Step]) -> dict[str, float]:
    """What each lane takes, one step after the other."""
    found: dict[str, float] = {}
    for step in steps:
        found[step.lane] = found.get(step.lane, 0.0) + step.seconds
    return found


def files(options: ExportOptions) -> list[tuple[Runtime, Precision]]:
    """The artifacts that are asked for, in the manifest's order: each runtime has those precisions that it knows."""
    return [one for one in product(options.runtimes, options.precisions) if one in PATHS]


def jobs(options: ExportOptions, config: SqueezeBertConfig) -> int:
    """How many artifacts are made at once: as asked for, or as cores and memory allow."""
    artifacts = len(files(options))
    if options.jobs is not None:
        return min(options.jobs, artifacts)
    memory = machine.available_memory()
    each = _PROCESS_BYTES + _COPIES * 4 * config.body_parameters
    fitting = artifacts if memory is None else memory // each
    return max(1, min(machine.cores(), artifacts, fitting))


def plan(options: ExportOptions, config: SqueezeBertConfig, *, rows: int = _ROWS) -> tuple[Step, ...]:
    """All steps that may be needed, in their order; ``rows`` are those of the labelled data."""
    text = _TEXT * _encoder_millions(config)
    steps = [Step(READ, 1 + 0.01 * config.body_parameters / 1e6), Step(REFERENCE, _GOLDEN * text)]
    if options.max_accuracy_drop is not None:
        steps.append(Step(BASELINE, rows * text))
    for precision in options.precisions:
        steps += _scheming(options, config, precision, text, rows)
    may_return = options.precisions if options.max_accuracy_drop is not None else ()
    returned = [precision for precision in may_return if precision.startswith("int8")]
    return (*steps, *making(options, config, returned))


def making(options: ExportOptions, config: SqueezeBertConfig, returned: Sequence[Precision]) -> tuple[Step, ...]:
    """The steps from the first artifact on; of the ``returned`` precisions units went back to float."""
    weights = config.body_parameters / 1e6
    steps: list[Step] = []
    for runtime, precision in files(options):
        steps += _artifact(options, config, runtime, precision, returned)
    if returned:
        steps.append(Step(COST, 5.0 * len(options.runtimes)))
    if options.require_faster:
        steps.append(Step(SPEED, 5.0 * len(options.runtimes) * (len(options.precisions) - 1)))
    steps.append(Step(WRITE, 0.1 + 0.01 * weights))
    if options.archive is not None:
        steps.append(Step(PACK, 0.2 * weights))
    return tuple(steps)


def _scheming(
    options: ExportOptions, config: SqueezeBertConfig, precision: Precision, text: float, rows: int
) -> Iterator[Step]:
    """What comes before a precision's artifacts."""
    if precision == "int8-static":
        yield Step(CALIBRATE, options.calibration_rows * text)
    if not precision.startswith("int8"):
        return
    units = unit_names(config.num_hidden_layers)
    gate = options.max_accuracy_drop is not None
    first = options.sensitivity is not None
    ranking = [Step(measuring(precision, unit), RANKED_ROWS * text) for unit in units] if first or gate else []
    attempts = 2 + math.ceil(math.log2(len(units))) if gate else 0
    judged = [Step(judging(precision, attempt), rows * text) for attempt in range(1, attempts)]
    # The gate asks for a ranking after its first try, unless there is one already.
    yield from [*ranking, *judged] if first else [*judged[:1], *ranking, *judged[1:]]


def _artifact(
    options: ExportOptions,
    config: SqueezeBertConfig,
    runtime: Runtime,
    precision: Precision,
    returned: Sequence[Precision],
) -> Iterator[Step]:
    """What an artifact's process does."""
    by_layer, by_million = _LOWERING[runtime, precision]
    lowering = by_layer * config.num_hidden_layers + by_million * config.body_parameters / 1e6
    start, proof = _PROVING[runtime]
    own = lane(runtime, precision)
    yield Step(exporting(runtime, precision), lowering + _IMPORTS[runtime] / len(options.precisions), own)
    yield Step(checking(runtime, precision), start + proof * _encoder_millions(config), own)
    if precision in returned:
        yield Step(costing(runtime, precision), lowering, own)


def _encoder_millions(config: SqueezeBertConfig) -> float:
    """The parameters that every token meets, in millions."""
    return (config.body_parameters - config.vocab_size * config.embedding_size) / 1e6


def file_bytes(options: ExportOptions, config: SqueezeBertConfig, precision: Precision) -> int:
    """How large an artifact is likely to be."""
    words = config.vocab_size * config.embedding_size
    weights = _WEIGHT[precision] * config.body_parameters
    if precision.startswith("int8"):
        weights -= words / 2 if options.embeddings == "int4" else 0
        weights += 3 * words if "embeddings" in options.keep_float else 0
    return round(weights) + _GRAPH_BYTES * config.num_hidden_layers
