"""A bundle whose files say nothing, with a sound manifest."""

from pathlib import Path

from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.manifest import (
    Accuracy,
    Artifact,
    Inventory,
    Manifest,
    Parity,
    PostProcessing,
    Producer,
    Range,
    RecommendedCall,
    Source,
    TensorSpec,
    TokenizerFacts,
)
from squeezebert_mobile.tasks import Task

MODEL = b"not a model, but bytes with a digest"


CONTENT = {"onnx/model.onnx": MODEL, "config.json": b"{}", "vocab.txt": b"[PAD]\n"}


def accuracy(low: float, chance: float | None) -> Accuracy:
    """Figures of a gate whose checkpoint surely reaches ``low``."""
    ends = Range(low=low, high=0.9)
    return Accuracy(
        metric="accuracy", value=0.8, interval=ends, checkpoint=0.81, checkpoint_interval=ends, drop=0.01,
        drop_interval=Range(low=0, high=0.02), allowed_drop=0.02, chance=chance, rows=200, data="dev.tsv",
        data_sha256="0" * 64, float_units=("head",),
    )  # fmt: skip


def described(**changes: object) -> Manifest:
    """A manifest of CONTENT."""
    ids = TensorSpec(name="input_ids", dtype="int64", axes=("batch_size", "sequence_length"))
    logits = TensorSpec(name="logits", dtype="float32", axes=("batch_size", 2))
    parity = Parity(
        output="logits", atol=1e-4, min_psnr_db=None, max_abs=1e-6, psnr_db=120.0, argmax_agreement=1.0, cases=3
    )
    model = bundles.entry("onnx/model.onnx", MODEL)
    artifact = Artifact(
        path=model.path, sha256=model.sha256, bytes=model.bytes, runtime="onnx", precision="fp32", version="opset 18",
        batch=None, max_length=128, inputs=(ids,), outputs=(logits,), inventory=Inventory(), parity=(parity,),
        oldest_runtime="1.20.0", accuracy=accuracy(0.7, 0.5),
    )  # fmt: skip
    whole = Manifest(
        schema_version=2,
        task=Task.TEXT_CLASSIFICATION,
        labels=("bad", "good"),
        postprocessing=PostProcessing(kind="softmax"),
        tokenizer=TokenizerFacts(
            vocab_size=5, lowercase=True, strip_accents=True, tokenize_chinese_chars=True, max_length=128,
            pad_token_id=0, unk_token_id=1, cls_token_id=2, sep_token_id=3, mask_token_id=4,
        ),
        files=tuple(bundles.entry(path, data) for path, data in CONTENT.items() if path != model.path),
        artifacts=(artifact,),
        recommended_call=RecommendedCall(batch=1, padding="none", threads=1),
        producer=Producer(squeezebert_mobile="0", torch="2", onnx="1", onnxruntime="1", executorch="1"),
        source=Source(name="a model", revision=None, files=(), digest="0" * 64, notes=()),
    )  # fmt: skip
    return whole.model_copy(update=changes)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
