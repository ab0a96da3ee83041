"""Reading and writing a bundle: every file listed, every digest compared, no links, nothing else in the folder."""

import os
import shlex
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.atomic import staged_folder
from squeezebert_mobile.bundle import manifest, paths
from squeezebert_mobile.bundle.manifest import MANIFEST_NAME, Artifact, FileEntry, Manifest
from squeezebert_mobile.config import CONFIG_NAME, SqueezeBertConfig
from squeezebert_mobile.errors import InputFileError, IntegrityError, UsageError
from squeezebert_mobile.files import MAX_JSON_BYTES, read_verified, require_digest, sha256, sha256_file
from squeezebert_mobile.tokenizer.files import read_folder
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast

# The one file that bundle.json does not list, since it is made over all the others (`signing`).
SIGNATURE_NAME = "model.sig"
MAX_SIGNATURE_BYTES = 1 << 20
# Real ones have 0.1 MB; on a phone, JSON takes thirty times its size in memory.
MAX_MANIFEST_BYTES = 4 << 20
_FIX = "copy or export the bundle again"
_EXPORT = "export the bundle again"
# In a repository, and in a folder that `hf download --local-dir` fills.
_OF_THE_HUB = frozenset({".gitattributes", ".cache"})
_GIVE = "give the folder or zip that export wrote"


@dataclass(frozen=True)
class Bundle:
    """A folder whose every byte was compared with its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def digest(self) -> str:
        """The SHA-256 of bundle.json, which fixes all other files."""
        return sha256(manifest.dump(self.manifest))

    def config(self) -> SqueezeBertConfig:
        """The model's configuration. Raises IntegrityError where it is of another model than the manifest."""
        path = self.folder / CONFIG_NAME
        config = SqueezeBertConfig.from_json(self.read(CONFIG_NAME), file=path)
        described = self.manifest
        if described.task.has_labels and config.labels != described.labels:
            raise IntegrityError(path, f"has other labels than {MANIFEST_NAME}", fix=_EXPORT)
        longest = max(artifact.max_length for artifact in described.artifacts)
        if longest > config.max_position_embeddings:
            what, expected = "has fewer positions than the longest text", f"{longest} or more"
            raise IntegrityError(path, what, found=config.max_position_embeddings, expected=expected, fix=_EXPORT)
        return config

    def read(self, name: str, *, max_bytes: int = MAX_JSON_BYTES) -> bytes:
        """The bytes of a listed file: those that were compared with its digest, whatever happens to the file.

        Raises IntegrityError for one that is not listed and for other bytes, InputFileError for a too large one.
        """
        path = self.folder / name
        listed = next((entry for entry in self.manifest.files if entry.path == name), None)
        if listed is None:
            raise IntegrityError(path, f"is not listed in {MANIFEST_NAME}", fix=_EXPORT)
        if listed.bytes > max_bytes:
            found, expected = f"{listed.bytes} bytes", f"up to {max_bytes}"
            raise InputFileError(path, "is too large", found=found, expected=expected, fix=_EXPORT)
        return read_verified(path, listed.sha256)

    def tokenizer(self) -> SqueezeBertTokenizerFast:
        """The model's tokenizer."""
        listed = {self.folder / entry.path for entry in self.manifest.files}
        read = read_folder(self.folder, read_bytes=lambda path: self.read(path.name) if path in listed else None)
        tokenizer = SqueezeBertTokenizerFast.from_files(read)
        tokenizer.serve(self.config().type_vocab_size)
        return tokenizer

    def artifact(self, runtime: str | None = None, precision: str | None = None) -> Artifact:
        """The first of `artifacts`; None matches every runtime or precision."""
        return self.artifacts([runtime] if runtime else (), [precision] if precision else ())[0]

    def named(self, path: str) -> Artifact:
        """The artifact with this path. Raises UsageError for another."""
        have = {artifact.path: artifact for artifact in self.manifest.artifacts}
        if path not in have:
            fix = "name one that it has"
            raise UsageError("--artifact", "is not in the bundle", found=path, expected=", ".join(have), fix=fix)
        return have[path]

    def recommended(self, runtime: str | None = None, precision: str | None = None) -> Artifact:
        """The artifact to take where nobody says which: int8 before the others, in the manifest's order of runtimes.

        Raises as `artifacts`.
        """
        chosen = self.artifacts([runtime] if runtime else (), [precision] if precision else ())
        runtimes = list(dict.fromkeys(artifact.runtime for artifact in chosen))
        return min(chosen, key=lambda a: (runtimes.index(a.runtime), a.preference))

    def artifacts(self, runtimes: Collection[str] = (), precisions: Collection[str] = ()) -> tuple[Artifact, ...]:
        """The artifacts of these runtimes and precisions, in the manifest's order; empty collections mean all.

        Raises UsageError where there is none.
        """
        chosen = tuple(
            a
            for a in self.manifest.artifacts
            if (not runtimes or a.runtime in runtimes) and (not precisions or a.precision in precisions)
        )
        if not chosen:
            have = ", ".join(f"{a.runtime} {a.precision}" for a in self.manifest.artifacts)
            wanted = " ".join([*runtimes, *precisions]) or "any"
            fix = "ask for one that it has, or export that one too"
            raise UsageError(self.folder, "has no such artifact", found=have or "none", expected=wanted, fix=fix)
        return chosen


def is_bundle(folder: Path) -> bool:
    """True where ``folder`` holds a bundle.json, whatever its state."""
    return (folder / MANIFEST_NAME).is_file()


def read(folder: Path) -> Bundle:
    """The bundle in ``folder``, completely verified.

    Raises as `read_any`, and UsageError for a peer's, which answers nothing.
    """
    found = read_any(folder)
    if (peer := found.manifest.peer) is not None:
        fix = "give a bundle that export wrote"
        raise UsageError(folder, f"is of {peer}, which phones measure and nobody answers with", fix=fix)
    return found


def read_any(folder: Path) -> Bundle:
    """The bundle in ``folder``, completely verified, a peer's too.

    Raises InputFileError for a folder that is none or names paths outside itself, IntegrityError for a missing, added,
    changed or linked file and for an unknown schema.
    """
    folder = Path(folder)
    if not folder.is_dir() or folder.is_symlink():
        raise InputFileError(folder, "is not a bundle folder", fix="give the folder that export wrote")
    if not os.path.lexists(folder / MANIFEST_NAME):
        # Any other folder may be large, and hold links.
        raise InputFileError(folder / MANIFEST_NAME, "is missing", fix=_GIVE)
    described = describe(dict(_walk(folder, "")), (folder / MANIFEST_NAME).read_bytes, folder)
    for entry in described.every_file():
        require_digest(folder / entry.path, sha256_file(folder / entry.path), entry.sha256)
    return Bundle(folder, described)


def describe(sizes: Mapping[str, int], read_manifest: Callable[[], bytes], folder: Path) -> Manifest:
    """The manifest of the files with these sizes by path, which are exactly those that it lists; no byte is compared.

    Raises InputFileError and IntegrityError as `read`, naming files in ``folder``.
    """
    if MANIFEST_NAME not in sizes:
        raise InputFileError(folder / MANIFEST_NAME, "is missing", fix=_GIVE)
    for name, limit in ((MANIFEST_NAME, MAX_MANIFEST_BYTES), (SIGNATURE_NAME, MAX_SIGNATURE_BYTES)):
        if sizes.get(name, 0) > limit:
            what, expected = "is too large", f"up to {limit} bytes"
            raise InputFileError(folder / name, what, found=sizes[name], expected=expected, fix=_FIX)
    described = manifest.parse(read_manifest(), folder / MANIFEST_NAME)
    names = (entry.path for entry in described.every_file())
    paths.require_portable([MANIFEST_NAME, SIGNATURE_NAME, *names], folder / MANIFEST_NAME)
    listed = {entry.path: entry.bytes for entry in described.every_file()}
    for name in sorted(listed.keys() - sizes.keys()):
        raise IntegrityError(folder / name, "is missing", fix=_FIX)
    if unlisted := sorted(sizes.keys() - listed.keys() - {MANIFEST_NAME, SIGNATURE_NAME}):
        fix, tops = "delete it, or copy the bundle again", sorted({name.split("/")[0] for name in unlisted})
        if folder.is_dir() and _OF_THE_HUB.issuperset(tops):
            fix = f"remove what the hub adds: rm -r {shlex.join(str(folder / top) for top in tops)}"
        raise IntegrityError(folder / unlisted[0], f"is not listed in {MANIFEST_NAME}", fix=fix)
    for name, size in listed.items():
        if sizes[name] != size:
            raise IntegrityError(folder / name, "size mismatch", found=sizes[name], expected=size, fix=_FIX)
    return described


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, int]]:
    """Relative path and size of every file. Raises IntegrityError for anything but plain files and folders."""
    if len(prefix) > paths.MAX_BYTES:
        raise IntegrityError(folder, "is nested too deeply", fix=_FIX)
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            facts = entry.stat(follow_symlinks=False)
            path = Path(entry.path)
            if stat.S_ISDIR(facts.st_mode):
                yield from _walk(path, f"{prefix}{entry.name}/")
            elif not stat.S_ISREG(facts.st_mode):
                raise IntegrityError(path, "is a link or a device, not a plain file", fix=_FIX)
            elif facts.st_nlink > 1:
                raise IntegrityError(path, "is hard-linked to a file elsewhere", fix=_FIX)
            else:
                yield f"{prefix}{entry.name}", facts.st_size


@contextmanager
def staged(target: Path, *, force: bool) -> Iterator[Path]:
    """An empty folder that becomes ``target`` in one rename, once it is left and holds a bundle.

    Hold it while the content is made: a target that cannot be written is refused before the work, and a second run on
    the same target too. Raises as `staged_folder`.
    """
    with staged_folder(target, may_replace=is_bundle, force=force) as stage:
        yield stage
        read(stage)


def fill(stage: Path, content: Mapping[str, bytes], described: Manifest) -> None:
    """Write every file of a bundle; ``content`` maps each path but bundle.json to its bytes."""
    stage.mkdir(parents=True, exist_ok=True)
    for path, data in sorted({**content, MANIFEST_NAME: manifest.dump(described)}.items()):
        (stage / path).parent.mkdir(parents=True, exist_ok=True)
        (stage / path).write_bytes(data)


def entry(path: str, data: bytes) -> FileEntry:
    """The manifest's entry for a file."""
    return FileEntry(path=path, sha256=sha256(data), bytes=len(data))
