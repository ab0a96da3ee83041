"""What an export is asked for, refused at once where it cannot be honoured."""

from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.bundle.manifest import Precision, Runtime
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.export.accuracy_gate import AccuracyOptions
from squeezebert_mobile.export.calibration_texts import CalibrationOptions
from squeezebert_mobile.export.scheme import EmbeddingBits, Gate
from squeezebert_mobile.tasks import Task

RUNTIMES: tuple[Runtime, ...] = ("onnx", "executorch")
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")


@dataclass(frozen=True)
class ExportOptions:
    """What to export. Raises UsageError for options that do not go together.

    None means: the demo model for ``model``, what config.json says for ``task``, all positions of the model for
    ``max_seq_len``, each precision's own gate for ``atol``. ``golden`` is a golden.json that the checkpoint itself must
    answer, such as one from an earlier bundle of the same model. ``calibration`` is what int8-static needs;
    ``embedding_bits`` and ``keep_float`` are for both int8 precisions; ``trim_vocab`` is a file of texts whose pieces
    are kept; ``sensitivity`` a JSON file to write each unit's effect to. ``size_budget`` is in MB, for the smallest
    artifact of each runtime.
    """

    output_dir: Path
    model: str | Path | None = None
    revision: str | None = None
    task: Task | None = None
    runtimes: tuple[Runtime, ...] = RUNTIMES
    precisions: tuple[Precision, ...] = PRECISIONS
    max_seq_len: int | None = None
    opset: int = 18
    atol: float | None = None
    golden: Path | None = None
    state_key: str | None = None
    strip_prefix: str | None = None
    calibration: CalibrationOptions | None = None
    embedding_bits: EmbeddingBits = 8
    keep_float: frozenset[str] = frozenset()
    approximate_gelu: Gate | None = None
    trim_vocab: Path | None = None
    sensitivity: Path | None = None
    accuracy: AccuracyOptions | None = None
    require_faster: bool = False
    size_budget: float | None = None
    archive: Path | None = None
    sign_key: Path | None = None
    force: bool = False

    def __post_init__(self) -> None:
        int8 = {"int8", "int8-static"} & set(self.precisions)
        needs_int8 = {
            "--embeddings": self.embedding_bits != 8,
            "--keep-float": bool(self.keep_float),
            "--sensitivity": self.sensitivity is not None,
        }
        for option, asked in needs_int8.items():
            if asked and not int8:
                raise UsageError(option, "is about int8", found=_listed(self.precisions), fix="add --precision int8")
        self._require_calibration()
        if self.require_faster and (len(self.precisions) < 2 or "fp32" not in self.precisions):
            fix = "add --precision fp32 and the one that has to be faster"
            raise UsageError("--require-faster", "compares with fp32", found=_listed(self.precisions), fix=fix)

    def _require_calibration(self) -> None:
        static = "int8-static" in self.precisions
        if static and self.calibration is None:
            raise UsageError("--precision", "int8-static needs calibration", fix="pass --calibration FILE")
        if self.calibration is not None and not (static or self.sensitivity or self.accuracy):
            raise UsageError("--calibration", "is for int8-static", fix="add --precision int8-static")
        if self.approximate_gelu and "onnx" not in self.runtimes:
            raise UsageError("--approximate-gelu", "is for ONNX Runtime alone", fix="add --runtime onnx")
        if self.approximate_gelu and not (static and self.accuracy):
            what = "changes the function, so it needs int8-static and an accuracy gate"
            raise UsageError("--approximate-gelu", what, fix="add --precision int8-static and --max-accuracy-drop")


def _listed(precisions: tuple[Precision, ...]) -> str:
    return ", ".join(precisions)
