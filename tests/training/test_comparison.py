"""Shards of an evaluation reduce to what one plain run prints, to the last bit, whatever the task."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import handmade
import pytest
import torch
from command import assert_error, run
from killed import killed_behind
from tiny import SMALL, tokenizer

from squeezebert_mobile import parts
from squeezebert_mobile.errors import InputFileError, UsageError
from squeezebert_mobile.model import model_class
from squeezebert_mobile.parts import Shard
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.comparison import EvaluateResult, merged
from squeezebert_mobile.training.evaluate import evaluate, write
from squeezebert_mobile.training.options import EvaluateOptions

torch.set_num_threads(1)

WORDS = ["a", "quiet", "film", "that", "stays", "with", "you", "for", "days", "and", "some", "more", "of", "it"]
Row = Mapping[str, object]


def words(random_: random.Random) -> str:
    return " ".join(random_.choices(WORDS, k=random_.randint(1, 12)))


def question(random_: random.Random, *, answered: bool) -> Row:
    context = words(random_) + " " + " ".join(random_.choices(WORDS, k=80))
    answer = context.split()[0]
    texts, starts = ([answer], [0]) if answered or random_.random() < 0.5 else ([], [])
    return {"question": words(random_), "context": context, "answers": {"text": texts, "answer_start": starts}}


def tagged(random_: random.Random) -> Row:
    tokens = words(random_).split()
    return {"tokens": tokens, "tags": random_.choices(("O", "B-PER", "I-PER"), k=len(tokens))}


CASES: dict[str, tuple[Task, dict[str, Any], Callable[[random.Random], Row]]] = {
    "f1": (Task.TEXT_CLASSIFICATION, {}, lambda r: {"text": words(r), "label": r.randrange(2)}),
    "f1_macro": (
        Task.TEXT_CLASSIFICATION,
        {"id2label": ("bad", "fair", "good", "best")},
        lambda r: {"text": words(r), "label": r.choice(("bad", "fair", "good"))},
    ),
    "f1_micro": (
        Task.TEXT_CLASSIFICATION,
        {"id2label": ("x", "y", "z"), "problem_type": "multi_label_classification"},
        lambda r: {"text": words(r), "label": r.sample(("x", "y", "z"), k=r.randrange(4))},
    ),
    "pearson": (
        Task.TEXT_CLASSIFICATION,
        {"id2label": ("value",), "problem_type": "regression"},
        lambda r: {"text": words(r), "label": r.random()},
    ),
    "precision": (Task.TOKEN_CLASSIFICATION, {"id2label": ("O", "B-PER", "I-PER")}, tagged),
    "exact_match": (Task.QUESTION_ANSWERING, {}, lambda r: question(r, answered=True)),
    "best_f1_thresh": (Task.QUESTION_ANSWERING, {}, lambda r: question(r, answered=False)),
    "NoAns_f1": (Task.QUESTION_ANSWERING, {"null_threshold": 0.01}, lambda r: question(r, answered=False)),
    "pseudo_perplexity": (Task.FILL_MASK, {}, lambda r: {"text": words(r)}),
    "accuracy": (
        Task.MULTIPLE_CHOICE,
        {},
        lambda r: {"text": words(r), "choices": [words(r) for _ in range(3)], "label": r.randrange(3)},
    ),
    "spearman": (
        Task.FEATURE_EXTRACTION,
        {},
        lambda r: {"text": words(r), "text_pair": words(r), "score": r.random()},
    ),
    "cosine_accuracy": (
        Task.FEATURE_EXTRACTION,
        {},
        lambda r: {"text": words(r), "text_pair": words(r), "negative": [words(r)]},
    ),
}


def saved(folder: Path, task: Task, changes: Mapping[str, Any]) -> Path:
    torch.manual_seed(1)
    made = model_class(task)(replace(SMALL, architectures=(task.architecture,), **changes))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    made.save_pretrained(folder)
    tokenizer(SMALL).save_pretrained(folder)
    return folder


def prepared(folder: Path, metric: str, rows: int = 41) -> EvaluateOptions:
    task, changes, row = CASES[metric]
    source = random.Random(5)
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps(row(source)) + "\n" for _ in range(rows)), encoding="utf-8")
    pooling = "mean" if task is Task.FEATURE_EXTRACTION else None
    model = saved(folder / "model", task, changes)
    return EvaluateOptions(model, str(data), task=task, pooling=pooling, resamples=20, quiet=True)


def untimed(result: EvaluateResult) -> EvaluateResult:
    return replace(result, rows=tuple(replace(row, milliseconds=0.0) for row in result.rows))


def shards(options: EvaluateOptions, folder: Path, count: int) -> list[Path]:
    paths = [folder / f"part-{number}.jsonl" for number in range(1, count + 1)]
    for number, path in enumerate(paths, 1):
        written = write(replace(options, output=path), Shard(number, count))
        assert written.lines == written.written == len(path.read_text().splitlines())
    return paths


@pytest.mark.parametrize("metric", CASES)
def test_shards_merge_to_the_figures_of_one_run_to_the_last_bit(metric: str, tmp_path: Path) -> None:
    options = prepared(tmp_path, metric)
    whole = evaluate(options)
    assert metric in whole.rows[0].metrics
    assert whole.examples == 41
    paths = shards(options, tmp_path / "parts", 3)
    assert untimed(merged(parts.merged(paths[::-1]))) == untimed(whole)


def test_a_killed_evaluation_goes_on_behind_its_last_line(tmp_path: Path) -> None:
    options = replace(prepared(tmp_path, "pearson", rows=1200), output=tmp_path / "lines.jsonl")
    assert options.output is not None
    write(options, Shard())
    whole = options.output.read_bytes().splitlines(keepends=True)
    state = tmp_path / "lines.jsonl.run.json"
    begun = {name: value for name, value in json.loads(state.read_bytes()).items() if name != "data_sha256"}
    state.write_text(json.dumps({**begun, "rows": None}))
    options.output.write_bytes(b"".join(whole[:700]) + b'{"tok')
    with pytest.raises(InputFileError, match="is not finished"):
        parts.merged([options.output])
    found = write(replace(options, resume=True), Shard())
    assert (found.lines, found.written) == (1200, 500)
    lines = options.output.read_bytes().splitlines(keepends=True)
    assert lines[:700] == whole[:700]
    assert [json.loads(line)["statistics"] for line in lines] == [json.loads(line)["statistics"] for line in whole]
    assert untimed(merged(parts.merged([options.output]))) == untimed(evaluate(replace(options, output=None)))


def test_an_evaluation_that_sigkill_ends_goes_on_without_a_doubled_or_lost_line(tmp_path: Path) -> None:
    bundle, data, target = handmade.write(tmp_path / "bundle"), tmp_path / "data.tsv", tmp_path / "lines.jsonl"
    random_ = random.Random(0)
    rows = [f"{words(random_)}\t{random_.randrange(2)}\n" for _ in range(3000)]
    data.write_text("".join(["sentence\tlabel\n", *rows]))
    command = ["evaluate", str(bundle), "--data", str(data), "--resamples", "20", "--quiet"]
    for enough in (200, 1500):
        killed_behind(enough, [*command, "-o", str(target), *(["--resume"] if target.exists() else [])], target)
    assert target.read_bytes().count(b"\n") < len(rows)
    with target.open("a") as file:
        file.write('{"torn')
    done = run(*command, "-o", target, "--resume", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["lines"] == len(rows)
    figures = [json.loads(run(*each, "--json").stdout) for each in (command, ("merge", target))]
    for result in figures:
        result["rows"][0].pop("milliseconds")
    assert figures[0] == figures[1]


def test_a_bundle_is_evaluated_without_torch(tmp_path: Path) -> None:
    bundle, data = handmade.write(tmp_path / "bundle"), tmp_path / "data.tsv"
    data.write_text("sentence\tlabel\na quiet film\t1\n")
    command = ["evaluate", str(bundle), "--data", str(data), "--resamples", "2", "--quiet"]
    program = f"import sys; sys.argv[1:] = {command!r}\nfrom squeezebert_mobile.cli import main\n"
    program += "try:\n    main()\nfinally:\n    assert not {'torch', 'sklearn'} & set(sys.modules)\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_data_has_one_digest_whatever_format_and_share_of_it_is_read(tmp_path: Path) -> None:
    options = prepared(tmp_path, "f1")
    rows = [json.loads(line) for line in Path(options.data).read_text().splitlines()]
    table = tmp_path / "data.tsv"
    table.write_text("sentence\tlabel\n" + "".join(f"{row['text']}\t{row['label']}\n" for row in rows))
    digest = evaluate(options).data_sha256
    assert evaluate(replace(options, data=str(table))).data_sha256 == digest
    assert merged(parts.merged(shards(options, tmp_path / "parts", 2))).data_sha256 == digest
    assert evaluate(replace(options, max_samples=40)).data_sha256 != digest


def test_parts_of_other_models_data_or_options_are_not_gone_on_with(tmp_path: Path) -> None:
    options = replace(prepared(tmp_path, "f1"), output=tmp_path / "lines.jsonl")
    write(options, Shard())
    again = replace(options, resume=True)
    assert write(again, Shard()).written == 0
    for other in ({"seed": 1}, {"max_samples": 40}, {"batch_size": 1}, {"columns": (("text", "text"),)}):
        with pytest.raises(UsageError, match="is of a run with another"):
            write(replace(again, **other), Shard())
    saved(tmp_path / "model", Task.TEXT_CLASSIFICATION, {"id2label": ("LABEL_0", "LABEL_1"), "hidden_act": "relu"})
    with pytest.raises(UsageError, match="is of a run with another models"):
        write(again, Shard())


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[EvaluateOptions, Path]:
    folder = tmp_path_factory.mktemp("measured")
    options = prepared(folder, "f1")
    return options, folder


def test_merge_prints_what_evaluate_prints(measured: tuple[EvaluateOptions, Path]) -> None:
    options, folder = measured
    command = ("evaluate", options.source, "--data", options.data, "--resamples", "20")
    plain = json.loads(run(*command, "--json", "--quiet").stdout)
    for number in ("0", "1"):
        job = {"JOB_COMPLETION_INDEX": number, "JOB_COMPLETIONS": "2"}
        done = run(*command, "-o", folder / f"out/{number}.jsonl", **job)
        assert done.returncode == 0, done.stderr
    found = json.loads(run("merge", folder / "out", "--json").stdout)
    for result in (plain, found):
        for row in result["rows"]:
            row.pop("milliseconds")
    assert found == plain
    assert_error(run("merge", folder / "out", "-o", folder / "x"), 2, "--output: is for answers")
    assert_error(run("merge", folder / "out", "--max-accuracy-drop", "0.1"), 2, "--max-accuracy-drop", "no baseline")
    assert_error(run(*command, "--shard", "1/2"), 2, "--shard", "name a file")
    assert_error(run(*command, "-o", folder / "y", "--max-accuracy-drop", "1"), 2, "give it to merge")
