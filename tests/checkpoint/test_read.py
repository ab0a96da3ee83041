"""The options that say how a checkpoint is read: one set of fields, the same in every command that reads one."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import handmade
import pytest
import safetensors.torch
import tiny
import torch
from typer.testing import CliRunner

from squeezebert_mobile.benchmarks.options import BenchmarkCommandOptions
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.checkpoint.options import ReadOptions
from squeezebert_mobile.cli import InfoOptions, app
from squeezebert_mobile.errors import InputFileError, SqueezeBertMobileError, UnsupportedModelError, UsageError
from squeezebert_mobile.export.options import ExportOptions
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast
from squeezebert_mobile.training.options import EvaluateOptions, FinetuneOptions

ROWS = "text\tlabel\na fine film\tpositive\nno wit\tnegative\n"
READERS = (ExportOptions, FinetuneOptions, EvaluateOptions, InfoOptions, BenchmarkCommandOptions)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint(tmp_path_factory.mktemp("saved") / "model", Task.TEXT_CLASSIFICATION, tiny.SMALL)


def wrapped(folder: Path, saved: Path) -> Path:
    """The checkpoint as a training loop keeps it: an entry of a larger file, under a wrapper's prefix, no tokenizer."""
    folder.mkdir()
    shutil.copy(saved / "config.json", folder)
    state = safetensors.torch.load_file(saved / "model.safetensors")
    content = {
        "epoch": 3,
        "hyper_parameters": {"lr": 0.1},
        "loops": {"fit_loop": {"state_dict": {}}},
        "state_dict": {f"model.{name}": tensor for name, tensor in state.items()} | {"acc.total": torch.tensor(7)},
    }
    torch.save(content, folder / "last.ckpt")
    return folder / "last.ckpt"


@pytest.mark.parametrize("kind", READERS)
def test_every_command_that_reads_a_checkpoint_takes_them(kind: type[ReadOptions]) -> None:
    assert issubclass(kind, ReadOptions)
    own = {field.name for field in dataclasses.fields(kind)}
    assert own >= {field.name for field in dataclasses.fields(ReadOptions)}


def advised(error: SqueezeBertMobileError) -> list[str]:
    """The options that an error says to pass."""
    return error.fix.removeprefix("pass ").split()


def invoke(*arguments: str | Path) -> SqueezeBertMobileError | None:
    """Run a command in this process; its error."""
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SqueezeBertMobileError), done.exception
    return done.exception


@pytest.mark.parametrize("command", ["info", "evaluate", "finetune", "export", "benchmark"])
def test_the_options_of_an_error_read_the_file_in_every_command(tmp_path: Path, saved: Path, command: str) -> None:
    file = wrapped(tmp_path / "loop", saved)
    (tmp_path / "data.tsv").write_text(ROWS, encoding="utf-8")
    data = ("--data", tmp_path / "data.tsv", "--quiet")
    call: dict[str, tuple[str | Path, ...]] = {
        "info": (file,),
        "evaluate": (file, *data),
        "finetune": ("--task", "text-classification", "-m", file, "-o", tmp_path / "new", "--epochs", "1", *data),
        "export": ("-m", file, "-o", tmp_path / "b", "--runtime", "onnx", "--precision", "fp32"),
        "benchmark": ("--model", file, "--quick", "--min-seconds", "0", "--tokens", "8"),
    }
    tokenizer: tuple[str | Path, ...] = ()
    error = invoke(command, *call[command])
    if command in ("evaluate", "finetune", "export"):
        assert isinstance(error, InputFileError)
        assert "has no tokenizer" in str(error) and "--tokenizer FOLDER" in error.fix
        tokenizer = ("--tokenizer", saved)
        error = invoke(command, *call[command], *tokenizer)
    assert isinstance(error, UnsupportedModelError)
    options = advised(error)
    assert options == ["--state-key", "state_dict", "--strip-prefix", "model."]
    assert invoke(command, *call[command], *tokenizer, *options) is None
    if command == "export":
        notes = bundles.read(tmp_path / "b").manifest.source.notes
        assert "left out: 1 tensor outside of the prefix model., such as acc.total" in notes
        assert "the tokenizer is that of model" in notes


def test_a_state_dict_inside_of_entries(tmp_path: Path, saved: Path) -> None:
    state = safetensors.torch.load_file(saved / "model.safetensors")
    shutil.copy(saved / "config.json", tmp_path)
    file = tmp_path / "model.pt"
    torch.save({"ema": {"shadow": {"decay": 0.9}}, "a.b": {"net": {"weights": state}}}, file)
    with pytest.raises(UnsupportedModelError, match=r"wraps its state dict .*pass --state-key a\.b\.net\.weights$"):
        checkpoint.load(file)
    assert checkpoint.load(file, state_key="a.b.net.weights").tensors.keys() == state.keys()
    with pytest.raises(UsageError, match=r"under 'a\.c'.*pass --state-key a\.b\.net\.weights$"):
        checkpoint.load(file, state_key="a.c")
    with pytest.raises(UnsupportedModelError, match=r"pass --state-key a\.b\.net\.weights$"):
        checkpoint.load(file, state_key="a.b")


def test_a_pickle_that_holds_itself_is_looked_through_once(tmp_path: Path, saved: Path) -> None:
    shutil.copy(saved / "config.json", tmp_path)
    content: dict[str, Any] = {f"key {number}": {} for number in range(50)}
    for value in list(content.values()):
        value.update({f"again {number}": content for number in range(50)})
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(UnsupportedModelError, match="is not a state dict"):
        checkpoint.load(tmp_path / "model.pt")


def bare(folder: Path, saved: Path) -> Path:
    """The checkpoint without its tokenizer."""
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(saved / name, folder)
    return folder


@pytest.mark.parametrize("name", ["", "tokenizer.json", "vocab.txt"])
def test_the_tokenizer_of_another_folder(tmp_path: Path, saved: Path, name: str) -> None:
    loaded = checkpoint.load(bare(tmp_path / "bare", saved), tokenizer=str(saved / name))
    own = SqueezeBertTokenizerFast.from_pretrained(saved)
    assert loaded.tokenizer().pieces == own.pieces
    assert loaded.tokenizer().settings == own.settings


@pytest.mark.parametrize("where", ["beside the vocabulary", "beside the weights"])
def test_a_vocabulary_alone_is_read_with_the_settings_there_are(tmp_path: Path, saved: Path, where: str) -> None:
    folder, words = bare(tmp_path / "bare", saved), tmp_path / "base" / "cased-vocab.txt"
    words.parent.mkdir()
    shutil.copy(saved / "vocab.txt", words)
    home = words.parent if where == "beside the vocabulary" else folder
    (home / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    assert not checkpoint.load(folder, tokenizer=str(words)).tokenizer().do_lower_case


def test_a_tokenizer_that_is_not_there_or_does_not_fit(tmp_path: Path, saved: Path) -> None:
    folder = bare(tmp_path / "bare", saved)
    with pytest.raises(InputFileError, match="is no such folder"):
        checkpoint.load(folder, tokenizer="nosuch").tokenizer()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(300))]
    SqueezeBertTokenizerFast(pieces).save_pretrained(tmp_path / "large")
    with pytest.raises(UnsupportedModelError, match="more tokens than the embedding has rows"):
        checkpoint.load(folder, tokenizer=str(tmp_path / "large")).tokenizer()


@pytest.mark.parametrize("option", ["--revision", "--tokenizer", "--state-key", "--strip-prefix"])
def test_a_bundle_has_no_use_for_them(tmp_path: Path, option: str) -> None:
    handmade.write(tmp_path / "bundle")
    (tmp_path / "data.tsv").write_text(ROWS, encoding="utf-8")
    for command in (("info", tmp_path / "bundle"), ("evaluate", tmp_path / "bundle", "--data", tmp_path / "data.tsv")):
        error = invoke(*command, option, "x")
        assert isinstance(error, UsageError)
        assert str(error).startswith(f"{option}: is for checkpoints") and error.fix == f"drop {option}"


def test_layer_norms_by_their_old_names(tmp_path: Path, saved: Path) -> None:
    state = safetensors.torch.load_file(saved / "model.safetensors")
    spelled = {
        name.replace("ayerNorm.weight", "ayerNorm.gamma")
        .replace("ayerNorm.bias", "ayerNorm.beta")
        .replace("layernorm.weight", "layernorm.gamma")
        .replace("layernorm.bias", "layernorm.beta"): tensor
        for name, tensor in state.items()
    }
    assert spelled.keys() != state.keys()
    shutil.copytree(saved, tmp_path / "old")
    safetensors.torch.save_file(spelled, tmp_path / "old" / "model.safetensors")
    fitted = checkpoint.load_model(checkpoint.load(tmp_path / "old")).model.state_dict()
    assert all(torch.equal(tensor, fitted[name]) for name, tensor in state.items())
