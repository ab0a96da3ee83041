"""Reading a safetensors file: the library checks its layout, `headers` what it lets pass or says less well."""

from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from squeezebert_mobile.checkpoint.headers import require_safetensors
from squeezebert_mobile.errors import InputFileError


def parse(path: Path, data: bytes) -> dict[str, Tensor]:
    """The tensors in ``data``, the content of ``path``. Raises InputFileError for anything malformed."""
    require_safetensors(path, data, len(data))
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).removeprefix("Error while deserializing: ")
        raise InputFileError(path, f"is not valid safetensors: {reason}", fix="download it again") from error
