"""What an export is asked for, refused at once where it cannot be honoured."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import typer

from squeezebert_mobile import licences
from squeezebert_mobile.checkpoint.options import ReadOptions
from squeezebert_mobile.checkpoint.source import DEMO_MODEL
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.options import Columns, Listed, NullThreshold
from squeezebert_mobile.tasks import PoolingMode, Precision, Runtime, Task

Method = Literal["minmax", "percentile"]
# What x is multiplied by in the place of Gelu: sigmoid(1.702 x), or x / 3 + 1/2 clipped to 0 to 1.
GeluApproximation = Literal["sigmoid", "clip"]


@dataclass(frozen=True)
class ExportOptions(ReadOptions):
    """What to export. Raises UsageError for options that do not go together.

    None means: the demo model for ``model``, what config.json says for ``task``, all positions of the model for
    ``max_seq_len``, each precision's own gate for ``atol``. ``golden`` is a golden.json that the checkpoint itself must
    answer, such as one from an earlier bundle of the same model. ``calibration`` is what int8-static needs;
    ``embeddings`` and ``keep_float`` are for both int8 precisions. ``max_accuracy_drop`` is in the unit of the task's
    metric. ``jobs`` is how many artifacts are made at once: their bytes are the same.
    """

    GROUPS: ClassVar = {
        "Int8": ("calibration", "calibration_rows", "calibration_method", "percentile", "seed", "embeddings",
                 "keep_float", "approximate_gelu", "sensitivity"),
        "Gates": ("atol", "min_agreement", "golden", "max_accuracy_drop", "data", "columns", "max_samples",
                  "require_faster", "size_budget"),
        "The bundle": ("output_dir", "jobs", "archive", "sign_key", "force", "trim_vocab", "null_threshold",
                       "license"),
    }  # fmt: skip
    EXAMPLES: ClassVar = (
        "-o my-bundle",
        "-m my-checkpoint -o my-bundle --runtime onnx --precision fp32,int8",
        "-m my-checkpoint -o my-bundle --precision int8 --data dev.tsv --max-accuracy-drop 0.01",
    )
    ALIASES: ClassVar = {"--max-seq-len": "--max-length", "--calibration-rows": "--calibration-samples"}

    output_dir: Annotated[Path, typer.Option("-o", "--output-dir", help="the bundle's folder")]
    model: Annotated[
        str | Path | None,
        typer.Option(
            "-m", "--model", metavar="MODEL", help="checkpoint folder or hub repository; default: the demo model"
        ),
    ] = None
    task: Annotated[Task | None, typer.Option(help="default: what config.json says")] = None
    runtimes: Annotated[tuple[Runtime, ...], typer.Option("--runtime", help="what phones run it with")] = (
        "onnx",
        "executorch",
    )
    precisions: Annotated[
        tuple[Precision, ...], typer.Option("--precision", help="a file for each (coreai: fp32, fp16)")
    ] = ("fp32", "int8")
    pooling: Annotated[
        PoolingMode | None,
        typer.Option(help="how feature-extraction makes the vector of a text; default: what modules.json says"),
    ] = None
    normalize: Annotated[
        bool | None,
        typer.Option("--normalize/--no-normalize", help="give that vector length 1; default: what modules.json says"),
    ] = None
    max_seq_len: Annotated[
        int | None, typer.Option("--max-length", help="longest input in tokens; default: all positions")
    ] = None
    jobs: Annotated[
        int | None, typer.Option(min=1, help="files made at once; default: as many as cores and memory allow")
    ] = None
    opset: Annotated[int, typer.Option(min=18, max=21, help="ONNX opset")] = 18
    null_threshold: NullThreshold = None
    atol: Annotated[float | None, typer.Option(min=0, help="largest difference from the reference")] = None
    min_agreement: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="smallest share of the golden answers that agree with the reference"),
    ] = None
    golden: Annotated[Path | None, typer.Option(help="golden.json of an earlier bundle, to be answered alike")] = None
    calibration: Annotated[
        Path | None, typer.Option(help="texts for int8-static: one a line, a tab before a second text")
    ] = None
    calibration_rows: Annotated[
        int, typer.Option("--calibration-samples", min=1, help="how many texts are drawn from that file")
    ] = 256
    calibration_method: Annotated[Method, typer.Option(help="how ranges are found")] = "minmax"
    percentile: Annotated[float, typer.Option(min=50, max=100, help="of --calibration-method percentile")] = 99.99
    seed: Annotated[int, typer.Option(help="of the draw of calibration texts")] = 0
    embeddings: Annotated[Literal["int8", "int4"], typer.Option(help="the word table of int8 artifacts")] = "int8"
    keep_float: Annotated[frozenset[str], typer.Option(help="units to leave float, such as head"), Listed()] = (
        frozenset()
    )
    approximate_gelu: Annotated[
        GeluApproximation | None,
        typer.Option(
            help="in int8-static, x * sigmoid(1.702 x) or, faster and coarser, x * clip(x / 3 + 1/2, 0, 1) for Gelu; "
            "only with --max-accuracy-drop"
        ),
    ] = None
    sensitivity: Annotated[
        Path | None, typer.Option(help="write each unit's effect in int8 to this .json, a page and a picture beside it")
    ] = None
    max_accuracy_drop: Annotated[
        float | None, typer.Option(min=0, help="of the task's metric on --data; units go back to float until it holds")
    ] = None
    data: Annotated[str | None, typer.Option(help="labelled data for --max-accuracy-drop")] = None
    columns: Columns = ()
    max_samples: Annotated[int | None, typer.Option(min=1, help="rows of --data to use; default: all")] = None
    trim_vocab: Annotated[
        Path | None, typer.Option(help="keep only the vocabulary that the texts of this file use")
    ] = None
    require_faster: Annotated[
        bool, typer.Option("--require-faster", help="fail where int8 is not faster than fp32 in one interleaved run")
    ] = False
    size_budget: Annotated[
        float | None, typer.Option(min=0, help="in MB, for the smallest artifact of each runtime")
    ] = None
    license: Annotated[
        str | None,
        typer.Option(metavar="SPDX", help="of the model, such as Apache-2.0; default: what the model's card says"),
    ] = None
    archive: Annotated[Path | None, typer.Option(help="also pack the bundle into this zip file")] = None
    sign_key: Annotated[Path | None, typer.Option(help="sign the bundle with this PEM private key (extra: sign)")] = (
        None
    )
    force: Annotated[bool, typer.Option("--force", help="replace the bundle at the target")] = False

    @property
    def source(self) -> str | Path:
        """The checkpoint: what was given, or the demo model."""
        return DEMO_MODEL if self.model is None else self.model

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.license is not None:
            licences.require_known(self.license)
        chosen, static = ", ".join(self.precisions), "int8-static" in self.precisions
        needs_int8 = {
            "--embeddings": self.embeddings == "int4",
            "--keep-float": bool(self.keep_float),
            "--sensitivity": self.sensitivity is not None,
        }
        for option, asked in needs_int8.items():
            if asked and not static and "int8" not in self.precisions:
                raise UsageError(option, "is about int8", found=chosen, fix="add --precision int8")
        if self.sensitivity is not None and self.sensitivity.suffix != ".json":
            fix = f"give {self.sensitivity.with_suffix('.json')}; the page and the picture are written beside it"
            raise UsageError("--sensitivity", "is a JSON file", found=self.sensitivity, expected="*.json", fix=fix)
        gate = (("--data", self.data), ("--max-accuracy-drop", self.max_accuracy_drop))
        for (option, given), (other, needed) in (gate, gate[::-1]):
            if given is not None and needed is None:
                raise UsageError(option, f"needs {other}", fix=f"add {other}")
        self._check_coreai()
        if static and self.calibration is None:
            raise UsageError("--precision", "int8-static needs calibration", fix="pass --calibration FILE")
        if self.calibration is not None and not (static or self.sensitivity or self.data):
            raise UsageError("--calibration", "is for int8-static", fix="add --precision int8-static")
        if self.approximate_gelu and "onnx" not in self.runtimes:
            raise UsageError("--approximate-gelu", "is for ONNX Runtime alone", fix="add --runtime onnx")
        if self.approximate_gelu and not (static and self.data):
            what = "changes the function, so it needs int8-static and an accuracy gate"
            fix = "add --precision int8-static, --calibration, --data and --max-accuracy-drop"
            raise UsageError("--approximate-gelu", what, fix=fix)
        if self.require_faster and (len(self.precisions) < 2 or "fp32" not in self.precisions):
            fix = "add --precision fp32 and the one that has to be faster"
            raise UsageError("--require-faster", "compares with fp32", found=chosen, fix=fix)

    def _check_coreai(self) -> None:
        if "coreai" not in self.runtimes:
            return
        floats = [precision for precision in self.precisions if precision in ("fp32", "fp16")]
        if not floats or (self.runtimes == ("coreai",) and len(floats) < len(self.precisions)):
            found, fix = ", ".join(self.precisions), "pass --precision fp32,fp16"
            raise UsageError("--precision", "Core AI has two of them", found=found, expected="fp32, fp16", fix=fix)
        if self.require_faster:
            raise UsageError("--require-faster", "cannot time Core AI here", fix="leave --require-faster out")


@dataclass(frozen=True)
class ExportCommandOptions(ExportOptions):
    """Whether the command only says what it would do."""

    GROUPS: ClassVar = {"The bundle": ("dry_run",)}

    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would be made, how long it takes and how large; write nothing")
    ] = False
