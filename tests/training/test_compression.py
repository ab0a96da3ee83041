"""`finetune --layers` and `--intermediate-size`: students of a teacher, trained to be like it."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
import transformers
from interrupted import finetune_until
from training_runs import BAD, GOOD, rows_for, run_script, same, weights, write

from squeezebert_mobile.errors import UnsupportedModelError, UsageError
from squeezebert_mobile.export.pipeline import ExportOptions, export
from squeezebert_mobile.model import SqueezeBertForSequenceClassification, model_class
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.finetune import RANKING_NAME, finetune
from squeezebert_mobile.training.losses import Objective, Teacher
from squeezebert_mobile.training.options import REPORT_NAME, FinetuneOptions
from squeezebert_mobile.training.students import student

torch.set_num_threads(1)
CONFIG = replace(tiny.CONFIG, num_hidden_layers=3, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
ROWS = [(text, "positive") for text in GOOD] + [(text, "negative") for text in BAD]


@pytest.fixture
def options(tmp_path: Path) -> FinetuneOptions:
    """A student of two of three layers, four steps."""
    return FinetuneOptions(
        task=Task.TEXT_CLASSIFICATION,
        data=write(tmp_path / "train.jsonl", [{"text": text, "label": label} for text, label in ROWS * 4]),
        output_dir=tmp_path / "out",
        teacher=str(tiny.checkpoint(tmp_path / "teacher", Task.TEXT_CLASSIFICATION, CONFIG)),
        layers=(0, 2),
        epochs=2,
        batch_size=8,
        learning_rate=1e-3,
        quiet=True,
    )


def test_a_student_starts_as_its_teachers_layers(options: FinetuneOptions) -> None:
    result = finetune(replace(options, learning_rate=1e-30, weight_decay=0.0))
    teacher = SqueezeBertForSequenceClassification.from_pretrained(options.teacher)
    expected = student(teacher, (0, 2)).state_dict()
    found = weights(options.output_dir)
    assert result.layers == (0, 2) and found.keys() == expected.keys()
    assert all(torch.allclose(found[name], expected[name], atol=1e-6) for name in found)
    config = json.loads((options.output_dir / "config.json").read_text())
    assert (config["num_hidden_layers"], config["intermediate_size"]) == (2, CONFIG.intermediate_size)


@pytest.mark.parametrize("task", [task for task in Task if task is not Task.FEATURE_EXTRACTION])
def test_every_task_has_students_that_transformers_opens(task: Task, tmp_path: Path) -> None:
    tiny.checkpoint(tmp_path / "teacher", task, CONFIG)
    result = finetune(
        FinetuneOptions(
            task=task,
            data=write(tmp_path / "train.jsonl", rows_for(task)),
            output_dir=tmp_path / "out",
            teacher=str(tmp_path / "teacher"),
            layers=(2,),
            layers_by="ranking",
            intermediate_size=48,
            attention_weight=0.5,
            max_length=32,
            stride=4,
            epochs=1,
            batch_size=6,
            quiet=True,
        )
    )
    assert len(result.layers) == 2
    theirs = getattr(transformers, task.architecture).from_pretrained(tmp_path / "out").eval()
    ours = model_class(task).from_pretrained(tmp_path / "out")
    assert (theirs.config.num_hidden_layers, theirs.config.intermediate_size) == (2, 48)
    ids = torch.arange(1, 9)[None]
    ids = ids[:, None].expand(-1, 2, -1) if task is Task.MULTIPLE_CHOICE else ids
    with torch.inference_mode():
        for one, other in zip(ours.tensors(ids), theirs(ids).to_tuple(), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_a_student_of_an_embedder_learns_its_states(tmp_path: Path) -> None:
    tiny.checkpoint(tmp_path / "teacher", Task.FEATURE_EXTRACTION, CONFIG)
    rows = [{"text": one, "text_pair": other, "score": 0.5} for one, other in zip(GOOD, BAD, strict=True)]
    options = FinetuneOptions(
        task=Task.FEATURE_EXTRACTION, data=write(tmp_path / "train.jsonl", rows), output_dir=tmp_path / "out",
        teacher=str(tmp_path / "teacher"), layers=(2,), epochs=1, quiet=True,
    )  # fmt: skip
    assert finetune(options).layers == (0, 2)
    assert json.loads((tmp_path / "out/config.json").read_text())["num_hidden_layers"] == 2
    with pytest.raises(UsageError, match="drop --teacher"):
        replace(options, hidden_weight=0.0)


def test_a_number_of_layers_is_chosen_by_what_dropping_each_costs(options: FinetuneOptions) -> None:
    result = finetune(replace(options, layers=(2,), layers_by="ranking"))
    found = json.loads((options.output_dir / RANKING_NAME).read_text())
    losses = [each["loss"] for each in found["layers"]]
    assert result.layers == tuple(sorted(np.argsort(losses)[-2:].tolist()))
    assert "Layers" in (options.output_dir / "ranking.html").read_text(encoding="utf-8")
    assert (options.output_dir / "ranking.png").exists()
    report = json.loads((options.output_dir / REPORT_NAME).read_text())
    assert tuple(report["result"]["layers"]) == result.layers


def test_what_is_named_needs_no_ranking(options: FinetuneOptions) -> None:
    finetune(options)
    assert not (options.output_dir / RANKING_NAME).exists()


def reference_loss(teacher: Teacher, ours: transformers.PreTrainedModel, theirs: transformers.PreTrainedModel,
                   ids: torch.Tensor, mask: torch.Tensor) -> float:  # fmt: skip
    """The matched loss by loops over layers, rows and tokens, of what transformers records."""
    with torch.inference_mode():
        a, b = (m(ids, attention_mask=mask, output_hidden_states=True, output_attentions=True) for m in (ours, theirs))
    total = 0.0
    for own, other in enumerate(teacher.layers):
        for row in range(len(ids)):
            real = mask[row].nonzero()[:, 0].tolist()
            for token in real:
                state = a.hidden_states[own + 1][row, token] - b.hidden_states[other + 1][row, token]
                total += teacher.hidden * float(state.square().mean()) / len(teacher.layers)
                one, two = (m.attentions[n][row, :, token] for m, n in ((a, own), (b, other)))
                scores = [one[:, key] - two[:, key] for key in real]
                total += teacher.attention * float(torch.stack(scores).square().mean()) / len(teacher.layers)
    return total


def test_matched_states_and_scores_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    large = tiny.model(Task.TEXT_CLASSIFICATION, CONFIG)
    small = tiny.model(Task.TEXT_CLASSIFICATION, replace(CONFIG, num_hidden_layers=2), seed=3)
    ids = torch.randint(1, 200, (3, 7), generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[1] * 7, [1] * 4 + [0] * 3, [1] * 2 + [0] * 5])
    for name, model in (("large", large), ("small", small)):
        model.save_pretrained(tmp_path / name)
    theirs, ours = (
        transformers.SqueezeBertForSequenceClassification.from_pretrained(tmp_path / name).eval()
        for name in ("large", "small")
    )
    labels = torch.tensor([0, 1, 0])
    for hidden, attention in ((1.0, 0.0), (0.0, 0.5), (2.0, 0.25)):
        teacher = Teacher(large, (0, 2), hidden, attention)
        objective = Objective(small, teacher=teacher, distillation=0.5, temperature=2.0)
        _, matched = objective(ids, mask, torch.zeros_like(ids), labels, None)
        assert float(matched.detach()) == pytest.approx(reference_loss(teacher, ours, theirs, ids, mask), rel=1e-4)


def test_the_loss_of_a_student_that_is_its_teacher_is_the_tasks_alone(options: FinetuneOptions, tmp_path: Path) -> None:
    whole = replace(options, layers=(3,), epochs=1, batch_size=16, learning_rate=1e-30, attention_weight=3.0)
    twin = replace(whole, hidden_weight=0.0, attention_weight=0.0, output_dir=tmp_path / "twin")
    assert finetune(whole).final_loss == pytest.approx(finetune(twin).final_loss, abs=1e-6)


def test_matched_states_bring_a_student_nearer_to_its_teacher(options: FinetuneOptions, tmp_path: Path) -> None:
    blind = replace(options, distillation=0.0, epochs=12)
    seen = []
    for name, weight in (("without", 0.0), ("with", 20.0)):
        finetune(replace(blind, hidden_weight=weight, output_dir=tmp_path / name))
        found, teacher = (
            SqueezeBertForSequenceClassification.from_pretrained(folder)
            for folder in (tmp_path / name, str(options.teacher))
        )
        ids = torch.arange(1, 12)[None]
        with torch.inference_mode():
            a, b = (m(ids, output_hidden_states=True).hidden_states for m in (found, teacher))
        seen.append(float((a[2] - b[3]).square().mean()))
    assert seen[1] < seen[0] / 2


def test_accumulation_changes_no_step_of_a_matched_student(options: FinetuneOptions, tmp_path: Path) -> None:
    odd = replace(options, batch_size=7, attention_weight=0.5)
    whole = finetune(odd)
    parts = finetune(replace(odd, accumulation=3, output_dir=tmp_path / "parts"))
    assert parts.final_loss == pytest.approx(whole.final_loss, rel=1e-4)


def test_a_killed_student_goes_on_to_the_same_bytes(
    options: FinetuneOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(options, layers=(2,), layers_by="ranking", intermediate_size=48, checkpoint_every=1)
    finetune(options)
    cut = replace(options, output_dir=tmp_path / "cut")
    finetune_until(2, cut, monkeypatch)
    with pytest.raises(UsageError, match="other options"):
        finetune(replace(cut, resume=True, hidden_weight=0.5))
    finetune(replace(cut, resume=True))
    assert same(weights(options.output_dir), weights(cut.output_dir))


@pytest.mark.slow
def test_two_processes_make_the_student_that_one_makes(options: FinetuneOptions, tmp_path: Path) -> None:
    options = replace(options, layers=(2,), layers_by="ranking", intermediate_size=48, batch_size=7)
    alone = finetune(options)
    pair = replace(options, output_dir=tmp_path / "pair")
    run_script(tmp_path, pair, "", ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"])
    losses = [json.loads((each.output_dir / REPORT_NAME).read_text())["losses"] for each in (options, pair)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert tuple(json.loads((pair.output_dir / REPORT_NAME).read_text())["result"]["layers"]) == alone.layers


def test_a_model_of_its_own_is_matched_to_the_teachers_layers(options: FinetuneOptions, tmp_path: Path) -> None:
    small = tiny.checkpoint(tmp_path / "small", options.task, replace(CONFIG, num_hidden_layers=2))
    given = replace(options, model=str(small), epochs=1)
    even = replace(given, layers=(), hidden_weight=1.0, output_dir=tmp_path / "even")
    other = replace(given, layers=(0, 1), output_dir=tmp_path / "other")
    assert finetune(given).layers == ()
    assert finetune(even).final_loss == json.loads((tmp_path / "out" / REPORT_NAME).read_text())["losses"][-1]
    assert finetune(other).final_loss != finetune(replace(even, force=True)).final_loss
    with pytest.raises(UsageError, match=r"not as many as the model has .found 3, expected 2"):
        finetune(replace(given, layers=(0, 1, 2), output_dir=tmp_path / "third"))


def test_a_teacher_of_another_task_makes_no_student(options: FinetuneOptions, tmp_path: Path) -> None:
    other = tiny.checkpoint(tmp_path / "other", Task.FILL_MASK, CONFIG)
    with pytest.raises(UnsupportedModelError, match=r"another task .found fill-mask, expected text-classification"):
        finetune(replace(options, teacher=str(other)))


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"teacher": None}, "--layers: is about a teacher; fix: give --teacher"),
        ({"teacher": None, "layers": (), "model": "m", "attention_weight": 1.0}, "--attention-weight: is about"),
        ({"layers": ()}, "one is needed"),
        ({"init_head": True}, "--teacher: gives the student its weights, head and tokenizer; fix: drop --init-head"),
        ({"tokenizer": "x", "init_head": True}, "drop --tokenizer and --init-head"),
        ({"from_scratch": Path("config.json")}, "no teacher has; fix: drop --from-scratch"),
        ({"model": "m", "intermediate_size": 48}, "drop --model, or --intermediate-size"),
        ({"model": "m", "hidden_weight": 0.0}, "has nothing to match; fix: drop --layers, or --hidden-weight"),
        ({"layers_by": "ranking"}, "fix: drop --layers-by"),
        ({"layers_by": "ranking", "layers": (), "intermediate_size": 48}, "fix: drop --layers-by"),
        ({"layers": (2, 0)}, "fix: pass --layers 0,2"),
    ],
)
def test_what_does_not_make_a_student_is_refused_before_anything_runs(
    options: FinetuneOptions, wrong: dict[str, object], line: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(line)):
        replace(options, **wrong)


@pytest.mark.slow
def test_a_student_is_exported_with_a_smaller_vocabulary(options: FinetuneOptions, tmp_path: Path) -> None:
    finetune(replace(options, intermediate_size=48))
    (tmp_path / "texts.txt").write_text("\n".join((*GOOD, *BAD)), encoding="utf-8")
    asked = ExportOptions(
        tmp_path / "bundle", options.output_dir, runtimes=("onnx",), precisions=("fp32",),
        trim_vocab=tmp_path / "texts.txt",
    )  # fmt: skip
    config = export(asked).config()
    assert (config.num_hidden_layers, config.intermediate_size) == (2, 48)
    assert config.vocab_size < CONFIG.vocab_size
