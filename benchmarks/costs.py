"""What an inference of a model takes: parameters, and for each operation its FLOPs and the bytes that it moves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from squeezebert_mobile.benchmarks.peers import PeerModel, logits_of

if TYPE_CHECKING:
    from torch import nn

_FLOAT_BYTES = 4


@dataclass(frozen=True)
class Operation:
    """One layer of an inference: FLOPs (two for each multiply-add), and fp32 bytes of its weights and activations."""

    name: str
    flops: int
    weight_bytes: int
    activation_bytes: int


@dataclass(frozen=True)
class Cost:
    """A whole inference of batch 1; the last operation is the attention products."""

    parameters: int
    flops: int
    operations: tuple[Operation, ...]


def count(model: PeerModel, tokens: int) -> Cost:
    """Count a model by running it once; its mask code reads values, so shapes alone would not do."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    module = model.build_for_counting()
    ids = torch.ones((1, tokens), dtype=torch.long)
    operations: list[Operation] = []
    handles = [layer.register_forward_hook(_recorder(name, operations)) for name, layer in _layers(module)]
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        logits_of(module)(ids, torch.ones_like(ids), torch.zeros_like(ids))
    for handle in handles:
        handle.remove()
    total = counter.get_total_flops()
    attention = total - sum(operation.flops for operation in operations)
    products = Operation("attention products", attention, 0, 0)
    return Cost(sum(p.numel() for p in module.parameters()), total, (*operations, products))


def _layers(module: "nn.Module") -> "list[tuple[str, nn.Module]]":
    from torch import nn

    return [(name, layer) for name, layer in module.named_modules() if isinstance(layer, (nn.Linear, nn.Conv1d))]


def _recorder(name: str, operations: list[Operation]) -> Callable[[Any, Any, Any], None]:
    def record(layer: Any, inputs: Any, output: Any) -> None:
        weights = layer.weight.numel()
        channels = layer.weight.shape[0]
        positions = output.numel() // channels
        moved = inputs[0].numel() + output.numel()
        operations.append(Operation(name, 2 * positions * weights, _FLOAT_BYTES * weights, _FLOAT_BYTES * moved))

    return record
