"""Lowering to ExecuTorch with the XNNPACK delegate."""
