"""The reference to a Core AI asset, a folder that Apple's runtime compiles for its device: capture, convert, date."""

import copy
import hashlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from squeezebert_mobile.console import quiet
from squeezebert_mobile.export.coreai.names import drawn_alike, numbered
from squeezebert_mobile.export.inventory import TOKENS, Lowered, Part, summarize
from squeezebert_mobile.export.quantization import Half, Scheme
from squeezebert_mobile.export.signature import checked_length, signature
from squeezebert_mobile.files import dump_json
from squeezebert_mobile.model import PreTrained
from squeezebert_mobile.tasks import Task


class _OneText(nn.Module):
    """The reference for one unpadded text or choice: ids and types [1, W] to its outputs, fp32 in any arithmetic."""

    def __init__(self, model: PreTrained, arithmetic: torch.dtype) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).eval().to(arithmetic)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor) -> tuple[Tensor, ...]:
        rows = (input_ids, torch.ones_like(input_ids), token_type_ids)
        if self.model.task is Task.MULTIPLE_CHOICE:
            rows = (rows[0][None], rows[1][None], rows[2][None])
        return tuple(output.float() for output in self.model.tensors(*rows))


def lower_coreai(model: PreTrained, *, scheme: Scheme | None, max_seq_len: int | None) -> Lowered:
    """The asset's files by name, for texts of any length up to ``max_seq_len``.

    ``scheme`` is None for fp32 or `Half`. Raises UsageError for a length that does not fit the model.
    """
    assert scheme is None or isinstance(scheme, Half)
    length = checked_length(max_seq_len, model.config.max_position_embeddings)
    form = _OneText(model, torch.float16 if scheme else torch.float32)
    with quiet():
        files = _convert(_capture(form, length), model)
    parts = _parts(model, "fp16 was asked for" if scheme else "fp32 was asked for")
    version = f"asset {json.loads(files['metadata.json'])['assetVersion']}"
    return Lowered(files, summarize(fast=(), fallbacks=(), parts=parts), version)


def _capture(form: _OneText, length: int) -> torch.export.ExportedProgram:
    from coreai_torch import get_decomp_table

    # Two tensors: capture takes one tensor given twice for one input.
    example = tuple(torch.zeros(1, min(2, length), dtype=torch.int32) for _ in range(2))
    axes = {1: torch.export.Dim("sequence_length", min=1, max=length)}
    with torch.no_grad():
        captured = torch.export.export(form, example, dynamic_shapes=(axes, axes), strict=False)
        program: torch.export.ExportedProgram = captured.run_decompositions(get_decomp_table())
    # Where each node came from: the paths in it differ by machine.
    for node in program.graph.nodes:
        node.meta = {key: value for key, value in node.meta.items() if key == "val"}
    return program


def _convert(program: torch.export.ExportedProgram, model: PreTrained) -> dict[str, bytes]:
    from coreai.runtime import AIModelAssetMetadata
    from coreai_torch import TorchConverter

    interface = signature(model.task, model.config, "coreai", model.output_names)
    with TemporaryDirectory(prefix="squeezebert-mobile-") as folder, drawn_alike():
        converter = TorchConverter().add_exported_program(
            program,
            input_names=[spec.name for spec in interface.inputs],
            output_names=[spec.name for spec in interface.outputs],
        )
        asset = converter.to_coreai().save_asset(Path(folder) / "model.aimodel", AIModelAssetMetadata())
        # The same checkpoint has the same bytes, whatever the day.
        asset.update_metadata(lambda metadata: setattr(metadata, "creation_date", 0.0))
        files = {path.name: path.read_bytes() for path in sorted(asset.path.iterdir())}
    named = numbered(files["main.mlirb"])
    # Its keys stand in any order.
    facts = dump_json(json.loads(files["metadata.json"]))
    return files | {"main.mlirb": named, "main.hash": hashlib.sha256(named).digest(), "metadata.json": facts}


def _parts(model: PreTrained, reason: str) -> list[Part]:
    """All of it is float; products of queries, keys and values count as in the other runtimes' inventories."""
    config = model.config
    maps = {name: module for name, module in model.named_modules() if isinstance(module, (nn.Conv1d, nn.Linear))}
    flops = 4 * TOKENS * TOKENS * config.hidden_size * config.num_hidden_layers
    for name, module in maps.items():
        first_alone = "pooler" in name or (isinstance(module, nn.Linear) and model.task.reads_first_token_only)
        flops += 2 * (1 if first_alone else TOKENS) * module.weight.numel()
    return [Part("all", sum(parameter.numel() for parameter in model.parameters()), flops, reason)]
