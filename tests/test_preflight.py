"""A mistake that options and files show is told before anything heavy is imported."""

import io
import json
import math
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import forked
import handmade
import pytest
import tiny
from checkout import ROOT

from squeezebert_mobile.tasks import Task

ROWS = "sentence\tlabel\na fine film\t1\nno wit\t0\n"
TRAIN = "finetune --task text-classification"
# What is typed, with the files of `place` in it; the exit code; words of the error.
MISTAKES: tuple[tuple[str, int, str], ...] = (
    # Targets.
    ("export -o there", 2, "there: exists; fix: choose another output folder, or pass --force"),
    ("export -o there --force", 2, "was not written by this command"),
    ("export -o new --archive there", 2, "there: exists and is not a zip archive"),
    ("export -o data.tsv", 2, "data.tsv: is a file"),
    ("export -o /proc/new", 7, "/proc/new"),
    ("export -o new --precision int8 --sensitivity /proc/x.json", 7, "/proc/x.json"),
    (f"{TRAIN} -m model --data data.tsv -o there", 2, "there: exists"),
    (f"{TRAIN} -m model --data data.tsv -o bundle", 2, "bundle: exists"),
    (f"{TRAIN} -m model --data data.tsv -o begun", 2, "begun.training: holds an unfinished run"),
    (f"{TRAIN} -m model --data data.tsv -o new --resume", 2, "--resume: finds no state"),
    ("benchmark bundle --html there", 2, "there: is a folder"),
    ("benchmark bundle -o /proc/a.jsonl", 7, "/proc/a.jsonl"),
    ("reproduce bundle --markdown there", 2, "there: is a folder"),
    ("report run.jsonl --html there", 2, "there: is a folder"),
    ("report run.jsonl --markdown /proc/a.md", 7, "/proc/a.md"),
    (
        "export -o",
        2,
        "squeezebert-mobile export: Option '-o' requires an argument; fix: squeezebert-mobile export --help",
    ),
    # Options that do not fit the model.
    ("export -o new -m model --max-length 400", 2, "--max-length: does not fit the model"),
    ("export -o new -m model --pooling mean", 2, "--pooling: has no meaning"),
    ("export -o new -m model --null-threshold 1", 2, "--null-threshold: is for question answering"),
    ("export -o new -m model --precision int8 --keep-float layer.0", 2, "--keep-float: names no unit"),
    ("export -o new -m body", 5, "names no known architecture"),
    (f"{TRAIN} -m model --data data.tsv -o new --max-length 900", 2, "--max-length: is more than the model"),
    ("evaluate bundle --data data.tsv --runtime executorch", 2, "has no such artifact"),
    ("evaluate bundle --data data.tsv --runtime torch", 2, "fix: add --model"),
    ("evaluate bundle --data data.tsv --task fill-mask", 2, "--task: is not the bundle's"),
    ("evaluate bundle --data data.tsv --stride 3", 2, "--stride: has no meaning"),
    ("evaluate bundle --data data.tsv --tokenizer model", 2, "--tokenizer: is for checkpoints"),
    ("evaluate model --data data.tsv -m model", 2, "--model: stands beside a bundle"),
    ("evaluate model --data data.tsv --precision int8", 2, "runs in torch fp32 alone"),
    ("evaluate body --data data.tsv", 2, "has no task with labels"),
    ("benchmark bundle --precision fp16", 2, "has no such artifact"),
    ("benchmark --peer albert", 2, "--peer: "),
    ("benchmark --peer bert-base=there", 2, "there: is not a checkpoint folder"),
    ("benchmark bundle --file data.tsv", 2, "--file: is read by one scenario only"),
    ("predict bundle", 2, "TEXT: is missing"),
    ("predict bundle good --runtime executorch", 2, "has no such artifact"),
    ("predict bundle good --null-threshold 1", 2, "--null-threshold: is for question answering"),
    # Files that are not there.
    ("export -o new -m nowhere", 3, "nowhere: is no such folder"),
    ("export -o new --precision int8-static --calibration nowhere.txt", 3, "nowhere.txt: is no such file"),
    ("export -o new --golden nowhere.json", 3, "nowhere.json"),
    ("export -o new --trim-vocab nowhere.txt", 3, "nowhere.txt"),
    ("export -o new --data nowhere.tsv --max-accuracy-drop 0.1", 3, "nowhere.tsv"),
    (f"{TRAIN} -m nowhere --data data.tsv -o new", 3, "nowhere: is no such folder"),
    (f"{TRAIN} -m model --data nowhere.tsv -o new", 3, "nowhere.tsv"),
    (f"{TRAIN} -m model --data data.tsv --eval-data nowhere.csv -o new", 3, "nowhere.csv"),
    (f"{TRAIN} -m model --data data.tsv --teacher nowhere -o new", 3, "nowhere: is no such folder"),
    (f"{TRAIN} --from-scratch nowhere.json --data data.tsv -o new", 3, "nowhere.json"),
    ("evaluate nowhere --data data.tsv", 3, "nowhere: is no such folder"),
    ("evaluate bundle --data nowhere.tsv", 3, "nowhere.tsv"),
    ("evaluate bundle --data data.tsv -m nowhere", 3, "nowhere: is no such folder"),
    ("benchmark nowhere", 3, "nowhere"),
    ("benchmark model", 2, "model: is a checkpoint, not a bundle; fix: give it as --model model"),
    ("benchmark -m nowhere", 3, "nowhere: is no such folder"),
    ("benchmark bundle --scenario natural-length --file nowhere.txt", 3, "nowhere.txt"),
    ("reproduce nowhere", 3, "nowhere"),
    ("report nowhere.jsonl", 3, "nowhere.jsonl"),
    ("compare nowhere.jsonl data.tsv", 3, "nowhere.jsonl"),
    ("predict nowhere good", 3, "nowhere"),
    ("predict bundle --file nowhere.txt", 3, "nowhere.txt"),
    ("verify nowhere", 3, "nowhere"),
    ("info nowhere", 3, "nowhere: is no such folder"),
    # Checkpoints whose headers show that they are none.
    ("export -o new -m pointer", 3, "is a git-lfs pointer"),
    ("export -o new -m page", 3, "is text, not weights"),
    ("export -o new -m cut", 3, "is truncated"),
    ("export -o new -m empty", 3, "is empty"),
    ("export -o new -m pickle", 3, "holds a pickle, not safetensors"),
    ("export -o new -m scripted", 3, "is a TorchScript archive, which holds code"),
    ("export -o new -m program", 3, "is a .pt2 archive, which holds a program"),
    ("info arrays", 3, "is a zip archive without one data.pkl"),
    ("evaluate half --data data.tsv", 3, "is truncated"),
    ("benchmark -m saved_page", 3, "is text, not weights"),
    ("info adapter", 3, "num_labels=3, ignore_mismatched_sizes=True"),
    ("export -o new -m grouped", 3, "train it on layers that PEFT can merge"),
    ("export -o new -m prefixed", 5, "pass --strip-prefix model."),
    ("export -o new -m wordless", 3, "has no tokenizer"),
    ("export -o new -m mistyped", 5, "hidden_size"),
    ("export -o new -m torn", 3, "config.json"),
    ("export -o new -m bundle", 3, "name the checkpoint that this bundle was exported from"),
    ("info cut", 3, "is truncated"),
    ("evaluate cut --data data.tsv", 3, "is truncated"),
    (f"{TRAIN} -m cut --data data.tsv -o new", 3, "is truncated"),
    ("benchmark --model cut", 3, "is truncated"),
    # Files of rows without what is needed.
    (f"{TRAIN} -m model --data data.tsv -o new --column text=words", 3, "has no column for text"),
    (f"{TRAIN} -m model --data texts.csv -o new", 3, "has no column for label"),
    (f"{TRAIN} -m model --data data.tsv --eval-data texts.csv -o new", 3, "has no column for label"),
    (f"{TRAIN} --teacher model --data data.tsv -o new --layers 99", 2, "is no number of layers"),
    (f"{TRAIN} --teacher model --data data.tsv -o new --intermediate-size 5", 2, "a multiple of 4, at most 96"),
    ("finetune --task fill-mask --teacher model --data texts.csv -o new --layers 1", 5, "is a model of another task"),
    ("rank cut --data data.tsv", 3, "is truncated"),
    ("rank model --data texts.csv", 3, "has no column for label"),
    ("rank model --data data.tsv --max-length 9999", 2, "is more than the model has positions"),
    ("finetune --task text-classification -m model --data torn.jsonl -o new", 3, "torn.jsonl"),
    ("evaluate bundle --data texts.csv", 3, "has no column for label"),
    ("evaluate model --data data.tsv --column label=stars", 3, "has no column for label"),
    ("export -o new -m model --data texts.csv --max-accuracy-drop 0.1", 3, "has no column for label"),
    ("export -o new -m model --precision int8-static --calibration void.txt", 3, "void.txt: is empty"),
    ("export -o new -m model --precision int8-static --calibration wide.txt", 3, "wide.txt:1: has other columns"),
    ("report data.tsv", 3, "is not a result file of benchmark"),
    ("compare data.tsv data.tsv", 3, "is not a result file of benchmark"),
    ("info data.tsv", 3, "is neither a bundle nor a checkpoint"),
    ("benchmark bundle --scenario fast", 2, "'fast' is not one of"),
    # What is no file, and would be waited for or read without end.
    ("info /dev/zero", 3, "/dev/zero: is a device or pipe, not a folder"),
    ("info pipe", 3, "pipe: is a device or pipe, not a folder"),
    ("export -o new -m pipe", 3, "pipe: is a device or pipe, not a folder"),
    ("export -o new -m piped", 3, "is a device or pipe, not a file"),
    ("export -o new -m model --tokenizer pipe", 3, "pipe: is a device or pipe, not a folder"),
    ("export -o new --golden pipe", 3, "pipe: is a device or pipe, not a file"),
    ("export -o new --golden /dev/zero", 3, "/dev/zero: is a device or pipe, not a file"),
    ("export -o new --precision int8-static --calibration pipe", 3, "pipe: is a device or pipe, not a file"),
    ("export -o new --trim-vocab pipe", 3, "pipe: is a device or pipe, not a file"),
    ("export -o new --sign-key pipe", 3, "pipe: is a device or pipe, not a file"),
    (f"{TRAIN} --from-scratch pipe --data data.tsv -o new", 3, "pipe: is a device or pipe, not a file"),
    ("evaluate pipe --data data.tsv", 3, "pipe: is a device or pipe, not a folder"),
    ("evaluate bundle --data /dev/null", 2, "/dev/null: is of an unknown type"),
    ("evaluate bundle --data /dev/zero", 2, "/dev/zero: is of an unknown type"),
    ("evaluate bundle --data pipe", 2, "pipe: is of an unknown type"),
    ("evaluate bundle --data there", 2, "there: is of an unknown type"),
    ("evaluate bundle --data void.tsv", 3, "void.tsv: holds no rows"),
    ("evaluate bundle --data void.txt", 2, ".txt, which has no columns for text-classification"),
    (f"{TRAIN} -m model --data /dev/null -o new", 2, "/dev/null: is of an unknown type"),
    ("benchmark -m pipe", 3, "pipe: is a device or pipe, not a folder"),
    ("benchmark pipe", 3, "pipe: is not a bundle folder"),
    ("benchmark bundle --scenario natural-length --file pipe", 3, "pipe: is a device or pipe, not a file"),
    ("report pipe", 3, "pipe: is a device or pipe, not a file"),
    ("report /dev/zero", 3, "/dev/zero: is a device or pipe, not a file"),
    ("compare pipe run.jsonl", 3, "pipe: is a device or pipe, not a file"),
    ("predict pipe good", 3, "pipe: is not a bundle folder"),
    ("verify /dev/zero", 3, "/dev/zero: is not a bundle folder"),
    ("pack pipe -o new --name a --version 1.0.0", 3, "pipe: is not a bundle folder"),
    ("pack bundle -o new --name a --version 1.0.0 --sign-key pipe", 3, "pipe: is a device or pipe, not a file"),
    ("push pipe me/mine", 3, "pipe: is not a bundle folder"),
    ("merge pipe", 2, "beside it"),
    # Bundles that are not whole.
    ("verify changed", 4, "SHA-256 mismatch"),
    ("predict changed good", 4, "SHA-256 mismatch"),
    ("evaluate changed --data data.tsv", 4, "SHA-256 mismatch"),
    ("benchmark changed", 4, "SHA-256 mismatch"),
    ("reproduce changed", 4, "SHA-256 mismatch"),
    ("info changed", 4, "SHA-256 mismatch"),
)


def zipped(*names: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return data.getvalue()


def pickled(folder: Path, data: bytes) -> None:
    """``data`` as the weights of a folder."""
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(data)


def adapter(folder: Path, shapes: dict[str, list[int]]) -> None:
    """What PEFT leaves of a classifier of three labels; the numbers are all 0."""
    shapes |= {"base_model.model.classifier.weight": [3, 16]}
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(end))
    (folder / "adapter_config.json").write_text(json.dumps({"task_type": "SEQ_CLS", "peft_type": "LORA"}))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sound files, and with the wrong ones that MISTAKES name."""
    place = tmp_path_factory.mktemp("preflight")
    model = tiny.checkpoint(place / "model", Task.TEXT_CLASSIFICATION)
    weights, config = (model / "model.safetensors").read_bytes(), json.loads((model / "config.json").read_text())

    def checkpoint(name: str, *, weights: bytes = weights, **changes: object) -> Path:
        shutil.copytree(model, place / name)
        (place / name / "model.safetensors").write_bytes(weights)
        (place / name / "config.json").write_text(json.dumps(config | changes))
        return place / name

    checkpoint("body", architectures=[])
    checkpoint("mistyped", hidden_size=47)
    (checkpoint("torn") / "config.json").write_text('{"hidden_size": ')
    checkpoint("pointer", weights=b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    checkpoint("page", weights=b"<html><body>404 Not Found</body></html>" * 9)
    checkpoint("cut", weights=weights[:-9])
    checkpoint("empty", weights=b"")
    checkpoint("pickle", weights=b"PK\x03\x04" + bytes(99))
    # As long as before, so that the header's size and the offsets hold.
    size = 8 + int.from_bytes(weights[:8], "little")
    renamed = weights[8:size].replace(b'"transformer.', b'"model.transformer.')
    head = len(renamed).to_bytes(8, "little") + renamed
    checkpoint("prefixed", weights=head + weights[size:])
    wordless = checkpoint("wordless")
    for path in wordless.iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()
    for name, records in {
        "scripted": ("m/data.pkl", "m/constants.pkl", "m/code/__torch__.py"),
        "program": ("m/data.pkl", "m/archive_format", "m/models/model.json"),
        "arrays": ("input_ids.npy",),
    }.items():
        pickled(checkpoint(name), zipped(*records))
    pickled(checkpoint("half"), zipped("m/data.pkl")[:-30])
    pickled(checkpoint("saved_page"), b"<html><body>404 Not Found</body></html>" * 9)
    layer = "base_model.model.transformer.encoder.layers.0.post_attention.conv1d"
    adapter(place / "adapter", {f"{layer}.lora_B.weight": [16, 8, 1], f"{layer}.lora_A.weight": [8, 16, 1]})
    adapter(place / "grouped", {f"{layer}.lora_B.weight": [16, 2, 1], f"{layer}.lora_A.weight": [8, 16, 1]})
    handmade.write(place / "bundle")
    shutil.copytree(place / "bundle", place / "changed")
    (place / "changed" / "vocab.txt").write_bytes((place / "bundle" / "vocab.txt").read_bytes()[::-1])
    (place / "there").mkdir()
    (place / "there" / "thesis.doc").write_text("mine")
    (place / "begun.training" / "step-000000003").mkdir(parents=True)
    (place / "data.tsv").write_text(ROWS)
    shutil.copy(ROOT / "benchmarks/results/reproduce.jsonl", place / "run.jsonl")
    (place / "texts.csv").write_text("text\na fine film\n")
    (place / "torn.jsonl").write_text('{"text": "a", \n')
    (place / "void.txt").write_text("\n")
    (place / "void.tsv").symlink_to(os.devnull)
    os.mkfifo(place / "pipe")
    (checkpoint("piped") / "model.safetensors").unlink()
    os.mkfifo(place / "piped" / "model.safetensors")
    (place / "wide.txt").write_text("a\tb\tc\td\n")
    return place


@pytest.fixture(scope="module")
def answers(place: Path) -> dict[str, tuple[int, str, list[str]]]:
    """Exit code, standard error and heavy packages of every mistake."""
    asked = json.dumps([typed.split() for typed, _, _ in MISTAKES])
    before = sorted(place.iterdir())
    command = [sys.executable, forked.__file__, asked]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(place.iterdir()) == before
    return {typed: tuple(found) for (typed, _, _), found in zip(MISTAKES, json.loads(done.stdout), strict=True)}


@pytest.mark.parametrize(("typed", "code", "words"), MISTAKES, ids=[typed for typed, _, _ in MISTAKES])
def test_a_mistake_is_told_before_anything_heavy_is_imported(
    answers: dict[str, tuple[int, str, list[str]]], typed: str, code: int, words: str
) -> None:
    ended, said, heavy = answers[typed]
    assert words in said
    assert said.startswith("error: ") and said.count("\n") == 1 and "; fix: " in said
    assert ended == code
    assert heavy == []


def test_a_disk_without_room_is_told_before_the_work(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from squeezebert_mobile import preflight
    from squeezebert_mobile.errors import EnvironmentFault
    from squeezebert_mobile.export.options import ExportOptions
    from squeezebert_mobile.training.options import FinetuneOptions

    full = shutil._ntuple_diskusage(10**9, 10**9, 1000)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(EnvironmentFault, match=r"new: has too little room \(found 0 MB free, expected about \d+ MB\)"):
        preflight.export(ExportOptions(output_dir=place / "new"))
    trained = FinetuneOptions(
        task=Task.TEXT_CLASSIFICATION,
        data=str(place / "data.tsv"),
        model=str(place / "model"),
        output_dir=place / "new",
    )
    with pytest.raises(EnvironmentFault, match="has too little room"):
        preflight.finetune(trained)
