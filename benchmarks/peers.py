"""Other models as their users get them today: transformers' models, each runtime's own export.

Weights are random unless a checkpoint folder is given, because a latency does not depend on them. Exports are kept in
the user's cache, under a name made of all that they depend on.
"""

import hashlib
import inspect
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from squeezebert_mobile import extras
from squeezebert_mobile.atomic import staged_file
from squeezebert_mobile.benchmarks.environment import versions
from squeezebert_mobile.config import CONFIG_NAME
from squeezebert_mobile.console import quiet
from squeezebert_mobile.errors import EnvironmentFault, UsageError
from squeezebert_mobile.files import read_json
from squeezebert_mobile.tasks import Precision

if TYPE_CHECKING:
    from torch import Tensor, nn

_SEED = 0
OPSET = 18


class Peer(StrEnum):
    """A model of the paper's comparison, or what one would take today; the value is the name that tables show."""

    BERT_BASE = "BERT-base"
    MOBILEBERT = "MobileBERT"
    SQUEEZEBERT = "SqueezeBERT"
    DISTILBERT = "DistilBERT"
    MINILM = "MiniLM-L6"
    XTREMEDISTIL = "XtremeDistil-L6-H256"
    TINYBERT = "TinyBERT-4"


# Those of the paper.
PAPER = (Peer.BERT_BASE, Peer.MOBILEBERT, Peer.SQUEEZEBERT)


class Form(StrEnum):
    """How a peer's file is made.

    ``quantize_dynamic`` is onnxruntime's function with its defaults (signed weights) or with unsigned weights;
    ``best`` computes in the last layer only what a classifier reads and is fused by onnxruntime's own transformer
    optimizer, ``best int8`` is that in int8 per channel: the treatment that our exports get.
    """

    PLAIN = "plain"
    DYNAMIC = "quantize_dynamic"
    DYNAMIC_UNSIGNED = "quantize_dynamic, unsigned"
    BEST = "best"
    BEST_INT8 = "best int8"

    @property
    def precision(self) -> Precision:
        """``fp32`` or ``int8``."""
        return "fp32" if self in (Form.PLAIN, Form.BEST) else "int8"


@dataclass(frozen=True)
class PeerModel:
    """A peer with its weights: those in ``weights``, a local checkpoint folder, or random ones.

    ``layers`` and ``hidden`` shrink the model for tests; a shrunken model says nothing about the real one.
    """

    peer: Peer
    weights: Path | None = None
    layers: int | None = None
    hidden: int | None = None
    num_labels: int = 2
    max_length: int = 512

    def build(self) -> "nn.Module":
        """The transformers model, in eval mode. Raises EnvironmentFault where transformers is not installed."""
        import torch

        cls = self.model_class()
        if self.weights is not None:
            return _load(self.weights)
        torch.manual_seed(_SEED)
        model: nn.Module = cls(cls.config_class(num_labels=self.num_labels, **self._shape()))
        return model.eval()

    def build_for_counting(self) -> "nn.Module":
        """The random model with its attention written as the products that a FLOP counter sees."""
        cls = self.model_class()
        config = cls.config_class(num_labels=self.num_labels, **self._shape(), attn_implementation="eager")
        model: nn.Module = cls(config)
        return model.eval()

    def model_class(self) -> Any:
        """The transformers class of the classifier. Raises EnvironmentFault where transformers is not installed."""
        return getattr(_transformers(), f"{_CLASSES.get(self.peer, 'Bert')}ForSequenceClassification")

    def _shape(self) -> dict[str, int]:
        values = dict(_SHAPES.get(self.peer, {}))
        if self.layers is not None:
            values |= {"num_hidden_layers": self.layers}
        if self.hidden is not None:
            values |= {"hidden_size": self.hidden, "num_attention_heads": 4, "vocab_size": 1000}
            match self.peer:
                case Peer.MOBILEBERT:
                    half = self.hidden // 2
                    values |= {"true_hidden_size": half, "intra_bottleneck_size": half, "embedding_size": half}
                    values |= {"intermediate_size": self.hidden}
                case Peer.DISTILBERT:
                    values |= {"hidden_dim": 4 * self.hidden}
                case Peer.SQUEEZEBERT:
                    values |= {"intermediate_size": 4 * self.hidden, "embedding_size": self.hidden}
                case _:
                    values |= {"intermediate_size": 4 * self.hidden}
        return values

    @property
    def vocab_size(self) -> int:
        """Rows of the table of words."""
        if self.weights is not None:
            return size_of(self.weights, "vocab_size")
        return 30522 if self.hidden is None else 1000


# Of the others, that are BERT in another shape: "Bert".
_CLASSES = {Peer.MOBILEBERT: "MobileBert", Peer.SQUEEZEBERT: "SqueezeBert", Peer.DISTILBERT: "DistilBert"}


def _bert(layers: int, hidden: int, intermediate: int, heads: int) -> dict[str, int]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_attention_heads": heads,
    }


# The config.json of nreimers/MiniLM-L6-H384-uncased, microsoft/xtremedistil-l6-h256-uncased and
# huawei-noah/TinyBERT_General_4L_312D.
_SHAPES = {
    Peer.MINILM: _bert(6, 384, 1536, 12),
    Peer.XTREMEDISTIL: _bert(6, 256, 1024, 8),
    Peer.TINYBERT: _bert(4, 312, 1200, 12),
}
# Models whose last layer `first_token_form` knows.
TREATED = (Peer.BERT_BASE, Peer.MOBILEBERT, *_SHAPES)


def parse(names: Sequence[str]) -> dict[Peer, Path | None]:
    """Peers by ``NAME`` or ``NAME=FOLDER`` of their weights, in any case; ``all`` is each with random weights.

    Raises UsageError for another name.
    """
    known = {peer.lower(): peer for peer in Peer}
    found: dict[Peer, Path | None] = {}
    for text in names:
        name, _, folder = text.partition("=")
        if name.lower() == "all" and not folder:
            found |= {peer: found.get(peer) for peer in Peer}
        elif name.lower() in known:
            found[known[name.lower()]] = Path(folder) if folder else None
        else:
            expected = f"all, {', '.join(known)}"
            raise UsageError("--peer", "unknown peer", found=text, expected=expected, fix="give NAME or NAME=FOLDER")
    return found


def _transformers() -> Any:
    """The package, with nothing to say but errors. Raises EnvironmentFault where it is not installed."""
    try:
        import transformers
    except ImportError:
        raise EnvironmentFault("transformers", "is not installed", fix=extras.install("transformers")) from None
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def size_of(folder: Path, key: str) -> int:
    """A size that a local checkpoint's config.json names. Raises UsageError where the folder is no checkpoint."""
    if not (folder / CONFIG_NAME).is_file() or not any(folder.glob("*.safetensors")):
        fix = "give a folder with config.json and model.safetensors"
        raise UsageError(folder, "is not a checkpoint folder", fix=fix)
    size = read_json(folder / CONFIG_NAME).get(key)
    if type(size) is not int or size < 1:
        fix = "give a checkpoint of the kind that the peer is"
        raise UsageError(folder / CONFIG_NAME, f"has no size as {key}", found=repr(size)[:40], fix=fix)
    return size


def _load(folder: Path) -> "nn.Module":
    """A local safetensors checkpoint; nothing is fetched and no code of it is run."""
    model: nn.Module = _transformers().AutoModelForSequenceClassification.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, trust_remote_code=False
    )
    return model.eval()


def logits_of(model: "nn.Module") -> "nn.Module":
    """``model`` as a module of (input_ids, attention_mask, token_type_ids) that returns the logits alone."""
    from torch import nn

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: "Tensor", attention_mask: "Tensor", token_type_ids: "Tensor") -> Any:
            types = {"token_type_ids": token_type_ids} if has_types else {}
            return self.model(input_ids=input_ids, attention_mask=attention_mask, **types).logits

    has_types = "token_type_ids" in inspect.signature(model.forward).parameters

    return Logits().eval()


def cache_folder() -> Path:
    """Where exports of peers are kept: SQUEEZEBERT_MOBILE_CACHE, else the user's cache folder."""
    chosen = os.environ.get("SQUEEZEBERT_MOBILE_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(chosen) if chosen else base / "squeezebert-mobile"


def export_onnx(model: PeerModel, form: Form) -> Path:
    """The ONNX file of a peer, any batch and length. Raises EnvironmentFault without transformers or disk."""
    match form:
        case Form.PLAIN:
            return _cached(model, form, ".onnx", lambda path: _onnx(model, logits_of(model.build()), path))
        case Form.DYNAMIC:
            plain = export_onnx(model, Form.PLAIN)
            return _cached(model, form, ".onnx", lambda path: _quantize(plain, path))
        case Form.DYNAMIC_UNSIGNED:
            plain = export_onnx(model, Form.PLAIN)
            return _cached(model, form, ".onnx", lambda path: _quantize(plain, path, unsigned=True))
        case Form.BEST:
            return _cached(model, form, ".onnx", lambda path: _best(model, path))
        case Form.BEST_INT8:
            best = export_onnx(model, Form.BEST)
            return _cached(model, form, ".onnx", lambda path: _quantize(best, path, per_channel=True))


def export_pte(model: PeerModel, tokens: int) -> Path:
    """The XNNPACK .pte of a peer, fp32, batch 1 and exactly ``tokens`` tokens, as ExecuTorch's guide makes it."""
    return _cached(model, f"{Form.PLAIN} {tokens}", ".pte", lambda path: _pte(model, path, tokens))


def _cached(model: PeerModel, form: str, suffix: str, make: Callable[[Path], None]) -> Path:
    """The file of ``model`` in ``form``, made where it is not in the cache yet."""
    facts = [str(model), form, OPSET, *(str(version) for version in versions()), _stamp(model.weights)]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    path = cache_folder() / "peers" / f"{model.peer}-{form}-{key}{suffix}".replace(" ", "-").replace(",", "").lower()
    if not path.is_file():
        with staged_file(path) as partial, quiet():
            make(partial)
    return path


def _stamp(weights: Path | None) -> str:
    """Sizes and times of a checkpoint's files: enough to notice that they were exchanged."""
    files = sorted(weights.glob("*")) if weights is not None else []
    return str([(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files])


def _example(model: PeerModel, tokens: int) -> "tuple[Tensor, Tensor, Tensor]":
    import torch

    ids = torch.arange(1, tokens + 1)[None] % min(900, model.vocab_size)
    return ids, torch.ones_like(ids), torch.zeros_like(ids)


def _onnx(model: PeerModel, module: "nn.Module", path: Path) -> None:
    import torch

    axes = {0: torch.export.Dim("batch_size", max=64), 1: torch.export.Dim("sequence_length", max=model.max_length)}
    ids, mask, types = _example(model, min(16, model.max_length))
    program = torch.onnx.export(
        module,
        (ids.repeat(2, 1), mask.repeat(2, 1), types.repeat(2, 1)),
        input_names=["input_ids", "attention_mask", "token_type_ids"],
        output_names=["logits"],
        dynamic_shapes=[axes, axes, axes],
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.save(path, external_data=False)


def _quantize(source: Path, path: Path, *, unsigned: bool = False, per_channel: bool = False) -> None:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from onnxruntime.quantization import QuantType, quantize_dynamic

    kind = QuantType.QUInt8 if unsigned else QuantType.QInt8
    quantize_dynamic(source, path, weight_type=kind, per_channel=per_channel)


def _best(model: PeerModel, path: Path) -> None:
    module = first_token_form(model.build(), model.peer)
    _onnx(model, module, path)
    # MobileBERT's layers are none of those that the optimizer knows: it finds nothing to fuse there.
    if model.peer is not Peer.MOBILEBERT:
        _fuse(path)


def _fuse(path: Path) -> None:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from onnxruntime.transformers import optimizer

    optimized = optimizer.optimize_model(str(path), model_type="bert", opt_level=0, num_heads=0, hidden_size=0)
    optimized.save_model_to_file(str(path))


def _pte(model: PeerModel, path: Path, tokens: int) -> None:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    program = torch.export.export(logits_of(model.build()), _example(model, tokens))
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    path.write_bytes(lowered.to_executorch().buffer)


def first_token_form(model: "nn.Module", peer: Peer) -> "nn.Module":
    """``model`` (changed in place) as a module of the three inputs whose last layer computes the first token alone: all
    that a classifier reads, and the same answer. Our exports get this treatment, so a fair comparison gives it to BERT
    and MobileBERT too. ``peer`` is one of `TREATED`.
    """
    from torch import nn

    class FirstTokenBertLayer(nn.Module):
        def __init__(self, layer: Any) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: "Tensor", attention_mask: "Tensor | None" = None, *_: object, **__: object) -> "Tensor":
            first, layer = x[:, :1], self.layer  # [N, 1, C]
            y = layer.attention.output(_attend(layer.attention.self, first, x, x, attention_mask), first)
            out: Tensor = layer.output(layer.intermediate(y), y)
            return out

    class FirstTokenMobileBertLayer(nn.Module):
        def __init__(self, layer: Any) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: "Tensor", attention_mask: "Tensor | None" = None, *_: object, **__: object) -> "Tensor":
            first, layer = x[:, :1], self.layer  # [N, 1, C]
            query, key, value, narrow = layer.bottleneck(x)
            context = _attend(layer.attention.self, query[:, :1], key, value, attention_mask)
            y = layer.attention.output(context, narrow[:, :1])
            for block in layer.ffn:
                y = block(y)
            out: Tensor = layer.output(layer.intermediate(y), y, first)
            return out

    if peer is Peer.MOBILEBERT:
        layers = model.get_submodule("mobilebert.encoder.layer")
        wrapped: nn.Module = FirstTokenMobileBertLayer(layers[-1])  # type: ignore[index]
    else:
        layers = model.get_submodule("bert.encoder.layer")
        wrapped = FirstTokenBertLayer(layers[-1])  # type: ignore[index]
    layers[-1] = wrapped  # type: ignore[operator]
    return logits_of(model.eval())


def _attend(attention: Any, query: "Tensor", key: "Tensor", value: "Tensor", mask: "Tensor | None") -> "Tensor":
    """Attention of the rows of ``query`` [N, R, C] over all tokens of ``key`` and ``value`` [N, W, C]: [N, R, C]."""
    from torch.nn import functional as F

    def heads(x: "Tensor") -> "Tensor":
        return x.view(*x.shape[:2], -1, attention.attention_head_size).transpose(1, 2)  # [N, heads, W, head_size]

    rows = None if mask is None else mask[:, :, : query.shape[1]]
    context = F.scaled_dot_product_attention(
        heads(attention.query(query)),
        heads(attention.key(key)),
        heads(attention.value(value)),
        attn_mask=rows,
        scale=attention.scaling,
    )
    return context.transpose(1, 2).flatten(2)
