"""`compare-answers`: how many answers change between two bundles, with examples and a gate."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from squeezebert_mobile import console
from squeezebert_mobile.bundle import archive
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import Artifact, Kind
from squeezebert_mobile.errors import GateError, InputFileError, UsageError
from squeezebert_mobile.run.options import CompareAnswersOptions, PredictOptions
from squeezebert_mobile.run.postprocess import (
    AnswerSpan,
    Choice,
    Embedding,
    Entity,
    LabelScore,
    Result,
    Similarity,
    cosine,
)
from squeezebert_mobile.run.predict import Prediction, Predictor, Sample
from squeezebert_mobile.run.samples import gather
from squeezebert_mobile.tasks import Task

# From which on one of several labels is right, as `evaluate` takes it.
_THRESHOLD = 0.5


@dataclass(frozen=True)
class Side:
    """One of the two bundles, and its file that answered."""

    bundle: str
    digest: str
    artifact: str


@dataclass(frozen=True)
class Change:
    """A text, by its row from 1, whose answer is another; ``moved`` is by how much, None for answers that are words."""

    row: int
    text: str
    text_pair: str | None
    before: str
    after: str
    moved: float | None


@dataclass(frozen=True)
class AnswerChanges:
    """How many of the answers changed, and the first of them.

    Labels, entities, spans, choices and the best word of each mask change where they are others; values and vectors
    where they move by more than ``tolerance``. ``largest_move`` is over all texts, None for answers that are words.
    """

    before: Side
    after: Side
    task: Task
    answers: int
    changed: int
    share: float
    tolerance: float
    largest_move: float | None
    examples: tuple[Change, ...]
    max_changed: float | None


def compare_answers(options: CompareAnswersOptions) -> AnswerChanges:
    """Ask both bundles the same texts; `require` makes an error of too many changes.

    Raises UsageError for bundles whose answers cannot be compared, InputFileError for a file without a text, and what
    reading bundles and texts raises.
    """
    if str(options.file) == "-" or (options.file.exists() and not options.file.is_file()):
        raise UsageError("--file", "is read for each bundle", found=options.file, fix="give a file")
    with ExitStack() as stack:
        bundles = [stack.enter_context(archive.opened(path)) for path in (options.before, options.after)]
        kind = _shared_kind(*bundles)
        chosen = [_artifact(bundle, options, place) for place, bundle in enumerate(bundles)]
        streams = (_answers(stack, *each, options) for each in zip(bundles, chosen, strict=True))
        count, found, largest, examples = _counted(streams, kind, options)
    if not count:
        raise InputFileError(options.file, "has no text", fix="give a file with one text a line")
    sides = zip((options.before, options.after), bundles, chosen, strict=True)
    before, after = (Side(str(path), bundle.digest, artifact.path) for path, bundle, artifact in sides)
    return AnswerChanges(
        before=before,
        after=after,
        task=bundles[0].manifest.task,
        answers=count,
        changed=found,
        share=found / count,
        tolerance=options.tolerance,
        largest_move=largest,
        examples=tuple(examples),
        max_changed=options.max_changed,
    )


def _counted(
    streams: Iterable[Iterator[Prediction]], kind: Kind, options: CompareAnswersOptions
) -> tuple[int, int, float | None, list[Change]]:
    """How many answers there are and how many of them changed, the largest move, and the first changes."""
    count, found, largest = 0, 0, None
    examples: list[Change] = []
    # Both read one file: the shorter stream would be of a file that is changed meanwhile.
    for count, pair in enumerate(zip(*streams, strict=False), 1):
        move = compared(count, kind, *pair)
        if move.moved is not None:
            largest = max(largest or 0.0, move.moved)
        if move.before != move.after if move.moved is None else move.moved > options.tolerance:
            found += 1
            examples += [move] if found <= options.examples else []
    return count, found, largest, examples


def _artifact(bundle: Bundle, options: CompareAnswersOptions, place: int) -> Artifact:
    """The file that answers for a bundle: the last named one for the second, and the only one for both."""
    if not options.artifacts:
        return bundle.recommended(options.runtime, options.precision)
    return bundle.named(options.artifacts[min(place, len(options.artifacts) - 1)])


def _answers(
    stack: ExitStack, bundle: Bundle, artifact: Artifact, options: CompareAnswersOptions
) -> Iterator[Prediction]:
    predictor = stack.enter_context(Predictor(bundle, runtime=artifact.runtime, precision=artifact.precision))
    samples = gather(PredictOptions(bundle.folder, file=options.file, columns=options.columns))
    return predictor.stream(samples(bundle.manifest))


def _shared_kind(before: Bundle, after: Bundle) -> Kind:
    """What answers of both are. Raises UsageError where they are not the same."""
    one, other = before.manifest, after.manifest
    facts = (
        ("another task", str(one.task), str(other.task)),
        ("answers of another kind", one.postprocessing.kind, other.postprocessing.kind),
        ("other labels", ", ".join(sorted(one.labels)), ", ".join(sorted(other.labels))),
        ("vectors of another length", *(b.config().hidden_size if b.manifest.postprocessing.kind == "none" else None
                                        for b in (before, after))),
    )  # fmt: skip
    for what, expected, found in facts:
        if found != expected:
            fix = "give two bundles of one task and its labels"
            raise UsageError(after.folder, f"has {what}", found=found, expected=expected, fix=fix)
    return one.postprocessing.kind


def compared(row: int, kind: Kind, before: Prediction, after: Prediction) -> Change:
    """Two answers to one text."""
    sample = before.sample
    one, other = (", ".join(_said(sample, each.result, kind)) or "nothing" for each in (before, after))
    return Change(row, sample.text, sample.text_pair, one, other, _moved(before.result, after.result, kind))


def _said(sample: Sample, result: Result, kind: Kind) -> Sequence[str]:
    """An answer in words, which are others where it is another one."""
    match result:
        case AnswerSpan():
            return [f"{result.text!r} at {result.start}..{result.end}" if result.has_answer else "no answer"]
        case Choice():
            return [sample.options[result.index]]
        case Embedding():
            return ["a vector"]
        case Similarity():
            return [f"similarity {result.score:.4f}"]
    labels = [each for each in result if isinstance(each, LabelScore)]
    if labels and kind == "softmax":
        return [labels[0].label]
    if labels and _is_of_values(labels, kind):
        return [f"{each.label} {each.score:.4f}" for each in labels]
    if labels:
        return sorted(each.label for each in labels if each.score >= _THRESHOLD)
    entities = [f"{e.label} {e.text!r} at {e.start}..{e.end}" for e in result if isinstance(e, Entity)]
    return entities or [each[0].token for each in result if isinstance(each, tuple)]


def _is_of_values(labels: Sequence[LabelScore], kind: Kind) -> bool:
    """True of a regression, and of a reranker: its one score says no label."""
    return kind == "regression" or len(labels) == 1


def _moved(before: Result, after: Result, kind: Kind) -> float | None:
    """How far values moved, or 1 less the cosine of vectors, the largest of several; None for words."""
    match before, after:
        case Embedding(), Embedding():
            pairs = [(before.vector, after.vector)]
        case Similarity(), Similarity():
            pairs = list(zip(before.vectors, after.vectors, strict=True))
        case tuple(), tuple():
            one, other = ({e.label: e.score for e in each if isinstance(e, LabelScore)} for each in (before, after))
            labels = [each for each in before if isinstance(each, LabelScore)]
            if kind == "softmax" or not labels or not _is_of_values(labels, kind):
                return None
            return max(abs(one[label] - other[label]) for label in one)
        case _:
            return None
    return max(1 - float(cosine(np.array(one, np.float32), np.array(other, np.float32))) for one, other in pairs)


def require(found: AnswerChanges, file: Path) -> None:
    """Raise GateError about the second bundle, ``file``, where more answers changed than may."""
    if found.max_changed is not None and found.share > found.max_changed:
        what = f"answers {found.changed} of {found.answers} texts otherwise than {found.before.bundle}"
        shown, expected = f"{found.share:.2%}", f"at most {found.max_changed:.2%}"
        fix = "look at the examples, export a finer precision, or raise --max-changed"
        raise GateError(file, what, found=shown, expected=expected, fix=fix)


def text(found: AnswerChanges) -> str:
    """The first changes, for people."""
    lines = [f"A: {found.before.bundle}, {found.before.artifact}", f"B: {found.after.bundle}, {found.after.artifact}"]
    for change in found.examples:
        beside = "" if change.text_pair is None else f"  |  {change.text_pair}"
        moved = "" if change.moved is None else f"  (moved by {change.moved:.4f})"
        lines += [f"{change.row}: {change.text}{beside}", f"  {change.before}  ->  {change.after}{moved}"]
    if found.changed > len(found.examples):
        lines.append(f"... and {found.changed - len(found.examples)} more")
    return "\n".join(lines)


def verdict(found: AnswerChanges) -> console.Verdict:
    """How many changed."""
    largest = "" if found.largest_move is None else f"; the largest move is {found.largest_move:.4f}"
    told = f"{found.changed} of {found.answers} answers changed ({found.share:.2%}){largest}"
    holds = None if found.max_changed is None else found.share <= found.max_changed
    return console.Verdict(holds if found.changed else True, told)
