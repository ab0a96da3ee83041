"""Files to a repository of the Hugging Face hub, in one commit."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

from squeezebert_mobile.checkpoint.contents import SAFETENSORS
from squeezebert_mobile.errors import EnvironmentFault, UsageError

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, HfApi, ModelCard

_UNITS = "KMGT"
# What the hub makes itself, and a first card.
_OF_EVERY_REPOSITORY = frozenset({".gitattributes", "README.md"})


@dataclass(frozen=True)
class Commit:
    """What a commit says, and where it goes: to ``revision``, or as a pull request with ``create_pr``."""

    message: str
    description: str | None = None
    private: bool | None = None
    token: bool | str | None = None
    revision: str | None = None
    create_pr: bool = False
    tags: tuple[str, ...] = ()


def push(
    repo: str, save: Callable[[Path], None], commit: Commit, *, max_shard_size: int | str | None = None
) -> "CommitInfo":
    """Upload what ``save`` writes, and a card where the repository, which is made where it is missing, has none.

    Raises UsageError for a name that the hub cannot have and for a larger model than ``max_shard_size``, bytes or
    "5GB"; EnvironmentFault where the hub refuses or cannot be reached.
    """
    from squeezebert_mobile.checkpoint import answers

    limit = None if max_shard_size is None else _bytes(max_shard_size)
    with _asking(repo, commit) as api, TemporaryDirectory() as name:
        folder = Path(name)
        save(folder)
        _require_whole(folder, limit)
        repo = api.create_repo(repo, private=commit.private, exist_ok=True).repo_id
        with answers.guarded():
            card = _card(repo, commit)
        card.save(folder / "README.md")
        return _commit(api, repo, folder, commit)


def push_folder(repo: str, folder: Path, commit: Commit, *, marker: str) -> "CommitInfo":
    """Upload the files of ``folder``, and delete all others of the repository, in one commit.

    That is a repository that holds a file ``marker`` or next to nothing: UsageError is raised for another. Raises as
    `push` besides.
    """
    from squeezebert_mobile.checkpoint import answers

    with _asking(repo, commit) as api:
        repo = api.create_repo(repo, private=commit.private, exist_ok=True).repo_id
        with answers.guarded():
            present = {*api.list_repo_files(repo)} - _OF_EVERY_REPOSITORY
        if present and marker not in present:
            fix = "name another repository, or a new one"
            raise UsageError(repo, "holds something else than a bundle", found=min(present), fix=fix)
        ours = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        return _commit(api, repo, folder, commit, stale=sorted(present - ours))


def require_name(repo: str) -> None:
    """Raise UsageError for a name that the hub cannot have."""
    with _asking(repo, Commit("")):
        from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # documented there

        validate_repo_id(repo)


@contextmanager
def _asking(repo: str, commit: Commit) -> Iterator["HfApi"]:
    """The hub's client. Raises UsageError and EnvironmentFault, as `push` says, for whatever it raises."""
    from squeezebert_mobile.checkpoint import answers  # noqa: F401 - first: it sets how the library is imported

    import httpx2  # isort: skip
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    try:
        yield HfApi(library_name="squeezebert-mobile", token=commit.token)
    except HFValidationError:
        fix = "name it NAME or OWNER/NAME, of letters, digits, '-', '_' and '.'"
        raise UsageError("repo_id", "is no name of a hub repository", found=repo, fix=fix) from None
    except (httpx2.HTTPError, OSError, ValueError, KeyError) as error:
        _refuse(repo, error)


def _commit(api: "HfApi", repo: str, folder: Path, commit: Commit, *, stale: Sequence[str] = ()) -> "CommitInfo":
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    if commit.revision is not None and not commit.revision.startswith("refs/pr"):
        api.create_branch(repo, branch=commit.revision, exist_ok=True)
    return api.create_commit(
        repo,
        [
            *(CommitOperationAdd(path.relative_to(folder).as_posix(), path) for path in paths),
            *(CommitOperationDelete(path) for path in stale),
        ],
        commit_message=commit.message,
        commit_description=commit.description,
        revision=commit.revision,
        create_pr=commit.create_pr,
    )


def _card(repo: str, commit: Commit) -> "ModelCard":
    """The repository's own card, else a new one, with the tags of the commit."""
    from huggingface_hub import ModelCard, ModelCardData
    from huggingface_hub.errors import EntryNotFoundError

    try:
        card = ModelCard.load(repo, token=commit.token)  # type: ignore[arg-type]  # it hands it on
    except EntryNotFoundError:
        data = ModelCardData(library_name="transformers", tags=[])
        title = repo.rpartition("/")[2]
        card = ModelCard(f"---\n{data.to_yaml()}\n---\n\n# {title}\n\nA SqueezeBERT, pushed by squeezebert-mobile.\n")
    if commit.tags:
        card.data.tags = list(dict.fromkeys([*(card.data.tags or ()), *commit.tags]))
    assert isinstance(card, ModelCard)
    return card


def _bytes(size: int | str) -> int:
    """The bytes of a size as transformers writes it. Raises UsageError for any other text."""
    match = re.fullmatch(rf"(\d+)(?:([{_UNITS}])(I?)B)?", str(size).upper())
    if match is None:
        raise UsageError("max_shard_size", "is no size", found=size, expected="bytes, or as 5GB", fix="pass '50GB'")
    number, unit, binary = match.groups()
    base, power = 1024 if binary else 1000, _UNITS.index(unit) + 1 if unit else 0
    return int(number) * int(base**power)


def _require_whole(folder: Path, limit: int | None) -> None:
    for path in folder.glob(f"*{SAFETENSORS}"):
        size = path.stat().st_size
        if limit is not None and size > limit:
            what = f"is less than {path.name}, which is written whole"
            raise UsageError("max_shard_size", what, found=limit, expected=f"at least {size}", fix="leave it out")


def _refuse(repo: str, error: Exception) -> NoReturn:
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if constants.is_offline_mode():
        what, fix = "cannot be pushed to: HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE"
    elif status == 401 or isinstance(error, LocalTokenNotFoundError):
        what, fix = "cannot be pushed to by nobody (HTTP 401)", "run: hf auth login, or pass token="
    elif status is not None:
        what, fix = f"was refused by the hub (HTTP {status})", "check the name, and that your token may write there"
    elif isinstance(error, ValueError | KeyError):
        what, fix = "got an answer that is not the hub's", "check the proxy and HF_ENDPOINT"
    else:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        what, fix = f"cannot be pushed to: {reason}", "check the network, the proxy, HF_ENDPOINT and the disk"
    raise EnvironmentFault(repo, what, fix=fix) from error
