"""Results of the commands as text for people."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from squeezebert_mobile.console import Verdict, table
from squeezebert_mobile.errors import counted, visible
from squeezebert_mobile.licences import UNKNOWN
from squeezebert_mobile.tasks import Task

if TYPE_CHECKING:
    from squeezebert_mobile.bundle.manifest import Manifest
    from squeezebert_mobile.doctor import Check, Diagnosis
    from squeezebert_mobile.export.pipeline import Exported
    from squeezebert_mobile.info import Information
    from squeezebert_mobile.release.pack import Pack
    from squeezebert_mobile.release.push import Push
    from squeezebert_mobile.run.output import Written
    from squeezebert_mobile.run.predict import Prediction
    from squeezebert_mobile.run.verify import Verification
    from squeezebert_mobile.training.comparison import Evaluated, EvaluateResult
    from squeezebert_mobile.training.finetune import FinetuneResult

_BAR = 30


def bundle(result: "Exported") -> str:
    """A bundle that was just written."""
    return manifest(result.manifest)


def exported(result: "Exported") -> Verdict:
    """What to do with a bundle that was just written."""
    sizes = {artifact.path: artifact.bytes for artifact in result.manifest.artifacts}
    files = "1 file answers" if len(sizes) == 1 else f"{len(sizes)} files answer"
    take = f"take {result.recommended}, {sizes[result.recommended] / 1e6:.1f} MB"
    return Verdict(True, f"{result.folder}: {files} as the checkpoint does, within the gates; {take}")


def packed(result: "Pack") -> str:
    """What went into a pack."""
    rows = [("artifacts", ", ".join(result.artifacts)), ("licence", result.license), ("files", str(result.files))]
    return "\n".join(f"{name}: {value}" for name, value in rows)


def pack_verdict(result: "Pack") -> Verdict:
    """How large a pack is, and where it lies."""
    unknown = "; its licence is unknown, pass --license" if result.license == UNKNOWN else ""
    size = f"{result.bytes / 1e6:.2f} MB"
    return Verdict(True, f"{result.path}: {result.name} {result.version}, {size}{unknown}")


def pushed(result: "Push") -> str:
    """The files that went to the hub, or would."""
    return table(("file", "MB"), [(file.path, f"{file.bytes / 1e6:.3f}") for file in result.files])


def push_verdict(result: "Push") -> Verdict:
    """Where they went."""
    what = f"{counted(len(result.files), 'file')}, {result.bytes / 1e6:.2f} MB, licence {result.license}"
    if result.url is None:
        new = "private" if result.private else "public"
        return Verdict(None, f"would go to {result.repository}, {new} where it is new: {what}")
    return Verdict(True, f"{result.url}: {result.repository} has {what}")


def manifest(result: "Manifest") -> str:
    """A bundle's artifacts, with what was proven of each."""
    rows = []
    for a in result.artifacts:
        worst = max(parity.max_abs for parity in a.parity)
        same = "-" if a.agreement is None else f"{100 * a.agreement:.4g} %"
        rows.append((a.path, a.precision, f"{a.bytes / 1e6:.1f}", f"{worst:.1e}", same))
    header = ("file", "precision", "MB", "differs", "agrees")
    meaning = "differs: at most, from the reference; agrees: on how many texts"
    text = f"{result.task}, up to {counted(result.tokenizer.max_length, 'token')}\n{table(header, rows)}\n{meaning}"
    return "\n".join([text, *_accuracies(result)])


def _accuracies(result: "Manifest") -> list[str]:
    """What an accuracy gate measured, where there was one."""
    measured = [(a.path, a.accuracy) for a in result.artifacts if a.accuracy is not None]
    if not measured:
        return []
    _, first = measured[0]
    rows = [
        (path, f"{own.value:.4f}", f"{own.interval.low:.4f} to {own.interval.high:.4f}", f"{own.drop:.4f}")
        for path, own in measured
    ]
    beside = "" if first.chance is None else f", the commonest label alone {first.chance:.4f}"
    rows_of = f"{counted(first.rows, 'row')} of {first.data}"
    lines = [
        f"\n{first.metric} on {rows_of}: the checkpoint {first.checkpoint:.4f}{beside}",
        table(("file", first.metric, "95 %", "drop"), rows),
        f"drop: below the checkpoint, at most {first.allowed_drop:g} is allowed",
    ]
    return lines + [
        f"{path}: back in float for it: {', '.join(own.float_units)}" for path, own in measured if own.float_units
    ]


def verification(result: "Verification") -> str:
    """What the artifacts answered."""
    rows = [(c.path, f"{c.cases}", f"{c.max_abs:.2g}", f"{c.allowed:.2g}") for c in result.artifacts]
    lines = [f"warning: {line}" for line in result.warnings]
    return "\n".join([*lines, table(("file", "golden texts", "differs", "allowed"), rows)] if rows else lines)


def verified(result: "Verification") -> Verdict:
    """What `verify` found."""
    facts = f"bundle digest {result.digest}, signature: {result.signature or 'none'}"
    return Verdict(True, f"ok: {result.folder}: all {result.files} files are sound; {facts}")


def prediction(result: "Prediction") -> str:
    """One answer, with what a reader should know of how the text was read."""
    from squeezebert_mobile.run.postprocess import AnswerSpan, Choice, Embedding, LabelScore, Similarity

    sample, answer = result.sample, result.result
    lines = [sample.text if sample.text_pair is None else f"{sample.text}  |  {sample.text_pair}"]
    match answer:
        case AnswerSpan(has_answer=False):
            lines.append(f"  no answer in the text  {answer.score:.4f}")
        case AnswerSpan():
            null = "" if answer.null_probability is None else f", no answer {answer.null_probability:.4f}"
            lines.append(f"  {answer.text!r}  {answer.score:.4f}  at {answer.start}..{answer.end}{null}")
        case Choice():
            for index, (option, score) in enumerate(zip(sample.options, answer.scores, strict=True)):
                lines.append(f"{'> ' if index == answer.index else '  '}{_bar(score)}  {visible(option)}")
        case Embedding():
            lines.append(f"  {_vector(answer.vector)}")
        case Similarity():
            lines.append(f"  similarity {answer.score:.4f}")
            lines += [f"  {_vector(vector)}" for vector in answer.vectors]
        case _:
            for item in answer:
                if isinstance(item, LabelScore):
                    lines.append(f"  {_bar(item.score)}  {visible(item.label)}")
                elif isinstance(item, tuple):
                    lines += [f"  {_bar(filling.score)}  {visible(filling.token)}" for filling in item]
                else:
                    where = f"{item.text!r}  {item.score:.4f}  at {item.start}..{item.end}"
                    lines.append(f"  {visible(item.label)}  {where}")
    took = "" if result.milliseconds is None else f", {result.milliseconds:.1f} ms"
    return "\n".join([*lines, *_notes(result), f"  {result.artifact}{took}"])


def written(result: "Written") -> str:
    """What `predict -o` or `evaluate -o` wrote."""
    before = f", {result.lines - result.written} of them by an earlier run" if result.written < result.lines else ""
    return f"{result.output}: {counted(result.lines, 'line')} of shard {result.shard}{before}, {result.seconds:.1f} s"


def _vector(values: "Sequence[float]") -> str:
    return f"[{', '.join(f'{value:.4f}' for value in values[:6])}, ...] of {len(values)}"


def _bar(score: float) -> str:
    if not 0 <= score <= 1:
        return f"{score:.4f}"
    return f"{score:.4f} {'█' * round(score * _BAR):<{_BAR}}"


def _notes(result: "Prediction") -> list[str]:
    notes = []
    if result.truncated:
        notes.append(f"  note: the text was cut to {counted(result.tokens, 'token')}")
    if result.unknown:
        notes.append(f"  note: of {counted(result.tokens, 'token')} the vocabulary lacks {result.unknown}")
    return notes


def information(result: "Information") -> str:
    """What `info` found."""
    rows = [(name.replace("_", " "), _fact(value)) for name, value in result.facts.items()]
    text = table(("", ""), rows).lstrip("\n")
    return f"{text}\n{manifest(result.manifest)}" if result.manifest else text


def _fact(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items()) or "-"
    return "-" if value is None else str(value)


def check(found: "Check") -> Verdict:
    """One line of `doctor`, as soon as it is known."""
    line = f"{'ok' if found.works else 'no'}  {found.name:<16} {found.version or '-':<9} {found.advice}"
    return Verdict(found.works or (False if found.needed else None), line)


def diagnosis(result: "Diagnosis") -> Verdict:
    """What follows from the lines of `doctor`."""
    broken = ", ".join(check.name for check in result.checks if check.needed and not check.works)
    verdict = f"exports do not work without {broken}" if broken else "everything that an export needs works"
    absent = ", ".join(check.name for check in result.checks if not check.needed and not check.works)
    besides = f"; of the rest {absent} {'is' if ',' not in absent else 'are'} missing" if absent else ""
    return Verdict(not broken, f"Python {result.python} on {result.machine}: {verdict}{besides}")


def training(result: "FinetuneResult") -> str:
    """What `finetune` wrote, and what it started at random."""
    done = f"{counted(result.examples, 'row')}, {counted(result.steps, 'step')}, {result.seconds:.0f} s"
    lines = [f"{result.output_dir}: {result.task}, {done}"]
    if result.labels:
        lines.append(f"labels: {', '.join(map(visible, result.labels))}")
    if result.layers:
        lines.append(f"the teacher's layers {', '.join(map(str, result.layers))}")
    lines.append(f"loss {result.final_loss:.4f}; weights of step {result.best_step}")
    lines += [f"{name} {value:.4f}" for name, value in result.metrics.items()]
    if result.null_threshold is not None:
        lines.append(f"no answer: where it leads the best span by more than {result.null_threshold:.4g} logits")
    if result.initialised:
        lines.append(f"started at random: {', '.join(result.initialised)}")
    return "\n".join(lines)


def evaluation(result: "EvaluateResult") -> str:
    """Artifacts side by side, with 95 % intervals of the leading metric and of its drop."""
    names = _LEADING if result.task is Task.QUESTION_ANSWERING else tuple(result.rows[0].metrics)
    size = f"batches of {result.batch_size}" if result.batch_size else "batches as in predict"
    tokens = counted(result.tokens, "token")
    calls = f"{size}, {counted(result.threads, 'thread')}, median of {tokens}; ms: median of a text"
    lines = [f"{result.data}: {counted(result.examples, 'example')} of {result.task}", calls, ""]
    rows = [_evaluated(row, names) for row in result.rows]
    lines.append(table(("file", names[0], "95 %", *names[1:], "ms"), rows))
    if drops := [_dropped(row) for row in result.rows if row.drop is not None]:
        lines += ["", table((f"drop of {result.metric}", "below", "drop", "95 %"), drops)]
    return "\n".join([*lines, *_unanswerable(result)])


def held(result: "EvaluateResult", largest: float) -> Verdict:
    """That no drop is larger than was asked for."""
    worst = max((row.drop, f"{row.runtime} {row.precision}") for row in result.rows if row.drop is not None)
    return Verdict(
        True, f"passed: {result.metric} falls by {worst[0]:.4f} at most, in {worst[1]}; {largest:g} is allowed"
    )


_LEADING = ("f1", "exact_match")


def _unanswerable(result: "EvaluateResult") -> list[str]:
    """How "no answer" was judged, and SQuAD 2's figures where the data has unanswerable questions."""
    if result.null_rule is None:
        return []
    lines = [f"no answer: where it leads the best span by more than {result.null_rule.threshold:.4g} logits"]
    if result.null_rule.source == "data":
        lines[0] += " (the model declares no threshold: predict always answers without --null-threshold)"
    names = tuple(name for name in result.rows[0].metrics if name not in _LEADING)
    if names:
        kinds = [(f"{row.runtime} {row.precision}", row.metrics) for row in result.rows]
        rows = [(kind, *(f"{metrics[name]:.4f}" for name in names)) for kind, metrics in kinds]
        lines.append(table(("file", *names), rows))
    return lines


def _evaluated(row: "Evaluated", names: tuple[str, ...]) -> tuple[str, ...]:
    first, *others = (f"{row.metrics[name]:.4f}" for name in names)
    own = f"{row.interval.low:.4f} to {row.interval.high:.4f}"
    took = "-" if row.milliseconds is None else f"{row.milliseconds:.2f}"
    return (f"{row.runtime} {row.precision}", first, own, *others, took)


def _dropped(row: "Evaluated") -> tuple[str, ...]:
    assert row.drop is not None and row.drop_interval is not None
    between = f"{row.drop_interval.low:.4f} to {row.drop_interval.high:.4f}"
    return (f"{row.runtime} {row.precision}", str(row.baseline), f"{row.drop:.4f}", between)
