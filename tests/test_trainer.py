"""Hugging Face's own Trainer trains our classes as it trains transformers', and PEFT's LoRA wraps them."""

import warnings
from pathlib import Path
from typing import Any

import peft
import pytest
import tiny
import torch
import transformers

from squeezebert_mobile.model import PreTrained, model_class
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast

TEXTS = ["a quiet film", "two hours lost", "it stays with you for days", "no wit at all"] * 2
TOKENIZER = tiny.tokenizer()
CLASSES = {
    Task.TEXT_CLASSIFICATION: transformers.DataCollatorWithPadding,
    Task.TOKEN_CLASSIFICATION: transformers.DataCollatorForTokenClassification,
    Task.FILL_MASK: transformers.DataCollatorForLanguageModeling,
    Task.QUESTION_ANSWERING: transformers.DataCollatorWithPadding,
}


def rows(task: Task, tokenizer: Any) -> list[dict[str, Any]]:
    encoded = [dict(tokenizer(text, truncation=True, max_length=16)) for text in TEXTS]
    for index, row in enumerate(encoded):
        match task:
            case Task.TEXT_CLASSIFICATION:
                row["label"] = index % 2
            case Task.TOKEN_CLASSIFICATION:
                row["labels"] = [-100, *[index % 5] * (len(row["input_ids"]) - 2), -100]
            case Task.QUESTION_ANSWERING:
                row |= {"start_positions": 1, "end_positions": 2 + index % 2}
    return encoded


def trained(model: Any, tokenizer: Any, task: Task, folder: Path) -> list[float]:
    """The losses of four steps, and of the evaluation after them."""
    torch.manual_seed(0)
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), max_steps=4, per_device_train_batch_size=4, learning_rate=1e-3, logging_steps=1,
        save_steps=4, eval_strategy="steps", eval_steps=4, use_cpu=True, report_to=[], disable_tqdm=True, seed=1,
    )  # fmt: skip
    collator = CLASSES[task](tokenizer, **({"seed": 3} if task is Task.FILL_MASK else {}))
    trainer = transformers.Trainer(
        model, arguments, train_dataset=rows(task, tokenizer), eval_dataset=rows(task, tokenizer),
        data_collator=collator, processing_class=tokenizer,
    )  # fmt: skip
    trainer.train()
    return [
        entry.get("loss", entry.get("eval_loss")) for entry in trainer.state.log_history if "train_loss" not in entry
    ]


def quiet(task: Task) -> PreTrained:
    """A model without dropout, whose random numbers are drawn in another order than transformers'."""
    return tiny.model(task, tiny.CONFIG.__class__(**(tiny.CONFIG.to_dict() | NO_DROPOUT)))


NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.mark.parametrize("task", CLASSES)
def test_the_trainer_gives_the_losses_that_it_gives_with_transformers(tmp_path: Path, task: Task) -> None:
    ours = quiet(task)
    ours.save_pretrained(tmp_path / "model")
    TOKENIZER.save_pretrained(tmp_path / "model")
    theirs = getattr(transformers, task.architecture).from_pretrained(tmp_path / "model")
    words = transformers.SqueezeBertTokenizer.from_pretrained(tmp_path / "model")
    found = trained(ours, TOKENIZER, task, tmp_path / "ours")
    expected = trained(theirs, words, task, tmp_path / "theirs")
    assert found == pytest.approx(expected, abs=1e-3)
    assert len(found) == 5
    # Of a class that is not its own the Trainer writes the weights and the tokenizer alone.
    ours.config.save_pretrained(tmp_path / "ours" / "checkpoint-4")
    again = model_class(task).from_pretrained(tmp_path / "ours" / "checkpoint-4")
    assert SqueezeBertTokenizerFast.from_pretrained(tmp_path / "ours" / "checkpoint-4").pieces == TOKENIZER.pieces
    for name, tensor in ours.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def lora(model: Any) -> Any:
    torch.manual_seed(0)
    # The grouped convolutions of attention: a rank that their groups divide.
    settings = peft.LoraConfig(
        task_type="SEQ_CLS", r=4, target_modules=["query", "value"], lora_dropout=0.0, init_lora_weights=False
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such a convolution cannot be merged, which PEFT says each time
        return peft.get_peft_model(model, settings)


def test_lora_wraps_a_model_as_it_wraps_transformers(tmp_path: Path) -> None:
    ours = quiet(Task.TEXT_CLASSIFICATION)
    ours.save_pretrained(tmp_path)
    theirs = transformers.SqueezeBertForSequenceClassification.from_pretrained(tmp_path)
    batch = TOKENIZER(TEXTS[:2], padding=True, return_tensors="pt")
    outputs = []
    for model in (ours, theirs):
        wrapped = lora(model).train()
        assert 0 < sum(p.numel() for p in wrapped.parameters() if p.requires_grad) < ours.num_parameters() / 4
        optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1)
        wrapped(**batch, labels=torch.tensor([0, 1])).loss.backward()
        optimizer.step()
        outputs.append(wrapped(**batch, labels=torch.tensor([0, 1])))
        wrapped.save_pretrained(tmp_path / type(model).__module__)
    torch.testing.assert_close(outputs[0].logits, outputs[1].logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(outputs[0].loss, outputs[1].loss, atol=1e-5, rtol=0)
    adapter = tmp_path / type(ours).__module__
    fresh = peft.PeftModel.from_pretrained(quiet(Task.TEXT_CLASSIFICATION), adapter)
    torch.testing.assert_close(fresh(**batch).logits, outputs[0].logits, atol=1e-5, rtol=0)


def test_lora_on_linear_layers_is_merged_into_the_model() -> None:
    model = quiet(Task.TEXT_CLASSIFICATION)
    batch = TOKENIZER(TEXTS[:2], padding=True, return_tensors="pt")
    settings = peft.LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["dense"], init_lora_weights=False)
    wrapped = peft.get_peft_model(model, settings).eval()
    expected = wrapped(**batch).logits
    merged = wrapped.merge_and_unload()
    assert isinstance(merged, PreTrained)
    torch.testing.assert_close(merged(**batch).logits, expected, atol=1e-5, rtol=0)
