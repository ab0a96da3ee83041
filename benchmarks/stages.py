"""Where BERT's time goes, in the stages of the paper's first table, measured in PyTorch eager."""

import time
from dataclasses import dataclass
from typing import Any

from squeezebert_mobile.benchmarks.peers import Peer, PeerModel, logits_of

STAGES = ("embedding", "attention products", "fully-connected layers", "classifier", "normalization and activation")


@dataclass(frozen=True)
class Stage:
    """A stage's share of the time of one inference, 0 to 1."""

    name: str
    share: float


def bert_stages(tokens: int, *, runs: int = 10, model: PeerModel | None = None) -> tuple[Stage, ...]:
    """The shares over ``runs`` inferences on one thread, after one that is not counted."""
    import torch
    from torch import nn

    module = (model or PeerModel(Peer.BERT_BASE)).build()
    spent: dict[str, float] = {}
    starts: dict[str, float] = {}

    def follow(name: str, layer: nn.Module) -> None:
        def before(_layer: Any, _inputs: Any) -> None:
            starts[name] = time.perf_counter()

        def after(_layer: Any, _inputs: Any, _output: Any) -> None:
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - starts[name]

        layer.register_forward_pre_hook(before)
        layer.register_forward_hook(after)

    follow("embedding", module.get_submodule("bert.embeddings"))
    for number, layer in enumerate(module.get_submodule("bert.encoder.layer").children()):
        follow(f"self {number}", layer.get_submodule("attention.self"))
        for name in ("query", "key", "value"):
            follow(f"projection {number} {name}", layer.get_submodule(f"attention.self.{name}"))
        for name in ("attention.output.dense", "intermediate.dense", "output.dense"):
            follow(f"dense {number} {name}", layer.get_submodule(name))
    for name in ("bert.pooler", "classifier"):
        follow(f"head {name}", module.get_submodule(name))
    ids = torch.arange(1, tokens + 1)[None] % 900
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            whole = logits_of(module)
            whole(ids, torch.ones_like(ids), torch.zeros_like(ids))
            spent.clear()
            start = time.perf_counter()
            for _ in range(runs):
                whole(ids, torch.ones_like(ids), torch.zeros_like(ids))
            total = time.perf_counter() - start
    finally:
        torch.set_num_threads(threads)

    def part(prefix: str) -> float:
        return sum(value for name, value in spent.items() if name.startswith(prefix))

    projections = part("projection")
    named = [part("embedding"), part("self") - projections, projections + part("dense"), part("head")]
    shares = [*named, total - sum(named)]
    return tuple(Stage(name, value / total) for name, value in zip(STAGES, shares, strict=True))
