"""A bundle is read only when every byte is what its manifest says and nothing else is there."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from functools import reduce
from operator import getitem
from pathlib import Path

import handmade
import pytest
from checkout import ROOT
from handmade_bundle import CONTENT, MODEL, described
from hypothesis import given
from hypothesis import strategies as st

from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import manifest, paths
from squeezebert_mobile.errors import (
    InputFileError,
    IntegrityError,
    SqueezeBertMobileError,
    UsageError,
)
from squeezebert_mobile.files import dump_json, read_json


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound bundle."""
    target = tmp_path / "bundle"
    with bundles.staged(target, force=False) as stage:
        bundles.fill(stage, CONTENT, described())
    return target


def test_what_is_written_can_be_read(folder: Path) -> None:
    bundle = bundles.read(folder)
    assert bundle.folder == folder
    assert bundle.manifest == described()
    assert not list(folder.parent.glob(".bundle.new*"))


def test_a_bundle_gives_its_config_and_its_tokenizer(tmp_path: Path) -> None:
    bundle = bundles.read(handmade.write(tmp_path / "bundle"))
    assert bundle.config() == handmade.CONFIG
    assert bundle.tokenizer().pieces == handmade.tokenizer().pieces


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"]
)
def test_a_file_that_is_changed_after_it_was_compared_is_never_used(tmp_path: Path, name: str) -> None:
    bundle = bundles.read(handmade.write(tmp_path / "bundle"))
    path = bundle.folder / name
    # Sound, and another file: the pieces of two words are swapped, or a space is added.
    data = path.read_bytes()
    path.write_bytes(data.replace(b"days", b"DAYS").replace(b"film", b"days").replace(b"DAYS", b"film") + b"\n")
    with pytest.raises(IntegrityError, match=f"{name}: SHA-256 mismatch"):
        bundle.tokenizer()


def test_a_file_that_is_added_after_the_others_were_compared_is_never_read(tmp_path: Path) -> None:
    bundle = bundles.read(handmade.write(tmp_path / "bundle"))
    before = bundle.tokenizer()
    (bundle.folder / "added_tokens.json").write_text('{"<new>": 500}')
    assert bundle.tokenizer().added_tokens == before.added_tokens
    with pytest.raises(IntegrityError, match=r"added_tokens\.json: is not listed in bundle\.json"):
        bundle.read("added_tokens.json")


def test_only_the_listed_files_of_a_bundle_are_its_tokenizer(tmp_path: Path) -> None:
    content, whole = handmade.contents(handmade.onnx_model().SerializeToString())
    kept = {name: data for name, data in content.items() if name not in ("vocab.txt", "tokenizer.json")}
    files = tuple(entry for entry in whole.files if entry.path in kept)
    with bundles.staged(tmp_path / "bundle", force=False) as stage:
        bundles.fill(stage, kept, whole.model_copy(update={"files": files}))
    bundle = bundles.read(tmp_path / "bundle")
    (bundle.folder / "vocab.txt").write_bytes(content["vocab.txt"])
    with pytest.raises(InputFileError, match=r"vocab\.txt: is missing"):
        bundle.tokenizer()


@pytest.mark.parametrize("kind", ["missing", "file", "link"])
def test_only_a_folder_is_a_bundle(folder: Path, kind: str) -> None:
    path = folder.parent / kind
    if kind == "file":
        path.write_bytes(b"")
    elif kind == "link":
        path.symlink_to(folder)
    with pytest.raises(InputFileError, match="is not a bundle folder"):
        bundles.read(path)


def test_files_may_lie_in_folders_of_folders(tmp_path: Path) -> None:
    content = {**CONTENT, "a/b/c.txt": b"deep"}
    with bundles.staged(tmp_path / "bundle", force=False) as stage:
        bundles.fill(stage, content, described(files=(*described().files, bundles.entry("a/b/c.txt", b"deep"))))
    assert (tmp_path / "bundle" / "a/b/c.txt").read_bytes() == b"deep"


def test_a_folder_nested_deeper_than_any_bundle_is_refused(folder: Path) -> None:
    deep = folder / ("x" * 200) / ("y" * 60)
    deep.mkdir(parents=True)
    with pytest.raises(IntegrityError, match="nested too deeply"):
        bundles.read(folder)


@pytest.mark.parametrize(
    ("name", "limit"), [("bundle.json", bundles.MAX_MANIFEST_BYTES), ("model.sig", bundles.MAX_SIGNATURE_BYTES)]
)
def test_a_manifest_or_signature_over_its_limit_is_not_read(folder: Path, name: str, limit: int) -> None:
    with (folder / name).open("ab") as file:
        file.truncate(limit + 1)
    with pytest.raises(InputFileError, match=f"{name}: is too large"):
        bundles.read(folder)


def test_a_signature_may_be_as_large_as_its_limit(folder: Path) -> None:
    (folder / "model.sig").write_bytes(bytes(bundles.MAX_SIGNATURE_BYTES))
    bundles.read(folder)


def test_the_published_schema_is_current() -> None:
    published = Path(manifest.__file__).with_name("bundle.schema.json")
    assert published.read_bytes() == manifest.schema()


def test_the_manifest_obeys_the_published_schema(folder: Path) -> None:
    import jsonschema

    schema = read_json(Path(manifest.__file__).with_name("bundle.schema.json"))
    for written in (folder, ROOT / "tests/data/bundle_v1"):
        jsonschema.validate(read_json(written / "bundle.json"), schema)


def damage(folder: Path, kind: str) -> None:
    model, outside = folder / "onnx/model.onnx", folder.parent / "outside"
    outside.write_bytes(MODEL)
    match kind:
        case "missing file":
            model.unlink()
        case "extra file":
            (folder / "extra.txt").write_text("hello")
        case "changed file":
            model.write_bytes(MODEL[::-1])
        case "longer file":
            model.write_bytes(MODEL + b"x")
        case "symlink":
            model.unlink()
            model.symlink_to(outside)
        case "folder symlink":
            (folder / "onnx").rename(folder.parent / "elsewhere")
            (folder / "onnx").symlink_to(folder.parent / "elsewhere")
        case "hard link":
            model.unlink()
            os.link(outside, model)
        case "named pipe":
            model.unlink()
            os.mkfifo(model)


@pytest.mark.parametrize(
    "kind",
    [
        "missing file",
        "extra file",
        "changed file",
        "longer file",
        "symlink",
        "folder symlink",
        "hard link",
        "named pipe",
    ],
)
def test_any_damage_is_an_integrity_error_that_names_the_file(folder: Path, kind: str) -> None:
    damage(folder, kind)
    with pytest.raises(IntegrityError, match=r"(model\.onnx|extra\.txt|onnx): .*; fix: "):
        bundles.read(folder)


def rewritten(change: Callable[[dict[str, object]], object]) -> bytes:
    values = described().model_dump(mode="json")
    change(values)
    return manifest.sealed(values)


def rename_first(path: str) -> Callable[[dict[str, object]], object]:
    return lambda values: values["files"][0].update(path=path)  # type: ignore[index]


def nested(depth: int) -> list[object]:
    return [nested(depth - 1)] if depth else []


REFUSALS: dict[str, tuple[Callable[[dict[str, object]], object], type[SqueezeBertMobileError], str]] = {
    "climbs": (rename_first("../config.json"), InputFileError, "climbs"),
    "climbs inside": (rename_first("onnx/../../config.json"), InputFileError, "climbs"),
    "absolute": (rename_first("/etc/passwd"), InputFileError, "absolute"),
    "backslash": (rename_first("onnx\\model"), InputFileError, "character"),
    "NUL": (rename_first("a\0b"), InputFileError, "character"),
    "drive": (rename_first("c:model"), InputFileError, "character"),
    "reserved": (rename_first("onnx/CON.txt"), InputFileError, "reserved"),
    "trailing dot": (rename_first("config."), InputFileError, "reserved"),
    "not ASCII": (rename_first("caf\u00e9"), InputFileError, "character"),
    "file and folder": (rename_first("vocab.txt/x"), InputFileError, "which are a file and a folder"),
    "case collision": (rename_first("VOCAB.txt"), InputFileError, "differ only in case"),
    "twice": (rename_first("vocab.txt"), InputFileError, "twice"),
    "manifest itself": (rename_first("bundle.json"), InputFileError, "twice"),
    "new schema": (lambda v: v.update(schema_version=3), IntegrityError, "schema_version .found 3, expected 1 to 2"),
    "no version's schema": (lambda v: v.update(schema_version=0), IntegrityError, "unknown schema_version"),
    "later than its schema": (
        lambda v: (v.update(schema_version=1, postprocessing="softmax"), v["tokenizer"].update(truncation_side="left")),  # type: ignore[index]
        IntegrityError,
        "it says what schema_version 1 cannot",
    ),
    "members of a kind alone": (lambda v: v.update(schema_version=1), IntegrityError, "postprocessing.kind: "),
    "a kind alone": (lambda v: v.update(postprocessing="softmax"), IntegrityError, "postprocessing: "),
    "schema of truth": (lambda v: v.update(schema_version=True), IntegrityError, "unknown schema_version"),
    "schema with a point": (lambda v: v.update(schema_version=1.0), IntegrityError, "unknown schema_version"),
    "no schema": (lambda v: v.pop("schema_version"), IntegrityError, "unknown schema_version"),
    "unknown key": (lambda v: v.update(surprise=1), IntegrityError, "surprise"),
    "short digest": (lambda v: v["files"][0].update(sha256="abc"), IntegrityError, r": files\.0\.sha256: "),  # type: ignore[index]
    "negative size": (lambda v: v["files"][0].update(bytes=-1), IntegrityError, "bytes"),  # type: ignore[index]
    "nested too deeply": (lambda v: v.update(labels=nested(300)), InputFileError, "is nested too deeply"),
    "unknown runtime": (lambda v: v["artifacts"][0].update(runtime="tvm"), IntegrityError, "runtime"),  # type: ignore[index]
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_manifest_out_of_order_is_refused(folder: Path, case: str) -> None:
    change, error, words = REFUSALS[case]
    (folder / "bundle.json").write_bytes(rewritten(change))
    with pytest.raises(error, match=words) as caught:
        bundles.read(folder)
    assert "bundle.json" in str(caught.value)
    assert "; fix: " in str(caught.value)


def test_one_changed_letter_in_a_label_is_an_integrity_error(folder: Path) -> None:
    path = folder / "bundle.json"
    path.write_bytes(path.read_bytes().replace(b'"good"', b'"gold"'))
    with pytest.raises(IntegrityError, match=r"bundle\.json: SHA-256 mismatch with its seal"):
        bundles.read(folder)


@pytest.mark.parametrize("seal", ["0" * 64, 7, None, "", "A" * 64])
def test_a_seal_that_is_none_is_refused(folder: Path, seal: object) -> None:
    values = described().model_dump(mode="json") | {"seal": seal}
    (folder / "bundle.json").write_bytes(dump_json(values))
    with pytest.raises(IntegrityError, match="seal"):
        bundles.read(folder)


def test_a_manifest_without_a_seal_is_refused(folder: Path) -> None:
    data = dump_json(described().model_dump(mode="json"))
    (folder / "bundle.json").write_bytes(data)
    with pytest.raises(IntegrityError, match="seal"):
        bundles.read(folder)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff\xfe", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 100_000])
def test_a_manifest_that_is_no_json_object_is_refused(folder: Path, data: bytes) -> None:
    (folder / "bundle.json").write_bytes(data)
    with pytest.raises(InputFileError, match=r"bundle\.json"):
        bundles.read(folder)


@given(data=st.binary(max_size=300))
def test_no_bytes_make_the_manifest_reader_crash(data: bytes) -> None:
    with pytest.raises(SqueezeBertMobileError):
        manifest.parse(data, "bundle.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=4,
)


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to every value inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield (*path, key)
        yield from places(part, (*path, key))


@given(data=st.data())
def test_any_value_in_a_sealed_manifest_is_one_that_fits_or_is_refused(data: st.DataObject) -> None:
    values = described().model_dump(mode="json")
    *way, last = data.draw(st.sampled_from(list(places(values))))
    reduce(getitem, way, values)[last] = data.draw(JSON)  # type: ignore[arg-type, index, call-overload]
    try:
        parsed = manifest.parse(manifest.sealed(values), "bundle.json")
    except SqueezeBertMobileError as error:
        assert str(error).startswith("bundle.json: ")  # noqa: PT017
    else:
        assert manifest.parse(manifest.dump(parsed), "bundle.json") == parsed


@given(path=st.text(max_size=40))
def test_a_portable_path_stays_inside(path: str) -> None:
    try:
        paths.require_portable([path], "bundle.json")
    except InputFileError:
        return
    root = Path("/bundle")
    assert os.path.normpath(root / path).startswith("/bundle/")


def test_a_folder_that_is_no_bundle_is_never_replaced(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    for force in (False, True):
        with pytest.raises(UsageError), bundles.staged(precious, force=force):
            pass
    assert [path.name for path in precious.iterdir()] == ["thesis.txt"]


def test_force_replaces_a_bundle_and_nothing_less(folder: Path) -> None:
    with pytest.raises(UsageError, match="--force"), bundles.staged(folder, force=False):
        pass
    changed = described(labels=("no", "yes"))
    with bundles.staged(folder, force=True) as stage:
        bundles.fill(stage, CONTENT, changed)
    assert bundles.read(folder).manifest.labels == ("no", "yes")


def test_a_failure_while_writing_leaves_the_old_bundle(folder: Path) -> None:
    before = (folder / "bundle.json").read_bytes()

    def write_half() -> None:
        with bundles.staged(folder, force=True) as stage:
            (stage / "half").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert (folder / "bundle.json").read_bytes() == before
    bundles.read(folder)


def test_an_incomplete_stage_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError), bundles.staged(tmp_path / "new", force=False) as stage:
        bundles.fill(stage, {"config.json": b"{}"}, described())
    assert not (tmp_path / "new").exists()


def test_asking_for_an_artifact_that_is_not_there_lists_what_is(folder: Path) -> None:
    bundle = bundles.read(folder)
    assert bundle.artifact("onnx").precision == "fp32"
    with pytest.raises(UsageError, match="found onnx fp32, expected executorch"):
        bundle.artifact("executorch")


@pytest.mark.parametrize(
    ("max_abs", "atol", "allowed"), [(1.0, None, 2.0), (0.0, None, 1e-4), (1.0, 5.0, 5.0), (4.0, 5.0, 8.0)]
)
def test_other_machines_may_differ_by_twice_what_was_found_or_by_the_gate(
    max_abs: float, atol: float | None, allowed: float
) -> None:
    (artifact,) = described().artifacts
    (logits,) = artifact.parity
    parity = logits.model_copy(update={"max_abs": max_abs, "atol": atol})
    assert artifact.model_copy(update={"parity": (parity,)}).allowed_differences() == {"logits": allowed}


def test_artifacts_are_chosen_by_runtime_and_precision() -> None:
    (one,) = described().artifacts
    other = one.model_copy(update={"precision": "int8"})
    bundle = bundles.Bundle(Path("bundle"), described(artifacts=(one, other)))
    assert bundle.artifact() == bundle.artifact("onnx") == bundle.artifact("onnx", "fp32") == one
    assert bundle.artifact("onnx", "int8") == bundle.artifact(precision="int8") == other
    assert bundle.artifacts(("onnx",)) == (one, other)
    with pytest.raises(UsageError, match=r"\(found onnx fp32, onnx int8, expected executorch int8\)"):
        bundle.artifact("executorch", "int8")
    with pytest.raises(UsageError, match=r"\(found none, expected any\)"):
        bundles.Bundle(Path("bundle"), described(artifacts=())).artifact()


def test_artifacts_are_filtered_by_runtime_and_by_precision(folder: Path) -> None:
    one = bundles.read(folder).manifest.artifacts[0]
    kinds = (("onnx", "fp32"), ("onnx", "int8"), ("executorch", "fp32"))
    made = tuple(one.model_copy(update={"runtime": runtime, "precision": precision}) for runtime, precision in kinds)
    bundle = bundles.Bundle(folder, bundles.read(folder).manifest.model_copy(update={"artifacts": made}))
    assert bundle.artifacts() == made
    assert bundle.artifacts(("onnx",)) == made[:2]
    assert bundle.artifacts((), ("fp32",)) == (made[0], made[2])
    assert bundle.artifacts(("executorch", "onnx"), ("int8", "fp16")) == (made[1],)
    with pytest.raises(UsageError, match=r"has no such artifact .found onnx fp32, onnx int8, executorch fp32,"):
        bundle.artifacts(("executorch",), ("int8",))


def test_records_are_frozen(folder: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        bundles.read(folder).folder = Path("elsewhere")  # type: ignore[misc]
