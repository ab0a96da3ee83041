"""SqueezeBERT checkpoints as verified bundles for phones: ONNX Runtime and ExecuTorch, fp32 and int8."""

__version__ = "0.1.0"
