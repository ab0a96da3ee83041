"""int8 emulated in PyTorch: operators that round as the quantizer does, to judge a scheme before it is lowered."""

from dataclasses import dataclass

from squeezebert_mobile.batch import Batch, Float32
from squeezebert_mobile.export.inventory import Part
from squeezebert_mobile.export.ort.form import OrtModel
from squeezebert_mobile.export.ort.quantize import quantize
from squeezebert_mobile.export.quantization import Dynamic, Static
from squeezebert_mobile.model import PreTrained, run_module


@dataclass(frozen=True)
class Emulation:
    """A model in the arithmetic of a scheme, with one activation scale a tensor; ``parts`` is empty in fp32."""

    form: OrtModel
    parts: tuple[Part, ...]

    def run(self, batch: Batch) -> dict[str, Float32]:
        """Outputs by name."""
        return run_module(self.form, batch, self.form.output_names)


def emulate(model: PreTrained, scheme: Dynamic | Static | None = None) -> Emulation:
    """``model`` in int8, or in fp32 without a scheme. Raises as `quantize`."""
    form = OrtModel(model, model.config.max_position_embeddings).eval()
    return Emulation(form, () if scheme is None else quantize(form, scheme))
