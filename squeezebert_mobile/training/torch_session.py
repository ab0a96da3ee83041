"""The reference model behind the call that runtimes have, for evaluation in PyTorch."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.model import PreTrained


class TorchSession:
    """Inputs in, outputs by name out, from a model in eval mode on its own device."""

    def __init__(self, model: PreTrained) -> None:
        self._model = model.eval()
        self._device = next(model.parameters()).device

    def run(self, batch: Batch) -> dict[str, Float32]:
        """Outputs by name, fp32."""
        with torch.inference_mode():
            outputs = self._model(*(torch.from_numpy(array).to(self._device) for array in batch.arrays().values()))
        values = outputs if isinstance(outputs, tuple) else (outputs,)
        arrays = (value.float().cpu().numpy().astype(np.float32, copy=False) for value in values)
        return dict(zip(self._model.task.output_names, arrays, strict=True))


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """PyTorch on ``count`` threads, so that its time stands beside that of a runtime with as many."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
