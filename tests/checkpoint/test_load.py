"""Checkpoints: the same tensors through every container that Hugging Face writes, and one sentence for every fault.

The numbers in the headings are the rows of the list of faults that SECURITY.md and the issues refer to.
"""

import dataclasses
import hashlib
import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from squeezebert_mobile.checkpoint import load as checkpoint
from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import (
    EnvironmentFault,
    InputFileError,
    IntegrityError,
    SqueezeBertMobileError,
    UnsupportedModelError,
    UsageError,
)
from squeezebert_mobile.model import MODEL_CLASSES, PreTrained, model_class
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast

SMALL = SqueezeBertConfig(
    vocab_size=60,
    hidden_size=48,
    embedding_size=48,
    num_hidden_layers=2,
    num_attention_heads=12,
    intermediate_size=96,
    max_position_embeddings=24,
)
CLASSIFIER = model_class(Task.TEXT_CLASSIFICATION)
MASKED_LM = model_class(Task.FILL_MASK)
BASE = model_class(Task.FEATURE_EXTRACTION)


def make(cls: type[PreTrained] = CLASSIFIER, config: SqueezeBertConfig = SMALL) -> PreTrained:
    """A random model whose biases and norms are not the initial zeros and ones, so that losing one shows."""
    torch.manual_seed(0)
    model = cls(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def written(folder: Path, tensors: dict[str, Tensor] | None = None, config: dict[str, object] | None = None) -> Path:
    """A classifier's folder with these tensors and these changes of its config."""
    model = make()
    model.save_pretrained(folder)
    if config is not None:
        values = json.loads((folder / "config.json").read_text()) | config
        (folder / "config.json").write_text(json.dumps(values))
    if tensors is not None:
        safetensors.torch.save_file(tensors, folder / "model.safetensors")
    return folder / "model.safetensors"


def state(cls: type[PreTrained] = CLASSIFIER) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in make(cls).state_dict().items()}


def pickled(folder: Path, value: object = None, *, legacy: bool = False) -> Path:
    """The classifier's folder with a torch.save file of ``value``, its state dict where none is given."""
    written(folder).unlink()
    path = folder / "pytorch_model.bin"
    torch.save(state() if value is None else value, path, _use_new_zipfile_serialization=not legacy)
    return path


def load_and_fit(source: Path, **options: str) -> checkpoint.Fitted:
    loaded = checkpoint.load(source, **options)  # type: ignore[arg-type]
    return checkpoint.load_model(loaded, loaded.task or Task.TEXT_CLASSIFICATION)


def refused(
    source: Path, error: type[SqueezeBertMobileError], *words: str, file: Path | None = None, **options: str
) -> SqueezeBertMobileError:
    """The error of loading ``source``: one line that names the file and a fix, and leaves the folder as it was."""
    before = sorted(path for path in source.parent.iterdir())
    with pytest.raises(error) as caught:
        load_and_fit(source, **options)
    message = str(caught.value)
    assert message.startswith(f"{file or source}: "), message
    assert "; fix: " in message
    assert "\n" not in message
    assert "weights_only" not in message
    for word in words:
        assert word in message, message
    assert before == sorted(path for path in source.parent.iterdir())
    return caught.value


def assert_same(model: PreTrained, tensors: dict[str, Tensor]) -> None:
    own = model.state_dict()
    assert own.keys() == tensors.keys()
    for name, tensor in own.items():
        assert torch.equal(tensor, tensors[name]), name


# Every container, both ways


@pytest.fixture(params=MODEL_CLASSES, ids=lambda cls: cls.__name__)
def cls(request: pytest.FixtureRequest) -> type[PreTrained]:
    return request.param  # type: ignore[no-any-return]


def test_transformers_reads_what_we_save(tmp_path: Path, cls: type[PreTrained]) -> None:
    model = make(cls)
    model.save_pretrained(tmp_path)
    theirs, report = getattr(transformers, cls.__name__).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values()), report
    assert_same(model, theirs.state_dict())
    assert theirs.config.architectures == [cls.__name__]
    assert_same(cls.from_pretrained(tmp_path), model.state_dict())


@pytest.mark.parametrize("container", ["safetensors", "shards", "bin", "legacy bin", "bin shards"])
def test_we_read_what_transformers_saves(tmp_path: Path, cls: type[PreTrained], container: str) -> None:
    make(cls).save_pretrained(tmp_path / "ours")
    theirs = getattr(transformers, cls.__name__).from_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs", max_shard_size="20KB" if container == "shards" else "1GB")
    if "bin" in container:
        (tmp_path / "theirs" / "model.safetensors").unlink()
        to_bin(tmp_path / "theirs", theirs.state_dict(), container)
    loaded = checkpoint.load(tmp_path / "theirs")
    assert loaded.task is cls.task
    assert len(loaded.source.files) == (2 if "shards" not in container else 2 + len(shards(tmp_path / "theirs")))
    assert_same(cls.from_pretrained(tmp_path / "theirs"), theirs.state_dict())


def to_bin(folder: Path, tensors: dict[str, Tensor], container: str) -> None:
    """The pickles that earlier versions of transformers wrote."""
    if container != "bin shards":
        path = folder / "pytorch_model.bin"
        torch.save(tensors, path, _use_new_zipfile_serialization=container == "bin")
        return
    names = list(tensors)
    parts = {f"pytorch_model-0000{part + 1}-of-00002.bin": names[part::2] for part in range(2)}
    for file, part_names in parts.items():
        torch.save({name: tensors[name] for name in part_names}, folder / file)
    weight_map = {name: file for file, part_names in parts.items() for name in part_names}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*-of-*"))


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make(MASKED_LM).save_pretrained(tmp_path / name)
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["config.json", "model.safetensors"]


def test_saving_again_over_what_was_read(tmp_path: Path) -> None:
    written(tmp_path)
    model = CLASSIFIER.from_pretrained(tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_saving_in_half_precision(tmp_path: Path) -> None:
    model = make()
    checkpoint.save(tmp_path, model, dtype=torch.float16)
    loaded = checkpoint.load(tmp_path)
    assert loaded.source.notes == (f"cast to float32: {len(model.state_dict())} float16 tensors",)
    torch.testing.assert_close(
        loaded.tensors["classifier.bias"], model.state_dict()["classifier.bias"], atol=1e-3, rtol=0
    )


def test_saving_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(EnvironmentFault, match="cannot be written"):
        make().save_pretrained(tmp_path / "file")


def test_a_weights_file_beside_its_config(tmp_path: Path) -> None:
    path = written(tmp_path)
    path = path.rename(tmp_path / "best.safetensors")
    assert_same(make(), checkpoint.fit(checkpoint.load(path), make()).model.state_dict())
    refused(tmp_path, InputFileError, "has no weights")


def test_the_source_is_what_was_read(tmp_path: Path) -> None:
    path = written(tmp_path / "tiny")
    source = checkpoint.load(tmp_path / "tiny").source
    assert (source.name, source.revision, source.notes) == ("tiny", None, ())
    for file in source.files:
        data = (path.parent / file.path).read_bytes()
        assert (file.sha256, file.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    path.parent.rename(tmp_path / "moved")
    assert checkpoint.load(tmp_path / "moved").source.digest == source.digest


def test_memory_stays_near_the_file(tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, vocab_size=40_000)
    make(config=config).save_pretrained(tmp_path)
    size = (tmp_path / "model.safetensors").stat().st_size
    tracemalloc.start()
    loaded = checkpoint.load(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert loaded.tensors
    assert peak < 2.1 * size


# Heads and prefixes


@pytest.mark.parametrize("task", [task for task in Task if task is not Task.FEATURE_EXTRACTION])
def test_a_task_model_gives_its_body(tmp_path: Path, task: Task) -> None:
    make(model_class(task)).save_pretrained(tmp_path)
    loaded = checkpoint.load(tmp_path)
    fitted = checkpoint.fit(loaded, BASE(loaded.config))
    assert_same(fitted.model, make(model_class(task)).transformer.state_dict())  # type: ignore[union-attr]
    assert all("is left out: it belongs to another head" in note for note in fitted.notes)
    assert fitted.notes


def test_a_model_is_made_for_its_own_task_unless_another_is_asked_for(tmp_path: Path) -> None:
    make().save_pretrained(tmp_path)
    loaded = checkpoint.load(tmp_path)
    own, other = checkpoint.load_model(loaded), checkpoint.load_model(loaded, Task.FEATURE_EXTRACTION)
    assert (type(own.model), type(other.model)) == (CLASSIFIER, BASE)
    assert not own.model.training
    three = dataclasses.replace(loaded.config, id2label=("A", "B", "C"))
    with pytest.raises(UnsupportedModelError, match="the number of names in id2label does not fit classifier"):
        checkpoint.load_model(loaded, config=three)


def test_the_tokenizer_of_another_vocabulary_is_refused(tmp_path: Path) -> None:
    make().save_pretrained(tmp_path)
    loaded = checkpoint.load(tmp_path)
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    SqueezeBertTokenizerFast([*special, "a"]).save_pretrained(tmp_path)
    assert loaded.tokenizer().pieces == (*special, "a")
    SqueezeBertTokenizerFast([*special, *map(str, range(60))]).save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModelError, match=r"more tokens than the embedding has rows .found 65, expected 60"):
        loaded.tokenizer()


def test_a_body_starts_a_task_model_only_when_asked(tmp_path: Path) -> None:
    make(BASE).save_pretrained(tmp_path)
    loaded = checkpoint.load(tmp_path)
    model = CLASSIFIER(loaded.config)
    with pytest.raises(UnsupportedModelError, match=r"lacks classifier.weight, classifier.bias; fix: .*--init-head"):
        checkpoint.fit(loaded, model)
    drawn = model.classifier.weight.clone()
    fitted = checkpoint.fit(loaded, model, init_head=True)
    assert fitted.initialised == ("classifier.weight", "classifier.bias")
    assert fitted.notes == tuple(f"{name} is missing and initialised at random" for name in fitted.initialised)
    assert torch.equal(model.classifier.weight, drawn)
    words = "embeddings.word_embeddings.weight"
    assert torch.equal(model.state_dict()[f"transformer.{words}"], loaded.tensors[words])


def test_init_head_never_makes_a_body(tmp_path: Path) -> None:
    tensors = state()
    del tensors["transformer.encoder.layers.1.output.conv1d.bias"]
    loaded = checkpoint.load(written(tmp_path, tensors).parent)
    with pytest.raises(
        UnsupportedModelError, match=r"lacks transformer.encoder.layers.1.output.conv1d.bias; fix: take"
    ):
        checkpoint.fit(loaded, make(), init_head=True)


def test_tasks_that_do_not_read_the_pooler(tmp_path: Path) -> None:
    model = make(MASKED_LM)
    model.save_pretrained(tmp_path)
    tensors = {name: tensor for name, tensor in checkpoint.load(tmp_path).tensors.items() if "pooler" not in name}
    safetensors.torch.save_file(tensors, tmp_path / "model.safetensors")
    loaded = checkpoint.load(tmp_path)
    ids = torch.arange(12)[None]
    (expected,) = model.tensors(ids)
    fitted = checkpoint.fit(loaded, model)
    assert not fitted.model.state_dict()["transformer.pooler.dense.weight"].any()
    assert len([note for note in fitted.notes if "does not read it" in note]) == 2
    assert torch.equal(model(ids).logits, expected)


@pytest.mark.parametrize("bias", ["cls.predictions.bias", "cls.predictions.decoder.bias"])
@pytest.mark.parametrize("tied", [True, False])
def test_masked_lm_decoders(tmp_path: Path, bias: str, tied: bool) -> None:
    model = make(MASKED_LM, dataclasses.replace(SMALL, tie_word_embeddings=tied))
    model.save_pretrained(tmp_path)
    tensors = dict(safetensors.torch.load_file(tmp_path / "model.safetensors"))
    assert ("cls.predictions.decoder.weight" in tensors) is not tied
    tensors[bias] = tensors.pop("cls.predictions.bias")
    safetensors.torch.save_file(tensors, tmp_path / "model.safetensors")
    read = MASKED_LM.from_pretrained(tmp_path)
    assert_same(read, model.state_dict())
    decoder, words = (read.get_parameter(name) for name in ("cls.predictions.decoder.weight", EMBEDDING))
    assert (decoder is words) is tied


EMBEDDING = "transformer.embeddings.word_embeddings.weight"


@pytest.mark.parametrize(
    ("name", "other"),
    [("cls.predictions.decoder.weight", EMBEDDING), ("cls.predictions.decoder.bias", "cls.predictions.bias")],
)
def test_decoders_that_contradict_what_they_are_tied_to(tmp_path: Path, name: str, other: str) -> None:
    make(MASKED_LM).save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = dict(safetensors.torch.load_file(path))
    safetensors.torch.save_file(tensors | {name: tensors[other] + 1}, path)
    refused(path, UnsupportedModelError, name, other, "different values")


def test_a_body_with_and_without_its_prefix(tmp_path: Path) -> None:
    name = "transformer.pooler.dense.bias"
    path = written(tmp_path, state() | {"pooler.dense.bias": torch.zeros(48)})
    refused(path, UnsupportedModelError, "with and without the prefix", name.removeprefix("transformer."))


# Rows 1 to 4: not weights at all, or not all of them

NAMES = ["model.safetensors", "pytorch_model.bin"]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 204000000\n"


def in_place_of(folder: Path, name: str, data: bytes) -> Path:
    written(folder).unlink()
    (folder / name).write_bytes(data)
    return folder / name


@pytest.mark.parametrize("name", NAMES)
def test_row_01_git_lfs_pointer(tmp_path: Path, name: str) -> None:
    refused(in_place_of(tmp_path, name, POINTER), InputFileError, "is a git-lfs pointer", "git lfs pull")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html>\n<html><body>Not Found</body></html>",
        b'\n  {"error": "Repository not found"}',
        b"\xef\xbb\xbf<html>",
        b"Entry not found",
        b"404: Not Found",
        b"Invalid username or password.\nPlease log in again.\n",
    ],
)
def test_row_02_text(tmp_path: Path, name: str, page: bytes) -> None:
    refused(in_place_of(tmp_path, name, page), InputFileError, "is text, not weights")


@pytest.mark.parametrize("name", NAMES)
def test_row_03_empty(tmp_path: Path, name: str) -> None:
    refused(in_place_of(tmp_path, name, b""), InputFileError, "is empty (found 0 bytes)")


@pytest.mark.parametrize("container", ["safetensors", "bin", "legacy bin"])
@pytest.mark.parametrize("part", [0.001, 0.1, 0.5, 0.9, 0.9999])
def test_row_04_truncated(tmp_path: Path, container: str, part: float) -> None:
    path = written(tmp_path) if container == "safetensors" else pickled(tmp_path, legacy=container == "legacy bin")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    error = refused(path, InputFileError, "is truncated (found ", " bytes, expected ")
    assert "bytes" in str(error.expected)


def test_a_missing_file(tmp_path: Path) -> None:
    written(tmp_path).unlink()
    refused(tmp_path, InputFileError, "has no weights", "expected model.safetensors or pytorch_model.bin")
    (tmp_path / "tf_model.h5").touch()
    refused(tmp_path, InputFileError, "found tf_model.h5")


# Rows 5 to 7: files that would run something


class Command:
    """Unpickling this would run a command that leaves a file behind."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("container", ["bin", "legacy bin", "plain pickle"])
def test_row_05_pickled_command(tmp_path: Path, container: str, protocol: int) -> None:
    written(tmp_path).unlink()
    path, marker = tmp_path / "pytorch_model.bin", tmp_path / "ran"
    value = state() | {"extra": Command(marker)}
    if container == "plain pickle":
        path.write_bytes(pickle.dumps(Command(marker), protocol))
    else:
        torch.save(value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=container == "bin")
    refused(path, InputFileError, "asks for posix.system", "nothing was run")
    assert not marker.exists()


@pytest.mark.parametrize("legacy", [False, True])
def test_row_06_pickled_module(tmp_path: Path, legacy: bool) -> None:
    path = pickled(tmp_path, torch.nn.Sequential(torch.nn.Linear(2, 2)), legacy=legacy)
    refused(path, InputFileError, "holds a pickled module (torch.nn.modules.", "torch.save(model.state_dict()")


def torchscript(path: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)


def exported_program(path: Path) -> None:
    data = io.BytesIO()
    torch.export.save(torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),)), data)
    path.write_bytes(data.getvalue())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make_archive", "word"), [(torchscript, "is a TorchScript archive"), (exported_program, "is a .pt2 archive")]
)
@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt2", "weights.pt", "model.safetensors"])
def test_row_07_archives_with_code(tmp_path: Path, make_archive: Callable[[Path], None], word: str, name: str) -> None:
    written(tmp_path).unlink()
    make_archive(tmp_path / name)
    if name.endswith(".safetensors"):
        word = "holds a pickle, not safetensors"
    refused(tmp_path / name, InputFileError, word)


# Row 8: wrapped and prefixed state dicts


def test_row_08_wrapped(tmp_path: Path) -> None:
    path = pickled(tmp_path, {"model": state(), "epoch": 3, "optimizer": {"lr": 0.1}})
    refused(path, UnsupportedModelError, "epoch, model, optimizer", "--state-key model")
    loaded = checkpoint.load(tmp_path, state_key="model")
    assert_same(make(), checkpoint.fit(loaded, make()).model.state_dict())
    refused(path, UsageError, "has no state dict under 'weights' (found epoch, model, optimizer)", state_key="weights")


def test_row_08_prefixed(tmp_path: Path) -> None:
    path = pickled(tmp_path, {f"module.{name}": tensor for name, tensor in state().items()})
    refused(path, UnsupportedModelError, "'module.'", "module.classifier.bias", "--strip-prefix module.")
    loaded = checkpoint.load(tmp_path, strip_prefix="module.")
    assert_same(make(), checkpoint.fit(loaded, make()).model.state_dict())
    refused(path, UsageError, "do not start with 'net.'", strip_prefix="net.")


def test_row_08_wrapped_and_prefixed(tmp_path: Path) -> None:
    pickled(tmp_path, {"model": {f"module.{name}": tensor for name, tensor in state().items()}, "step": 7})
    loaded = checkpoint.load(tmp_path, state_key="model", strip_prefix="module.")
    assert_same(make(), checkpoint.fit(loaded, make()).model.state_dict())


@pytest.mark.parametrize(
    ("value", "error", "word"),
    [
        ([1, 2], InputFileError, "is not a state dict (found list)"),
        (torch.ones(3), InputFileError, "is not a state dict (found Tensor)"),
        ({"epoch": 3}, UnsupportedModelError, "is not a state dict (found int at 'epoch')"),
        ({3: torch.ones(3)}, UnsupportedModelError, "is not a state dict (found Tensor at 3)"),
        ({}, UnsupportedModelError, "describes a larger model"),
    ],
)
def test_other_values(tmp_path: Path, value: object, error: type[SqueezeBertMobileError], word: str) -> None:
    path = pickled(tmp_path, value)
    refused(path, error, word, file=tmp_path / "config.json" if value == {} else path)


# Rows 9 and 10: the layouts of torch.save


def test_row_09_legacy_equals_zip(tmp_path: Path) -> None:
    new = checkpoint.load(pickled(tmp_path / "new").parent)
    old = checkpoint.load(pickled(tmp_path / "old", legacy=True).parent)
    assert new.tensors.keys() == old.tensors.keys()
    assert all(torch.equal(tensor, old.tensors[name]) for name, tensor in new.tensors.items())


def rezipped(path: Path, change: Callable[[zipfile.ZipInfo, bytes], list[tuple[zipfile.ZipInfo, bytes]]]) -> None:
    """Rewrite an archive record by record."""
    with zipfile.ZipFile(path) as archive:
        records = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for info, data in records:
            for new_info, new_data in change(info, data):
                archive.writestr(new_info, new_data)


def test_row_10_compressed_bomb(tmp_path: Path) -> None:
    path = pickled(tmp_path)

    def inflate(info: zipfile.ZipInfo, data: bytes) -> list[tuple[zipfile.ZipInfo, bytes]]:
        if info.filename.endswith("/data/0"):
            info.compress_type, data = zipfile.ZIP_DEFLATED, bytes(60_000_000)
        return [(info, data)]

    rezipped(path, inflate)
    assert path.stat().st_size < 1_000_000
    tracemalloc.start()
    refused(path, InputFileError, "has compressed records")
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_row_10_record_larger_than_the_archive(tmp_path: Path) -> None:
    path = pickled(tmp_path)
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")  # the first entry of the directory; its size fields stand 20 bytes on
    struct.pack_into("<II", data, entry + 20, 2**31, 2**31)
    path.write_bytes(data)
    refused(path, InputFileError, "has records that are larger than the archive", "found 2147")


def test_row_10_storage_larger_than_the_archive(tmp_path: Path) -> None:
    path = pickled(tmp_path, {"a": torch.ones(1000)})

    def grow(info: zipfile.ZipInfo, data: bytes) -> list[tuple[zipfile.ZipInfo, bytes]]:
        return [(info, data.replace(b"M\xe8\x03", b"J\xff\xff\xff\x3f"))]

    rezipped(path, grow)
    refused(path, InputFileError, "is truncated", "4294967292 bytes")


def test_row_10_legacy_storage_larger_than_the_file(tmp_path: Path) -> None:
    path = pickled(tmp_path, {"a": torch.ones(1000)}, legacy=True)
    path.write_bytes(path.read_bytes().replace(b"M\xe8\x03", b"J\xff\xff\xff\x3f", 1))
    refused(path, InputFileError, "is truncated", "expected 42949")


def test_row_10_a_view_that_repeats_one_number(tmp_path: Path) -> None:
    path = pickled(tmp_path, {"a": torch.ones(1).expand(2**33)})
    refused(path, InputFileError, "holds a larger than the file itself")


@pytest.mark.parametrize(
    ("opcodes", "word"),
    [(b"\x93" * 100, "takes what is not there"), (b"c" + b"a" * 3_000_000 + b"\nb\n", f"asks for {'a' * 200}, ")],
    ids=["joined", "long"],
)
def test_row_10_names_that_grow(tmp_path: Path, opcodes: bytes, word: str) -> None:
    """Joining two values, a STACK_GLOBAL would double a name in one byte."""
    path = in_place_of(tmp_path, "pytorch_model.bin", b"\x80\x02" + pickle.BINUNICODE + b"\1\0\0\0a" + opcodes + b".")
    tracemalloc.start()
    refused(path, InputFileError, word)
    assert tracemalloc.get_traced_memory()[1] < 30_000_000
    tracemalloc.stop()


def test_row_10_two_records_of_one_name(tmp_path: Path) -> None:
    path = pickled(tmp_path)
    with pytest.warns(UserWarning, match="Duplicate name"):
        rezipped(path, lambda info, data: [(info, data)] * (2 if info.filename.endswith("/data/0") else 1))
    refused(path, InputFileError, "has two records of one name")


def test_an_archive_of_something_else(tmp_path: Path) -> None:
    path = pickled(tmp_path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("letter/content.xml", "<a/>")
    refused(path, InputFileError, "is a zip archive without one data.pkl")


@pytest.mark.parametrize("name", NAMES)
def test_the_other_container(tmp_path: Path, name: str) -> None:
    weights, pickles = written(tmp_path / "a").read_bytes(), pickled(tmp_path / "b").read_bytes()
    path = in_place_of(tmp_path / "c", name, weights if name == "pytorch_model.bin" else pickles)
    other = next(other for other in NAMES if other != name)
    refused(path, InputFileError, f"rename it to {other}")


# Row 11: nine malformed kinds of safetensors


def with_header(header: object, data: bytes = bytes(16), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(begin: int, end: int, shape: list[object] | None = None, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": [(end - begin) // 4] if shape is None else shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (with_header({}, length=2**60), "has no header of a SqueezeBERT (found 1152921504606846976 bytes"),
        (with_header({}, length=100_000), "is truncated"),
        (with_header(b"{not json"), "has a header that is not JSON"),
        (with_header(b"[" * 50_000), "has a header that is nested too deeply"),
        (with_header(b"[]"), "has a header that is not an object"),
        (with_header(b'{"a": "\xff"}'), "has a header that is not UTF-8 at byte 7"),
        (with_header({"a": entry(0, 8), "b": entry(4, 16)}), "is not valid safetensors: invalid offset for tensor `b`"),
        (with_header({"a": entry(0, 4), "b": entry(8, 16)}), "is not valid safetensors: invalid offset for tensor `b`"),
        (with_header({"a": entry(0, 8)}), "is not valid safetensors: incomplete metadata, file not fully covered"),
        (with_header({"a": entry(0, 32)}), "is truncated (found 86 bytes, expected 102 bytes)"),
        (with_header({"a": entry(0, 16, [2**62, 8])}), "overflow computing buffer size"),
        (with_header({"a": entry(0, 16, [2**63])}), "overflow computing buffer size"),
        (with_header({"a": entry(0, 16, [-4])}), "invalid value: integer `-4`"),
        (with_header({"a": entry(16, 0, [0])}), "invalid offset for tensor `a`"),
        (with_header(b'{"a": {}, "a": {}}'), "has a header that has the key 'a' twice"),
        (with_header({"a": entry(0, 16, dtype="F31")}), "unknown variant `F31`"),
        (with_header({"a": entry(0, 16) | {"dtype": ["F32"]}}), "invalid type: sequence, expected string"),
        (with_header({"a": entry(0, 16, [2**62] * 40_000)}), "has a tensor of an impossible shape"),
        (with_header({"a": entry(0, 16, [2**62] * 8)}), "overflow computing buffer size"),
        (with_header({"a": entry(0, 0, [0, *[2**62] * 7])}, b""), "has a tensor of an impossible shape"),
        (with_header({"a": entry(0, 0, [0, 2**62, 0, 2**62])}, b""), "has a tensor of an impossible shape"),
        (with_header({"a": entry(0, 16, [1] * 3 + [4] + [1] * 5)}), "has a tensor of an impossible shape"),
        (with_header(b"{}" + b" " * 2**20), "has no header of a SqueezeBERT (found 1048578 bytes, expected at most"),
        (with_header({str(n): entry(0, 0, [0]) for n in range(20_000)}, b""), "has no header of a SqueezeBERT"),
        (with_header({"a": {"dtype": "F32"}}), "missing field `shape`"),
        (with_header({"a": 7}), "invalid type: integer `7`"),
        (b"\0\0\0", "is truncated (found 3 bytes"),
    ],
)
def test_row_11_malformed_safetensors(tmp_path: Path, data: bytes, word: str) -> None:
    refused(in_place_of(tmp_path, "model.safetensors", data), InputFileError, word)


# Row 12: known digests


@pytest.mark.parametrize("before", ["", "./"])
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_row_12_a_flipped_bit_with_sha256sums(tmp_path: Path, name: str, before: str) -> None:
    written(tmp_path)
    path = tmp_path / name
    data = bytearray(path.read_bytes())
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(tmp_path.iterdir())}
    (tmp_path / "SHA256SUMS").write_text("".join(f"{digest}  {before}{file}\n" for file, digest in digests.items()))
    assert checkpoint.load(tmp_path).tensors
    data[-20] ^= 1
    path.write_bytes(data)
    found = hashlib.sha256(data).hexdigest()
    error = refused(path if name == "model.safetensors" else tmp_path, IntegrityError, found, digests[name], file=path)
    assert error.exit_code == 4


def test_row_12_a_list_of_digests_of_other_files(tmp_path: Path) -> None:
    path = written(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  model.safetensors\n")
    assert checkpoint.load(tmp_path).source.notes == ("config.json has no line in SHA256SUMS",)
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  model/model.safetensors\n")
    refused(tmp_path, InputFileError, "names none of the files that are read", file=tmp_path / "SHA256SUMS")


def test_row_12_a_damaged_list_of_digests(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "SHA256SUMS").write_text("model.safetensors\n")
    refused(tmp_path, InputFileError, "line 1 is not a digest and a name", file=tmp_path / "SHA256SUMS")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_row_12_a_flipped_bit_in_the_hub_cache(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "snapshots" / ("a" * 40)
    written(folder)
    data = bytearray((folder / name).read_bytes())
    known = hashlib.sha256(data).hexdigest()
    if name == "config.json":
        known = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    blob = tmp_path / "blobs" / known
    blob.parent.mkdir()
    (folder / name).rename(blob)
    (folder / name).symlink_to(blob)
    assert checkpoint.load(folder).source.revision == "a" * 40
    data[-20] ^= 1
    blob.write_bytes(data)
    refused(folder, IntegrityError, known, str(blob), file=folder / name)


def test_row_12_a_flipped_bit_in_a_zip(tmp_path: Path) -> None:
    path = pickled(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    refused(path, IntegrityError, "checksum mismatch in record")


# Rows 13 to 15: values and types


@pytest.mark.parametrize(("value", "count"), [(float("nan"), 1), (float("inf"), 3), (float("-inf"), 48)])
def test_row_13_not_a_number(tmp_path: Path, value: float, count: int) -> None:
    tensors = state()
    tensors["transformer.pooler.dense.bias"][:count] = value
    path = written(tmp_path, tensors)
    refused(path, InputFileError, "transformer.pooler.dense.bias", f"found {count} of 48 values NaN or infinite")


def test_row_13_too_large_for_float32(tmp_path: Path) -> None:
    tensors = state()
    tensors["classifier.bias"] = torch.tensor([1e300, 0.0], dtype=torch.float64)
    refused(written(tmp_path, tensors), InputFileError, "classifier.bias", "1 of 2 values NaN or infinite")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("container", ["safetensors", "bin", "legacy bin"])
def test_rows_14_and_15_other_floats(tmp_path: Path, dtype: torch.dtype, container: str) -> None:
    tensors = {name: tensor.to(dtype) for name, tensor in state().items()}
    if container == "safetensors":
        written(tmp_path, tensors)
    else:
        pickled(tmp_path, tensors, legacy=container == "legacy bin")
    loaded = checkpoint.load(tmp_path)
    assert {tensor.dtype for tensor in loaded.tensors.values()} == {torch.float32}
    assert all(torch.equal(tensor, tensors[name].float()) for name, tensor in loaded.tensors.items())
    name = str(dtype).removeprefix("torch.")
    assert loaded.source.notes == (f"cast to float32: {len(tensors)} {name} tensors",)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int64, torch.bool, torch.float8_e4m3fn], ids=str)
def test_row_15_no_floats(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = state()
    tensors["classifier.bias"] = torch.zeros(2).to(dtype)
    refused(written(tmp_path, tensors), UnsupportedModelError, "holds classifier.bias as", "int8 is made by export")


# Rows 16 to 20: names and shapes


@pytest.mark.parametrize("names", [["classifier.weight", "classifier.bias"], ["transformer.pooler.dense.weight"]])
def test_row_16_headless(tmp_path: Path, names: list[str]) -> None:
    tensors = {name: tensor for name, tensor in state().items() if name not in names}
    refused(written(tmp_path, tensors), UnsupportedModelError, f"lacks {', '.join(names)};", "--init-head")


def test_row_16_a_layer_is_missing(tmp_path: Path) -> None:
    path = written(tmp_path, config={"num_hidden_layers": 3})
    refused(path, UnsupportedModelError, "lacks transformer.encoder.layers.2.", "and 4 more", "a complete checkpoint")


def test_row_17_position_ids(tmp_path: Path) -> None:
    name = "transformer.embeddings.position_ids"
    loaded = checkpoint.load(written(tmp_path, state() | {name: torch.arange(24)[None]}).parent)
    assert name not in loaded.tensors
    assert loaded.source.notes == (f"{name} is ignored: positions are counted",)
    assert_same(make(), checkpoint.fit(loaded, make()).model.state_dict())


def test_row_17_any_other_extra(tmp_path: Path) -> None:
    path = written(tmp_path, state() | {"transformer.adapter.weight": torch.zeros(2)})
    refused(path, UnsupportedModelError, "has unexpected tensors (found transformer.adapter.weight)")
    path = written(tmp_path, config={"num_hidden_layers": 1})
    refused(path, UnsupportedModelError, "transformer.encoder.layers.1.", "check num_hidden_layers")


def test_row_19_another_shape(tmp_path: Path) -> None:
    name = "transformer.encoder.layers.0.output.conv1d.weight"
    path = written(tmp_path, state() | {name: torch.zeros(48, 96, 1)})
    refused(path, UnsupportedModelError, f"shape mismatch for {name} (found (48, 96, 1), expected (48, 24, 1))")


@pytest.mark.parametrize(
    ("key", "value", "rows"), [("vocab_size", 54, 60), ("vocab_size", 66, 60), ("max_position_embeddings", 512, 24)]
)
def test_row_20_rows(tmp_path: Path, key: str, value: int, rows: int) -> None:
    path = written(tmp_path, config={key: value})
    words = (f"{key} does not fit", f"(found {value}, expected {rows}, its rows)", f"make it {rows}")
    refused(path, UnsupportedModelError, *words, file=tmp_path / "config.json")


def test_row_27_labels_of_another_number(tmp_path: Path) -> None:
    path = written(tmp_path, config={"id2label": {"0": "a", "1": "b", "2": "c"}})
    words = ("the number of names in id2label does not fit classifier.", "(found 3, expected 2, its rows)", "make it 2")
    refused(path, UnsupportedModelError, *words, file=tmp_path / "config.json")


def test_a_config_of_terabytes_is_refused_before_a_model_is_made(tmp_path: Path) -> None:
    path = written(tmp_path, config={"hidden_size": 49_152, "embedding_size": 49_152, "num_hidden_layers": 1000})
    refused(path, UnsupportedModelError, "describes a larger model", file=tmp_path / "config.json")


# Shards


def sharded(folder: Path) -> Path:
    """A checkpoint in two shards; returns its index."""
    path = written(folder)
    tensors = safetensors.torch.load_file(path)
    path.unlink()
    names = sorted(tensors)
    weight_map = {name: f"model-0000{1 + index % 2}-of-00002.safetensors" for index, name in enumerate(names)}
    for file in set(weight_map.values()):
        safetensors.torch.save_file({name: tensors[name] for name in names if weight_map[name] == file}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    return index


def change_index(index: Path, change: Callable[[dict[str, object]], object]) -> None:
    values = json.loads(index.read_text())
    change(values)
    index.write_text(json.dumps(values))


@pytest.mark.parametrize(
    "name",
    [
        "../secret.safetensors",
        "/etc/passwd.safetensors",
        "a/../b.safetensors",
        "..",
        "a\\b.safetensors",
        "config.json",
        7,
    ],
)
def test_an_index_that_reaches_out(tmp_path: Path, name: object) -> None:
    index = sharded(tmp_path)
    change_index(index, lambda values: values["weight_map"].update({"classifier.bias": name}))  # type: ignore[attr-defined]
    refused(index, InputFileError, "names an invalid shard")


@pytest.mark.parametrize("weight_map", [{}, None, [], "model.safetensors"])
def test_an_index_without_its_map(tmp_path: Path, weight_map: object) -> None:
    index = sharded(tmp_path)
    change_index(index, lambda values: values.update(weight_map=weight_map))
    refused(index, InputFileError, "has no weight_map")


def test_a_shard_is_missing(tmp_path: Path) -> None:
    index = sharded(tmp_path)
    shard = shards(tmp_path)[1]
    shard.unlink()
    refused(index, InputFileError, "is missing", file=shard)


def test_tensors_in_the_wrong_shard(tmp_path: Path) -> None:
    index = sharded(tmp_path)
    one, two = shards(tmp_path)
    bias = json.loads(index.read_text())["weight_map"]["classifier.bias"]
    other = next(shard for shard in (one, two) if shard.name != bias)
    change_index(index, lambda values: values["weight_map"].update({"classifier.bias": other.name}))  # type: ignore[attr-defined]
    words = ("and its index disagree on classifier.bias", "download the shards and their index again")
    refused(index, InputFileError, *words, file=one)


def test_swapped_shards(tmp_path: Path) -> None:
    index = sharded(tmp_path)
    one, two = shards(tmp_path)
    one.rename(tmp_path / "x")
    two.rename(one)
    (tmp_path / "x").rename(two)
    refused(index, InputFileError, "and its index disagree on ", file=one)


# Row 48: what was hashed is what was parsed


def test_row_48_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path)
    before = path.read_bytes()
    read_bytes = Path.read_bytes

    def change_after_reading(self: Path) -> bytes:
        data = read_bytes(self)
        self.write_bytes(b"changed")
        return data

    monkeypatch.setattr(Path, "read_bytes", change_after_reading)
    loaded = checkpoint.load(path)
    assert loaded.source.files[1].sha256 == hashlib.sha256(before).hexdigest()
    assert_same(make(), checkpoint.fit(loaded, make()).model.state_dict())


# Nothing crashes


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_load_or_are_refused(tmp_path: Path, data: st.DataObject) -> None:
    container = data.draw(st.sampled_from(["safetensors", "bin", "legacy bin"]))
    folder = tmp_path / container
    original = folder / "original"
    if not folder.exists():
        path = written(folder) if container == "safetensors" else pickled(folder, legacy=container != "bin")
        path.rename(original)
    content = bytearray(original.read_bytes())
    # The headers and pickles stand at the start, a zip's directory at its end.
    positions = (
        st.integers(0, 3000) | st.integers(len(content) - 5000, len(content) - 1) | st.integers(0, len(content) - 1)
    )
    for position in data.draw(st.lists(positions, min_size=1, max_size=3)):
        content[position] ^= data.draw(st.integers(1, 255))
    content = content[: data.draw(st.just(len(content)) | st.integers(1, len(content)))]
    name = "model.safetensors" if container == "safetensors" else "pytorch_model.bin"
    (folder / name).write_bytes(content)
    try:
        load_and_fit(folder)
    except SqueezeBertMobileError as error:
        assert "; fix: " in str(error)  # noqa: PT017 - some damage only changes numbers
