"""Finding a checkpoint: a folder of this machine, or a repository of the Hugging Face hub through its cache."""

import re
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from squeezebert_mobile.errors import EnvironmentFault, InputFileError, UsageError

# What a checkpoint is read from; a repository may hold gigabytes besides.
_SMALL_FILES = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    # What says the licence.
    "README.md",
    # sentence-transformers: each module but the first has a folder of its own, and that one may.
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "[0-9]_*/*.json",
    "[0-9]_*/vocab.txt",
)
_PLACES = ("", "0_*/")
_SAFETENSORS = ("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors")
# One slash and no path: a name without an owner would be looked up in the hub's own repositories.
_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin")


def resolve(source: str | Path, *, revision: str | None = None, weights: bool = True) -> Path:
    """The folder that ``source`` names: itself, or the cached snapshot of a hub repository, which is downloaded.

    Of a repository come config, tokenizer and, with ``weights``, the safetensors files or, where it has none, the
    pickles. The hub's own switches hold (HF_HOME, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE). Without a connection a
    cached snapshot is used if it is complete. Raises UsageError for a name, repository or revision that does not
    exist or was renamed, InputFileError for a path where no folder is, EnvironmentFault where the hub cannot be reached
    or refuses.
    """
    if not str(source).strip():
        raise UsageError("the model's name", "is empty", fix="name a folder, or a hub repository as OWNER/NAME")
    folder = Path(source)
    if folder.is_dir():
        if revision is not None:
            fix = "leave --revision out, or name a hub repository"
            raise UsageError(source, "is a folder, which has no revisions", found=revision, fix=fix)
        return folder
    if folder.is_file():
        raise UsageError(source, "is a file", expected="a folder", fix="name the folder that holds it")
    if folder.exists():
        raise InputFileError(source, "is a device or pipe, not a folder", fix="name a checkpoint's folder")
    if not is_repository(source):
        fix = "check the path; a hub repository is named OWNER/NAME"
        raise InputFileError(source, "is no such folder", fix=fix)
    return _snapshot(str(source), revision, weights=weights)


def is_repository(source: str | Path) -> bool:
    """True for OWNER/NAME, whether or not a folder or a repository is called so."""
    return _REPOSITORY.fullmatch(str(source)) is not None


def commit_of(folder: Path) -> str | None:
    """The commit that a folder of the hub's cache holds, None for another folder."""
    return folder.name if folder.parent.name == "snapshots" else None


def _snapshot(repo: str, revision: str | None, *, weights: bool) -> Path:
    from squeezebert_mobile.checkpoint import answers  # first: it sets how the library is imported

    import httpx2  # isort: skip
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        with answers.guarded():
            return _cached(repo, revision, weights=weights)
    except HFValidationError:
        fix = "name an existing folder, or a hub repository as OWNER/NAME"
        raise UsageError(repo, "is neither a folder nor the name of a hub repository", fix=fix) from None
    except GatedRepoError as error:
        fix = "accept its conditions on the hub, then run: hf auth login"
        raise EnvironmentFault(repo, "is a gated hub repository", fix=fix) from error
    except RepositoryNotFoundError as error:
        fix = "check the name; for a private repository run: hf auth login"
        raise UsageError(repo, "is neither a folder nor a hub repository that you can read", fix=fix) from error
    except RevisionNotFoundError as error:
        fix = "name an existing branch, tag or commit"
        raise UsageError(repo, "has no such revision on the hub", found=revision, fix=fix) from error
    except (httpx2.HTTPError, OSError, ValueError) as error:
        _refuse(repo, error)


def _cached(repo: str, revision: str | None, *, weights: bool) -> Path:
    """The snapshot of a repository in the cache, after the download of what it lacks."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    safetensors, pickles = (
        [f"{place}{name}" for place in _PLACES for name in names] for names in (_SAFETENSORS, _PICKLES)
    )
    wanted = [*_SMALL_FILES, *(safetensors if weights else ())]
    found = None
    if _is_commit(revision):
        with suppress(LocalEntryNotFoundError):
            found = snapshot_download(repo, revision=revision, allow_patterns=wanted, local_files_only=True)
    folder = Path(found or _download(repo, revision, wanted))
    if weights and not any(any(folder.glob(name)) for name in safetensors):
        # The same commit, even if the branch has moved on meanwhile.
        _download(repo, folder.name, [*_SMALL_FILES, *pickles])
    _require_inside(repo, folder)
    return folder


def _download(repo: str, revision: str | None, wanted: list[str]) -> str:
    """Fetch the files one by one: the library's own threads would go on, and be waited for, after Ctrl-C."""
    import httpx2
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download
    from huggingface_hub.utils._paths import filter_repo_objects

    info = None
    # Without an answer the library says what is wrong, or finds the cache.
    with suppress(httpx2.HTTPError, OSError, ValueError):
        info = HfApi().model_info(repo, revision=revision)
    if info is not None:
        if not _is_commit(revision):
            _refuse_renamed(repo, info.id)
        listed = [file.rfilename for file in info.siblings or ()]
        for name in filter_repo_objects(listed, allow_patterns=wanted):
            hf_hub_download(repo, name, revision=info.sha)
    return snapshot_download(repo, revision=revision, allow_patterns=wanted)


def _require_inside(repo: str, folder: Path) -> None:
    """Raise InputFileError for a file of a snapshot that is a link to somewhere outside of the cache."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE).resolve()
    for path in folder.rglob("*"):
        if not path.resolve().is_relative_to(cache):
            what, fix = "leads out of the hub's cache", f"delete {folder.parents[1]} and download {repo} again"
            raise InputFileError(path, what, found=path.resolve(), fix=fix)


def _is_commit(revision: str | None) -> bool:
    return revision is not None and re.fullmatch("[0-9a-f]{40}", revision) is not None


def _refuse_renamed(repo: str, present: str) -> None:
    """The hub leads from an old name to the new one, and whoever takes the old name leads it elsewhere.

    A commit needs no such question: its files are the same under any name.
    """
    if present.casefold() != repo.casefold():
        raise UsageError(repo, "was renamed on the hub", found=present, fix=f"if that is the model, name {present}")


def _refuse(repo: str, error: Exception) -> NoReturn:
    """Say what kept the hub from answering; the library wraps the cause once or twice."""
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    cause = error.__cause__ if isinstance(error, LocalEntryNotFoundError) and error.__cause__ else error
    if constants.is_offline_mode():
        what, fix = "is not completely in the hub's cache, and HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE once"
    elif isinstance(cause, HfHubHTTPError) and cause.response.status_code == 429:
        what, fix = "was refused by the hub: too many requests (HTTP 429)", "wait some minutes, or run: hf auth login"
    elif isinstance(cause, HfHubHTTPError):
        what = f"was refused by the hub (HTTP {cause.response.status_code})"
        fix = "try again later, or run: hf auth login"
    elif isinstance(cause, ValueError):
        what, fix = "got an answer that is not the hub's", "check the proxy and HF_ENDPOINT"
    elif isinstance(cause, OSError) and cause.errno is not None:
        what, fix = f"cannot be stored: {cause.strerror}", f"check the disk at {constants.HF_HUB_CACHE}, or set HF_HOME"
    else:
        reason = (str(cause).splitlines() or [type(cause).__name__])[0][:200]
        what = f"is neither a folder nor completely cached, and the hub cannot be reached: {reason}"
        fix = "check the name and the network, the proxy and HF_ENDPOINT"
    raise EnvironmentFault(repo, what, fix=fix) from error
