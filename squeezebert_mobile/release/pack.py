"""A slim bundle for an app: chosen artifacts with tokenizer, golden answers and proof, under a name and a version.

A pack is a bundle like any other. Beside what a bundle has, it carries a bill of materials and the operators that small
builds of the runtimes need.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from squeezebert_mobile import licences
from squeezebert_mobile.atomic import staged_folder
from squeezebert_mobile.bundle import archive, manifest, signing
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.card import CARD_NAME, card
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import Artifact, Manifest, Release
from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.files import dump_json, read_verified
from squeezebert_mobile.release import operators, ort
from squeezebert_mobile.release.bom import BOM_NAME, bom
from squeezebert_mobile.release.options import Format, PackOptions

# As on developer.android.com/google/play/on-device-ai; the module's folder has the pack's name.
_GRADLE = """plugins {{
    id 'com.android.ai-pack'
}}

aiPack {{
    packName = "{name}"
    dynamicDelivery {{
        deliveryType = "on-demand"
    }}
}}
"""


@dataclass(frozen=True)
class Pack:
    """A pack that was written: ``bundle`` is where its bundle.json lies, ``bytes`` all that was written there."""

    path: str
    bundle: str
    format: Format
    name: str
    version: str
    license: str
    digest: str
    artifacts: tuple[str, ...]
    files: int
    bytes: int


def pack(options: PackOptions) -> Pack:
    """Write the pack in one rename.

    Raises as `archive.opened`, `bundles.staged`, `operators.make` and `ort.converted`; UsageError for an artifact that
    the bundle does not have, for ``ort`` without any ONNX file, and for an AI pack whose folder has another name.
    """
    _require_target(options)
    if options.sign_key is not None:
        signing.require_private_key(options.sign_key)
    with archive.opened(options.bundle) as bundle, _target(options) as stage:
        inner = stage / _inner(options)
        described, content = _content(bundle, options)
        bundles.fill(inner, content, described)
        if options.sign_key is not None:
            signing.sign(inner, options.sign_key)
        bundles.read(inner)
        for path, data in _wrapping(options).items():
            (stage / path).write_bytes(data)
        if options.is_zip:
            archive.pack(inner, options.output_dir, force=options.force, deflated=True)
    target = options.output_dir
    written = [target] if options.is_zip else [path for path in target.rglob("*") if path.is_file()]
    return Pack(
        path=str(target),
        bundle=str(target if options.is_zip else target / _inner(options)),
        format=options.format,
        name=options.name,
        version=options.version,
        license=described.license,
        digest=Bundle(target, described).digest,
        artifacts=tuple(artifact.path for artifact in described.artifacts),
        files=1 + len(described.every_file()),
        bytes=sum(path.stat().st_size for path in written),
    )


def _content(bundle: Bundle, options: PackOptions) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest of the pack, and every file but bundle.json by its path."""
    artifacts, given = _chosen(bundle, options.artifacts, is_ort=options.ort), options.license
    made = operators.make(bundle, artifacts)
    own, models = ort.converted(bundle, made.graphs) if options.ort else ({}, {})
    parts = [entry for each in artifacts if each.path not in own for entry in each.every_file()]
    models |= {entry.path: read_verified(bundle.folder / entry.path, entry.sha256) for entry in parts}
    artifacts = tuple(own.get(artifact.path, artifact) for artifact in artifacts)
    release = Release(name=options.name, version=options.version)
    slim = bundle.manifest.model_copy(
        update={
            "schema_version": manifest.SCHEMA_VERSION,
            "artifacts": artifacts,
            "license": bundle.manifest.license if given is None else licences.require_known(given),
            "release": release,
        }
    )
    # What a pack adds is made anew, in case this one is packed again.
    kept = [entry for entry in slim.files if entry.path not in (CARD_NAME, BOM_NAME) and not _is_list(entry.path)]
    content = {entry.path: read_verified(bundle.folder / entry.path, entry.sha256) for entry in kept}
    content |= made.lists
    content[CARD_NAME] = card(slim).encode()
    listed = slim.model_copy(update={"files": _entries(content)})
    content[BOM_NAME] = bom(listed, release)
    listed = slim.model_copy(update={"files": _entries(content)})
    return listed, content | models


def _entries(content: Mapping[str, bytes]) -> tuple[manifest.FileEntry, ...]:
    return tuple(bundles.entry(path, data) for path, data in sorted(content.items()))


def _is_list(path: str) -> bool:
    return path.startswith(f"{operators.FOLDER}/")


def _chosen(bundle: Bundle, paths: tuple[str, ...], *, is_ort: bool) -> tuple[Artifact, ...]:
    """The artifacts with these paths, in the manifest's order.

    Raises UsageError for another path, and where ``is_ort`` asks for the form of a graph that there is not.
    """
    wanted = [bundle.named(path) for path in paths] or [bundle.recommended()]
    if is_ort and not any(artifact.runtime == "onnx" for artifact in wanted):
        found, fix = ", ".join(artifact.path for artifact in wanted), "leave it out, or pass --artifact of an .onnx"
        raise UsageError("--ort", "is for ONNX files", found=found, fix=fix)
    return tuple(artifact for artifact in bundle.manifest.artifacts if artifact in wanted)


def _require_target(options: PackOptions) -> None:
    if options.is_zip:
        archive.require_free(options.output_dir, force=options.force)
    folder = options.output_dir.absolute().name
    if options.format == "android-ai-pack" and folder != options.name:
        what, fix = "is no AI pack of this name: Gradle calls it as its folder", f"name the folder {options.name}"
        raise UsageError(options.output_dir, what, found=folder, expected=options.name, fix=fix)


@contextmanager
def _target(options: PackOptions) -> Iterator[Path]:
    """The folder to fill, which becomes the target in one rename; for a zip, one that goes away."""
    if options.is_zip:
        with TemporaryDirectory(prefix="squeezebert-mobile-") as name:
            yield Path(name)
        return
    inner = _inner(options)
    with staged_folder(
        options.output_dir, may_replace=lambda target: bundles.is_bundle(target / inner), force=options.force
    ) as stage:
        yield stage


def _inner(options: PackOptions) -> str:
    """Where the bundle lies in the folder that is made."""
    if options.format == "android-ai-pack":
        return f"src/main/assets/{options.name}"
    return options.name if options.format == "background-assets" else ""


def _wrapping(options: PackOptions) -> dict[str, bytes]:
    """What a platform's own tool wants beside the bundle."""
    if options.format == "android-ai-pack":
        return {"build.gradle": _GRADLE.format(name=options.name).encode()}
    if options.format == "background-assets":
        # As `xcrun ba-package template` prints it; paths are seen from where the tool is called.
        facts = {
            "assetPackID": options.name,
            "downloadPolicy": {"onDemand": {}},
            "fileSelectors": [{"directory": options.name}],
            "platforms": ["iOS"],
        }
        return {f"{options.name}.json": dump_json(facts)}
    return {}
