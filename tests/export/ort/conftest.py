"""The oldest ONNX Runtime that artifacts are for, one for all tests of this folder."""

from onnx_models import oldest_runtime

__all__ = ["oldest_runtime"]
