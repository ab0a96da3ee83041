"""From the precisions that are asked for to what the lowerings take: calibrated, ranked, and accurate enough."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import TypeVar

from squeezebert_mobile.batch import Batch
from squeezebert_mobile.export import plan, sensitivity
from squeezebert_mobile.export.calibration import calibrate
from squeezebert_mobile.export.gates import AccuracyGate
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.export.quantization import Dynamic, EmbeddingBits, Half, Scheme, Static
from squeezebert_mobile.export.reference import Reference
from squeezebert_mobile.export.sensitivity import Effect
from squeezebert_mobile.export.texts import draw, encode
from squeezebert_mobile.tasks import Precision

Report = Callable[[str], None]
Value = TypeVar("Value", int, str)


def resolve(
    options: ExportOptions,
    reference: Reference,
    golden: Sequence[Batch],
    gate: AccuracyGate | None,
    report: Report,
) -> Mapping[Precision, Scheme | None]:
    """The scheme of every precision, None for fp32.

    The ranking is made on the calibration texts, or on ``golden`` where there are none. Raises what reading them
    raises, and UsageError for units that do not exist.
    """
    texts = _calibration_batches(options, reference)
    found: dict[Precision, Scheme | None] = {}
    rankings: dict[str, tuple[Effect, ...]] = {}
    for precision in options.precisions:
        scheme = _scheme(precision, options, reference, texts, report)
        if isinstance(scheme, (Dynamic, Static)):
            # A ranking runs the model once for every unit, so it is made where it is asked for or the gate needs it.
            batches = (texts or golden)[: plan.RANKED_ROWS]
            measuring = _named(report, partial(plan.measuring, precision))
            rank = cache(partial(sensitivity.rank, reference.model, scheme, batches, measuring))
            if options.sensitivity is not None:
                rankings[precision] = rank()
            if gate is not None:
                judging = _named(report, partial(plan.judging, precision))
                scheme = replace(scheme, keep_float=gate.choose_keep_float(scheme, rank, judging))
        found[precision] = scheme
    if options.sensitivity is not None:
        sensitivity.write(rankings, options.sensitivity, str(options.model or "the demo model"))
    return found


def _named(report: Report, name: Callable[[Value], str]) -> Callable[[Value], None]:
    return lambda value: report(name(value))


def _calibration_batches(options: ExportOptions, reference: Reference) -> list[Batch]:
    if options.calibration is None:
        return []
    rows = draw(options.calibration, reference.model.task, rows=options.calibration_rows, seed=options.seed)
    return encode(reference.tokenizer, rows, reference.model.task, reference.max_length)


def _scheme(
    precision: Precision, options: ExportOptions, reference: Reference, texts: Sequence[Batch], report: Report
) -> Scheme | None:
    bits: EmbeddingBits = 4 if options.embeddings == "int4" else 8
    match precision:
        case "fp32":
            return None
        case "fp16":
            return Half()
        case "int8":
            return Dynamic(options.keep_float, bits)
        case "int8-static":
            report(plan.CALIBRATE)
            method, percentile = options.calibration_method, options.percentile
            ranges = calibrate(reference.model, texts, method=method, percentile=percentile)
            return Static(ranges, options.keep_float, bits, options.approximate_gelu)
