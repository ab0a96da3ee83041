"""Every piece of advice can be followed: each kind is provoked with a command, followed, and the command goes on.

`advice.steps` finds every step in the source, so a new one fails here until it is provoked in CASES or CALLS, or
belongs to a class of BY_HAND: what a person has to do, and no option, command, key or file does.
"""

import argparse
import ast
import json
import pickle
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import Any

import advice
import handmade
import pytest
import safetensors.torch
import tiny
import torch
import typer
from checkout import ROOT
from packaging.requirements import Requirement
from results import make_result, noisy
from typer.testing import CliRunner

import squeezebert_mobile
from squeezebert_mobile import extras
from squeezebert_mobile.benchmarks import results
from squeezebert_mobile.bundle import archive, signing
from squeezebert_mobile.cli import app
from squeezebert_mobile.errors import SqueezeBertMobileError
from squeezebert_mobile.export.calibration import calibrate
from squeezebert_mobile.run.predict import Predictor, Sample
from squeezebert_mobile.tasks import Task
from squeezebert_mobile.training.options import EvaluateOptions

GROUP: Any = typer.main.get_command(app)
Arguments = list[str]
# What a person does with a step in a folder: the arguments of the next call.
Follow = Callable[[str, Arguments, Path], Arguments]
Damage = Callable[[Path], object]


# What is wrong with the files.
def nothing(_: Path) -> None:
    """The files are right; the command is not."""


def both(*damages: Damage) -> Damage:
    return lambda root: [damage(root) for damage in damages]


def keys(file: str, **values: object) -> Damage:
    """Other values of a JSON file, which need not exist; None takes a key out."""

    def damage(root: Path) -> None:
        path = root / file
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        changed = {key: value for key, value in (found | values).items() if value is not None}
        path.write_text(json.dumps(changed), encoding="utf-8")

    return damage


def text(file: str, content: str) -> Damage:
    def damage(root: Path) -> None:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(content, encoding="utf-8")

    return damage


def without(*files: str) -> Damage:
    def damage(root: Path) -> None:
        for file in files:
            shutil.rmtree(root / file) if (root / file).is_dir() else (root / file).unlink()

    return damage


def moved(old: str, new: str) -> Damage:
    def damage(root: Path) -> None:
        shutil.move(root / old, root / "moved")
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(root / "moved", root / new)

    return damage


def state(root: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(root / "model/model.safetensors")


def pickled(content: Callable[[dict[str, torch.Tensor]], object], name: str = "pytorch_model.bin") -> Damage:
    def damage(root: Path) -> None:
        torch.save(content(state(root)), root / "model" / name)
        (root / "model/model.safetensors").unlink()

    return damage


def weights(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Damage:
    def damage(root: Path) -> None:
        changed = {name: tensor.clone() for name, tensor in change(state(root)).items()}
        safetensors.torch.save_file(changed, root / "model/model.safetensors", {"format": "pt"})

    return damage


def under(prefix: str) -> Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]:
    return lambda own: {prefix + name: tensor for name, tensor in own.items()}


def headless(own: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in own.items() if not name.startswith("classifier")}


def task(chosen: Task, name: str = "model", **sizes: int) -> Damage:
    """Another task's checkpoint, or one of other sizes."""
    config = replace(tiny.SMALL, **sizes)
    return both(without(name), lambda root: tiny.checkpoint(root / name, chosen, config))


def teacher(**sizes: int) -> Damage:
    """The original with other sizes."""
    return task(Task.TEXT_CLASSIFICATION, "original", **sizes)


def prefixed(prefix: bytes) -> Callable[[str], Damage]:
    def of(file: str) -> Damage:
        return lambda root: (root / file).write_bytes(prefix + (root / file).read_bytes())

    return of


marked = prefixed(b"\xef\xbb\xbf")


# What is done about it.
def add(words: str) -> Follow:
    """Pass the option that the step names, with a value of mine where the step leaves it open."""

    def follow(fix: str, arguments: Arguments, root: Path) -> Arguments:
        given = shlex.split(words.format_map(places(root)))
        assert given[0] in fix, f"{fix} names no {given[0]}"
        return [*arguments, *given]

    return follow


def passing(fix: str, arguments: Arguments, _: Path) -> Arguments:
    """pass OPTION VALUE"""
    return [*arguments, *shlex.split(fix.removeprefix("pass ").partition(";")[0])]


def passing_anew(fix: str, arguments: Arguments, root: Path) -> Arguments:
    """pass OPTION VALUE, in the place of the value that was given"""
    option = fix.split()[1]
    return passing(fix, drop(option)(fix, arguments, root), root)


def drop(option: str | None = None) -> Follow:
    """Leave out an option that the step names, with its value."""

    def follow(fix: str, arguments: Arguments, _: Path) -> Arguments:
        name = option or re.findall(r"--[a-z-]+", fix)[-1]
        at = arguments.index(name)
        flag = next(p for p in GROUP.commands[arguments[0]].params if name in p.opts).is_flag
        return arguments[:at] + arguments[at + (1 if flag else 2) :]

    return follow


def swap(old: str, new: str) -> Follow:
    """Give another value in the place of one."""
    return lambda _, arguments, root: [
        new.format_map(places(root)) if argument == old.format_map(places(root)) else argument for argument in arguments
    ]


def naming(fix: str, arguments: Arguments, root: Path) -> Arguments:
    """name the file: PATH"""
    return [fix.rpartition(": ")[2] if argument == str(root / "model") else argument for argument in arguments]


def do(*damages: Damage) -> Follow:
    """Change files, then the same command."""

    def follow(_: str, arguments: Arguments, root: Path) -> Arguments:
        both(*damages)(root)
        return arguments

    return follow


def renaming(fix: str, arguments: Arguments, root: Path) -> Arguments:
    """rename it to NAME"""
    name = fix.removeprefix("rename it to ")
    old = next(p for p in (root / "model").iterdir() if p.name in ("pytorch_model.bin", "model.safetensors"))
    old.rename(root / "model" / name)
    return arguments


def correcting(key: str) -> Follow:
    """write VALUE, or number the ids: VALUE"""

    def follow(fix: str, arguments: Arguments, root: Path) -> Arguments:
        value = re.sub(r"^(write it as|write|number them from 0:|make it) |( without quotes|, (or|as) .*)$", "", fix)
        value = re.sub(r"^a (?:whole )?number from (\S+) to .*$", r"\1", value.removeprefix("null or ")).split(" or ")[
            0
        ]
        try:
            keys("model/config.json", **{key: json.loads(value)})(root)
        except ValueError:
            keys("model/config.json", **{key: value})(root)
        return arguments

    return follow


def shell(fix: str, arguments: Arguments, root: Path) -> Arguments:
    """… with: COMMAND, … with: COMMAND"""
    for command in re.findall(r"with: ([^,]*)", fix):
        subprocess.run(command, shell=True, cwd=root / "model", check=True, capture_output=True)
    return arguments


def merging(fix: str, arguments: Arguments, root: Path) -> Arguments:
    """merge it with PEFT: COMMAND; then name FOLDER"""
    command, folder = re.fullmatch(r"merge it with PEFT: (.*); then name (.*)", fix).groups()
    subprocess.run(command.replace("python", shlex.quote(sys.executable), 1), shell=True, check=True)
    return [
        *(folder if word == str(root / "model") else word for word in arguments),
        "--tokenizer",
        str(root / "model"),
    ]


def places(root: Path) -> dict[str, str]:
    """What stands in braces in a command."""
    names = ("model", "original", "bundle", "new", "absent")
    files = {
        "out": "out.jsonl",
        "pub": "KEY.pub",
        "conll": "data.conll",
        "before": "before.jsonl",
        "after": "after.jsonl",
    }
    files |= {"data": "data.tsv", "texts": "texts.txt", "txt": "data.txt", "xls": "data.xls", "zip": "new.zip"}
    return {name: str(root / file) for name, file in ({name: name for name in names} | files).items()}


@dataclass(frozen=True)
class Case:
    """A step as the source has it, what provokes it, and what is done; ``then`` is the error of the next stage."""

    step: str
    command: str
    follow: Follow
    damage: Damage = nothing
    then: str | None = None
    slow: bool = False


STUDENT = "finetune --task text-classification --teacher {model} --data {data} -o {new} --epochs 1 --quiet"
TRAIN = "finetune --task text-classification -m {model} --data {data} -o {new} --epochs 1 --quiet"
# Whatever is asked of an export is looked at before the model, which is not there.
EXPORT, NEXT = "export -m {absent} -o {new}", "is no such folder"
INFO = "info {model}"
RUN = "evaluate {model} --data {data} --quiet --resamples 1"
ASK = "evaluate {bundle} --data {data} --quiet --resamples 1"
PREDICT = "predict {bundle}"
SMALLEST = "export -m {model} -o {new} --runtime onnx --precision fp32"
# Its longest row is looked at last.
EXPORT_MODEL = f"{SMALLEST} --max-length 9999"
OWN = "model/config_sentence_transformers.json"
NEW = "pass --init-head to start a new head"
ANY = "pass --pooling mean, cls or max"
CONFIG, WORDS = "model/config.json", "model/tokenizer_config.json"
MULTI = {"problem_type": "multi_label_classification"}


def sentence(**files: object) -> Damage:
    """A folder of sentence-transformers around the body."""
    steps = [{"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
             for n, (path, kind) in enumerate((("", "Transformer"), ("1_Pooling", "Pooling")))]  # fmt: skip
    own = {"modules.json": steps, "1_Pooling/config.json": {"pooling_mode": "mean"}} | files
    return both(task(Task.FEATURE_EXTRACTION), *(text(f"model/{name}", json.dumps(it)) for name, it in own.items()))


def own_shards(root: Path) -> None:
    own = state(root)
    shard = "model-00001-of-00001.safetensors"
    (root / "model/model.safetensors").rename(root / "model" / shard)
    index = {"weight_map": dict.fromkeys(own, shard)}
    text("model/model.safetensors.index.fp16.json", json.dumps(index))(root)


SHARD = "pytorch_model-00001-of-00001.bin"


def pickled_shard(root: Path) -> None:
    """A shard that is a list."""
    own = state(root)
    shutil.copytree(root / "model", root / "as/model")
    pickled(lambda own: list(own.values()), SHARD)(root)
    index = {"weight_map": dict.fromkeys(own, SHARD)}
    text("model/pytorch_model.bin.index.json", json.dumps(index))(root)


def twice(file: str) -> Damage:
    """A key of a JSON file, again."""
    return lambda root: text(file, '{"vocab_size": 200, ' + (root / file).read_text(encoding="utf-8")[1:])(root)


def scored(root: Path) -> None:
    """A reranker of one output."""
    keys(CONFIG, id2label={"0": "score"}, label2id=None)(root)
    weights(lambda own: own | {"classifier.weight": torch.ones(1, 48), "classifier.bias": torch.ones(1)})(root)


def zipped(*names: str) -> Damage:
    def damage(root: Path) -> None:
        with zipfile.ZipFile(root / "new.zip", "w") as file:
            for name in names:
                file.write(root / "bundle/bundle.json", name)

    return damage


def packed(root: Path) -> None:
    archive.pack(root / "bundle", root / "new.zip", force=True)


def key_pair(root: Path) -> None:
    for command in ("ecparam -name prime256v1 -genkey -noout -out KEY", "ec -in KEY -pubout -out KEY.pub"):
        subprocess.run(["openssl", *command.split()], cwd=root, check=True, capture_output=True)


def signed(root: Path) -> None:
    signing.sign(root / "bundle", root / "KEY")


def exported(options: str) -> Damage:
    """The smallest export."""
    command = "export -m {model} -o {new} --runtime onnx --precision fp32 --quiet"
    return lambda root: run([*shlex.split(command.format_map(places(root))), *options.split()])


def adapter(layers: str) -> Damage:
    """What PEFT leaves of a classifier of three labels that was trained on a body of two."""

    def damage(root: Path) -> None:
        import peft
        import transformers

        base = transformers.SqueezeBertForSequenceClassification.from_pretrained(
            root / "original", num_labels=3, ignore_mismatched_sizes=True
        )
        config = peft.LoraConfig(task_type="SEQ_CLS", target_modules=[layers])
        for file in ("model.safetensors", "config.json"):
            (root / "model" / file).unlink(missing_ok=True)
        peft.get_peft_model(base, config).save_pretrained(root / "model")
        text("data.tsv", "text\tlabel\nfine\t0\nno\t1\nso\t2\n")(root)

    return damage


STREAM = "predict {bundle} --file {texts} -o {out}"


def stream(root: Path, *options: str) -> None:
    assert run([*shlex.split(STREAM.format_map(places(root))), *options]) is None


def streamed(root: Path) -> None:
    stream(root)


def slower(root: Path) -> None:
    for name, scale in (("before", 1.0), ("after", 1.5)):
        results.write(root / f"{name}.jsonl", make_result({"a": noisy(1, scale)}, run_id=name))


def reset_data(root: Path) -> None:
    text("data.tsv", "text\tlabel\nfine\tpositive\nno\tnegative\n")(root)


DECODER = "cls.predictions.decoder.weight"
WORD_TABLE = "transformer.embeddings.word_embeddings.weight"
TYPES = "transformer.embeddings.token_type_embeddings.weight"


def save_again(root: Path) -> None:
    model = tiny.model(Task.TEXT_CLASSIFICATION, tiny.SMALL)
    model.save_pretrained(root / "model")
    torch.save(model.state_dict(), root / "model/pytorch_model.bin")


def pieces(change: Callable[[str], str]) -> Damage:
    """Another vocab.txt, and no tokenizer.json that would tell."""

    def damage(root: Path) -> None:
        path = root / "model/vocab.txt"
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
        (root / "model/tokenizer.json").unlink(missing_ok=True)

    return damage


def reset(file: str) -> Damage:
    """The file as it was."""
    return lambda root: shutil.copy(root / "original" / Path(file).name, root / file)


def digests(content: str) -> Damage:
    return text("model/SHA256SUMS", content)


THREE = both(
    keys(CONFIG, id2label={"0": "no", "1": "maybe", "2": "yes"}, label2id=None),
    weights(lambda own: own | {"classifier.weight": torch.ones(3, 48), "classifier.bias": torch.ones(3)}),
)
PAIRS = "text\ttext_pair\tscore\na film\ta movie\t0.9\nno wit\tdull\t0.8\n"
DEEPER = task(Task.TEXT_CLASSIFICATION, num_hidden_layers=2)
EMBED = "finetune --task feature-extraction -m {model} --data {data} -o {new} --epochs 1 --quiet"
UNTASKED = keys(CONFIG, architectures=None)


CASES: tuple[Case, ...] = (
    # A checkpoint that is not as save_pretrained leaves it.
    Case("pass {}", INFO, passing, pickled(under("module."))),
    Case("pass {}", INFO, passing, pickled(under("_orig_mod.module."))),
    Case("pass --state-key {}", INFO, passing, pickled(lambda own: {"model": own, "step": 3})),
    Case("pass --state-key {} --strip-prefix {}", INFO, passing,
         pickled(lambda own: {"trainer": {"net": under("net.")(own)}})),
    Case("leave --state-key out", f"{INFO} --state-key model", drop()),
    Case("leave --strip-prefix out", f"{INFO} --strip-prefix model.", drop()),
    Case("leave --revision out, or name a hub repository", f"{INFO} --revision main", drop()),
    Case("drop {}", "info {bundle} --strip-prefix x.", drop()),
    Case("drop {}", f"{ASK} --state-key x", drop()),
    Case("name the file: {}", INFO, naming, pickled(lambda own: own, "last.ckpt")),
    Case("name the folder inside: {}", INFO, naming, moved("model", "model/checkpoint-7")),
    Case("name the index of its shards: {}", INFO, naming, own_shards),
    Case("put the index of these shards beside them, model.safetensors.index.json or alike", INFO,
         do(moved("old.json", "model/model.safetensors.index.json")),
         both(own_shards, moved("model/model.safetensors.index.fp16.json", "old.json"))),
    Case("name the checkpoint that this bundle was exported from", f"{TRAIN} --teacher {{bundle}}",
         swap("{bundle}", "{model}")),
    Case("rename it to model.safetensors", INFO, renaming,
         moved("model/model.safetensors", "model/pytorch_model.bin")),
    Case("rename it to pytorch_model.bin", INFO, renaming,
         both(pickled(lambda own: own), moved("model/pytorch_model.bin", "model/model.safetensors"))),
    Case("pass --tokenizer FOLDER, that of the model that was fine-tuned, or put its vocab.txt here", RUN,
         add("--tokenizer {original}"), without("model/tokenizer.json", "model/vocab.txt")),
    Case("pass --task", "export -m {model} -o {new} --runtime onnx --precision fp32 --max-length 9999",
         add("--task text-classification"), keys(CONFIG, architectures=None), then="does not fit the model"),
    Case("pass --task", RUN, add("--task text-classification"), keys(CONFIG, architectures=None)),
    Case("save the model with save_pretrained, which writes model.safetensors", INFO, do(save_again),
         without("model/model.safetensors")),
    Case("give the PyTorch checkpoint that this was made from; save the model with save_pretrained, which writes "
             "model.safetensors", INFO, do(save_again), moved("model/model.safetensors", "model/tf_model.h5")),
    Case("save model.state_dict()", INFO, do(save_again), pickled(lambda own: list(own.values()))),
    Case("save it again with torch.save(model.state_dict(), ...)", INFO, do(save_again),
         both(without("model/model.safetensors"),
             lambda root: torch.save(torch.nn.Linear(2, 2), root / "model/pytorch_model.bin"))),
    Case("give a state dict, as safetensors or torch.save(model.state_dict(), ...)", INFO, do(save_again),
         both(without("model/model.safetensors"),
             lambda root: (root / "model/pytorch_model.bin").write_bytes(pickle.dumps({"a": 1})))),
    Case("save a state dict", INFO, do(lambda root: torch.save(state(root / "as"), root / "model" / SHARD)),
         pickled_shard),
    Case("check num_hidden_layers in config.json", RUN, do(keys(CONFIG, num_hidden_layers=2)),
         weights(lambda own: own | {name.replace("layers.0", "layers.1"): tensor for name, tensor in own.items()})),
    Case("make it {}, or take the config.json of these weights", RUN, correcting("vocab_size"),
         keys(CONFIG, vocab_size=230)),
    Case("make config.json describe these weights", RUN, do(keys(CONFIG, q_groups=4)), keys(CONFIG, q_groups=2)),
    Case("remove one of them, or set tie_word_embeddings to false in config.json",
         "evaluate {model} --data {texts} --quiet --resamples 1", do(keys(CONFIG, tie_word_embeddings=False)),
         both(task(Task.FILL_MASK), weights(lambda own: own | {DECODER: own[WORD_TABLE] + 1}))),
    Case("remove one of them", RUN, do(reset("model/model.safetensors")),
         weights(lambda own: own | {name.removeprefix("transformer."): tensor for name, tensor in own.items()})),
    Case("take a checkpoint that was fine-tuned for this task, or fine-tune this one with --init-head", TRAIN,
         add("--init-head"), weights(headless)),
    Case("save the model in float32 or float16; int8 is made by export", RUN, do(reset("model/model.safetensors")),
         weights(lambda own: own | {"classifier.bias": torch.ones(2, dtype=torch.int32)})),
    # config.json.
    Case("number them from 0: {}", INFO, correcting("id2label"), keys(CONFIG, id2label={"1": "a", "2": "b"})),
    Case("write {} without quotes", INFO, correcting("vocab_size"), keys(CONFIG, vocab_size="200")),
    Case("write null, or the id of [PAD] in the vocabulary", INFO, correcting("pad_token_id"),
         keys(CONFIG, pad_token_id=-1)),
    Case("write {}", INFO, correcting("hidden_act"), keys(CONFIG, hidden_act="GELU")),
    Case("write {}", INFO, correcting("problem_type"), keys(CONFIG, problem_type="multi-label")),
    Case("write {}", INFO, correcting("layer_norm_eps"), keys(CONFIG, layer_norm_eps=-1)),
    Case("write {}", INFO, correcting("null_threshold"), keys(CONFIG, null_threshold="high")),
    Case("write {}", INFO, correcting("tie_word_embeddings"), keys(CONFIG, tie_word_embeddings=3)),
    Case("write {}, as the model was trained", INFO, do(keys(CONFIG, hidden_act="gelu")),
         keys(CONFIG, hidden_act="quick")),
    Case('give each id a name of its own, as {"0": "no", "1": "yes"}', INFO,
         do(keys(CONFIG, id2label={"0": "no", "1": "yes"})), keys(CONFIG, id2label={"0": "a", "1": "a"})),
    Case('write it as {"0": "no", "1": "yes"}', INFO, correcting("id2label"), keys(CONFIG, id2label="no,yes")),
    Case('write it as {"no": 0, "yes": 1}', INFO, correcting("label2id"),
         keys(CONFIG, id2label=None, label2id="no,yes")),
    Case("write it as {}", INFO, correcting("architectures"),
         keys(CONFIG, architectures="SqueezeBertForSequenceClassification")),
    Case("write each as text in double quotes", INFO, do(keys(CONFIG, id2label={"0": "null", "1": "b"})),
         keys(CONFIG, id2label={"0": [], "1": "b"})),
    Case("remove num_labels: id2label says it", INFO, do(keys(CONFIG, num_labels=None)), keys(CONFIG, num_labels=5)),
    Case("write the number of the classifier's outputs, without quotes", INFO, do(keys(CONFIG, num_labels=2)),
         keys(CONFIG, num_labels="2", id2label=None, label2id=None)),
    Case("give {} the value that these weights were made with: take their own config.json", INFO, do(reset(CONFIG)),
         keys(CONFIG, hidden_size=-1)),
    # Files of a folder.
    Case("write it with: sha256sum * > SHA256SUMS", INFO, shell, digests("rubbish\n")),
    Case("write it with: sha256sum * > SHA256SUMS, or delete it", INFO, shell, digests(f"{'0' * 64}  other\n")),
    Case("download it again, or correct SHA256SUMS", INFO, do(without("model/SHA256SUMS")),
         digests(f"{'0' * 64}  model.safetensors\n")),
    Case("put {} beside the other files", INFO, do(reset(CONFIG)), without(CONFIG)),
    Case("give a plain file in its place", INFO, do(without(CONFIG), reset(CONFIG)),
         both(without(CONFIG), lambda root: (root / CONFIG).mkdir())),
    Case("save it as UTF-8 without a mark", INFO, do(reset(CONFIG)), marked(CONFIG)),
    Case("replace it by a number", INFO, do(reset(CONFIG)), keys(CONFIG, layer_norm_eps=float("nan"))),
    Case("keep one of them", INFO, do(reset(CONFIG)), twice(CONFIG)),
    # The tokenizer's files.
    Case("set {} in tokenizer_config.json", RUN, do(keys(WORDS, do_lower_case=True)),
         keys(WORDS, do_lower_case=False)),
    Case("remove {}; the other readers of the bundle do not know it", RUN, do(keys(WORDS, split_special_tokens=None)),
         keys(WORDS, split_special_tokens=True)),
    Case("restore it; if the model was trained with BertTokenizer, set tokenizer_class to that in "
         "tokenizer_config.json",
         RUN, do(keys(WORDS, tokenizer_class="BertTokenizer")),
         both(keys(WORDS, tokenizer_class="PreTrainedTokenizerFast"), without("model/tokenizer.json"))),
    Case("fetch the file again, or end the line if the file is whole", RUN, do(pieces(lambda own: own + "\n")),
         pieces(lambda own: own.rstrip("\n"))),
    Case("keep the file that the checkpoint was trained with, delete the other", RUN, do(without("model/vocab.txt")),
         text("model/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")),
    Case("name it in tokenizer_config.json, or use the tokenizer files of another checkpoint",
         "finetune --task fill-mask -m {model} --data {texts} -o {new} --epochs 1 --quiet",
         do(keys(WORDS, mask_token="[MASK]")),
         both(task(Task.FILL_MASK), keys(WORDS, tokenizer_class="PreTrainedTokenizerFast", mask_token=None),
             without("model/special_tokens_map.json"))),
    # sentence-transformers.
    Case("pass --pooling mean, cls or max for the vectors of the transformer alone", EMBED, add("--pooling mean"),
         both(sentence(**{"1_Pooling/config.json": {"pooling_mode": "weightedmean"}}), text("data.tsv", PAIRS))),
    Case("correct max_seq_length", EMBED, do(keys("model/sentence_bert_config.json", max_seq_length=32)),
         both(sentence(**{"sentence_bert_config.json": {"max_seq_length": "32"}}), text("data.tsv", PAIRS))),
    Case("set default_prompt_name to null there, and write {} before each text yourself", EXPORT_MODEL,
         do(keys(OWN, default_prompt_name=None)),
         sentence(**{"config_sentence_transformers.json": {"prompts": {"q": "query: "}, "default_prompt_name": "q"}}),
         then="does not fit the model"),
    Case("set truncate_dim to null there, and cut the vectors yourself", EXPORT_MODEL,
         do(keys(OWN, truncate_dim=None)), sentence(**{"config_sentence_transformers.json": {"truncate_dim": 16}}),
         then="does not fit the model"),
    Case("name torch.nn.Identity or torch.nn.Sigmoid there", SMALLEST,
         do(keys(CONFIG, sbert_ce_default_activation_function="torch.nn.Sigmoid")),
         both(scored, keys(CONFIG, sbert_ce_default_activation_function="torch.nn.Tanh")), slow=True),
    Case("add --pooling mean, cls or max", f"{EXPORT_MODEL} --normalize", add("--pooling mean"),
         task(Task.FEATURE_EXTRACTION), then="does not fit the model"),
    Case(ANY, "evaluate {model} --data {data} --quiet", add("--pooling mean"),
         both(task(Task.FEATURE_EXTRACTION), text("data.tsv", PAIRS))),
    Case("drop --pooling", f"{RUN} --pooling mean", drop()),
    # Options.
    Case("write it as text=review", f"{RUN} --column review", swap("review", "text=text")),
    Case("write {} 1,2,4", "benchmark {absent} --tokens a", swap("a", "1,2,4"), then="is not a bundle folder"),
    Case("drop {}=", f"{RUN} --column words=text", drop("--column")),
    Case("name one of them", f"{RUN} --column text=text,label", swap("text=text,label", "text=text")),
    Case("pass --column {}=NAME; a .csv or .tsv starts with a line of the names", RUN, add("--column text=review"),
         text("data.tsv", "review\tlabel\na fine film\tpositive\nno wit\tnegative\n")),
    Case("pass --column {}=NAME; a .csv or .tsv starts with a line of the names, and a file of a token and its tag a "
             "line is a .conll",
         "finetune --task token-classification -m {model} --data {data} -o {new} --epochs 1 --quiet",
         add("--column tokens=w"),
         both(task(Task.TOKEN_CLASSIFICATION), text("data.tsv", "w\ttags\nAda works\tB-PER O\n"))),
    Case("write it as .tsv, .csv or .jsonl", RUN.replace("{data}", "{txt}"), swap("{txt}", "{data}"),
         text("data.txt", "a film\n")),
    Case("name it by its format, or give a data set's name", RUN.replace("{data}", "{xls}"), swap("{xls}", "{data}"),
         text("data.xls", "text\n")),
    Case("give a file with a header and at least one row", RUN, do(text("data.tsv", "text\tlabel\nfine\tpositive\n")),
         text("data.tsv", "text\tlabel\n")),
    Case("rename one of them", RUN, do(text("data.tsv", "text\tlabel\tother\nfine\tpositive\tx\n")),
         text("data.tsv", "text\tlabel\tlabel\nfine\tpositive\tx\n")),
    # Training.
    Case("pass --max-length {} or less", f"{TRAIN} --max-length 999",
         lambda fix, given, _: [re.findall(r"\d+", fix)[0] if word == "999" else word for word in given]),
    Case("pass --column label={}",
         f"{TRAIN} --init-head --labels negative,positive --column label=negative,positive,rude",
         lambda fix, given, root: swap("label=negative,positive,rude", fix.split()[-1])(fix, given, root),
         both(keys(CONFIG, **MULTI),
             text("data.tsv", "text\tnegative\tpositive\trude\nfine\t0\t1\t0\nno\t1\t0\t1\n"))),
    Case("give rows of another label, or the names with --labels", f"{TRAIN} --init-head",
         add("--labels negative,positive"), text("data.tsv", "text\tlabel\nfine\tpositive\ngood\tpositive\n")),
    Case(NEW, f"{TRAIN} --problem-type regression", add("--init-head"),
         text("data.tsv", "text\tlabel\nfine\t0.5\nno\t1.5\n")),
    Case(NEW, f"{TRAIN} --labels no,yes",
         lambda fix, given,
             root: add("--init-head")(fix, swap("no,yes", "negative,positive")(fix, given, root), root)),
    Case(f"{NEW} on the labels of the data", TRAIN, add("--init-head"),
         text("data.tsv", "text\tlabel\nfine\tgood\nno\tbad\n")),
    Case("name the labels in the data, pass --init-head to start a new head, or pass --labels {} to keep this one",
         TRAIN, lambda fix, given, _: [*given, *re.findall(r"(--labels) (\S+)", fix)[0]],
         both(THREE, text("data.tsv", "text\tlabel\nfine\t0\nno\t1\n"))),
    Case("name the labels in the data, pass --init-head to start a new head, or pass --labels {} to keep this one",
         TRAIN, add("--init-head"), both(THREE, text("data.tsv", "text\tlabel\nfine\t0\nno\t1\n"))),
    Case("pass --problem-type regression, or name them with --labels", f"{TRAIN} --init-head",
         add("--problem-type regression"), text("data.tsv", "text\tlabel\nfine\t0.5\nno\t1.25\n")),
    Case("write it as negative,positive", f"{TRAIN} --labels a,,b", swap("a,,b", "negative,positive")),
    Case("correct --stride", f"{TRAIN} --stride 500", swap("500", "1")),
    Case("give one of them", f"{TRAIN} --from-scratch {{model}}/config.json", drop("--from-scratch")),
    Case("drop {}", f"{TRAIN.replace('-m {model}', '--from-scratch {model}/config.json')} --state-key x", drop()),
    Case("give --eval-data", f"{TRAIN} --patience 1", add("--eval-data {data}")),
    Case("give --teacher", f"{TRAIN} --teacher-tokenizer {{model}}", add("--teacher {model}")),
    Case("give --teacher", "finetune --task text-classification --data {data} -o {new} --epochs 1 --quiet --layers 1",
         add("--teacher {model}")),
    Case("give --teacher", f"{TRAIN} --hidden-weight 1", add("--teacher {model}")),
    Case("drop {}", f"{STUDENT} --layers 1 --init-head", drop()),
    Case("drop {}", f"{STUDENT} --layers 1 --strip-prefix x.", drop()),
    Case("drop --from-scratch", f"{STUDENT} --layers 1 --from-scratch {{model}}/config.json", drop()),
    Case("drop --model, or --intermediate-size", f"{STUDENT} --intermediate-size 4 --model {{model}}", drop("--model")),
    Case("drop --model, or --intermediate-size", f"{STUDENT} --intermediate-size 4 --model {{model}}", drop()),
    Case("drop --layers-by", f"{STUDENT} --layers 0,1 --layers-by ranking", drop(), DEEPER),
    Case("pass --layers {}", f"{STUDENT} --layers 1,0", passing_anew, DEEPER),
    Case("pass --layers {}", f"{STUDENT} --layers 1,1", passing_anew, DEEPER),
    Case("pass --layers {}", f"{STUDENT} --layers 0,2", passing_anew, DEEPER),
    Case("pass --layers {}", f"{STUDENT} --layers 3", passing_anew, DEEPER),
    Case("pass --layers {}", f"{STUDENT} --layers 0", passing_anew),
    Case("pass --intermediate-size {}", f"{STUDENT} --intermediate-size 5", passing_anew),
    Case("pass --intermediate-size {}", f"{STUDENT} --intermediate-size 4000", passing_anew),
    Case("take a model of {} layers, or drop --layers", f"{TRAIN} --teacher {{original}} --layers 0,1", drop(),
         teacher(num_hidden_layers=2)),
    Case("drop --layers, or --hidden-weight", f"{TRAIN} --teacher {{model}} --layers 1 --hidden-weight 0", drop()),
    Case("set --hidden-weight and --attention-weight to 0",
         f"{TRAIN} --teacher {{original}} --attention-weight 1.5", swap("1.5", "0"), teacher(num_attention_heads=6)),
    Case("set --hidden-weight and --attention-weight to 0",
         f"{TRAIN} --teacher {{model}} -m {{original}} --hidden-weight 1.5", swap("1.5", "0"),
         teacher(num_hidden_layers=2)),
    Case("fine-tune it for this one, and take that as the teacher", f"{STUDENT} --layers 1",
         do(task(Task.TEXT_CLASSIFICATION)), task(Task.FILL_MASK)),
    Case("drop --teacher", f"{EMBED} --teacher {{model}}", drop(), both(sentence(), text("data.tsv", PAIRS))),
    Case("drop --labels",
         "finetune --task fill-mask -m {model} --data {texts} -o {new} --epochs 1 --quiet --labels a,b", drop(),
         task(Task.FILL_MASK)),
    Case("drop --problem-type", f"{EMBED} --problem-type regression", drop(),
         both(sentence(), text("data.tsv", PAIRS))),
    Case("drop {}", f"{TRAIN} --pooling mean", drop()),
    Case("drop --resume", f"{TRAIN} --resume", drop()),
    Case("train in one process, without --accumulation", f"{EMBED} --accumulation 2", drop(),
         both(sentence(), text("data.tsv", "text\ttext_pair\na film\ta movie\nno wit\tdull\n"))),
    Case("choose another output folder, or pass --force", TRAIN, add("--force"),
         text("new/training_report.json", "{}")),
    Case("lower --learning-rate, or train in fp32",
         f"{TRAIN} --epochs 3 --learning-rate 1e30".replace("--epochs 1 ", ""), swap("1e30", "1e-4")),
    Case("divide all scores by the largest, as STS-B's by 5", EMBED, do(text("data.tsv", PAIRS)),
         both(sentence(), text("data.tsv", PAIRS.replace("0.", "4.")))),
    # Evaluation.
    Case("drop --stride", f"{RUN} --stride 8", drop()),
    Case("drop it", f"{ASK} --task fill-mask", drop("--task")),
    Case("drop it", f"{ASK} --pooling mean", drop("--pooling")),
    Case("drop it", f"{RUN} -m {{model}}", drop("-m")),
    Case("ask for one that it has", f"{ASK} --precision int8", swap("int8", "fp32")),
    Case("ask for one that it has, or export that one too", f"{PREDICT} film --precision int8", swap("int8", "fp32")),
    Case("add --model", f"{ASK} --runtime torch", add("--model {model}"), then="is not the model of this bundle"),
    Case("export it to a bundle", f"{RUN} --runtime onnx",
         swap("{model}", "{bundle}")),
    Case("evaluate an fp32 artifact too, or give the checkpoint with --model", f"{ASK} --max-accuracy-drop 0.1",
         add("--model {model}"), then="is not the model of this bundle"),
    # Predictions.
    Case("give a text, or --file with one text a line", PREDICT, add("--file {texts}")),
    Case("give one or the other", f"{PREDICT} film --file {{texts}}", drop("--file")),
    Case("leave it out", f"{PREDICT} film --column text=a", drop("--column")),
    Case("leave it out", f"{PREDICT} film --option a --option b", lambda _, given, __: given[:-4]),
    Case("leave it out", f"{PREDICT} film --null-threshold 1", drop("--null-threshold")),
    Case("name it .tsv, with text and label on top", f"{PREDICT} --file {{txt}}", swap("{txt}", "{data}"),
         text("data.txt", "a film\tpositive\nno\tnegative\n")),
    # Export: before the model is looked at.
    Case("add --precision int8", f"{EXPORT} --precision fp32 --sensitivity s.json", add("--precision int8"),
         then=NEXT),
    Case("give {}; the page and the picture are written beside it", f"{EXPORT} --sensitivity s.html",
         swap("s.html", "s.json"), then=NEXT),
    Case("add {}", f"{EXPORT} --data {{data}}", add("--max-accuracy-drop 0.1"), then=NEXT),
    Case("add {}", f"{EXPORT} --max-accuracy-drop 0.1", add("--data {data}"), then=NEXT),
    Case("pass --calibration FILE", f"{EXPORT} --precision int8-static", add("--calibration {texts}"), then=NEXT),
    Case("add --precision int8-static", f"{EXPORT} --calibration {{texts}}", add("--precision int8-static"),
         then=NEXT),
    Case("add --runtime onnx", f"{EXPORT} --approximate-gelu clip --runtime executorch", add("--runtime onnx"),
         then="so it needs int8-static"),
    Case("add --precision int8-static, --calibration, --data and --max-accuracy-drop",
         f"{EXPORT} --approximate-gelu clip",
         add("--precision int8-static --calibration {texts} --data {data} --max-accuracy-drop 0.1"), then=NEXT),
    Case("add --precision fp32 and the one that has to be faster", f"{EXPORT} --require-faster --precision int8",
         add("--precision fp32"), then=NEXT),
    Case("pass --precision fp32,fp16", f"{EXPORT} --runtime coreai --precision int8", swap("int8", "fp32,fp16"),
         then=NEXT),
    Case("leave --require-faster out", f"{EXPORT} --runtime onnx,coreai --require-faster", drop(), then=NEXT),
    Case("choose another name for the archive, or pass --force", f"{EXPORT} --archive {{zip}}", add("--force"),
         zipped("bundle/bundle.json"), NEXT),
    Case("leave it out, or add --task {}", f"{EXPORT_MODEL} --pooling mean", add("--task feature-extraction"),
         then="does not fit the model"),
    Case("make one with: openssl ecparam -name prime256v1 -genkey -noout -out KEY, and its public half with: "
             "openssl ec -in KEY -pubout -out KEY.pub", f"{SMALLEST} --sign-key {{model}}/KEY", shell,
         text("model/KEY", "x"), slow=True),
    Case("make one with: openssl ecparam -name prime256v1 -genkey -noout -out KEY, and its public half with: "
             "openssl ec -in KEY -pubout -out KEY.pub", "verify {bundle} --public-key {model}/KEY.pub", shell,
         both(key_pair, signed, text("model/KEY.pub", "x")), "is not a signature of this bundle by this key"),
    # Benchmarks: before anything is measured.
    Case("give a bundle, --model CHECKPOINT or --peer all", "benchmark", add("--peer unheard-of"), then="unknown peer"),
    Case("add --runtime torch, or leave --runtime out", "benchmark --model {absent} --runtime onnx", drop(),
         then=NEXT),
    Case("add --scenario natural-length", "benchmark --model {absent} --file {texts}",
         add("--scenario natural-length"), then=NEXT),
    # Bundles and archives.
    Case("give the folder that export wrote, or the zip of export --archive", "verify {texts} --no-run",
         swap("{texts}", "{bundle}")),
    Case("give the folder that export wrote", "verify {absent} --no-run", swap("{absent}", "{bundle}")),
    Case("give the folder or zip that export wrote", "verify {original} --no-run", swap("{original}", "{bundle}")),
    Case("give the zip of export --archive", "verify {zip} --no-run", do(packed), zipped("other/file")),
    Case("pack the bundle again with export --archive", "verify {zip} --no-run", do(packed),
         lambda root: (packed(root), (root / "new.zip").write_bytes((root / "new.zip").read_bytes() + b"more"))),
    Case("remove what the hub adds: rm -r {}", "verify {bundle} --no-run",
         do(without("bundle/.cache"), without("bundle/.gitattributes")),
         both(text("bundle/.gitattributes", "* lfs"), text("bundle/.cache/huggingface/x.metadata", "1"))),
    Case("delete it, or copy the bundle again", "verify {bundle} --no-run", do(without("bundle/notes.txt")),
         text("bundle/notes.txt", "mine")),
    Case("ask its maker for a signed bundle; export one with --sign-key",
         "verify {bundle} --no-run --public-key {pub}", do(lambda root: signing.sign(root / "bundle", root / "KEY")),
         key_pair),
    Case("export again with --pooling mean, cls or max", "evaluate {new} --data {data} --quiet",
         do(without("new"), exported("--pooling mean")),
         both(task(Task.FEATURE_EXTRACTION), exported(""), text("data.tsv", PAIRS)), slow=True),
    Case("export again with --pooling mean", "predict {new} film", do(without("new"), exported("--pooling mean")),
         both(task(Task.FEATURE_EXTRACTION),
             weights(lambda own: {name: tensor for name, tensor in own.items() if "pooler" not in name}),
             exported("")), slow=True),
    Case("write {} where the word is missing", "predict {new} 'a fine <mask>'",
         lambda fix, given, _: [word.replace("<mask>", fix.split()[1]) for word in given],
         both(task(Task.FILL_MASK), exported("")), slow=True),
    Case("repeat --option", "predict {new} 'a film' --option good", add("--option bad"),
         both(task(Task.MULTIPLE_CHOICE), exported("")), slow=True),
    Case("give the text and its --option values", "predict {new} 'a film' more --option good --option bad",
         lambda _, given, __: [word for word in given if word != "more"],
         both(task(Task.MULTIPLE_CHOICE), exported("")), slow=True),
    Case("give the question, then the context", "predict {new} 'Who sings?'",
         lambda _, given, __: [*given, "Ada sings."], both(task(Task.QUESTION_ANSWERING), exported("")), slow=True),
    # What stops training or measuring, and data.
    Case("pass --resume to go on, or --force to start again", TRAIN, add("--force"),
         text("new.training/step-000000001/run.json", "{}")),
    Case("use the same ones, or start again with --force", f"{TRAIN} --resume",
         lambda fix, given, root: [*drop("--resume")(fix, given, root), "--force"],
         text("new.training/step-000000001/run.json", "{}")),
    Case("take a teacher with the student's vocabulary, or give its logits in a soft_labels column",
         f"{TRAIN} --teacher {{original}} --teacher-tokenizer {{absent}}", swap("{absent}", "{model}"),
         lambda root: tiny.tokenizer(replace(tiny.SMALL, vocab_size=150)).save_pretrained(root / "absent")),
    Case("take a checkpoint that was trained on pairs, or export it for another --task", SMALLEST,
         add("--task fill-mask"),
         both(task(Task.QUESTION_ANSWERING), keys(CONFIG, type_vocab_size=1),
             weights(lambda own: own | {TYPES: own[TYPES][:1]})), then="lacks cls.predictions"),
    Case("save it as UTF-8", RUN, do(reset_data),
         lambda root: (root / "data.tsv").write_bytes(b"text\tlabel\n\xff\t1\n")),
    Case("remove that column", f"{RUN.replace('{data}', '{conll}')}", do(text("data.conll", "Ada B-PER\nsings O\n")),
         both(task(Task.TOKEN_CLASSIFICATION), text("data.conll", "1 Ada B-PER\n2 sings O\n"))),
    Case("find what made it slower, or raise --max-slowdown", "compare {before} {after} --max-slowdown 0.01",
         swap("0.01", "2"), slower),
    Case("look at the examples, export a finer precision, or raise --max-changed",
         "compare-answers {bundle} {new} --file {texts} --max-changed 0", swap("0", "1"),
         lambda root: handmade.write(root / "new", handmade.contrary())),
    Case("add --to", "sweep {absent} -o {new} --pick smallest", add("--to other"), then="cannot be read"),
    Case("add --pick", "sweep {absent} -o {new} --to other", add("--pick smallest"), then="cannot be read"),
    Case("add --model, or drop {}", "benchmark --state-key x", add("--model {absent}"), then=NEXT),
    Case("give it as --model {}, or export it first", "benchmark {model} --runtime onnx",
         lambda fix, _, __: ["benchmark", "--runtime", "onnx", *re.findall(r"(--model) (\S+),", fix)[0]],
         then="is measured in PyTorch"),
    Case("add --device adb:SERIAL, or leave it out", "benchmark {absent} --cool-down 5", drop("--cool-down"),
         then="is not a bundle folder"),
    Case("add --peer all", "benchmark --best-peers", add("--peer unheard-of"), then="unknown peer"),
    Case("give NAME or NAME=FOLDER", "benchmark --peer unheard-of", swap("unheard-of", "bert-base={absent}"),
         then="is not a checkpoint folder"),
    Case("pad to the longest of --tokens or more", "benchmark --model {absent} --tokens 64 --pad-to 8",
         swap("8", "64"), then=NEXT),
    Case("leave it out, or give --tokens", "benchmark --model {absent} --scenario natural-length --pad-to 64",
         drop("--pad-to"), then=NEXT),
    Case("use the scenario fixed-length or length-sweep",
         "benchmark {bundle} --device adb:x --scenario natural-length", swap("natural-length", "fixed-length"),
         then="s n"),
    Case("give a bundle or a peer, and no checkpoint", "benchmark --device adb:x",
         lambda _, given, root: [*given, str(root / "absent")], then="is not a bundle folder"),
    Case("add --pooling, or leave it out",
         f"{SMALLEST} --task feature-extraction --data {{data}} --max-accuracy-drop 1", add("--pooling mean"),
         both(task(Task.FEATURE_EXTRACTION), text("data.tsv", PAIRS)), slow=True),
    Case("leave it out; --atol is for vectors", f"{EXPORT_MODEL} --task feature-extraction --min-agreement 0.9",
         drop("--min-agreement"), task(Task.FEATURE_EXTRACTION), then="does not fit the model"),
    Case("name a folder, or a hub repository as OWNER/NAME", "export -m '' -o {new}",
         lambda _, given, root: [word or str(root / "absent") for word in given], then=NEXT),
    Case("take config.json and weights of one checkpoint", INFO, do(reset(CONFIG)),
         keys(CONFIG, hidden_size=4800, embedding_size=4800)),
    Case("save model.state_dict() where it was trained, or get safetensors from a source that you trust", INFO,
         do(save_again), pickled(lambda own: own | {"args": argparse.Namespace(a=1)})),
    Case("restore adapter_config.json, which names the model that it is an adapter of", INFO,
         do(keys("model/adapter_config.json", task_type="SEQ_CLS")),
         moved("model/model.safetensors", "model/adapter_model.safetensors"), "has no weights"),
    Case("merge it with PEFT: {}; then name {}", RUN, merging, adapter("post_attention.conv1d"), slow=True),
    # Trained on the layers that are named instead, it can be merged as above.
    Case("train it on layers that PEFT can merge, as target_modules=['post_attention.conv1d'], or the whole model", RUN,
         do(adapter("post_attention.conv1d")), adapter("query"), "has no weights", slow=True),
    Case("name them with --labels, or write JSON lists",
         f"{TRAIN} --init-head --problem-type multi_label_classification", add("--labels negative,positive,calm"),
         text("data.tsv", "text\tlabels\nfine\tpositive;calm\nno\tnegative,calm\n")),
    Case("give at least {} texts, one a line", f"{SMALLEST} --precision int8-static --calibration {{txt}}",
         do(text("data.txt", "a fine film\nno wit\n" * 50)), text("data.txt", ""), slow=True),
    # A run of many texts, in parts.
    Case("write --shard 3/64", f"{STREAM} --shard 3", swap("3", "1/2")),
    Case("give them with --file", "predict {bundle} film -o {out}", lambda _, given, root: [
        word for word in [*given, "--file", str(root / "texts.txt")] if word != "film"]),
    Case("go on with it by --resume, replace it with --force, or name another file", STREAM, add("--resume"), streamed),
    Case("give what that run was given, name another file, or begin anew with --force", f"{STREAM} --resume",
         swap("--resume", "--force"), both(streamed, text("texts.txt", "other texts\n"))),
    Case("begin that part anew with --force", f"{STREAM} --resume", swap("--resume", "--force"),
         both(streamed, text("out.jsonl.run.json", "{}"))),
    Case("run that part again with --resume", "merge {out} -o {zip}", do(lambda root: stream(root, "--resume")),
         both(streamed, lambda root: keys("out.jsonl.run.json", rows="x")(root) or text(
             "out.jsonl.run.json", (root / "out.jsonl.run.json").read_text().replace('"x"', "null"))(root))),
    Case("make that part anew with --force", "merge {out} -o {zip}", do(lambda root: stream(root, "--force")),
         both(streamed, text("out.jsonl", ""))),
    Case("give the file that benchmark --jsonl wrote", "compare {texts} {after} --max-slowdown 2",
         swap("{texts}", "{before}"), slower),
)  # fmt: skip


# Steps that a caller in Python meets: what provokes them, and the same call with the step taken.
CALLS: dict[str, tuple[str, str]] = {
    "pass 'pt'": ("words('a', return_tensors='tf')", "words('a', return_tensors='pt')"),
    "pass 0 or more": ("words.rows('a film', stride=-1, max_length=3)", "words.rows('a film', stride=0, max_length=3)"),
    "pass a multiple of it": (
        "words('a', truncation=True, padding='max_length', max_length=9, pad_to_multiple_of=4)",
        "words('a', truncation=True, padding='max_length', max_length=8, pad_to_multiple_of=4)",
    ),
    "pass one of the two": ("model(ids, inputs_embeds=vectors)", "model(inputs_embeds=vectors)"),
    "pass one of them": ("setattr(words, 'padding_side', 'up')", "setattr(words, 'padding_side', 'right')"),
    "pass one second text per text": ("words(['a', 'b'], ['c'])", "words(['a', 'b'], ['c', 'd'])"),
    "pass padding='longest' or 'max_length'": (
        "words.rows(['a', 'a film'], padding=False)", "words.rows(['a', 'a film'], padding='longest')"
    ),
    "pass padding=True, and truncation=True for long texts": (
        "words(['a', 'a film ' * 99], return_tensors='pt')",
        "model(**words(['a', 'a film ' * 99], return_tensors='pt', padding=True, truncation=True))",
    ),
    "pass strings": ("words.rows(['a', 3])", "words.rows(['a', '3'])"),
    "pass strings or AddedToken": ("words.add_special_tokens({'pad_token': 3})",
                                   "words.add_special_tokens({'pad_token': '[PAD]'})"),
    "pass strings, or lists of words with is_split_into_words=True": (
        "words([['a', 'film', 'b']])", "words([['a', 'film', 'b']], is_split_into_words=True)"
    ),
    "pass the whole row as token_ids_0": (
        "words.get_special_tokens_mask([2, 5], [5, 3], already_has_special_tokens=True)",
        "words.get_special_tokens_mask([2, 5, 5, 3], already_has_special_tokens=True)",
    ),
    "pass truncation='only_second'": (
        "words.rows('a film ' * 9, 'a film ' * 9, max_length=16, stride=2)",
        "words.rows('a', 'a film ' * 9, max_length=16, stride=2, truncation='only_second', padding='longest')",
    ),
    "pass two strings or two lists": ("words.rows('a', ['b'])", "words.rows('a', 'b')"),
    "pass what a call returned": ("words.pad([{'x': [1]}])", "words.pad([words('a')])"),
    "pass {} or more": ("words('a', truncation=True, max_length=1)", "words('a', truncation=True, max_length=2)"),
    "pass {}=True": ("words('a', padding='some')", "words('a', padding=True)"),
    "raise max_length": (
        "words('a', 'a film ' * 9, truncation='only_first', max_length=9)",
        "words('a', 'a film ' * 9, truncation='only_first', max_length=60)",
    ),
    "raise it": ("type(words).train(['a film'], 3)", "type(words).train(['a film'], 30)"),
    "shorten the other text, or raise max_length": (
        "words.rows('a', 'a film ' * 9, truncation='only_first', max_length=9)",
        "words.rows('a', 'a film', truncation='only_first', max_length=9)",
    ),
    "drop it": ("words.convert_ids_to_tokens([5, 99999])", "words.convert_ids_to_tokens([5])"),
    "name one": ("words.add_special_tokens({'x_token': 'x'})", "words.add_special_tokens({'pad_token': '[PAD]'})"),
    "number them from 0": ("type(words)({'a': 1, 'b': 2})", "type(words)(dict(zip(words.pieces, range(99))))"),
    "make it by calling a tokenizer on the text": (
        "words.pad([words('a')]).word_ids(0)", "words('a').word_ids(0)"
    ),
    "name the folder that holds it": ("type(words).from_pretrained(f'{root}/model/vocab.txt')",
                                      "type(words).from_pretrained(f'{root}/model')"),
    "leave it out": ("model.config.override({'x': 1})", "model.config.override({})"),
    "correct it": ("model.from_pretrained(f'{root}/model', dtype='floaty')",
                   "model.from_pretrained(f'{root}/model', dtype='float16')"),
    "call squeezebert_mobile.load with the path": ("Predictor(f'{root}/bundle')", "load(f'{root}/bundle').close()"),
    "load it again": ("(found := load(f'{root}/bundle')).close() or found('a')", "load(f'{root}/bundle')('a')"),
    "give a str, or a list of them": ("classify(3)", "classify('3')"),
    "give a str, or a list of str, (str, str) or Sample": ("classify([3])", "classify(['a', ('a', 'b'), Sample('a')])"),
    "give each text with its second text as a tuple, or as a Sample with options": (
        "classify(['a'], 'b')", "classify([('a', 'b')])"
    ),
    "correct {}": ("options(batch_size=0)", "options(batch_size=1)"),
    "pass 'cpu' or 'auto'": ("model.from_pretrained(root / 'model', device_map='moon')",
                             "model.from_pretrained(root / 'model', device_map='cpu')"),
    "pass one device, as 'cpu', or 'auto'": (
        "model.from_pretrained(root / 'model', device_map={'a': 'cpu', 'b': 'disk'})",
        "model.from_pretrained(root / 'model', device_map='auto')",
    ),
    "give single texts, or take a model whose type_vocab_size is 2": (
        "words.serve(1) or words.rows('a', 'b')", "words.serve(1) or words.rows('a')"
    ),
    "give at least {} texts": ("calibrate(model, [])", "calibrate(model, [batch])"),
}  # fmt: skip

# What only a person can do, by how the step begins.
BY_HAND = {
    "bytes are fetched, made or measured anew": "copy download export install measure pack replace restore save sign",
    "another file, text, model or machine is taken": "ask calibrate choose give keep name run ship take use",
    "a line, a row or a text of one's own is put right": "correct encode pad remove shorten write",
    "this machine, its network or a phone is seen to": "add build check close do free look make plug report see start "
    "try unlock update wait",
}
# What would make a step one that a test can follow: an option, a command, a key, a file, a value.
FOLLOWED_BY_A_TEST = re.compile(
    r"--[a-z]|squeezebert-mobile [a-z]|\b(?:pip|adb|apt-get) |\b\w+_\w+|\.(?:json|tsv|csv)|\bnull\b|\{\}|=|TMPDIR|SUMS"
)
# Steps with one of these that no case follows, and why; where the whole file is excused it wants what tests have not.
EXCUSED = {
    "make install in the checkout, or pip install {}": "a test below compares the packages",
    "make install in the checkout, or pip install {}, or give a local file": "the same",
    "make install in the checkout, or pip install {}, or write the rows as .jsonl": "the same",
    "run squeezebert-mobile doctor": "a runtime has to crash",
    "run squeezebert-mobile doctor; if the runtime is a newer one, export again with it": "an artifact has to err",
    "allow more with --max-accuracy-drop, calibrate with --precision int8-static, or ship fp32": "int8 has to be bad",
    "take a finer precision, keep units float with --keep-float, or allow less with --min-agreement": "the same",
    "ship fp32 on this kind of machine, or leave --require-faster out": "int8 has to be slow",
    "check that the weights are right, or set a tolerance that you can justify with --atol": "a graph has to be wrong",
    "check that the weights are right, or take a finer precision: a larger --atol does not help": "the same",
    "name the columns with text= and text_pair=": "tests/run/test_columns.py names them",
    "download it first: hf download {}": "a hub has to hold it",
    "close other programs, or try --jobs 1": "a process has to be killed",
    "pass --shard I/N": "a cluster has to number its tasks wrongly",
    "leave --opset out": "the command line has bounds of its own",
    "leave --trim-vocab out, and report the text": "the same",
    "{} --help": "typer's own errors end so; tests/test_cli.py asks each command for its help",
    "make install in the checkout, or squeezebert-mobile doctor, which says what is missing": "a package has to break",
    "give a folder with config.json and model.safetensors": "transformers reads the folder then",
    "give a checkpoint of the kind that the peer is": "the same",
    "try --precision int8, --embeddings int4 or --trim-vocab": "tiny files are all of one size",
    "make room there, or set TMPDIR to a folder with room": "the disk has to be full",
    "read it with the version of squeezebert-mobile that wrote it, or export again": "another has to have written it",
    "delete {} and download it again": "the hub's cache has to be damaged",
    "install it again: squeezebert-mobile doctor says how": "a package has to break",
    "give a bundle that export wrote": "tests/benchmarks/test_peer_bundles.py makes another",
    "correct --name": "a name is anybody's choice",
    "name a folder, or leave --format out": "tests/release/test_pack.py packs both",
    "leave --ort out, and ship the .onnx": "a graph has to answer otherwise in the other format",
    "leave it out, or pass --artifact of an .onnx": "tests/release/test_ort.py packs both",
    "name the folder {}": "the same",
}
EXCUSED_FILES = (
    "squeezebert_mobile/checkpoint/hub.py", "squeezebert_mobile/checkpoint/upload.py", "benchmarks/phones.py",
    "benchmarks/adb.py", "benchmarks/phone_paper.py",
    "benchmarks/lab/",
)  # fmt: skip


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier, a bundle, and data for both."""
    root = tmp_path_factory.mktemp("advice")
    tiny.checkpoint(root / "model", Task.TEXT_CLASSIFICATION, tiny.SMALL)
    shutil.copytree(root / "model", root / "original")
    handmade.write(root / "bundle")
    text("data.tsv", "text\tlabel\na fine film\tpositive\nno wit\tnegative\n")(root)
    text("texts.txt", "a fine film\nno wit at all\n")(root)
    return root


def run(arguments: Arguments) -> SqueezeBertMobileError | None:
    """What a command ends in, None for a result."""
    error = CliRunner().invoke(app, arguments).exception
    if error is not None and not isinstance(error, SqueezeBertMobileError):
        raise error
    return error


def fits(step: str, fix: str) -> bool:
    """True for a step of the source with its values."""
    return re.fullmatch(re.escape(step).replace(r"\{\}", ".+"), fix) is not None


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.step[:60], marks=[pytest.mark.slow] if case.slow else []) for case in CASES],
)
def test_the_advice_of_an_error_can_be_followed(untouched: Path, tmp_path: Path, case: Case) -> None:
    root = shutil.copytree(untouched, tmp_path / "files")
    case.damage(root)
    arguments = [word.format_map(places(root)) for word in shlex.split(case.command)]
    error = run(arguments)
    assert error is not None
    assert fits(case.step, error.fix), error
    left = run(case.follow(error.fix, arguments, root))
    assert (left is None) if case.then is None else (left is not None and case.then in left.what), left


@pytest.mark.parametrize("step", CALLS)
def test_the_advice_of_a_call_in_python_can_be_followed(untouched: Path, step: str) -> None:
    wrong, right = CALLS[step]
    words = squeezebert_mobile.SqueezeBertTokenizer.from_pretrained(untouched / "model")
    model = squeezebert_mobile.SqueezeBertForSequenceClassification.from_pretrained(untouched / "model")
    ids = torch.tensor([[2, 5, 3]])
    with squeezebert_mobile.load(untouched / "bundle") as classify:
        names = {
            "words": words,
            "model": model,
            "ids": ids,
            "vectors": model.get_input_embeddings()(ids),
            "root": untouched,
            "classify": classify,
            "load": squeezebert_mobile.load,
            "Predictor": Predictor,
            "Sample": Sample,
            "calibrate": calibrate,
            "batch": words.rows("a film").batch(),
            "options": partial(EvaluateOptions, source="model", data="data"),
        }
        with pytest.raises(SqueezeBertMobileError) as error:
            eval(wrong, names)
        assert fits(step, error.value.fix), error.value
        eval(right, names)


def unfollowed() -> Iterator[str]:
    """What is wrong with each step that is neither followed nor excused, nor one for a person."""
    followed = {case.step for case in CASES} | CALLS.keys() | EXCUSED.keys()
    verbs = {verb for listed in BY_HAND.values() for verb in listed.split()}
    for place, step in advice.steps():
        if step in followed or place.startswith(EXCUSED_FILES):
            continue
        if named := FOLLOWED_BY_A_TEST.search(step):
            yield f"{place}: no case of CASES or CALLS follows {step!r}, which names {named[0]!r}"
        elif step.split()[0] not in verbs:
            yield f"{place}: {step!r} is of no class of BY_HAND"


def test_each_step_is_followed_here_or_left_to_a_person() -> None:
    assert list(unfollowed()) == []


@pytest.mark.parametrize("step", ["add --fast", "set quick to null", "rub the lamp"])
def test_a_new_step_that_nobody_follows_fails(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = f"fix = {step!r}\nraise UsageError('a', 'b', fix=fix)\n"
    found = advice.Module(tmp_path / "new.py", ast.parse(f"def f():\n{indent(source, '    ')}"))
    monkeypatch.setattr(advice, "modules", lambda: iter([found]))
    monkeypatch.setattr(advice, "ROOT", tmp_path)
    assert [line for line in unfollowed() if step in line] != []


def test_what_is_followed_is_a_step_of_the_source() -> None:
    steps = {step for _, step in advice.steps()}
    assert {case.step for case in CASES} - steps == set()
    assert (CALLS.keys() | EXCUSED.keys()) - steps == set()


READERS = ("benchmark", "evaluate", "export", "finetune", "info", "rank")
LABELLED = ("evaluate", "export", "finetune", "rank")
# The commands that can end in the errors of a folder or file; the longest name that fits counts.
COMMANDS = {
    "squeezebert_mobile/checkpoint": READERS,
    "squeezebert_mobile/training": ("finetune",),
    "squeezebert_mobile/training/evaluate.py": ("evaluate",),
    "squeezebert_mobile/training/rank.py": ("rank",),
    "squeezebert_mobile/training/comparison.py": ("evaluate",),
    "squeezebert_mobile/tables": LABELLED,
    "squeezebert_mobile/run": ("predict",),
    "squeezebert_mobile/run/changes.py": ("compare-answers",),
    "squeezebert_mobile/sweep": ("sweep",),
    "squeezebert_mobile/release": ("pack",),
    "squeezebert_mobile/release/push.py": ("push",),
    "squeezebert_mobile": ("export",),
    "squeezebert_mobile/parts.py": ("predict",),
    "export": ("export",),
    "benchmarks": ("benchmark",),
    "benchmarks/compare.py": ("compare",),
}
# Advice that names the command that has the option.
NAMED = {"--init-head": "finetune", "--task": "export", "--pooling": "export", "--labels": "finetune"}


def options(command: str) -> set[str]:
    return {
        flag for parameter in GROUP.commands[command].params for flag in (*parameter.opts, *parameter.secondary_opts)
    }


def test_an_option_that_is_advised_exists_in_the_commands_that_can_say_so() -> None:
    for place, step in advice.steps():
        if place.startswith("benchmarks/lab/"):
            continue  # these have parsers of their own
        commands = COMMANDS[max((name for name in COMMANDS if place.startswith(name)), key=len)]
        for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", step)) - {"--help"}:
            having = [NAMED[option]] if option in NAMED else commands
            assert [name for name in having if option not in options(name)] == [], (place, step)
        for command in re.findall(r"squeezebert-mobile ([a-z]+)", step):
            assert command in {*GROUP.commands, "that"}, (place, step)


def test_no_advice_asks_an_index_for_this_package() -> None:
    assert [step for _, step in advice.steps() if "pip install" in step and "squeezebert-mobile" in step] == []


def test_what_installs_an_extra_names_what_the_project_declares() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [line for group in declared["optional-dependencies"].values() for line in group] + declared["dependencies"]
    for packages in (("datasets",), ("matplotlib",), ("model-signing", "cryptography", "pyopenssl"), ("executorch",)):
        in_checkout, _, command = extras.install(*packages).partition(", or ")
        assert re.search(rf"^{in_checkout.split()[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        known = {(found.name, found.specifier) for found in map(Requirement, lines)}
        assert {(found.name, found.specifier) for found in map(Requirement, shlex.split(command)[2:])} <= known
