"""What an export would make, how long it would take and how large it would be: known without torch, and nothing is
written.
"""

from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile import console
from squeezebert_mobile.checkpoint.described import look
from squeezebert_mobile.errors import UsageError, counted
from squeezebert_mobile.export import plan, subject
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.steps import Steps
from squeezebert_mobile.tasks import Precision, Runtime, Task

# What no scheme changes: normalizations and token types.
_ALWAYS_FLOAT = "normalizations"


@dataclass(frozen=True)
class PlannedFile:
    """An artifact that would be made; ``stays_float`` names what is known to stay float, empty where all does."""

    path: str
    runtime: Runtime
    precision: Precision
    megabytes: float
    seconds: float
    stays_float: tuple[str, ...]


@dataclass(frozen=True)
class Preview:
    """An export before it is made. ``seconds`` are those of the whole on this machine, with ``jobs`` files at once."""

    output_dir: Path
    source: str
    task: Task
    max_length: int
    jobs: int
    seconds: float
    megabytes: float
    files: tuple[PlannedFile, ...]
    steps: tuple[str, ...]


def preview(options: ExportOptions) -> Preview:
    """What `pipeline.export` would make.

    Raises what reading a checkpoint's headers raises, and UsageError for a checkpoint that is not on this machine.
    """
    described = look(options.source, options)
    if described is None:
        fix = f"download it first: hf download {options.source}"
        raise UsageError("--dry-run", "needs the checkpoint on this machine", found=options.source, fix=fix)
    asked, config = subject.describe(options, described), described.config
    planned, jobs = plan.plan(options, config), plan.jobs(options, config)
    by_lane = plan.seconds_by_lane(planned)
    steps = Steps()
    steps.plan(planned, lanes=jobs)
    files = tuple(
        PlannedFile(
            path=plan.PATHS[runtime, precision],
            runtime=runtime,
            precision=precision,
            megabytes=plan.file_bytes(options, config, precision) / 1e6,
            seconds=by_lane[plan.lane(runtime, precision)],
            stays_float=_stays_float(options, precision),
        )
        for runtime, precision in plan.files(options)
    )
    return Preview(
        output_dir=options.output_dir,
        source=str(options.model or "the demo model"),
        task=asked.task,
        max_length=asked.max_length,
        jobs=jobs,
        seconds=steps.remaining or 0.0,
        megabytes=sum(file.megabytes for file in files),
        files=files,
        steps=tuple(step.name for step in planned),
    )


def _stays_float(options: ExportOptions, precision: Precision) -> tuple[str, ...]:
    if not precision.startswith("int8"):
        return ()
    more = ("what the accuracy asks for",) if options.max_accuracy_drop is not None else ()
    return (*sorted(options.keep_float), _ALWAYS_FLOAT, *more)


def text(found: Preview) -> str:
    """A preview for people."""
    rows = [
        (f.path, f.precision, f"{f.megabytes:.1f}", f"{f.seconds:.0f}", ", ".join(f.stays_float) or "all")
        for f in found.files
    ]
    at_once = f"{counted(found.jobs, 'file')} at once"
    return "\n".join(
        [
            f"{found.task}, up to {counted(found.max_length, 'token')}, of {found.source}",
            console.table(("file", "precision", "MB", "s", "float"), rows),
            f"{counted(len(found.steps), 'step')}, {at_once}; MB and s are estimates",
        ]
    )


def verdict(found: Preview) -> console.Verdict:
    """What the export would take."""
    minutes, seconds = divmod(round(found.seconds), 60)
    took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    line = f"nothing was written; the export to {found.output_dir} takes about {took} and {found.megabytes:.0f} MB"
    return console.Verdict(True, line)
