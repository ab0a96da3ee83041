"""The training report: a JSON file with every loss and evaluation, and a plot of both."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from squeezebert_mobile.training.trainer import Evaluation

REPORT_NAME = "training_report.json"
PLOT_NAME = "training_report.png"


def plot(evaluations: Sequence[Evaluation], losses: Sequence[float], folder: Path) -> None:
    """Write the curve of the loss, smoothed, and of the leading metric."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    window = max(1, len(losses) // 100)
    smooth = np.convolve(losses, np.full(window, 1 / window), mode="valid")
    axes.plot(np.arange(window, len(losses) + 1), smooth, color="tab:blue", label=f"loss (mean of {window} steps)")
    axes.set(xlabel="step", ylabel="training loss")
    handles = axes.get_legend_handles_labels()[0]
    if evaluations:
        name = next(iter(evaluations[0].metrics))
        right = axes.twinx()
        right.set_ylabel(name)
        steps, values = [e.step for e in evaluations], [e.metrics[name] for e in evaluations]
        handles += right.plot(steps, values, color="tab:orange", marker="o", label=name)
    axes.legend(handles=handles)
    # Without the date and the version that matplotlib writes by itself, the same run gives the same bytes.
    figure.savefig(folder / PLOT_NAME, dpi=120, metadata={"Software": None})
