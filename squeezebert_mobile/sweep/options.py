"""What `sweep` can be told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.options import Options
from squeezebert_mobile.sweep.choice import Rule


@dataclass(frozen=True)
class SweepOptions(Options):
    """A grid, where its runs are kept, where they are made, and what is picked of them."""

    GROUPS: ClassVar = {"The choice": ("pick", "to", "force")}
    EXAMPLES: ClassVar = (
        "grid.toml -o runs --dry-run",
        "grid.toml -o runs --jobs 2",
        'grid.toml -o runs --pick "fastest within 1 point" --to my-bundle',
    )

    grid: Annotated[Path, typer.Argument(metavar="GRID", help="a .toml file: docs/sweep.md describes it")]
    output_dir: Annotated[
        Path, typer.Option("-o", "--output-dir", help="the folder of the runs; what is there already is not made again")
    ]
    jobs: Annotated[int | None, typer.Option(min=1, help="cells made at once; default: as many as cores")] = None
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="make them on this Ray cluster (extra: ray); local starts one here"),
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="list the cells and what is missing; make nothing")] = False
    pick: Annotated[
        str | None, typer.Option(metavar="RULE", help="copy the bundle that a rule chooses, such as 'smallest'")
    ] = None
    to: Annotated[Path | None, typer.Option(help="where the picked bundle goes")] = None
    force: Annotated[bool, typer.Option("--force", help="replace the bundle at that target")] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.pick is None) != (self.to is None):
            given, missing = ("--pick", "--to") if self.to is None else ("--to", "--pick")
            raise UsageError(given, f"needs {missing}", fix=f"add {missing}")
        if self.ray is not None and self.jobs is not None:
            raise UsageError("--jobs", "is for this machine; the cluster decides", fix="leave it out")
        if self.pick is not None:
            Rule.parse(self.pick)
