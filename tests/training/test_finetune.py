import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from interrupted import finetune_until
from safetensors.torch import load_file
from tiny import CONFIG, checkpoint
from training_runs import rows_for, run_script, same, weights, write

from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.errors import (
    InputFileError,
    SqueezeBertMobileError,
    UnsupportedModelError,
    UsageError,
)
from squeezebert_mobile.export.pipeline import ExportOptions, export
from squeezebert_mobile.model import model_class
from squeezebert_mobile.run.postprocess import AnswerSpan
from squeezebert_mobile.run.predict import Predictor, Sample
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.evaluate import EvaluateOptions, evaluate
from squeezebert_mobile.training.finetune import FinetuneOptions, finetune
from squeezebert_mobile.training.options import REPORT_NAME
from squeezebert_mobile.training.report import PAGE_NAME, PLOT_NAME
from squeezebert_mobile.training.trainer import Trainer, learning_rate_factor, parameter_groups

torch.set_num_threads(1)


@pytest.fixture
def options(tmp_path: Path) -> FinetuneOptions:
    """A text classifier without dropout, ten steps."""
    config = replace(CONFIG, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    return FinetuneOptions(
        task=Task.TEXT_CLASSIFICATION,
        data=write(tmp_path / "train.jsonl", rows_for(Task.TEXT_CLASSIFICATION)),
        output_dir=tmp_path / "out",
        model=str(checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION, config)),
        epochs=5,
        batch_size=8,
        learning_rate=3e-3,
        quiet=True,
    )


def test_questions_of_three_to_five_choices_are_learnt_together_as_in_arc(options: FinetuneOptions) -> None:
    wrong = ("a dry day", "a film", "with you", "bad days")
    rows = [
        {"question": f"number {n}", "choices": [*wrong[: 2 + n % 3], "good"][:: 1 if n % 2 else -1],
         "answer": "good"} for n in range(18)
    ]  # fmt: skip
    config = replace(CONFIG, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    data = write(options.output_dir.with_name("arc.jsonl"), rows)
    model = checkpoint(options.output_dir.with_name("chooser"), Task.MULTIPLE_CHOICE, config)
    asked = replace(options, task=Task.MULTIPLE_CHOICE, data=data, eval_data=data, model=str(model), epochs=15)
    learnt = finetune(asked).metrics["accuracy"]
    assert learnt > 0.9
    found = evaluate(EvaluateOptions(options.output_dir, data, batch_size=4, quiet=True))
    assert found.examples == len(rows) and found.rows[0].metrics["accuracy"] == pytest.approx(learnt)


@pytest.mark.parametrize("task", [task for task in Task if task is not Task.FEATURE_EXTRACTION])
def test_every_task_learns_a_small_set_from_scratch(tmp_path: Path, task: Task) -> None:
    config = replace(CONFIG, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    config.save_pretrained(tmp_path / "config")
    data = write(tmp_path / "train.jsonl", rows_for(task))
    result = finetune(
        FinetuneOptions(
            task=task,
            data=data,
            eval_data=data,
            output_dir=tmp_path / "out",
            from_scratch=tmp_path / "config" / "config.json",
            vocab_size=120,
            max_length=32,
            stride=4,
            epochs=25,
            batch_size=6,
            learning_rate=3e-3,
            mask_probability=0.3,
            quiet=True,
        )
    )
    leading = next(iter(result.metrics.values()))
    assert leading < 20 if task is Task.FILL_MASK else leading > 0.9
    written = model_class(task).from_pretrained(tmp_path / "out")
    assert written.config.architectures == [task.architecture]
    report = json.loads((tmp_path / "out" / REPORT_NAME).read_text())
    assert len(report["losses"]) == result.steps
    assert (tmp_path / "out" / PLOT_NAME).read_bytes().startswith(b"\x89PNG")
    assert "Training loss" in (tmp_path / "out" / PAGE_NAME).read_text()
    assert not (tmp_path / "out.training").exists()


def answer(task: Task, bundle: Bundle, runtime: str) -> object:
    """What a bundle says of a person and a place that `rows_for` never shows together, without scores."""
    sample = Sample("Alan lives in Rome")
    if task is Task.QUESTION_ANSWERING:
        sample = Sample("Where is Alan?", "Alan is in Rome now.")
    with Predictor(bundle, runtime=runtime) as predictor:
        result = predictor(sample).result
    return result.text if isinstance(result, AnswerSpan) else [(entity.label, entity.text) for entity in result]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "expected"),
    [(Task.TOKEN_CLASSIFICATION, [("PER", "Alan"), ("LOC", "Rome")]), (Task.QUESTION_ANSWERING, "Rome")],
)
def test_a_fine_tuned_model_is_exported_and_answers(tmp_path: Path, task: Task, expected: object) -> None:
    config = replace(CONFIG, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    config.save_pretrained(tmp_path / "config")
    unseen = [row for row in rows_for(task) if not ("Alan" in str(row) and "Rome" in str(row))]
    finetune(
        FinetuneOptions(
            task=task,
            data=write(tmp_path / "train.jsonl", unseen),
            output_dir=tmp_path / "model",
            from_scratch=tmp_path / "config" / "config.json",
            vocab_size=120,
            max_length=32,
            stride=4,
            epochs=60,
            batch_size=4,
            learning_rate=3e-3,
            word_dropout=0.1,
            quiet=True,
        )
    )
    bundle = export(ExportOptions(tmp_path / "bundle", tmp_path / "model", precisions=("fp32",)))
    assert [answer(task, bundle, runtime) for runtime in ("onnx", "executorch")] == [expected, expected]


def test_the_same_seed_gives_the_same_bytes(options: FinetuneOptions, tmp_path: Path) -> None:
    finetune(options)
    finetune(replace(options, output_dir=tmp_path / "again"))
    finetune(replace(options, output_dir=tmp_path / "other", seed=1))
    assert same(weights(tmp_path / "out"), weights(tmp_path / "again"))
    assert not same(weights(tmp_path / "out"), weights(tmp_path / "other"))


@pytest.mark.parametrize("more", [{}, {"average": 0.9, "eval": True, "word_dropout": 0.2}])
def test_a_killed_run_goes_on_to_the_same_bytes(
    options: FinetuneOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, object]
) -> None:
    chosen = dict(more)
    if chosen.pop("eval", False):
        chosen["eval_data"] = options.data
    model = checkpoint(tmp_path / "with_dropout", Task.TEXT_CLASSIFICATION)
    options = replace(options, model=str(model), checkpoint_every=3, **chosen)
    finetune(options)
    cut = replace(options, output_dir=tmp_path / "cut")
    finetune_until(6, cut, monkeypatch)
    assert not cut.output_dir.exists()
    with pytest.raises(UsageError, match="unfinished run"):
        finetune(cut)
    with pytest.raises(UsageError, match="other options"):
        finetune(replace(cut, resume=True, seed=5))
    finetune(replace(cut, resume=True))
    assert same(weights(options.output_dir), weights(cut.output_dir))


@pytest.mark.slow
def test_a_run_ended_by_sigkill_leaves_what_resume_needs(options: FinetuneOptions, tmp_path: Path) -> None:
    kill = (
        "import os, signal\nfrom squeezebert_mobile.training.trainer import Trainer\nstep = Trainer._step\n"
        "def die(self, rows):\n"
        "    if self.state.step == 7:\n        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return step(self, rows)\n"
        "Trainer._step = die"
    )
    finetune(options)
    cut = replace(options, output_dir=tmp_path / "cut", checkpoint_every=3)
    assert run_script(tmp_path, cut, kill, []) == -9
    finetune(replace(cut, resume=True))
    assert same(weights(options.output_dir), weights(cut.output_dir))


@pytest.mark.slow
def test_two_processes_give_what_one_gives(options: FinetuneOptions, tmp_path: Path) -> None:
    options = replace(options, eval_data=options.data, batch_size=7)
    alone = finetune(options)
    pair = replace(options, output_dir=tmp_path / "pair")
    # What `accelerate launch` calls for several processes; on CPUs it would want MPI.
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    run_script(tmp_path, pair, "", launch)
    report = json.loads((pair.output_dir / REPORT_NAME).read_text())
    assert report["losses"] == pytest.approx(
        json.loads((options.output_dir / REPORT_NAME).read_text())["losses"], rel=1e-4
    )
    assert report["result"]["metrics"] == alone.metrics
    one, two = weights(options.output_dir), weights(pair.output_dir)
    # A key's bias shifts all scores of a row alike, so its gradient is rounding noise, which Adam blows up.
    for name in one.keys() - {name for name in one if name.endswith("key.bias")}:
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=2e-4, msg=name)


def test_accumulation_does_not_change_a_step(options: FinetuneOptions, tmp_path: Path) -> None:
    whole = finetune(replace(options, epochs=1))
    parts = finetune(replace(options, epochs=1, accumulation=3, output_dir=tmp_path / "parts"))
    assert parts.final_loss == pytest.approx(whole.final_loss, rel=1e-4)


def test_only_init_head_creates_tensors_and_says_which(options: FinetuneOptions, tmp_path: Path) -> None:
    headless = checkpoint(tmp_path / "headless", Task.FILL_MASK)
    with pytest.raises(UnsupportedModelError, match="--init-head"):
        finetune(replace(options, model=str(headless)))
    result = finetune(replace(options, model=str(headless), init_head=True, epochs=1))
    assert {name.split(".")[0] for name in result.initialised} <= {"classifier", "transformer"}
    assert "classifier.weight" in result.initialised


def test_a_teacher_with_the_same_vocabulary_teaches(options: FinetuneOptions, tmp_path: Path) -> None:
    from tiny import tokenizer

    teacher = tmp_path / "teacher"
    assert finetune(replace(options, output_dir=teacher, epochs=40, eval_data=options.data)).metrics["accuracy"] == 1
    # Wrong labels, and a student that listens to the teacher alone: it must learn what the teacher knows.
    rows = rows_for(Task.TEXT_CLASSIFICATION)
    wrong = write(tmp_path / "wrong.jsonl", [{**row, "label": "positive"} for row in rows])
    student = replace(options, data=wrong, eval_data=options.data, epochs=40, teacher=str(teacher), distillation=1.0)
    assert finetune(replace(student, output_dir=tmp_path / "student")).metrics["accuracy"] == 1
    moods = write(tmp_path / "moods.jsonl", [{**row, "label": f"very {row['label']}"} for row in rows])
    with pytest.raises(SqueezeBertMobileError, match=r"has other labels .found negative, positive, expected very neg"):
        finetune(replace(student, output_dir=tmp_path / "other", data=moods, eval_data=None, init_head=True))
    tokenizer(replace(CONFIG, vocab_size=300)).save_pretrained(teacher)
    with pytest.raises(SqueezeBertMobileError, match="another vocabulary"):
        finetune(replace(student, output_dir=tmp_path / "third"))


def test_a_wrapped_teacher_without_a_tokenizer_teaches_what_the_plain_one_does(
    options: FinetuneOptions, tmp_path: Path
) -> None:
    plain, wrapped = checkpoint(tmp_path / "teacher", options.task, seed=7), tmp_path / "wrapped"
    wrapped.mkdir()
    weights = {f"net.module.{name}": tensor for name, tensor in load_file(plain / "model.safetensors").items()}
    torch.save({"epoch": 3, "trainer": {"state_dict": weights}}, wrapped / "last.ckpt")
    shutil.copy(plain / "config.json", wrapped)
    student = replace(options, epochs=1, distillation=1.0)
    expected = finetune(replace(student, teacher=str(plain), output_dir=tmp_path / "expected"))
    advised = replace(student, teacher=str(wrapped), output_dir=tmp_path / "advised")
    with pytest.raises(InputFileError, match=r"has no weights") as error:
        finetune(advised)
    advised = replace(advised, teacher=error.value.fix.removeprefix("name the file: "))
    with pytest.raises(UnsupportedModelError, match=r"wraps its state dict") as wraps:
        finetune(advised)
    assert wraps.value.fix == "pass --teacher-state-key trainer.state_dict --teacher-strip-prefix net.module."
    advised = replace(advised, teacher_state_key="trainer.state_dict")
    with pytest.raises(UnsupportedModelError, match=r"pass --teacher-strip-prefix net.module.$"):
        finetune(advised)
    advised = replace(advised, teacher_strip_prefix="net.module.")
    with pytest.raises(InputFileError, match=r"has no tokenizer.* pass --teacher-tokenizer FOLDER"):
        finetune(advised)
    result = finetune(replace(advised, teacher_tokenizer=options.model))
    assert result.final_loss == expected.final_loss
    first, second = (load_file(each.output_dir / "model.safetensors") for each in (result, expected))
    assert all(torch.equal(first[name], second[name]) for name in second)


def test_what_reads_a_teacher_wants_one(options: FinetuneOptions) -> None:
    with pytest.raises(UsageError, match=r"--teacher-state-key: is about a teacher; fix: give --teacher$"):
        replace(options, teacher_state_key="model")
    with pytest.raises(UsageError, match=r"has no revisions .found main.; fix: leave --teacher-revision out"):
        finetune(replace(options, teacher=options.model, teacher_revision="main"))


def test_training_stops_when_the_metric_no_longer_improves(options: FinetuneOptions) -> None:
    result = finetune(replace(options, eval_data=options.data, epochs=30, patience=2, learning_rate=1e-9))
    assert (len(result.evaluations), result.best_step) == (3, 2)


@pytest.mark.slow
def test_mixed_precision_trains(options: FinetuneOptions, tmp_path: Path) -> None:
    text = run_script(tmp_path, replace(options, mixed_precision="bf16", epochs=2), "", [])
    assert text == 0
    assert json.loads((options.output_dir / REPORT_NAME).read_text())["result"]["steps"] == 4


def test_the_target_is_replaced_only_by_force(options: FinetuneOptions) -> None:
    options.output_dir.mkdir()
    (options.output_dir / "mine.txt").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="--force"):
        finetune(replace(options, epochs=1))
    with pytest.raises(UsageError):
        finetune(replace(options, epochs=1, force=True))
    assert [path.name for path in options.output_dir.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": None},
        {"from_scratch": Path("config.json")},
        {"epochs": 0},
        {"learning_rate": 0.0},
        {"average": 1.0},
        {"patience": 2},
        {"task": Task.FILL_MASK, "labels": ("a",)},
    ],
)
def test_options_are_checked_before_anything_runs(options: FinetuneOptions, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        replace(options, **wrong)


def test_rates_fall_with_depth_and_biases_do_not_decay(options: FinetuneOptions) -> None:
    model = model_class(Task.TEXT_CLASSIFICATION)(CONFIG)
    groups = parameter_groups(model, replace(options, layer_decay=0.5, learning_rate=1.0), CONFIG.num_hidden_layers)
    assert sorted({group["lr"] for group in groups}) == [0.125, 0.25, 0.5, 1.0]
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    assert all((group["weight_decay"] == 0) == (group["params"][0].dim() == 1) for group in groups)


def test_schedules(options: FinetuneOptions) -> None:
    linear, cosine, constant = (replace(options, warmup=0.1, schedule=s) for s in ("linear", "cosine", "constant"))
    for chosen, middle, last in ((linear, 0.5, 0.0), (cosine, 0.5, 0.0), (constant, 1.0, 1.0)):
        assert learning_rate_factor(chosen, 0, 100) == pytest.approx(0.1)
        assert learning_rate_factor(chosen, 10, 100) == pytest.approx(1)
        assert learning_rate_factor(chosen, 55, 100) == pytest.approx(middle)
        assert learning_rate_factor(chosen, 100, 100) == pytest.approx(last)


def test_a_target_in_the_way_is_refused_before_anything_is_read(options: FinetuneOptions, tmp_path: Path) -> None:
    unreadable = replace(options, data=str(tmp_path / "nowhere.tsv"))
    options.output_dir.mkdir()
    with pytest.raises(UsageError, match=r"out: exists; fix: choose another output folder, or pass --force"):
        finetune(unreadable)
    with pytest.raises(UsageError, match=r"was not written by this command, so --force never replaces it"):
        finetune(replace(unreadable, force=True))
    (options.output_dir / REPORT_NAME).touch()
    with pytest.raises(InputFileError, match=r"nowhere\.tsv"):
        finetune(replace(unreadable, force=True))


def test_an_interrupt_ends_the_step_and_keeps_its_state(
    options: FinetuneOptions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    finetune(replace(options, output_dir=tmp_path / "whole"))
    step, taken = Trainer._step, 0

    def interrupted_at_three(self: Trainer, rows: list[object]) -> float:
        nonlocal taken
        taken += 1
        if taken == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, rows)

    monkeypatch.setattr(Trainer, "_step", interrupted_at_three)
    with pytest.raises(KeyboardInterrupt, match=r"^the state of step 3 is in .*out\.training; .* and --resume$"):
        finetune(options)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not options.output_dir.exists()
    assert finetune(replace(options, resume=True)).steps == 10
    assert taken == 10
    assert same(weights(options.output_dir), weights(tmp_path / "whole"))


def test_a_second_interrupt_does_not_wait_for_the_step(
    options: FinetuneOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never_ends(_: Trainer, __: list[object]) -> float:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError

    monkeypatch.setattr(Trainer, "_step", never_ends)
    with pytest.raises(KeyboardInterrupt):
        finetune(options)
    assert not options.output_dir.with_name("out.training").exists()
