"""Token compaction: masked tokens are dropped before the first layer, so that padding costs nothing.

One form for every batch and every mask. Kept tokens keep their order and their positions, the batch is as wide as its
longest row, and what is left over in the shorter rows is masked. Position 0 always stays, because heads read it.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

# exp(-1e4) is 0 in fp32 as exp(-3.4e38) is, and unlike that it survives quantization and fp16.
MASKED = -1e4


@dataclass(frozen=True)
class Rows:
    """The kept tokens: N rows of K. ``bias`` [N, 1, 1, K] is added to the attention scores.

    ``order`` [N, K] is the position of each kept token, ``back`` [N, W] the kept token of each position: for a dropped
    position the one before it.
    """

    n: int
    k: int
    bias: Tensor
    order: Tensor
    back: Tensor

    def first(self, x: Tensor) -> Tensor:
        """Token 0 of each row, [T, C] -> [N, C]."""
        return x.view(self.n, self.k, -1)[:, 0]


def compact(mask: Tensor) -> Rows:
    """The rows that an attention mask [N, W] keeps."""
    width = mask.shape[1]
    position = torch.arange(width)
    keep = (mask != 0) | (position == 0)
    # Not int(): capture must keep it symbolic.
    longest = cast("int", keep.sum(1).max().item())
    torch._check(longest >= 1)
    torch._check(longest <= width)
    # Distinct keys, larger for kept and for earlier tokens: their order does not hang on how TopK breaks ties.
    key = torch.where(keep, width - position, -position)
    order = key.topk(longest, dim=1).indices
    hidden = mask.gather(1, order) == 0
    return Rows(
        n=mask.shape[0],
        k=longest,
        bias=(hidden.to(torch.float32) * MASKED)[:, None, None],
        order=order,
        back=keep.to(torch.int64).cumsum(1) - 1,
    )


def expand(x: Tensor, rows: Rows) -> Tensor:
    """Per-token values [T, L] at their positions again, [N, W, L]; a dropped position repeats the token before it."""
    start = torch.arange(rows.n)[:, None] * rows.k
    return F.embedding(rows.back + start, x)
