"""A bundle to a repository of the hub, after it was verified."""

from dataclasses import dataclass

from squeezebert_mobile.bundle import archive
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import MANIFEST_NAME
from squeezebert_mobile.checkpoint import upload
from squeezebert_mobile.release.options import PushOptions
from squeezebert_mobile.run.verify import verify


@dataclass(frozen=True)
class PushedFile:
    """A file by its path in the repository."""

    path: str
    bytes: int


@dataclass(frozen=True)
class Push:
    """What went to the hub; ``commit`` and ``url`` are None where it only would.

    ``private`` is what a new repository becomes; one that is there stays as it is.
    """

    repository: str
    private: bool
    license: str
    files: tuple[PushedFile, ...]
    bytes: int
    commit: str | None = None
    url: str | None = None


def push(options: PushOptions) -> Push:
    """Verify a bundle, run its artifacts on the golden texts, and upload it in one commit.

    An earlier bundle in the repository is replaced, files of other names included. With ``dry_run`` the hub is not
    asked. Raises as `verify` and `upload.push_folder`, before anything is uploaded.
    """
    upload.require_name(options.repository)
    with archive.opened(options.bundle) as bundle:
        verify(bundle.folder)
        files = _files(bundle)
        commit = None
        if not options.dry_run:
            message = f"Upload bundle {bundle.digest[:12]}"
            asked = upload.Commit(message=message, private=not options.public, revision=options.revision)
            commit = upload.push_folder(options.repository, bundle.folder, asked, marker=MANIFEST_NAME)
        return Push(
            repository=options.repository,
            private=not options.public,
            license=bundle.manifest.license,
            files=files,
            bytes=sum(file.bytes for file in files),
            commit=commit and commit.oid,
            url=commit and str(commit.commit_url),
        )


def _files(bundle: Bundle) -> tuple[PushedFile, ...]:
    paths = sorted(path for path in bundle.folder.rglob("*") if path.is_file())
    return tuple(PushedFile(path.relative_to(bundle.folder).as_posix(), path.stat().st_size) for path in paths)
