"""From what stands on a command line to the library's own values, where that takes more than a cast."""

from pathlib import Path
from typing import TYPE_CHECKING

from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.training_arguments import columns

if TYPE_CHECKING:
    from squeezebert_mobile.export.accuracy_gate import AccuracyOptions
    from squeezebert_mobile.export.calibration_texts import CalibrationOptions
    from squeezebert_mobile.export.observers import Method


def calibration(
    file: Path | None, rows: int, seed: int, method: "Method", percentile: float
) -> "CalibrationOptions | None":
    """None without a file."""
    from squeezebert_mobile.export.calibration_texts import CalibrationOptions

    return None if file is None else CalibrationOptions(file, rows, seed, method, percentile)


def accuracy(
    data: str | None, max_drop: float | None, column: list[str] | None, max_samples: int | None
) -> "AccuracyOptions | None":
    """None without a gate. Raises UsageError for data without a gate, and a gate without data."""
    from squeezebert_mobile.export.accuracy_gate import AccuracyOptions

    if data is None or max_drop is None:
        for option, value in (("--data", data), ("--max-accuracy-drop", max_drop)):
            if value is not None:
                other = "--max-accuracy-drop" if option == "--data" else "--data"
                raise UsageError(option, f"needs {other}", fix=f"add {other}")
        return None
    return AccuracyOptions(data, max_drop, columns(column), max_samples)
