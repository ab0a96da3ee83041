"""``push_to_hub`` as transformers has it, for configs, models and tokenizers."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo


class PushToHub:
    """What has a ``save_pretrained`` and goes to the hub with it, as transformers' ``PushToHubMixin``."""

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the files into ``folder``."""
        raise NotImplementedError

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str | None = None,
        commit_description: str | None = None,
        private: bool | None = None,
        token: bool | str | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        max_shard_size: int | str | None = "50GB",
        tags: list[str] | None = None,
    ) -> "CommitInfo":
        """Upload what `save_pretrained` writes in one commit, with a model card where the repository has none.

        The repository ``repo_id``, NAME or OWNER/NAME, is made where it is missing: public, or as its organization's
        default is, unless ``private`` is True. ``revision`` is a branch, made where it is missing; with ``create_pr``
        the commit is proposed as a pull request. ``tags`` go into the card. Raises UsageError for a name that the hub
        cannot have and for weights above ``max_shard_size``; EnvironmentFault where the hub refuses or is not reached.
        """
        from squeezebert_mobile.checkpoint import upload

        name = type(self).__name__
        kind = next((kind.lower() for kind in ("Model", "Config", "Tokenizer") if kind in name), name)
        commit = upload.Commit(
            message=commit_message or f"Upload {kind}",
            description=commit_description,
            private=private,
            token=token,
            revision=revision,
            create_pr=create_pr,
            tags=tuple(tags or ()),
        )
        return upload.push(repo_id, self.save_pretrained, commit, max_shard_size=max_shard_size)
