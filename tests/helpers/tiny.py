"""Tiny random checkpoints with a trained tokenizer, for tests that need a whole model and no download."""

import dataclasses
from pathlib import Path

import tiny
import torch

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.export import golden_texts
from squeezebert_mobile.model import PreTrained, model_class
from squeezebert_mobile.run.predict import Sample
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast

CONFIG = SqueezeBertConfig(
    vocab_size=400,
    hidden_size=48,
    embedding_size=48,
    num_hidden_layers=2,
    num_attention_heads=12,
    intermediate_size=96,
    max_position_embeddings=160,
)
LABELS = {
    Task.TEXT_CLASSIFICATION: ("negative", "positive"),
    Task.TOKEN_CLASSIFICATION: ("O", "B-PER", "I-PER", "B-LOC", "I-LOC"),
}


def tokenizer(config: SqueezeBertConfig = CONFIG) -> SqueezeBertTokenizerFast:
    """A tokenizer learnt from the golden texts, of at most as many pieces as the config has rows."""
    texts = [*golden_texts.SINGLE.values(), *(text for pair in golden_texts.PAIRS.values() for text in pair)]
    return SqueezeBertTokenizerFast.train(texts, config.vocab_size, model_max_length=config.max_position_embeddings)


def model(task: Task, config: SqueezeBertConfig = CONFIG, seed: int = 0) -> PreTrained:
    """A random model whose biases and norms are not the initial zeros and ones, so that losing one shows."""
    torch.manual_seed(seed)
    labels = LABELS.get(task, ("LABEL_0", "LABEL_1"))
    made = model_class(task)(dataclasses.replace(config, id2label=labels, architectures=(task.architecture,)))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return made.eval()


def checkpoint(folder: Path, task: Task, config: SqueezeBertConfig = CONFIG, seed: int = 0) -> Path:
    """A saved checkpoint of `model` with its tokenizer."""
    model(task, config, seed).save_pretrained(folder)
    tokenizer(config).save_pretrained(folder)
    return folder


# One layer and few pieces: these tests ask for the path, not for the size.
SMALL = dataclasses.replace(tiny.CONFIG, vocab_size=200, num_hidden_layers=1, max_position_embeddings=64)


SAMPLES = {
    Task.FEATURE_EXTRACTION: Sample("A quiet film."),
    Task.FILL_MASK: Sample("A [MASK] film that [MASK] with you."),
    Task.TEXT_CLASSIFICATION: Sample("A quiet film.", "It stays with you."),
    Task.TOKEN_CLASSIFICATION: Sample("Anna Lee met Bob in New York."),
    Task.QUESTION_ANSWERING: Sample("Who met Bob?", "Anna Lee met Bob in New York. " * 12),
    Task.MULTIPLE_CHOICE: Sample("The sea is", options=("wet", "a kind of very dry cheese", "blue")),
}
