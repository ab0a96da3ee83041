"""What a checkpoint says of itself before its tensors are read: config, tokenizer and the header of its weights."""

from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.checkpoint import headers, hub
from squeezebert_mobile.checkpoint.contents import is_weights, locate
from squeezebert_mobile.checkpoint.names import rename
from squeezebert_mobile.checkpoint.options import ReadOptions
from squeezebert_mobile.checkpoint.sentence import SentenceFolder
from squeezebert_mobile.config import CONFIG_NAME, SqueezeBertConfig
from squeezebert_mobile.errors import InputFileError, UnsupportedModelError
from squeezebert_mobile.files import MAX_JSON_BYTES, SourceFile, read_file
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer.declared import CONFIG_FILE as TOKENIZER_CONFIG
from squeezebert_mobile.tokenizer.declared import TOKENIZER_FILE
from squeezebert_mobile.tokenizer.files import VOCAB_FILE, read_folder
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast


@dataclass(frozen=True, kw_only=True)
class Description:
    """A checkpoint without its tensors.

    The tokenizer's files lie in ``folder`` unless ``tokenizer_source`` names others; ``declared`` is what
    sentence-transformers says of them.
    """

    config: SqueezeBertConfig
    config_file: SourceFile
    folder: Path
    weights_path: Path
    declared: SentenceFolder
    tokenizer_source: str | None = None

    @property
    def task(self) -> Task | None:
        """The task of its modules.json or config.json, None where ``architectures`` names no SqueezeBERT class."""
        return Task.FEATURE_EXTRACTION if self.declared.embeds else Task.from_architectures(self.config.architectures)

    def require_task(self) -> Task:
        """The task that config.json names. Raises UnsupportedModelError where it names none."""
        if self.task is None:
            names = ", ".join(self.config.architectures) or "no architectures"
            raise UnsupportedModelError(
                self.folder / CONFIG_NAME, "names no known architecture", found=names, fix="pass --task"
            )
        return self.task

    def tokenizer(self) -> SqueezeBertTokenizerFast:
        """The tokenizer of these weights. Raises as its `from_pretrained` and `fitted`."""
        tokenizer = self.declared.tokenizer(_tokenizer_of(self.folder, self.tokenizer_source))
        tokenizer = tokenizer.fitted(self.config.vocab_size)
        tokenizer.serve(self.config.type_vocab_size)
        return tokenizer


def describe(source: str | Path, options: ReadOptions) -> Description:
    """The description of a checkpoint: a folder, a weights file beside its config.json, or a hub repository.

    Raises as `hub.resolve`, `contents.locate`, `files.read_file` and `SqueezeBertConfig.from_json`.
    """
    given = Path(source)
    if given.is_file() and not is_weights(given):
        expected = "a bundle's folder or zip, a checkpoint's folder or its weights file"
        raise InputFileError(given, "is neither a bundle nor a checkpoint", expected=expected, fix="name one of them")
    declared = SentenceFolder.open(hub.resolve(given.parent if given.is_file() else source, revision=options.revision))
    folder = declared.transformer
    path = given if given.is_file() else locate(folder)
    data, config_file = read_file(folder / CONFIG_NAME, max_bytes=MAX_JSON_BYTES)
    return Description(
        config=SqueezeBertConfig.from_json(data, file=folder / CONFIG_NAME),
        config_file=config_file,
        folder=folder,
        weights_path=path,
        declared=declared,
        tokenizer_source=options.tokenizer,
    )


def look(source: str | Path, options: ReadOptions) -> Description | None:
    """The description of a checkpoint on this machine, whose weights have a good header and names that are known.

    None for a repository of the hub, which may have to be fetched. Raises as `describe`, `headers.names` and `rename`.
    """
    if not Path(source).exists() and hub.is_repository(source):
        return None
    described = describe(source, options)
    names = headers.names(described.weights_path)
    if names is not None:
        rename(described.weights_path, names, options.strip_prefix)
    return described


def _tokenizer_of(folder: Path, source: str | None) -> SqueezeBertTokenizerFast:
    """The tokenizer that ``source`` names; a vocabulary alone is read with the settings beside it, or in ``folder``."""
    if source is None:
        if not any((folder / name).exists() for name in (TOKENIZER_FILE, VOCAB_FILE)):
            expected = f"{TOKENIZER_FILE} or {VOCAB_FILE}"
            fix = "pass --tokenizer FOLDER, that of the model that was fine-tuned, or put its vocab.txt here"
            raise InputFileError(folder, "has no tokenizer", expected=expected, fix=fix)
        return SqueezeBertTokenizerFast.from_pretrained(folder)
    path = Path(source)
    if not path.is_file():
        return SqueezeBertTokenizerFast.from_pretrained(source)
    if path.name == TOKENIZER_FILE:
        return SqueezeBertTokenizerFast.from_pretrained(path.parent)
    beside = path.parent if (path.parent / TOKENIZER_CONFIG).exists() else folder
    return SqueezeBertTokenizerFast.from_files(read_folder(beside, vocab=path))
