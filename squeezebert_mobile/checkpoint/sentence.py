"""What sentence-transformers declares beside a transformer: pooling, longest text, a reranker's activation."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Self, cast, get_args

from squeezebert_mobile.config import CONFIG_NAME
from squeezebert_mobile.errors import InputFileError, SqueezeBertMobileError, UnsupportedModelError, UsageError
from squeezebert_mobile.files import dump_json, read_json, read_json_list
from squeezebert_mobile.tasks import Activation, Pooling, PoolingMode
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast

MODULES_NAME, SETTINGS_NAME, OWN_CONFIG_NAME = (
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
)
# Where the two activations lie in torch, which is how a config names them.
_ACTIVATION_PATHS: dict[Activation, str] = {
    "identity": "torch.nn.modules.linear.Identity",
    "sigmoid": "torch.nn.modules.activation.Sigmoid",
}

_PACKAGE = "sentence_transformers."
_KINDS = ("Transformer", "Pooling", "Normalize")
_MODES = get_args(PoolingMode)
# The keys that stood in the place of ``pooling_mode`` before sentence-transformers 6.
_OLD_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
# What the settings of a transformer may say without changing what is pooled; other keys concern other kinds of models.
_PLAIN_SETTINGS: dict[str, tuple[object, ...]] = {
    "module_output_name": ("token_embeddings",),
    "processing_kwargs": ({},),
    "processor_kwargs": ({},),
    "tokenizer_args": ({},),
    "query_length": (),
    "document_length": (),
    "query_expansion": (),
}
_TO_TEXT = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}


@dataclass(frozen=True)
class Module:
    """A step of modules.json: its class, and where its files lie."""

    kind: str
    folder: Path


@dataclass(frozen=True)
class SentenceFolder:
    """A checkpoint's folder as sentence-transformers reads it; without modules.json it declares next to nothing.

    ``transformer`` is where config.json and the weights lie.
    """

    folder: Path
    modules: tuple[Module, ...]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The folder with the steps of its modules.json. Raises as `files.read_file`, and for a malformed list."""
        path = folder / MODULES_NAME
        return cls(folder, tuple(_modules(path)) if path.exists() else ())

    @property
    def transformer(self) -> Path:
        """Where config.json and the weights lie: the first module's folder, or the folder itself."""
        return self.modules[0].folder if self.modules else self.folder

    @property
    def embeds(self) -> bool:
        """Whether the modules make the vector of a text, rather than a reranker's score."""
        return bool(self.modules) and self._settings.get("transformer_task", "feature-extraction") == (
            "feature-extraction"
        )

    def pooling(self, mode: PoolingMode | None = None, normalize: bool | None = None) -> Pooling | None:
        """The declared pooling with what was asked in its place; None where neither says anything.

        Raises UnsupportedModelError where the declared vector would need more than pooling, unless a mode is asked for;
        UsageError for ``normalize`` alone where nothing is pooled.
        """
        if mode is not None:
            length_one = any(module.kind == "Normalize" for module in self.modules)
            return Pooling(mode, length_one if normalize is None else normalize)
        declared = self._declared() if self.embeds else None
        if declared is None and normalize is not None:
            raise UsageError("--normalize", "is about a vector of the text", fix="add --pooling mean, cls or max")
        return declared if declared is None or normalize is None else replace(declared, normalize=normalize)

    def tokenizer(self, tokenizer: SqueezeBertTokenizerFast) -> SqueezeBertTokenizerFast:
        """``tokenizer`` with the longest text and the lower case that the settings of the transformer ask for."""
        given = tokenizer.settings
        length, lower = self._settings.get("max_seq_length"), self._settings.get("do_lower_case", False)
        path = self.transformer / SETTINGS_NAME
        if length is not None and (type(length) is not int or length < 1):
            fix = "correct max_seq_length"
            raise InputFileError(path, "max_seq_length is not valid", found=repr(length)[:80], fix=fix)
        settings = given if length is None else replace(given, model_max_length=length)
        if lower is True and not given.do_lower_case:
            # The text is put into lower case before the tokenizer sees it, and keeps its accents.
            settings = replace(settings, do_lower_case=True, strip_accents=given.strips_accents)
        return tokenizer if settings == given else tokenizer.with_settings(settings)

    def activation(self) -> Activation | None:
        """What a reranker's one output goes through; None where sentence-transformers made no reranker of it.

        Raises UnsupportedModelError for another activation than these two.
        """
        config = read_json(self.transformer / CONFIG_NAME)
        own = self._own_config if self._own_config.get("model_type") == "CrossEncoder" else {}
        inner = config.get("sentence_transformers")
        sources = (own, inner if isinstance(inner, dict) else {}, config)
        keys = ("activation_fn", "activation_fn", "sbert_ce_default_activation_function")
        named = next((values[key] for values, key in zip(sources, keys, strict=True) if values.get(key)), None)
        if named is None:
            return "sigmoid" if own or isinstance(inner, dict) else None
        kind = str(named).rsplit(".", 1)[-1].lower()
        if kind not in _ACTIVATION_PATHS:
            what = "declares an activation of the score that is not supported; the scores would lack it"
            fix = "name torch.nn.Identity or torch.nn.Sigmoid there"
            expected = "Identity or Sigmoid"
            raise UnsupportedModelError(self.folder, what, found=str(named)[:80], expected=expected, fix=fix)
        return kind

    def notes(self) -> tuple[str, ...]:
        """What the declaration asks of the caller, which no exported file can do."""
        if not self.embeds:
            return ()
        prompts = self._own_config.get("prompts")
        named = {k: v for k, v in prompts.items() if v} if isinstance(prompts, dict) else {}
        notes = [f"write the prompt {text!r} before a {name} yourself" for name, text in named.items()]
        similarity = self._own_config.get("similarity_fn_name") or "cosine"
        if similarity != "cosine":
            notes.append(f"the model declares {similarity} similarity; predict and the app give the cosine")
        return tuple(notes)

    @cached_property
    def _settings(self) -> dict[str, object]:
        path = self.transformer / SETTINGS_NAME
        return read_json(path) if self.modules and path.exists() else {}

    @cached_property
    def _own_config(self) -> dict[str, object]:
        path = self.folder / OWN_CONFIG_NAME
        return read_json(path) if path.exists() else {}

    def _declared(self) -> Pooling:
        kinds = tuple(module.kind for module in self.modules)
        if kinds not in (_KINDS, _KINDS[:2]):
            what = "declares modules that no exported file has; the vectors would be others"
            raise _refusal(
                self.folder / MODULES_NAME, what, ", ".join(kinds), "Transformer, Pooling and maybe Normalize"
            )
        self._refuse_settings()
        path = self.modules[1].folder / CONFIG_NAME
        config = read_json(path)
        found = _mode(config)
        if found not in _MODES:
            what = "declares a pooling that no exported file has; the vectors would be others"
            raise _refusal(path, what, str(found)[:80], ", ".join(_MODES))
        if len(kinds) > 2:
            _require_plain_normalization(self.modules[2].folder / CONFIG_NAME)
        return Pooling(cast("PoolingMode", found), normalize=len(kinds) > 2)

    def _refuse_settings(self) -> None:
        """Raise UnsupportedModelError for settings by which sentence-transformers would give other vectors."""
        path = self.transformer / SETTINGS_NAME
        if self._settings.get("modality_config", _TO_TEXT) != _TO_TEXT:
            what = "modality_config pools another output than last_hidden_state; the vectors would be others"
            raise _refusal(path, what, None, json.dumps(_TO_TEXT))
        for key, plain in _PLAIN_SETTINGS.items():
            value = self._settings.get(key)
            if value is not None and value not in plain:
                what = f"{key} is not supported; the vectors would be others"
                raise _refusal(path, what, json.dumps(value)[:80], None)
        path, own = self.folder / OWN_CONFIG_NAME, self._own_config
        prompts, default = own.get("prompts"), own.get("default_prompt_name")
        prompt = prompts.get(default) if isinstance(prompts, dict) and isinstance(default, str) else None
        if prompt:
            what = "puts a prompt before every text; no reader of a bundle does, and the vectors would lack it"
            fix = f"set default_prompt_name to null there, and write {prompt!r} before each text yourself"
            raise UnsupportedModelError(path, what, found=repr(prompt)[:80], fix=fix)
        if own.get("truncate_dim") is not None:
            what = "cuts the vectors; an exported file gives all of their values"
            fix = "set truncate_dim to null there, and cut the vectors yourself"
            raise UnsupportedModelError(path, what, found=f"truncate_dim {own['truncate_dim']}", fix=fix)


def score_keys(activation: Activation | None) -> dict[str, object]:
    """The keys of a config.json by which sentence-transformers' CrossEncoder reads a reranker's activation."""
    return {} if activation is None else {"sentence_transformers": {"activation_fn": _ACTIVATION_PATHS[activation]}}


def declaration(pooling: Pooling, *, hidden_size: int, max_length: int) -> dict[str, bytes]:
    """The files, by path, by which every sentence-transformers since 2.0 reads a folder as this pooling declares it."""
    kinds = _KINDS if pooling.normalize else _KINDS[:2]
    paths = ["", *(f"{index}_{kind}" for index, kind in enumerate(kinds[1:], 1))]
    steps = [
        {"idx": index, "name": str(index), "path": path, "type": f"{_PACKAGE}models.{kind}"}
        for index, (path, kind) in enumerate(zip(paths, kinds, strict=True))
    ]
    modes = {key: mode == pooling.mode for key, mode in _OLD_MODES.items()}
    own: dict[str, object] = {
        "model_type": "SentenceTransformer",
        "similarity_fn_name": "cosine",
        "prompts": {},
        "default_prompt_name": None,
    }
    files = {
        MODULES_NAME: (json.dumps(steps, indent=2) + "\n").encode(),
        SETTINGS_NAME: dump_json({"max_seq_length": max_length, "do_lower_case": False}),
        OWN_CONFIG_NAME: dump_json(own),
        f"{paths[1]}/{CONFIG_NAME}": dump_json({"word_embedding_dimension": hidden_size, **modes}),
    }
    if pooling.normalize:
        files[f"{paths[2]}/{CONFIG_NAME}"] = dump_json({})
    return files


def _modules(path: Path) -> Iterator[Module]:
    for step in read_json_list(path):
        kind = step.get("type") if isinstance(step, dict) else None
        place = step.get("path") if isinstance(step, dict) else None
        if not isinstance(kind, str) or not isinstance(place, str):
            raise InputFileError(path, "has a module without type and path", fix="restore the original file")
        parts = PurePosixPath(place)
        if parts.is_absolute() or ".." in parts.parts or "\\" in place or "\0" in place:
            fix = "restore the original file, which names folders beside it"
            raise InputFileError(path, "names a folder outside of its own", found=repr(place)[:80], fix=fix)
        yield Module(kind.rsplit(".", 1)[-1] if kind.startswith(_PACKAGE) else kind, path.parent / parts)


def _mode(config: Mapping[str, object]) -> object:
    """One mode's name, or all names where there are several, whose vectors sentence-transformers joins."""
    if "pooling_mode" in config:
        value = config["pooling_mode"]
        return value[0] if isinstance(value, list) and len(value) == 1 else value
    modes = [mode for key, mode in _OLD_MODES.items() if config.get(key)]
    return (modes or ["mean"])[0] if len(modes) < 2 else ", ".join(modes)


def _require_plain_normalization(path: Path) -> None:
    """Raise UnsupportedModelError for a Normalize module that works on another value than the vector of the text."""
    config = read_json(path) if path.exists() else {}
    for key in ("module_input_name", "module_output_name"):
        if config.get(key) not in (None, "sentence_embedding"):
            raise _refusal(path, f"{key} is not the text's vector", str(config[key])[:80], "sentence_embedding")


def _refusal(path: Path, what: str, found: str | None, expected: str | None) -> SqueezeBertMobileError:
    fix = "pass --pooling mean, cls or max for the vectors of the transformer alone"
    return UnsupportedModelError(path, what, found=found, expected=expected, fix=fix)
