"""What `pack` and `push` can be told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import typer

from squeezebert_mobile import licences
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.options import Listed, Options
from squeezebert_mobile.run.options import BundlePath

Format = Literal["bundle", "android-ai-pack", "background-assets"]


@dataclass(frozen=True)
class PackOptions(Options):
    """A bundle, what of it goes into the pack, and what the pack is called.

    ``artifacts`` are paths as in bundle.json, empty for the recommended one. Raises UsageError for a name, version or
    licence that a pack cannot have, and for a zip of a folder that a platform's own tool packs.
    """

    GROUPS: ClassVar = {"The pack": ("output_dir", "artifacts", "name", "version", "license", "format", "ort",
                                     "sign_key", "force")}  # fmt: skip
    EXAMPLES: ClassVar = (
        "my-bundle -o sentiment.zip --name sentiment --version 1.0.0",
        "my-bundle -o sentiment --name sentiment --version 1.1.0 --artifact onnx/model.onnx,onnx/model_quantized.onnx",
        "my-bundle -o app/sentiment --name sentiment --version 1.1.0 --format android-ai-pack --ort",
    )

    bundle: BundlePath
    output_dir: Annotated[Path, typer.Option("-o", "--output-dir", help="the folder, or the .zip file, that is made")]
    name: Annotated[str, typer.Option(help="by which apps find its later versions: letters, digits and _")]
    version: Annotated[str, typer.Option(help="semantic version, such as 1.2.0 or 1.2.0-beta.1")]
    artifacts: Annotated[
        tuple[str, ...], typer.Option("--artifact", help="a file of bundle.json; default: the recommended"), Listed()
    ] = ()
    license: Annotated[str | None, typer.Option(metavar="SPDX", help="of the model; default: the bundle's")] = None
    format: Annotated[Format, typer.Option(help="what the pack is made for")] = "bundle"
    ort: Annotated[
        bool, typer.Option("--ort", help="ONNX files in ONNX Runtime's own format, for small builds of it")
    ] = False
    sign_key: Annotated[Path | None, typer.Option(help="sign it with this PEM private key (extra: sign)")] = None
    force: Annotated[bool, typer.Option("--force", help="replace the pack at the target")] = False

    def __post_init__(self) -> None:
        # pydantic takes longer to import than `--help` to answer.
        from squeezebert_mobile.bundle.manifest import Release

        super().__post_init__()
        if self.license is not None:
            licences.require_known(self.license)
        if not Release.is_name(self.name):
            expected = "a letter, then up to 63 letters, digits or _"
            raise UsageError("--name", "is no name of a pack", found=self.name, expected=expected, fix="correct --name")
        if not Release.is_version(self.version):
            expected = "as semver.org has it, without a build: 1.2.0 or 1.2.0-beta.1"
            raise UsageError("--version", "is no version", found=self.version, expected=expected, fix="write 1.0.0")
        if self.is_zip and self.format != "bundle":
            what, fix = f"is a zip, but {self.format} is a folder", "name a folder, or leave --format out"
            raise UsageError(self.output_dir, what, fix=fix)

    @property
    def is_zip(self) -> bool:
        """Whether the target is a zip file."""
        return self.output_dir.suffix == ".zip"


@dataclass(frozen=True)
class PushOptions(Options):
    """A bundle, and the repository of the hub that it goes to; ``revision`` is a branch, made where it is missing."""

    EXAMPLES: ClassVar = (
        "my-bundle me/my-bundle --dry-run",
        "my-bundle me/my-bundle",
        "sentiment.zip my-company/sentiment --public --revision next",
    )

    bundle: BundlePath
    repository: Annotated[str, typer.Argument(metavar="REPO", help="OWNER/NAME; made where it is missing")]
    public: Annotated[bool, typer.Option("--public", help="let a new repository be seen by everybody")] = False
    revision: Annotated[str | None, typer.Option(help="branch of the repository; default: main")] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="verify, and say what would go; ask the hub nothing")] = (
        False
    )
