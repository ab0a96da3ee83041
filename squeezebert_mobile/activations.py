"""The activations of transformers by its names; two have weights of their own, in each layer and in the head."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from squeezebert_mobile.config import TANH_GELUS

Activation = Callable[[Tensor], Tensor]

gelu_tanh = partial(F.gelu, approximate="tanh")
# Many of the names are one function.
_FUNCTIONS: dict[str, Activation] = {
    **dict.fromkeys(("gelu", "gelu_python"), F.gelu),
    **dict.fromkeys(TANH_GELUS, gelu_tanh),
    "gelu_10": lambda x: F.gelu(x).clamp(-10, 10),
    "hardswish": F.hardswish,
    "laplace": lambda x: 0.5 + 0.5 * torch.erf((x - 0.707107) / (0.282095 * math.sqrt(2))),
    "leaky_relu": F.leaky_relu,
    "linear": lambda x: x,
    "mish": F.mish,
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "relu": F.relu,
    "relu2": lambda x: F.relu(x).square(),
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "sqrtsoftplus": lambda x: F.softplus(x).sqrt(),
    "swish": F.silu,
    "tanh": torch.tanh,
}


class XIELU(nn.Module):
    """A parabola above 0, an exponential below, whose weights training learns (Huang and Schlag 2024)."""

    def __init__(self) -> None:
        super().__init__()
        self.beta, self.eps = nn.Buffer(torch.tensor(0.5)), nn.Buffer(torch.tensor(-1e-6))
        self.alpha_p = nn.Parameter(torch.full((1,), 0.8).expm1().log())
        self.alpha_n = nn.Parameter(torch.full((1,), 0.3).expm1().log())

    def weights(self) -> tuple[Tensor, ...]:
        """Those of x² above 0, of the exponential below and of x, and where that ends: rounded as in transformers.

        It keeps all four in bfloat16, whatever the type of the model.
        """
        alpha_p, alpha_n, beta, eps = (x.bfloat16() for x in (self.alpha_p, self.alpha_n, self.beta, self.eps))
        return F.softplus(alpha_p), beta + F.softplus(alpha_n), beta, eps

    def forward(self, x: Tensor) -> Tensor:
        """Of values of any shape."""
        above, below, beta, eps = (weight.to(x.dtype) for weight in self.weights())
        return _xielu(x, above, below, beta, torch.minimum(x, eps))


def activation(name: str) -> Activation:
    """The activation of that name; with new weights where it has some."""
    match name:
        case "prelu":
            return nn.PReLU()
        case "xielu":
            return XIELU()
    return _FUNCTIONS[name]


def fixed(source: Activation) -> Activation:
    """The same function with its weights as constants."""
    match source:
        case nn.PReLU():
            return partial(F.leaky_relu, negative_slope=source.weight.item())
        case XIELU():
            above, below, beta, eps = (weight.item() for weight in source.weights())
            return lambda x: _xielu(x, above, below, beta, x.clamp(max=eps))
    return source


def _xielu(x: Tensor, above: Tensor | float, below: Tensor | float, beta: Tensor | float, least: Tensor) -> Tensor:
    return torch.where(x > 0, above * x * x + beta * x, (torch.expm1(least) - x) * below + beta * x)
