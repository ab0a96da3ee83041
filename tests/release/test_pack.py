"""A pack is a bundle that holds less, with a name, a version, a licence and lists for those who ship it."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import cyclonedx.schema
import jsonschema
import numpy as np
import onnx
import onnxruntime
import pytest
import referencing
import yaml
from command import run
from onnxruntime.tools.ort_format_model.operator_type_usage_processors import GloballyAllowedTypesOpTypeImplFilter
from onnxruntime.tools.reduced_build_config_parser import parse_config

from squeezebert_mobile import load
from squeezebert_mobile.bundle import archive, golden, manifest
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.manifest import Release
from squeezebert_mobile.errors import IntegrityError, UsageError
from squeezebert_mobile.release.options import PackOptions
from squeezebert_mobile.release.pack import Pack, pack
from squeezebert_mobile.run.verify import verify

INT8 = "onnx/model_quantized.onnx"
ALL = ("onnx/model.onnx", INT8)


@pytest.fixture(scope="module")
def slim(tiny_onnx_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """The recommended artifact as a zip."""
    target = tmp_path_factory.mktemp("slim") / "sentiment.zip"
    return pack(PackOptions(tiny_onnx_bundle, target, "sentiment", "1.2.0", license="mit"))


@pytest.fixture(scope="module")
def whole(tiny_onnx_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both artifacts as a folder."""
    target = tmp_path_factory.mktemp("whole") / "pack"
    pack(PackOptions(tiny_onnx_bundle, target, "sentiment", "1.2.0-beta.1", artifacts=ALL))
    return target


def test_a_pack_is_a_bundle_with_one_artifact_whose_proof_is_kept(slim: Pack, tiny_onnx_bundle: Path) -> None:
    whole = bundles.read(tiny_onnx_bundle).manifest
    with archive.opened(Path(slim.path)) as packed:
        (artifact,) = packed.manifest.artifacts
        assert artifact == next(one for one in whole.artifacts if one.path == INT8)
        assert packed.manifest.license == "MIT"
        assert packed.manifest.release == Release(name="sentiment", version="1.2.0")
        assert packed.digest == slim.digest
        for name in ("golden.json", "tokenizer.json", "vocab.txt", "config.json"):
            assert packed.read(name) == (tiny_onnx_bundle / name).read_bytes()
        text = packed.read("README.md").decode()
    assert "license: mit" in text
    assert "Pack `sentiment` 1.2.0." in text
    assert "model.onnx`" not in text
    assert slim.bytes == Path(slim.path).stat().st_size


def test_verify_and_load_take_a_pack(slim: Pack, tiny_onnx_bundle: Path) -> None:
    (check,) = verify(Path(slim.path)).artifacts
    assert check.path == INT8
    with load(slim.path) as packed, load(tiny_onnx_bundle) as bundle:
        assert packed("good films") == bundle("good films")


def test_the_same_bundle_gives_the_same_pack_and_a_pack_can_be_packed_again(slim: Pack, tmp_path: Path) -> None:
    again = pack(PackOptions(Path(slim.path), tmp_path / "again.zip", "sentiment", "1.2.0", license="mit"))
    assert again.digest == slim.digest
    assert Path(again.path).read_bytes() == Path(slim.path).read_bytes()


def test_the_bill_of_materials_obeys_the_schema_and_names_every_byte(whole: Path) -> None:
    made = json.loads((whole / "mlbom.cdx.json").read_bytes())
    folder = Path(cyclonedx.schema.__file__).parent / "_res"
    schemas = [json.loads(path.read_bytes()) for path in folder.glob("*.json")]
    resources = [(schema["$id"], referencing.Resource.from_contents(schema)) for schema in schemas if "$id" in schema]
    (schema,) = (schema for schema in schemas if schema.get("$id", "").endswith("bom-1.6.schema.json"))
    registry: referencing.Registry = referencing.Registry().with_resources(resources)
    validator = jsonschema.Draft7Validator(schema, registry=registry)
    validator.validate(made)
    made["components"][0]["type"] = "film"
    assert not validator.is_valid(made)
    hashes = {part["name"]: part["hashes"][0]["content"] for part in made["components"]}
    listed = {entry.path: entry.sha256 for entry in bundles.read(whole).manifest.every_file()}
    assert listed.items() - hashes.items() == {("mlbom.cdx.json", listed["mlbom.cdx.json"])}
    assert hashes.items() <= listed.items()
    model = made["metadata"]["component"]
    assert (model["name"], model["version"]) == ("sentiment", "1.2.0-beta.1")
    assert model["modelCard"]["modelParameters"]["task"] == "text-classification"
    assert {metric["slice"] for metric in model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]} == {*ALL}


def optimized(model: Path, target: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from nodes(attribute.g)


@pytest.mark.parametrize("name", ALL)
def test_the_operators_cover_every_node_of_the_graphs_as_onnx_runtime_optimizes_them(
    name: str, whole: Path, tmp_path: Path
) -> None:
    required, types = parse_config(str(whole / "runtime/required_operators.config"), True)
    assert types is not None and not isinstance(types, GloballyAllowedTypesOpTypeImplFilter)
    listed = {(domain, op) for domain, versions in required.items() for ops in versions.values() for op in ops}
    optimized(whole / name, tmp_path / "optimized.onnx")
    used = {(node.domain or "ai.onnx", node.op_type) for node in nodes(onnx.load(tmp_path / "optimized.onnx").graph)}
    assert len(used) > 20
    assert used <= listed


def test_the_operators_name_no_folder_of_this_machine(whole: Path) -> None:
    lines = (whole / "runtime/required_operators.config").read_text().splitlines()
    assert all(re.match(r"(ai\.onnx|com\.microsoft);\d+;\w", line) for line in lines)


@pytest.mark.parametrize("name", ALL)
def test_a_session_with_the_ort_form_answers_bit_by_bit_alike(name: str, whole: Path, tmp_path: Path) -> None:
    optimized(whole / name, tmp_path / "model.ort")
    assert (tmp_path / "model.ort").read_bytes()[4:8] == b"ORTM"
    bundle = bundles.read(whole)
    sessions = [onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
                for path in (whole / name, tmp_path / "model.ort")]  # fmt: skip
    for case in golden.of_bundle(bundle.read("golden.json"), "golden.json", bundle.manifest):
        feeds = case.batch(bundle.manifest.task.rank).arrays()
        ours, theirs = (session.run(None, feeds) for session in sessions)
        for left, right in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(left, right)


def test_the_operators_of_a_pte_are_those_of_executorch_for_it(tiny_bundle: Path, tmp_path: Path) -> None:
    name = "executorch/model_xnnpack_fp32.pte"
    made = pack(PackOptions(tiny_bundle, tmp_path / "pack", "sentiment", "1.0.0", artifacts=(name,)))
    with archive.opened(Path(made.path)) as packed:
        listed = yaml.safe_load(packed.read("runtime/model_xnnpack_fp32.yaml"))
        assert str(tmp_path).encode() not in packed.read("runtime/model_xnnpack_fp32.yaml")
    called = set(re.findall(rb"(?:aten|dim_order_ops)::\w+", (tiny_bundle / name).read_bytes()))
    assert called
    assert {operator.partition(".")[0].encode() for operator in listed["operators"]} >= called


@pytest.mark.parametrize(
    ("kind", "inner", "beside"),
    [
        ("android-ai-pack", "src/main/assets/sentiment", "build.gradle"),
        ("background-assets", "sentiment", "sentiment.json"),
    ],
)
def test_a_platforms_folder_holds_the_bundle_where_its_tool_looks(
    kind: str, inner: str, beside: str, tiny_onnx_bundle: Path, tmp_path: Path
) -> None:
    target = tmp_path / "sentiment"
    options = ("--name", "sentiment", "--version", "1.0.0", "--format", kind)
    done = run("pack", tiny_onnx_bundle, "-o", target, *options, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bundle"] == str(target / inner)
    bundles.read(target / inner)
    assert sorted(path.name for path in target.iterdir()) == sorted([inner.split("/", maxsplit=1)[0], beside])
    text = (target / beside).read_text()
    if kind == "android-ai-pack":
        assert "id 'com.android.ai-pack'" in text and 'packName = "sentiment"' in text
    else:
        facts = json.loads(text)
        assert facts["assetPackID"] == "sentiment" and facts["fileSelectors"] == [{"directory": "sentiment"}]
    assert run("pack", tiny_onnx_bundle, "-o", target, *options).returncode == 2
    (target / inner / "bundle.json").unlink()
    assert run("pack", tiny_onnx_bundle, "-o", target, *options, "--force").returncode == 2


@pytest.mark.parametrize(("change", "words"), [
    ({"name": "my-pack"}, "--name: is no name of a pack"), ({"name": "1a"}, "--name"),
    ({"version": "1.0"}, "--version"), ({"version": "01.0.0"}, "--version"),
    ({"version": "1.0.0+5"}, "--version"), ({"version": "1.0.0-"}, "--version"),
    ({"license": "ours"}, "--license"), ({"artifacts": ("onnx/x.onnx",)}, "--artifact: is not in the bundle"),
    ({"format": "background-assets"}, "is a zip, but background-assets is a folder"),
    ({"format": "android-ai-pack", "output_dir": Path("other")}, "expected sentiment"),
])  # fmt: skip
def test_what_no_pack_can_have_is_refused(
    change: dict[str, object], words: str, tiny_onnx_bundle: Path, tmp_path: Path
) -> None:
    values = {"output_dir": tmp_path / "a.zip", "name": "sentiment", "version": "1.0.0"} | change
    with pytest.raises(UsageError, match=re.escape(words)):
        pack(PackOptions(tiny_onnx_bundle, **values))  # type: ignore[arg-type]
    assert not [*tmp_path.iterdir()]


def test_a_damaged_bundle_is_not_packed(tiny_onnx_bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_onnx_bundle, tmp_path / "copy"))
    (copy / "vocab.txt").write_bytes(b"x")
    with pytest.raises(IntegrityError, match=r"vocab\.txt"):
        pack(PackOptions(copy, tmp_path / "pack", "sentiment", "1.0.0"))
    assert not (tmp_path / "pack").exists()


def test_schema_1_has_no_release(slim: Pack) -> None:
    with archive.opened(Path(slim.path)) as packed:
        values = packed.manifest.model_dump(mode="json")
    old = manifest.sealed(values | {"schema_version": 1, "postprocessing": "softmax"})
    with pytest.raises(IntegrityError, match="it says what schema_version 1 cannot"):
        manifest.parse(old, "bundle.json")
