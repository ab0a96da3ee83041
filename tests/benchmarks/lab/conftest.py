from pathlib import Path

import pytest
import tiny
from onnx_models import MAX, ranges

from squeezebert_mobile.export.ort.lower import lower_onnx
from squeezebert_mobile.export.quantization import Static
from squeezebert_mobile.tasks import Task


@pytest.fixture(scope="session")
def static_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny int8-static ONNX file."""
    task = Task.TEXT_CLASSIFICATION
    path = tmp_path_factory.mktemp("operators") / "static.onnx"
    path.write_bytes(lower_onnx(tiny.model(task), scheme=Static(ranges(task)), max_seq_len=MAX).data)
    return path
