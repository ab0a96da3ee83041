"""A peer's file as a sealed bundle: the app measures it beside ours, and answers nothing with it.

Its golden answers are those of the peer's own model in PyTorch, which the app compares before it measures.
"""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from squeezebert_mobile.atomic import staged_folder
from squeezebert_mobile.batch import Batch
from squeezebert_mobile.benchmarks.peers import OPSET, Form, PeerModel, export_onnx, logits_of
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import golden, runtimes
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.golden import GOLDEN_NAME
from squeezebert_mobile.bundle.manifest import (
    Artifact,
    Inventory,
    Manifest,
    Parity,
    PostProcessing,
    RecommendedCall,
    Source,
    TensorSpec,
    TokenizerFacts,
)
from squeezebert_mobile.console import quiet
from squeezebert_mobile.errors import InputFileError, IntegrityError
from squeezebert_mobile.export import parity
from squeezebert_mobile.export.description import producer
from squeezebert_mobile.export.parity import Case, Tolerance
from squeezebert_mobile.export.signature import INPUT_NAMES
from squeezebert_mobile.files import sha256
from squeezebert_mobile.run.engines import OnnxEngine
from squeezebert_mobile.tasks import Task

if TYPE_CHECKING:
    from torch import nn

_PATH, _LOGITS = "onnx/model.onnx", "logits"
_LENGTHS = (8, 32, 128)
# Of fp32, whose sums another order changes by less than a thousandth; int8 is what its users get.
_MIN_PSNR_DB = 60.0


def bundle_of(model: PeerModel, form: Form) -> Bundle:
    """The bundle of a peer in one form, from the cache unless it is new or damaged there.

    Raises EnvironmentFault without transformers or disk, GateError where the file does not answer as the model does.
    """
    file = export_onnx(model, form)
    folder = file.with_suffix("")
    with suppress(InputFileError, IntegrityError):
        return bundles.read_any(folder)
    with staged_folder(folder, may_replace=lambda _: True, force=True) as stage, quiet():
        _write(stage, model, form, file.read_bytes())
    return bundles.read_any(folder)


def _write(stage: Path, model: PeerModel, form: Form, data: bytes) -> None:
    built = model.build()
    cases = _cases(built, model)
    measured = parity.measure(
        OnnxEngine(data, 1).run,
        cases,
        tolerance=Tolerance(None, _MIN_PSNR_DB if form.precision == "fp32" else None, form.precision),
        file=f"{model.peer}, {form}",
        pad_to=model.max_length,
        batched=False,
    )
    answers = golden.dump(parity.golden_cases(cases, model.max_length))
    labels = tuple(f"LABEL_{number}" for number in range(cases[0].expected[_LOGITS].shape[-1]))
    described = _manifest(model, form, labels, _artifact(model, form, data, measured, len(labels)))
    described = described.model_copy(update={"files": (bundles.entry(GOLDEN_NAME, answers),)})
    bundles.fill(stage, {_PATH: data, GOLDEN_NAME: answers}, described)


def _cases(built: "nn.Module", model: PeerModel) -> tuple[Case, ...]:
    """Random ids of several lengths, with the model's own logits."""
    import torch

    module, draw = logits_of(built), np.random.default_rng(0)
    cases = []
    for length in sorted({min(length, model.max_length) for length in _LENGTHS}):
        batch = Batch.of_ids(draw.integers(0, model.vocab_size, (1, length), dtype=np.int64))
        with torch.inference_mode():
            logits = module(*map(torch.from_numpy, batch.arrays().values())).numpy()
        cases.append(Case(f"{length} tokens", (), batch, {_LOGITS: logits}))
    return tuple(cases)


def _artifact(model: PeerModel, form: Form, data: bytes, measured: tuple[Parity, ...], labels: int) -> Artifact:
    entry = bundles.entry(_PATH, data)
    texts = ("batch_size", "sequence_length")
    return Artifact(
        path=entry.path,
        sha256=entry.sha256,
        bytes=entry.bytes,
        runtime="onnx",
        precision=form.precision,
        version=f"opset {OPSET}",
        batch=None,
        max_length=model.max_length,
        inputs=tuple(TensorSpec(name=name, dtype="int64", axes=texts) for name in INPUT_NAMES),
        outputs=(TensorSpec(name=_LOGITS, dtype="float32", axes=("batch_size", labels)),),
        inventory=Inventory(),
        parity=measured,
        oldest_runtime=runtimes.known().tried["onnx"].oldest[form.precision],
    )


def _manifest(model: PeerModel, form: Form, labels: tuple[str, ...], artifact: Artifact) -> Manifest:
    """It names no tokens but one, as a manifest must: nobody reads a text with it."""
    weights = "random weights" if model.weights is None else f"the weights of {model.weights.name}"
    return Manifest(
        schema_version=2,
        task=Task.TEXT_CLASSIFICATION,
        labels=labels,
        postprocessing=PostProcessing(kind="softmax"),
        tokenizer=TokenizerFacts(
            vocab_size=model.vocab_size,
            lowercase=True,
            strip_accents=True,
            tokenize_chinese_chars=True,
            max_length=model.max_length,
            pad_token_id=None,
            unk_token_id=0,
            cls_token_id=None,
            sep_token_id=None,
            mask_token_id=None,
        ),
        files=(),
        artifacts=(artifact,),
        recommended_call=RecommendedCall(batch=1, padding="none", threads=1),
        producer=producer(),
        source=Source(
            name=f"{model.peer}, {form}",
            revision=None,
            files=(),
            digest=sha256(artifact.sha256.encode()),
            notes=(weights,),
        ),
        peer=str(model.peer),
    )
