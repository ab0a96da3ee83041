"""How a checkpoint is read that is not as `save_pretrained` leaves it: the same options in every command."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.options import Options


@dataclass(frozen=True, kw_only=True)
class ReadOptions(Options):
    """Where a checkpoint's parts are; None means as `save_pretrained` leaves them.

    ``tokenizer`` is a folder, a hub repository or a vocabulary file. ``state_key`` is the entry of a pickle that holds
    the state dict, one inside another joined by dots. ``strip_prefix`` is taken off the names of the weights, see
    `names.rename`.
    """

    GROUPS: ClassVar = {"Reading the checkpoint": ("revision", "tokenizer", "state_key", "strip_prefix")}

    revision: Annotated[str | None, typer.Option(help="branch, tag or commit of a hub repository")] = None
    tokenizer: Annotated[
        str | None,
        typer.Option(metavar="FOLDER_OR_FILE", help="its tokenizer: a folder, hub repository or vocab.txt"),
    ] = None
    state_key: Annotated[str | None, typer.Option(help="key under which a pickle holds the weights")] = None
    strip_prefix: Annotated[str | None, typer.Option(help="prefix to take off the weights' names")] = None

    def reading(self) -> "ReadOptions":
        """These options without those that a command adds."""
        return ReadOptions(**{field.name: getattr(self, field.name) for field in fields(ReadOptions)})

    def refuse(self, bundle: str | Path) -> None:
        """Raise UsageError for an option that is given where a bundle is read, which has all of its parts."""
        if given := self.given():
            raise UsageError(given[0], "is for checkpoints", found=f"the bundle {bundle}", fix=f"drop {given[0]}")

    def given(self) -> list[str]:
        """The options that ask for something."""
        values = {
            "--revision": self.revision,
            "--tokenizer": self.tokenizer,
            "--state-key": self.state_key,
            "--strip-prefix": self.strip_prefix,
        }
        return [option for option, value in values.items() if value is not None]
