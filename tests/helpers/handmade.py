"""A bundle whose model is written by hand: a mean of embeddings and one linear layer, with its answers from numpy.

It takes a second where a real export takes a minute, and its reader and its runtime are the real ones.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import golden
from squeezebert_mobile.bundle.golden import GoldenCase
from squeezebert_mobile.bundle.manifest import (
    Artifact,
    Inventory,
    Manifest,
    Parity,
    PostProcessing,
    Producer,
    RecommendedCall,
    Source,
    TensorSpec,
    TokenizerFacts,
)
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.files import dump_json
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast

LABELS = ("negative", "positive")
LENGTH = 32
TEXTS = {
    "a sentence": ("A quiet film that stays with you for days.",),
    "accents": ("Crème brûlée, naïve café.",),
    "CJK and emoji": ("我爱电影 😀",),
    "a pair": ("Is it good?", "Two hours that I will never get back."),
    "truncated": ("days " * 60,),
    "nothing": ("",),
}
MODEL_PATH = "onnx/model.onnx"
CONFIG = SqueezeBertConfig(
    vocab_size=120, hidden_size=8, embedding_size=8, num_hidden_layers=1, num_attention_heads=4, intermediate_size=16,
    max_position_embeddings=LENGTH, id2label=LABELS, architectures=("SqueezeBertForSequenceClassification",),
)  # fmt: skip


@dataclass(frozen=True)
class Weights:
    """Embeddings [V, C], segment embeddings [2, C], the classifier [C, L] and its bias [L]."""

    words: Float32
    types: Float32
    classifier: Float32
    bias: Float32


def weights() -> Weights:
    random = np.random.default_rng(0)
    shapes = ((CONFIG.vocab_size, 8), (2, 8), (8, 2), (2,))
    return Weights(*(random.normal(size=shape).astype(np.float32) for shape in shapes))


def reference(batch: Batch) -> Float32:
    """logits [N, L]."""
    w, mask = weights(), batch.attention_mask[..., None].astype(np.float32)
    hidden = (w.words[batch.input_ids] + w.types[batch.token_type_ids]) * mask
    return (hidden.sum(1) / mask.sum(1)) @ w.classifier + w.bias


def graph() -> onnx.GraphProto:
    ids = ("input_ids", "attention_mask", "token_type_ids")
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch_size", "sequence_length"]) for n in ids]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch_size", 2])]
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["word_rows"]),
        helper.make_node("Gather", ["types", "token_type_ids"], ["type_rows"]),
        helper.make_node("Add", ["word_rows", "type_rows"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["kept"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["kept", "last"], ["column"]),
        helper.make_node("Mul", ["rows", "column"], ["real"]),
        helper.make_node("ReduceSum", ["real", "tokens"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["column", "tokens"], ["count"], keepdims=0),
        helper.make_node("Div", ["total", "count"], ["mean"]),
        helper.make_node("MatMul", ["mean", "classifier"], ["scores"]),
        helper.make_node("Add", ["scores", "bias"], ["logits"]),
    ]
    arrays = {**vars(weights()), "last": np.array([2]), "tokens": np.array([1])}
    stored = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    return helper.make_graph(nodes, "by hand", inputs, outputs, stored)


def onnx_model(opset: int = 18) -> onnx.ModelProto:
    # The oldest file version that opset 18 allows, so that old runtimes read it.
    return helper.make_model(graph(), opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def contrary() -> bytes:
    """The model with the classifier turned round, which answers otherwise wherever its bias does not decide."""
    model = onnx_model()
    (stored,) = (each for each in model.graph.initializer if each.name == "classifier")
    stored.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(stored), "classifier"))
    return bytes(model.SerializeToString())


def tokenizer() -> SqueezeBertTokenizerFast:
    texts = [text for case in TEXTS.values() for text in case]
    return SqueezeBertTokenizerFast.train(texts, CONFIG.vocab_size, model_max_length=LENGTH)


def golden_cases(words: SqueezeBertTokenizerFast) -> tuple[GoldenCase, ...]:
    cases = []
    for name, texts in TEXTS.items():
        rows = words.rows(texts[0], texts[1] if len(texts) == 2 else None, max_length=LENGTH)
        batch = Batch(rows.input_ids, rows.attention_mask, rows.token_type_ids)
        cases.append(_case(name, texts, batch))
    return tuple(cases)


def _case(name: str, texts: tuple[str, ...], batch: Batch) -> GoldenCase:
    rows = {key: tuple(tuple(map(int, row)) for row in array) for key, array in batch.arrays().items()}
    logits = golden.sample("logits", reference(batch))
    return GoldenCase(name=name, texts=texts, max_length=LENGTH, outputs=(logits,), **rows)


def pte_artifact(model: bytes) -> Artifact:
    """The entry of a .pte of the same function, which takes a minute to make and so is kept in data/bundle_v1."""
    ids = tuple(TensorSpec(name=n, dtype="int64", axes=(1, "sequence_length")) for n in ("input_ids", "token_type_ids"))
    logits = TensorSpec(name="logits", dtype="float32", axes=(1, 2))
    return artifact(model).model_copy(
        update={
            "path": "executorch/model_xnnpack_fp32.pte", "runtime": "executorch", "version": "ET12", "batch": 1,
            "inputs": ids, "outputs": (logits,), "oldest_runtime": "1.4.0",
        }
    )  # fmt: skip


def artifact(model: bytes) -> Artifact:
    axes = ("batch_size", "sequence_length")
    ids = ("input_ids", "attention_mask", "token_type_ids")
    parity = Parity(
        output="logits", atol=1e-4, min_psnr_db=None, max_abs=1e-6, psnr_db=120.0, argmax_agreement=1.0, cases=6
    )
    entry = bundles.entry(MODEL_PATH, model)
    return Artifact(
        path=entry.path, sha256=entry.sha256, bytes=entry.bytes, runtime="onnx", precision="fp32", version="opset 18",
        batch=None, max_length=LENGTH, inputs=tuple(TensorSpec(name=n, dtype="int64", axes=axes) for n in ids),
        outputs=(TensorSpec(name="logits", dtype="float32", axes=("batch_size", 2)),), inventory=Inventory(),
        parity=(parity,), oldest_runtime="1.20.0",
    )  # fmt: skip


def contents(model: bytes) -> tuple[dict[str, bytes], Manifest]:
    """Every file of the bundle but bundle.json, and its manifest."""
    words = tokenizer()
    with TemporaryDirectory() as folder:
        words.save_pretrained(folder)
        files = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    files["config.json"] = dump_json(CONFIG.to_dict())
    files["golden.json"] = golden.dump(golden_cases(words))
    described = Manifest(
        schema_version=2, task=Task.TEXT_CLASSIFICATION, labels=LABELS, postprocessing=PostProcessing(kind="softmax"),
        tokenizer=TokenizerFacts(
            vocab_size=words.vocab_size, lowercase=words.do_lower_case, strip_accents=words.strip_accents,
            tokenize_chinese_chars=words.tokenize_chinese_chars, max_length=LENGTH,
            pad_token_id=words.pad_token_id, unk_token_id=words.unk_token_id, cls_token_id=words.cls_token_id,
            sep_token_id=words.sep_token_id, mask_token_id=words.mask_token_id,
        ),
        files=tuple(bundles.entry(path, data) for path, data in sorted(files.items())),
        artifacts=(artifact(model),),
        recommended_call=RecommendedCall(batch=1, padding="none", threads=1),
        producer=Producer(squeezebert_mobile="0", torch="2", onnx="1", onnxruntime="1", executorch="1"),
        source=Source(name="by hand", revision=None, files=(), digest="0" * 64, notes=()),
    )  # fmt: skip
    return {**files, MODEL_PATH: model}, described


def write(target: Path, model: bytes | None = None) -> Path:
    """The bundle, around ``model`` where one is given: its digests are right, whatever it holds."""
    content, described = contents(onnx_model().SerializeToString() if model is None else model)
    with bundles.staged(target, force=False) as stage:
        bundles.fill(stage, content, described)
    return target
